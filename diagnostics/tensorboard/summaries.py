"""Builders of what an event can carry besides scalars: text, JSON, histograms and pictures."""

from tensorboard.compat.proto.histogram_pb2 import HistogramProto
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.image.plugin_data_pb2 import ImagePluginData

from gradvitals.diagnostics.histogram import Histogram
from gradvitals.diagnostics.tensorboard.strict_json import Json, encode_json

PLUGIN_NAME = "gradvitals"
JSON_VERSION = b'{"v": 1}'
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def text(tag: str, markdown: str) -> Summary.Value:
    """Build a text that TensorBoard renders as markdown.

    The tensor has no dimensions: TensorBoard would show one of shape `(1,)` inside a table.
    """
    return _string_tensor(tag, markdown.encode(errors="replace"), SummaryMetadata.PluginData(plugin_name="text"))


def json_tensor(tag: str, value: Json) -> Summary.Value:
    """Build a value of our own series, for our tab and for `check`; `strict_json.decode_json` reads it back.

    Raises:
        TypeError: If `value` holds anything that is not JSON.
    """
    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=JSON_VERSION)
    return _string_tensor(tag, encode_json(value), plugin)


def histogram(tag: str, reduced: Histogram) -> Summary.Value:
    """Build a histogram series' point from a reduced histogram."""
    return Summary.Value(
        tag=tag,
        histo=HistogramProto(
            min=reduced.smallest,
            max=reduced.largest,
            num=reduced.count,
            sum=reduced.total,
            sum_squares=reduced.total_squares,
            bucket_limit=reduced.limits,
            bucket=reduced.counts,
        )
        if reduced.count
        else HistogramProto(),
    )


def image_png(tag: str, png: bytes, width: int, height: int, about: str = "") -> Summary.Value:
    """Build a picture from a finished PNG file of `width` × `height` pixels; `about` says in Markdown what it shows.

    It is a blob sequence, as TensorBoard keeps pictures itself: of the older form its fast loader drops what is said.

    Raises:
        ValueError: If the bytes are not a PNG file.
    """
    if not png.startswith(PNG_SIGNATURE):
        msg = f"image {tag!r}: not a PNG file, it starts with {png[:8]!r}"
        raise ValueError(msg)
    content = ImagePluginData(converted_to_tensor=True).SerializeToString()
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name="images", content=content),
        summary_description=about,
        data_class=DATA_CLASS_BLOB_SEQUENCE,
    )
    parts = [str(width).encode(), str(height).encode(), png]
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(parts))])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=parts)
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def _string_tensor(tag: str, content: bytes, plugin: SummaryMetadata.PluginData) -> Summary.Value:
    metadata = SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_TENSOR)
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[content])
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
