"""What got worse between two runs or sweeps: findings and scores, config by config, over their seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeAlias

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.majority import majority_severity
from gradvitals.experiments.run_report import (
    SCORES,
    RunReport,
    badness,
    by_config,
    is_lower_worse,
    subject_id,
    without_seed,
)
from gradvitals.experiments.seed_spread import Change, compare

Status: TypeAlias = Literal["new", "worse", "better", "gone", "same", "within", "untold", "not_judged"]

WORSE: tuple[Status, ...] = ("new", "worse")
ORDER: tuple[Status, ...] = ("new", "worse", "not_judged", "untold", "within", "same", "better", "gone")

SMALLEST = 0.01
"""Of a score's size, what it must change by to be called worse or better: enough seeds make any trifle significant."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that two sides of a comparison have, or only one of them.

    Attributes:
        what: A finding's `id@layer`, or the name of a score.
        kind: Which of the two it is.
        status: What became of it.
        severity: Of a finding the higher one of both sides, by majority; of a score always a warning.
        base: What it was, in words.
        head: What it is, in words.
        base_values: What was measured where it stands, one number per seed.
        head_values: Likewise.
        root: Whether it is a finding that no other explains.
        reason: Why nothing can be said, where that needs a reason.
    """

    what: str
    kind: Literal["finding", "score"]
    status: Status
    severity: Severity
    base: str
    head: str
    base_values: tuple[float, ...]
    head_values: tuple[float, ...]
    root: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Runs of one config on both sides.

    Attributes:
        name: Of the runs, without seed and hash; empty where nothing else is in it.
        base_seeds: How many there are on one side.
        head_seeds: How many on the other.
        changed: Keys of the configs that differ, with both values; None where only one of them is known.
        rows: Findings, the roots first, then scores.
        gaps: Runs that could not be judged, a sentence each.
    """

    name: str
    base_seeds: int
    head_seeds: int
    changed: Mapping[str, tuple[Any, Any]] | None
    rows: tuple[Row, ...]
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, compared.

    Attributes:
        pairs: What both have.
        only_base: Names of what only one side has.
        only_head: Names of what only the other has.
    """

    pairs: tuple[Pair, ...]
    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()

    def rows(self, *statuses: Status) -> list[Row]:
        """Give the rows of all pairs with one of these statuses."""
        return [row for pair in self.pairs for row in pair.rows if row.status in statuses]


def compare_reports(base: Sequence[RunReport], head: Sequence[RunReport]) -> Comparison:
    """Compare two sides: configs that are the same, then those at the same place of a sweep, then the last ones left.

    Args:
        base: The runs of one side.
        head: The runs of the other.
    """
    before, after = by_config(base), by_config(head)
    matched = [(key, key) for key in before if key in after]
    left = [key for key in before if key not in after]
    right = [key for key in after if key not in before]
    for name_of in (_place, _axes, lambda _: ""):  # the last: one is left on either side, whatever it is called
        found = _match(left, right, {**before, **after}, name_of)
        matched += found
        left = [key for key in left if key not in {one for one, _ in found}]
        right = [key for key in right if key not in {other for _, other in found}]
    order = list(before)
    pairs = [_pair(before[one], after[other]) for one, other in sorted(matched, key=lambda both: order.index(both[0]))]
    return Comparison(
        tuple(pairs), tuple(_name(before[key]) for key in left), tuple(_name(after[key]) for key in right)
    )


def _match(
    left: Sequence[str],
    right: Sequence[str],
    groups: Mapping[str, Sequence[RunReport]],
    name_of: Callable[[RunReport], str],
) -> list[tuple[str, str]]:
    """Match what has the same name on both sides, if only one of each has it."""
    names = [[name_of(groups[key][0]) for key in side] for side in (left, right)]
    return [
        (one, right[names[1].index(name)])
        for one, name in zip(left, names[0], strict=True)
        if names[0].count(name) == 1 and names[1].count(name) == 1
    ]


def _place(run: RunReport) -> str:
    return without_seed(run.name)


def _axes(run: RunReport) -> str:
    """Give a run's place in its sweep, whatever the sweep is called."""
    return without_seed(run.name.rpartition("/")[2])


def _name(runs: Sequence[RunReport]) -> str:
    return _place(runs[0]) or runs[0].name


