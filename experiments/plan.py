"""The runs of a sweep: every combination of the axes' values, each with a name of its own."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pydantic import JsonValue, ValidationError

from gradvitals.experiments.config.dump import as_plain, config_hash
from gradvitals.experiments.config.explain import explain
from gradvitals.experiments.config.override import set_key
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.config.sweep import MAX_RUNS, axis_values
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.show import show

MAX_STEM = 80
MAX_SENTENCES = 10


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a plan.

    Attributes:
        config: Its resolved config, without a sweep.
        axes: What distinguishes it: value by dotted key, in the order of the sweep; empty without one.
        name: Its folder's name.
    """

    config: Config
    axes: Mapping[str, JsonValue]
    name: str


def expand(config: Config, *, origin: str = "config") -> tuple[PlannedRun, ...]:
    """Return all combinations of a sweep's values; the last axis varies fastest. Without a sweep, the one run.

    Args:
        config: A config, with or without a sweep.
        origin: Its file, for errors.

    Raises:
        UserError: If a combination is no valid config, there are too many, or two are the same.
    """
    axes = {key: axis_values(axis) for key, axis in config.sweep.items()}
    count = math.prod(len(values) for values in axes.values())
    if count > MAX_RUNS:
        sizes = " × ".join(str(len(values)) for values in axes.values())
        sentence = f"{origin}: sweep: {sizes} = {count:,} runs; at most {MAX_RUNS:,} are supported"
        raise UserError(sentence)
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    configs = _resolve(config, points, origin)
    _refuse_twins(configs, points, origin)
    return tuple(
        PlannedRun(one, point, name) for one, point, name in zip(configs, points, _names(configs, points), strict=True)
    )


def _resolve(config: Config, points: Sequence[Mapping[str, JsonValue]], origin: str) -> list[Config]:
    """Return the config at each point of the grid."""
    base = as_plain(config)
    base.pop("sweep", None)
    configs: list[Config] = []
    sentences: dict[str, str] = {}  # one for each place, though many points may share it
    for point in points:
        raw = base
        for key, value in point.items():
            raw = set_key(raw, key, value)
        try:
            configs.append(Config.model_validate(raw))
        except ValidationError as error:
            for problem in explain(error, raw, Config):
                sentences.setdefault(_place(problem.key, point), problem.text)
    if sentences:
        raise UserError(*(f"{origin}: {place}: {text}" for place, text in list(sentences.items())[:MAX_SENTENCES]))
    return configs


def _place(key: str, point: Mapping[str, JsonValue]) -> str:
    """Return where a problem comes from: the axis that has the key, or else the values of all axes."""
    for axis, value in point.items():
        if key == axis:
            wants_list = axis == "model.hidden" and not isinstance(value, list)
            return f'sweep."{axis}"' + (" (the outer list is the axis, so a list of lists)" if wants_list else "")
        if key.startswith((f"{axis}.", f"{axis}[")):
            return f'sweep."{axis}": {key.removeprefix(axis).lstrip(".")} of {show(value)}'
    return f"sweep: {key} with {', '.join(f'{axis} = {show(value)}' for axis, value in point.items())}"


def _refuse_twins(configs: Sequence[Config], points: Sequence[Mapping[str, JsonValue]], origin: str) -> None:
    """Refuse two points that are the same run."""
    seen: dict[str, Mapping[str, JsonValue]] = {}
    for config, point in zip(configs, points, strict=True):
        earlier = seen.setdefault(config_hash(config, 64), point)
        if earlier is not point:
            one, other = (
                ", ".join(f"{key} = {show(value)}" for key, value in twin.items()) for twin in (earlier, point)
            )
            again = f", also as {other}" if one != other else ""
            sentence = f"{origin}: sweep: {one} is there twice{again}; list each value once"
            raise UserError(sentence)


def _names(configs: Sequence[Config], points: Sequence[Mapping[str, JsonValue]]) -> list[str]:
    """Return a name for each run: its axes and seed, then six digits of its config's hash.

    Where two names would agree, the digits are twelve.
    """
    stems = [_stem(config, point) for config, point in zip(configs, points, strict=True)]
    short = [f"{stem}-{config_hash(config)}" for stem, config in zip(stems, configs, strict=True)]
    counts = Counter(short)
    return [
        name if counts[name] == 1 else f"{stem}-{config_hash(config, 12)}"
        for name, stem, config in zip(short, stems, configs, strict=True)
    ]


def _stem(config: Config, point: Mapping[str, JsonValue]) -> str:
    values = dict(point)
    values.setdefault("seed", config.seed)
    text = ",".join(f"{key}={label(values[long])}" for long, key in _short_keys(list(values)).items())
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._=,+-") else "_" for letter in text)[
        :MAX_STEM
    ]


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the last component of each key, and as many before it as tell the keys apart."""
    short: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        others = [other for other in keys if other != key]
        short[key] = (
            next(ending for ending in endings if not any(f".{other}".endswith(f".{ending}") for other in others))
            if len(parts) > 1
            else key
        )
    return short


def label(value: JsonValue) -> str:
    """Return a value as part of a name: numbers with four digits, lists by their values, tables by keys and values.

    A table with a kind goes without its keys, which are the same for all of the kind.
    """
    match value:
        case bool():
            return str(value).lower()
        case float() | int():
            return f"{value:.4g}" if isinstance(value, float) else str(value)
        case list():
            return "+".join(label(item) for item in value) or "none"
        case dict() if "kind" in value:
            return "_".join(label(item) for item in value.values())
        case dict():
            return "_".join(f"{key}_{label(item)}" for key, item in value.items()) or "none"
        case _:
            return str(value)
