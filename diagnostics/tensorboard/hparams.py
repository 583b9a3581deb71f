"""Builders for TensorBoard's HParams tab: the sweep's axes and outcomes, and each run's values, start and end.

All three go into the run's own folder. Metrics may live in folders inside it, such as `train/` and `validation/`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, TypeAlias

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

Hparam: TypeAlias = str | bool | float
Group: TypeAlias = Literal["", "train", "validation"]
Status: TypeAlias = Literal["success", "failure", "unknown"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One outcome column of the table: the last value of a scalar.

    Attributes:
        tag: The scalar's tag.
        group: The folder inside the run's that holds it; empty for the run's own.
        title: The column's heading; empty for the tag.
    """

    tag: str
    group: Group = ""
    title: str = ""


def experiment(axes: Mapping[str, Sequence[Hparam]], metrics: Iterable[Metric]) -> Summary.Value:
    """Describe the whole sweep; write the identical value into each of its runs.

    Without it TensorBoard makes a column of every scalar; of several that differ it shows an arbitrary one. So nothing
    here depends on the run or on the clock.

    Args:
        axes: Name of each swept setting → the values it takes, all strings, all booleans or all numbers.
        metrics: The outcome columns.

    Raises:
        TypeError: If a value is not of one of these types, or an axis mixes them.
        ValueError: If a number is not finite.
    """
    description = api_pb2.Experiment(
        hparam_infos=[_axis(name, values) for name, values in axes.items()],
        metric_infos=[_metric(metric) for metric in metrics],
    )
    return _value("experiment", plugin_data_pb2.HParamsPluginData(experiment=description))


def session_start(
    hparams: Mapping[str, Hparam], *, group_name: str = "", start_time: float | None = None
) -> Summary.Value:
    """Say with which values this run was started.

    Args:
        hparams: Name of each swept setting → this run's value.
        group_name: Runs of one name, such as the seeds of one setting, share a row that shows their mean.
        start_time: Seconds since 1970; now, if not given.

    Raises:
        TypeError: If a value is no string, boolean or number.
        ValueError: If a number is not finite.
    """
    session = plugin_data_pb2.SessionStartInfo(
        group_name=group_name,
        start_time_secs=time.time() if start_time is None else start_time,
    )
    for name, value in hparams.items():
        setattr(session.hparams[name], _field(name, value), value)
    return _value("session_start_info", plugin_data_pb2.HParamsPluginData(session_start_info=session))


def session_end(status: Status, *, end_time: float | None = None) -> Summary.Value:
    """Say how this run ended, and when: `end_time` in seconds since 1970, now if not given."""
    session = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.Status.Value(f"STATUS_{status.upper()}"),
        end_time_secs=time.time() if end_time is None else end_time,
    )
    return _value("session_end_info", plugin_data_pb2.HParamsPluginData(session_end_info=session))


def _axis(name: str, values: Sequence[Hparam]) -> api_pb2.HParamInfo:
    fields = {_field(name, value) for value in values}
    if len(fields) != 1:
        msg = f"axis {name!r} needs values, all strings, all booleans or all numbers, got {list(values)!r}"
        raise TypeError(msg)
    types = {
        "string_value": api_pb2.DATA_TYPE_STRING,
        "bool_value": api_pb2.DATA_TYPE_BOOL,
        "number_value": api_pb2.DATA_TYPE_FLOAT64,
    }
    info = api_pb2.HParamInfo(name=name, type=types[fields.pop()])
    info.domain_discrete.extend(values)
    return info


def _metric(metric: Metric) -> api_pb2.MetricInfo:
    data_sets = {
        "": api_pb2.DATASET_UNKNOWN,
        "train": api_pb2.DATASET_TRAINING,
        "validation": api_pb2.DATASET_VALIDATION,
    }
    return api_pb2.MetricInfo(
        name=api_pb2.MetricName(group=metric.group, tag=metric.tag),
        display_name=metric.title,
        dataset_type=data_sets[metric.group],
    )


def _field(name: str, value: Hparam) -> str:
    """Name the field of a protocol buffer `Value` that keeps the value's type; others leave the table's cell empty."""
    match value:
        case bool():  # before numbers, of which Python's booleans are a kind
            return "bool_value"
        case int() | float() if isfinite(value):
            return "number_value"
        case int() | float():
            msg = (
                f"hyperparameter {name!r} is {value}, which TensorBoard cannot send to the browser; give it as a string"
            )
            raise ValueError(msg)
        case str():
            return "string_value"
        case _:
            msg = f"hyperparameter {name!r} is a {type(value).__name__}; TensorBoard shows str, bool, int and float"
            raise TypeError(msg)


def _value(name: str, content: plugin_data_pb2.HParamsPluginData) -> Summary.Value:
    """Wrap the content as the tab expects it: in the metadata of an empty tensor."""
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    empty = TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    return Summary.Value(
        tag=f"_hparams_/{name}",
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=TensorProto(dtype=DT_FLOAT, tensor_shape=empty),
    )
