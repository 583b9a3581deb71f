"""The two kinds of tensors that a log's judges read: single numbers and single strings."""

from struct import Struct

from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT, DT_STRING

_FLOAT, _DOUBLE = Struct("<f"), Struct("<d")


def read_number(tensor: TensorProto) -> float | None:
    """Return the value of a float or double tensor without dimensions, None for any other or a malformed one."""
    if tensor.tensor_shape.dim or tensor.dtype not in (DT_FLOAT, DT_DOUBLE):
        return None
    layout, values = (_FLOAT, tensor.float_val) if tensor.dtype == DT_FLOAT else (_DOUBLE, tensor.double_val)
    if len(tensor.tensor_content) == layout.size:
        return float(layout.unpack(tensor.tensor_content)[0])
    return float(values[0]) if len(values) == 1 else None


def read_string(tensor: TensorProto) -> bytes | None:
    """Return the content of a string tensor with exactly one element, of any rank, None for any other."""
    if (
        tensor.dtype != DT_STRING
        or len(tensor.string_val) != 1
        or any(dim.size != 1 for dim in tensor.tensor_shape.dim)
    ):
        return None
    content: bytes = tensor.string_val[0]
    return content
