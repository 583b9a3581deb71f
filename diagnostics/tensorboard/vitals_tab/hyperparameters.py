"""The axes of a sweep, as the runs' records for the HParams tab have them, or their configs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from gradvitals.diagnostics.measurements import Context

Value: TypeAlias = str | bool | float
Values: TypeAlias = Mapping[str, Value]
Domains: TypeAlias = Mapping[str, Sequence[Value]]

EXPERIMENT, START, END = "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"
NOT_AXES = frozenset({"name"})
"""Keys of a config that say nothing of the training."""


def read_values(tags: Mapping[str, Any]) -> Values:
    """Read a run's own values; empty for none."""
    data = _content(tags, START)
    return {} if data is None else {key: _value(value) for key, value in data.session_start_info.hparams.items()}


def read_domains(tags: Mapping[str, Any]) -> Domains:
    """Read all values of every axis of the run's sweep, also those whose runs have not begun; empty for none."""
    data = _content(tags, EXPERIMENT)
    infos = [] if data is None else data.experiment.hparam_infos
    return {info.name: [_value(value) for value in info.domain_discrete.values] for info in infos}


def read_end(tags: Mapping[str, Any]) -> str:
    """Read how the run ended; empty where it has not, or nobody knows."""
    data = _content(tags, END)
    ends = {api_pb2.STATUS_SUCCESS: "completed", api_pb2.STATUS_FAILURE: "failed"}
    return "" if data is None else ends.get(data.session_end_info.status, "")


def config_values(contexts: Mapping[str, Context | None]) -> dict[str, dict[str, Value]]:
    """Give by run the config keys in which runs differ, with their values as text where these are no numbers."""
    configs = {name: dict(context.config) for name, context in contexts.items() if context and context.config}
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in NOT_AXES)
    values = {name: {key: _plain(config.get(key)) for key in keys} for name, config in configs.items()}
    differing = [key for key in keys if len({_identity(of_run[key]) for of_run in values.values()}) > 1]
    return {name: {key: of_run[key] for key in differing} for name, of_run in values.items()}


def axis_labels(values: Sequence[Value]) -> list[str]:
    """Label an axis: numbers with as few digits as tell them apart.

    >>> axis_labels([0.0001, 0.000517947, 10.0]), axis_labels([64.0, 1024.0]), axis_labels(["zeros", True])
    (['0.0001', '0.00052', '10'], ['64', '1024'], ['zeros', 'true'])
    """
    for digits in range(2, 18):
        labels = [_label(value, digits) for value in values]
        if len(set(labels)) == len(values):
            break
    return labels if values else []


def _label(value: Value, digits: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value == round(value, 0) and abs(value) < 1e6 else f"{value:.{digits}g}"


def _content(tags: Mapping[str, Any], tag: str) -> Any:  # noqa: ANN401 - a protocol buffer
    if tag not in tags:
        return None
    try:
        return plugin_data_pb2.HParamsPluginData.FromString(tags[tag].plugin_content)
    except (DecodeError, TypeError):
        return None


def _value(value: Any) -> Value:  # noqa: ANN401 - a protocol buffer
    kind = value.WhichOneof("kind")
    found: Value = getattr(value, kind) if kind in {"string_value", "bool_value", "number_value"} else "none"
    return found


def _plain(value: Any) -> Value:  # noqa: ANN401 - any plain data
    return value if isinstance(value, str | bool | int | float) else "none" if value is None else str(value)


def _identity(value: Value) -> tuple[bool, Value]:
    return isinstance(value, bool), value  # True equals 1
