"""A run as a report tells it: what two checks are compared by, whether just made or read back from JSON."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.margin import WORSE
from gradvitals.diagnostics.roots import ALONG_THE_WAY
from gradvitals.diagnostics.tensorboard.strict_json import decode_json
from gradvitals.experiments.config.check import LIMITS
from gradvitals.experiments.errors import UserError

VERSION = 1
HOW = "gradvitals check … --format json --output FILE"

SCORES = ("training loss", "training accuracy", "validation loss", "validation accuracy")

Badness: TypeAlias = tuple[int, float]
"""How bad a diagnosis is in a run: severity, then the value in the direction of worse; (0, 0.0) where it is silent."""

SILENT: Badness = (0, 0.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding that stands, as a report keeps it.

    Attributes:
        id: The diagnosis, or the limit.
        layer: Where; None for the whole run.
        severity: As it stands.
        value: What was measured.
        threshold: What it was held against.
        root: Whether no other finding explains it.
    """

    id: str
    layer: str | None
    severity: Severity
    value: float
    threshold: float
    root: bool


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a report says of one run with one seed.

    Attributes:
        name: Of the run.
        config: Hash of its config without the seed; None for runs without one.
        seed: Of the run; None where nobody knows.
        verdict: In a word.
        scores: Last losses and accuracies that are known, by `SCORES`.
        findings: What stands, by subject.
        unjudged: The diagnoses that say nothing, with their reasons.
        settings: Its config's data, model and training by dotted keys; None for runs without a config.
    """

    name: str
    config: str | None
    seed: int | None
    verdict: str
    scores: Mapping[str, float]
    findings: Mapping[str, Seen]
    unjudged: Mapping[str, str]
    settings: Mapping[str, Any] | None = None


def subject(id_: str, layer: str | None) -> str:
    """Name what two runs have in common: `id@layer`, or the id alone where the layer is but the worst one of the run.

    >>> subject("dead_units", "hidden_1"), subject("max_dead", "hidden_1")
    ('dead_units@hidden_1', 'max_dead')
    """
    return id_ if layer is None or id_ in LIMITS or id_ in ALONG_THE_WAY else f"{id_}@{layer}"


def subject_id(what: str) -> str:
    """Give the diagnosis or limit of a subject."""
    return what.partition("@")[0]


def by_config(runs: Iterable[RunReport]) -> dict[str, list[RunReport]]:
    """Group runs that differ in the seed alone; of runs with the same seed the last one counts.

    Runs without a config are their name's.
    """
    groups: dict[str, dict[int | None, RunReport]] = {}
    for run in runs:
        groups.setdefault(run.config or f"run {run.name}", {})[run.seed] = run
    return {key: list(seeds.values()) for key, seeds in groups.items()}


def badness(runs: Sequence[RunReport], what: str, *, lower_is_worse: bool) -> dict[int | None, Badness]:
    """Give by seed how bad a subject is in runs of one config; where it is silent, it is `SILENT`."""
    found: dict[int | None, Badness] = {}
    for run in runs:
        seen = run.findings.get(what)
        if seen is None:
            found[run.seed] = SILENT
        else:
            value = -seen.value if lower_is_worse else seen.value
            found[run.seed] = (int(seen.severity), math.inf if math.isnan(value) else value)
    return found


def is_lower_worse(seen: Iterable[Seen]) -> bool:
    """Tell in which direction findings of one subject get worse: the rule's own, or away from the threshold."""
    found = list(seen)
    said = {WORSE.get(each.id) for each in found} & {"above", "below"}
    if said:
        return said == {"below"}
    sides = [(each.value > each.threshold) - (each.value < each.threshold) for each in found]
    return sum(sides) < 0


def read_report(path: Path, option: str = "") -> list[RunReport]:
    """Read what `check --format json` wrote.

    Args:
        path: The file.
        option: How it was given, for errors.

    Raises:
        UserError: If there is no such file, or it is no such report.
    """
    where = f"{option}: {path}" if option else str(path)
    try:
        data: Any = decode_json(path.read_bytes())
    except FileNotFoundError as error:
        sentence = f"{where}: no such file — write one with: {HOW}"
        raise UserError(sentence) from error
    except IsADirectoryError as error:
        sentence = f"{where}: a folder; a report is wanted here, as written by: {HOW}"
        raise UserError(sentence) from error
    except OSError as error:
        sentence = f"{where}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise UserError(sentence) from error
    except (ValueError, RecursionError) as error:
        sentence = f"{where}: not JSON — write it with: {HOW}"
        raise UserError(sentence) from error
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(version, int) or not isinstance(data.get("runs"), list):
        sentence = f"{where}: JSON, but no report — write one with: {HOW}"
        raise UserError(sentence)
    if version != VERSION:
        sentence = f"{where}: a report of version {version}; this gradvitals reads version {VERSION}"
        raise UserError(sentence)
    try:
        return [report for run in data["runs"] for report in from_json(run)]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        sentence = f"{where}: a report that is damaged, or of an older gradvitals — write it anew with: {HOW}"
        raise UserError(sentence) from error


def from_json(run: Mapping[str, Any]) -> list[RunReport]:
    """Take a run's entry as the contract words it, one that stands for several seeds apart into these.

    Raises:
        KeyError: If something is missing; AttributeError, TypeError or ValueError if something is of the wrong kind.
    """
    if run["seeds"]:
        return [report for member in run["seeds"] for report in from_json(member)]
    scores = {
        f"{part} {name}": float(value)
        for part, values in run["scores"].items()
        for name, value in values.items()
        if value is not None
    }
    seen = [_seen(finding) for finding in run["findings"] if not finding["cleared"]]
    unjudged = {each["id"]: each["reason"] for each in run["not_judged"]}
    unjudged |= {each["id"]: f"switched off: {each['why']}" for each in run["switched_off"]}
    # of several findings of a subject, the worst one tells
    findings = {subject(each.id, each.layer): each for each in sorted(seen, key=lambda each: each.severity)}
    return [
        RunReport(
            _text(run["run"]),
            None if run["config"] is None else _text(run["config"]),
            None if run["seed"] is None else int(run["seed"]),
            _text(run["verdict"]),
            scores,
            findings,
            unjudged,
            None if run["settings"] is None else dict(run["settings"]),
        )
    ]


def _seen(finding: Mapping[str, Any]) -> Seen:
    layer = finding["layer"]
    return Seen(
        _text(finding["id"]),
        None if layer is None else _text(layer),
        Severity[finding["severity"].upper()],
        float(finding["value"]),
        float(finding["threshold"]),
        bool(finding["root"]),
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the file holds
    if not isinstance(value, str):
        msg = f"{value!r} is no text"
        raise TypeError(msg)
    return value


def without_seed(name: str) -> str:
    """Give a run's name without its seed and its hash: where it is in a sweep.

    >>> without_seed("sweep/learning_rate=0.1,seed=3-0a1b2c"), without_seed("seed=0-0a1b2c-2")
    ('sweep/learning_rate=0.1', '')
    """
    folder, _, own = name.rpartition("/")
    stem = re.sub(r"-[0-9a-f]{6}([0-9a-f]{6})?(-\d+)?$", "", own)
    axes = ",".join(part for part in stem.split(",") if not re.fullmatch(r"seed=\d+", part))
    return "/".join(part for part in (folder, axes) if part)
