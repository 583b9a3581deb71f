"""Builders: TensorBoard's own code reads what they build."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard import data_compat
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.util import tensor_util

from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.tensorboard import hparams
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.strict_json import Json, decode_json, encode_json
from gradvitals.diagnostics.tensorboard.summaries import histogram, image_png, json_tensor, text

PNG = b"\x89PNG\r\n\x1a\n rest of the picture"


def loaded(folder: Path, *values: Any) -> EventAccumulator:
    with EventFile(folder) as sink:
        sink.summary(5, *values)
    oracle = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    oracle.Reload()
    return oracle


def drawn(value: Any) -> list[list[float]]:
    """Return [left, right, count] of each bucket as TensorBoard draws them."""
    return tensor_util.make_ndarray(data_compat.migrate_value(value).tensor).tolist()  # type: ignore[no-any-return]


def test_text_is_one_string_without_dimensions_of_the_text_plugin(tmp_path: Path) -> None:
    oracle = loaded(tmp_path, text("findings", "**dead** units: größer"))
    (point,) = oracle.Tensors("findings")
    content = tensor_util.make_ndarray(point.tensor_proto)
    assert (point.step, content.shape, content.item().decode()) == (5, (), "**dead** units: größer")
    assert oracle.SummaryMetadata("findings").plugin_data.plugin_name == "text"
    assert read_run(tmp_path).texts == {"findings": [(5, "**dead** units: größer".encode())]}


def test_json_is_strict_and_comes_back_equal(tmp_path: Path) -> None:
    value: Json = {"value": math.inf, "low": [-math.inf, 1.5, None, True], "units": [3, 4], "layer": "hidden_1"}
    oracle = loaded(tmp_path, json_tensor("gradvitals/findings", value))
    found = oracle.SummaryMetadata("gradvitals/findings")
    assert found.plugin_data.plugin_name == "gradvitals"
    assert json.loads(found.plugin_data.content) == {"v": 1}
    assert found.data_class == 2  # tensor
    ((step, content),) = read_run(tmp_path).tensors["gradvitals/findings"]
    assert step == 5
    assert decode_json(content) == value


def test_json_has_words_for_floats_that_are_not_finite() -> None:
    encoded = encode_json([math.nan, math.inf, -math.inf, {"a": (math.nan,)}])
    assert encoded == b'["NaN","Infinity","-Infinity",{"a":["NaN"]}]'
    decoded = decode_json(encoded)
    assert isinstance(decoded, list)
    assert math.isnan(decoded[0])  # type: ignore[arg-type]
    assert decoded[1:3] == [math.inf, -math.inf]


def test_json_refuses_live_arrays() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        encode_json({"activations": np.zeros(3)})  # type: ignore[dict-item]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("size", [10, 40_000])
def test_a_histogram_counts_as_numpy_does(tmp_path: Path, dtype: type[np.generic], size: int) -> None:
    array = (100 * np.random.default_rng(1).normal(size=(size // 5, 5))).astype(dtype)
    value = histogram("weights/hidden_1", reduce_histogram(array, bins=12))
    counts, edges = np.histogram(array.astype(np.float64), bins=12)
    moved = np.abs(np.array(value.histo.bucket) - counts).sum()
    assert moved <= 2  # a value on an edge, which rounding may put on either side
    np.testing.assert_allclose(value.histo.bucket_limit, edges[1:], rtol=1e-12, atol=1e-12)
    assert value.histo.bucket_limit[-1] == value.histo.max == array.max()
    assert value.histo.num == array.size == sum(value.histo.bucket)
    np.testing.assert_allclose(value.histo.sum, array.astype(np.float64).sum())
    np.testing.assert_allclose(value.histo.sum_squares, (array.astype(np.float64) ** 2).sum())
    (point,) = loaded(tmp_path, value).Histograms("weights/hidden_1")
    assert point.histogram_value.bucket == list(value.histo.bucket)


def test_a_histogram_leaves_out_what_is_not_finite() -> None:
    value = histogram("gradients", reduce_histogram([math.nan, -math.inf, 1.0, 2.0, 3.0, math.inf], bins=2))
    assert drawn(value) == [[1.0, 2.0, 1.0], [2.0, 3.0, 2.0]]
    assert value.histo.num == 3


@pytest.mark.parametrize(
    ("array", "buckets"),
    [
        ([], []),
        ([math.nan, math.inf], []),
        (np.zeros((4, 3)), [[0.0, 0.0, 12.0]]),
        (0.5, [[0.5, 0.5, 1.0]]),
        ([0.0, 5e-324], [[0.0, 0.0, 2.0]]),
        ([1.0, 1.0 + 2.0**-52], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
        ([True, False, True], [[0.0, 0.5, 1.0], [0.5, 1.0, 2.0]]),
    ],
    ids=[
        "empty",
        "nothing finite",
        "constant",
        "one number",
        "range that underflows",
        "neighbouring numbers",
        "booleans",
    ],
)
def test_a_histogram_of_a_special_array(array: Any, buckets: list[list[float]]) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert drawn(histogram("h", reduce_histogram(array, bins=2))) == buckets


def test_a_histogram_of_huge_values_can_be_drawn_in_float32() -> None:
    buckets = drawn(histogram("h", reduce_histogram([-1e300, 0.0, 1e300], bins=2)))
    assert np.isfinite(buckets).all()
    assert [count for *_, count in buckets] == [1.0, 2.0]


def test_a_picture_keeps_its_bytes_and_size_and_what_is_said_of_it(tmp_path: Path) -> None:
    log = loaded(tmp_path, image_png("map", PNG, 640, 480, "*What* it shows."))
    (picture,) = log.Tensors("map")
    assert list(picture.tensor_proto.string_val) == [b"640", b"480", PNG]
    assert log.SummaryMetadata("map").summary_description == "*What* it shows."


def test_bytes_that_are_no_png_are_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        image_png("map", b"GIF89a", 1, 1)


def test_hparams_are_read_by_tensorboards_own_parsers() -> None:
    experiment = hparams.experiment(
        {"learning_rate": [0.1, 1], "init": ["zeros", "he_normal"], "nesterov": [True, False]},
        [hparams.Metric("epoch_loss", "validation", "loss"), hparams.Metric("verdict/errors")],
    )
    start = hparams.session_start(
        {"learning_rate": 0.1, "init": "zeros", "nesterov": True}, group_name="seeds", start_time=10.0
    )
    end = hparams.session_end("failure", end_time=20.0)
    tags = [metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG]
    assert [value.tag for value in (experiment, start, end)] == tags
    assert {value.metadata.plugin_data.plugin_name for value in (experiment, start, end)} == {metadata.PLUGIN_NAME}
    assert experiment.tensor == metadata.NULL_TENSOR

    parsed = metadata.parse_experiment_plugin_data(experiment.metadata.plugin_data.content)
    types = {info.name: (info.type, list(info.domain_discrete)) for info in parsed.hparam_infos}
    assert types == {
        "learning_rate": (api_pb2.DATA_TYPE_FLOAT64, [0.1, 1.0]),
        "init": (api_pb2.DATA_TYPE_STRING, ["zeros", "he_normal"]),
        "nesterov": (api_pb2.DATA_TYPE_BOOL, [True, False]),
    }
    columns = [(info.name.group, info.name.tag, info.display_name, info.dataset_type) for info in parsed.metric_infos]
    assert columns == [("validation", "epoch_loss", "loss", 2), ("", "verdict/errors", "", 0)]

    session = metadata.parse_session_start_info_plugin_data(start.metadata.plugin_data.content)
    assert (session.group_name, session.start_time_secs) == ("seeds", 10.0)
    assert session.hparams["learning_rate"].number_value == 0.1
    assert session.hparams["init"].string_value == "zeros"
    assert session.hparams["nesterov"].WhichOneof("kind") == "bool_value"
    ended = metadata.parse_session_end_info_plugin_data(end.metadata.plugin_data.content)
    assert (ended.status, ended.end_time_secs) == (api_pb2.STATUS_FAILURE, 20.0)


def test_the_experiment_is_the_same_bytes_in_every_run() -> None:
    first, second = (hparams.experiment({"seed": [0, 1]}, [hparams.Metric("loss")]) for _ in range(2))
    assert first.SerializeToString() == second.SerializeToString()


@pytest.mark.parametrize(
    ("value", "error"),
    [(np.int64(1), TypeError), (None, TypeError), ([1, 2], TypeError), (math.nan, ValueError), (math.inf, ValueError)],
    ids=repr,
)
def test_a_hyperparameter_that_the_table_would_not_show_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="hyperparameter 'width'"):
        hparams.session_start({"width": value})


@pytest.mark.parametrize("values", [[], [1, "a"], [True, 1.0]], ids=repr)
def test_an_axis_of_no_or_several_types_is_refused(values: list[Any]) -> None:
    with pytest.raises(TypeError, match="axis 'width'"):
        hparams.experiment({"width": values}, [])