def _pair(base: Sequence[RunReport], head: Sequence[RunReport]) -> Pair:
    gaps = [f"{run.name}: {_gap(run)}" for run in (*base, *head) if _gap(run)]
    findings = _finding_rows(base, head)
    rows = sorted(findings, key=lambda row: (ORDER.index(row.status), not row.root, -row.severity))
    rows += [row for name in SCORES for row in _score_row(name, base, head)]
    return Pair(_place(head[0]), len(base), len(head), _changed(base[0], head[0]), tuple(rows), tuple(gaps))


def _gap(run: RunReport) -> str:
    """Say why a run was not judged; nothing if it was."""
    return run.unjudged.get("record") or ("not judged" if run.verdict == "not_judged" else "")


def _changed(base: RunReport, head: RunReport) -> dict[str, tuple[Any, Any]] | None:
    """Give the keys of two configs that differ; nothing for one config, or none on either side."""
    if base.config == head.config:
        return {}
    one, other = base.settings, head.settings
    if one is None or other is None:
        return None
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    return {key: (one.get(key), other.get(key)) for key in keys}


def _finding_rows(base: Sequence[RunReport], head: Sequence[RunReport]) -> list[Row]:
    """Compare every finding that stands in most seeds of a side."""
    rows: list[Row] = []
    for what in dict.fromkeys(what for run in (*head, *base) for what in run.findings):
        seen = [run.findings[what] for run in (*base, *head) if what in run.findings]
        lower = is_lower_worse(seen)
        before, after = (badness(side, what, lower_is_worse=lower) for side in (base, head))
        was, now = ([severity for severity, _ in side.values()] for side in (before, after))
        usual = majority_severity(was), majority_severity(now)
        if not any(usual):
            continue
        missing = [reason for run in head if (reason := run.unjudged.get(subject_id(what)) or _gap(run))]
        unknown = usual[1] == 0 and bool(missing)
        row = Row(
            what,
            "finding",
            "not_judged" if unknown else _status(was, now, compare(before, after)),
            Severity(max(usual)),
            _describe(base, what),
            _describe(head, what),
            tuple(run.findings[what].value for run in base if what in run.findings),
            tuple(run.findings[what].value for run in head if what in run.findings),
            root=any(each.root for each in seen),
            reason=missing[0] if unknown else "",
        )
        rows.append(row)
    return rows


def _status(was: Sequence[int], now: Sequence[int], change: Change) -> Status:
    """Say what became of a finding, by its severities.

    New is what stands in most seeds and in none of the other side; worse what is graver in every seed than in any of
    the other side, or lies beyond the spread of both.
    """
    if not any(was):
        return "new"
    if not any(now):
        return "gone"
    if min(now) > max(was):
        return "worse"
    if min(was) > max(now):
        return "better"
    return change


def _describe(runs: Sequence[RunReport], what: str) -> str:
    """Say how bad something is on one side, and in how many seeds."""
    seen = [run.findings[what] for run in runs if what in run.findings]
    if not seen:
        return "–"
    severity = Severity(majority_severity([each.severity for each in seen]))
    values = sorted(each.value for each in seen)
    value = "" if all(map(math.isnan, values)) else f" {_span(values)}"
    seeds = f" in {len(seen)} of {len(runs)}" if len(runs) > 1 else ""
    return f"{severity}{value}{seeds}"


def _span(values: Sequence[float]) -> str:
    """Write the middle of some values, and how far they spread."""
    middle = f"{median(values):.4g}"
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return middle if low == high else f"{middle} ({low}…{high})"


def _score_row(name: str, base: Sequence[RunReport], head: Sequence[RunReport]) -> list[Row]:
    """Compare a score; nothing where not both sides have it."""
    before, after = ({run.seed: run.scores[name] for run in side if name in run.scores} for side in (base, head))
    if not before or not after:
        return []
    sign = -1.0 if name.endswith("accuracy") else 1.0
    # a loss that is no number is as bad as an infinite one
    was, now = (
        {seed: math.inf if math.isnan(value) else sign * value for seed, value in side.items()}
        for side in (before, after)
    )
    status: Status = compare(was, now)
    old, new = median(was.values()), median(now.values())
    trifling = math.isfinite(old) and math.isfinite(new) and abs(new - old) <= SMALLEST * abs(old)
    if status in {"worse", "better"} and trifling:
        status = "within"
    values, others = tuple(before.values()), tuple(after.values())
    return [Row(name, "score", status, Severity.WARNING, _span(values), _span(others), values, others)]
