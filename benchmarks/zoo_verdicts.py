"""What the diagnoses say of the healthy runs: every warning and error is a false alarm until its harm is shown."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scipy.stats import beta
from zoo_grid import Candidate

from gradvitals.diagnostics.findings import Finding, Severity, Verdict

CONFIDENCE = 0.95
ALARMS = (Severity.ERROR, Severity.WARNING)
SHARES = (-math.inf, 0.2, 0.5, 0.8, math.inf)
"""Between these shares of the best's margin the runs that did not train well are counted."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run and its verdict.

    Attributes:
        candidate: What was run.
        score: Its score, None where it has none.
        best: The best score on its data set.
        share: What it has of the best's margin over the trivial predictor.
        verdict: What the diagnoses say of its record.
    """

    candidate: Candidate
    score: float | None
    best: float
    share: float
    verdict: Verdict

    @property
    def worst(self) -> Severity:
        """The highest severity that stands; info where none does."""
        return max((finding.severity for finding in self.verdict.standing), default=Severity.INFO)


@dataclass(frozen=True, slots=True)
class Bound:
    """How often something happens, at most.

    Attributes:
        alarmed: How many had it.
        total: Of how many.
    """

    alarmed: int
    total: int

    @property
    def upper(self) -> float:
        """The upper 95 % bound of its share."""
        return upper_bound(self.alarmed, self.total)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"alarmed": self.alarmed, "total": self.total, "upper_95": self.upper}

    def __str__(self) -> str:
        return f"{self.alarmed} of {self.total} (at most {100 * self.upper:.2g} %)"


def upper_bound(alarmed: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Give the one-sided upper Clopper–Pearson bound of a share; 1 where there is nothing to count.

    Reference:
        Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".
    """
    return 1.0 if alarmed >= total else float(beta.ppf(confidence, alarmed + 1, total - alarmed))


def bounds(runs: Sequence[Judged], severity: Severity, diagnosis: str | None = None) -> tuple[Bound, Bound]:
    """Count the runs, and the data sets with any run, in which a diagnosis (any by default) is at least this severe."""
    alarmed = [run for run in runs if any(_counts(finding, severity, diagnosis) for finding in run.verdict.standing)]
    sets = {run.candidate.data_set for run in runs}
    return Bound(len(alarmed), len(runs)), Bound(len({run.candidate.data_set for run in alarmed}), len(sets))


def _counts(finding: Finding, severity: Severity, diagnosis: str | None) -> bool:
    return finding.severity >= severity and diagnosis in {None, finding.id}


def summary(runs: Sequence[Judged], others: Sequence[Judged]) -> dict[str, Any]:
    """Give the counts, the bounds and every alarm with its evidence as plain data.

    Args:
        runs: Those that trained well, of which everything is counted.
        others: Those that did not, which show whether the diagnoses speak where less was learned.
    """
    ids = list(dict.fromkeys(judgement.id for run in runs for judgement in run.verdict.judgements))
    return {
        "runs": len(runs),
        "families": len({run.candidate.family for run in runs}),
        "data_sets": len({run.candidate.data_set for run in runs}),
        "bounds": {
            str(severity): {name: bound.to_json() for name, bound in zip(("runs", "data_sets"), pair, strict=True)}
            for severity in ALARMS
            for pair in (bounds(runs, severity),)
        },
        "diagnoses": {diagnosis: _counts_of(runs, diagnosis) for diagnosis in ids},
        "cases": dict(Counter(run.candidate.case for run in runs)),
        "others": [_counts_between(others, low, high) for low, high in pairwise(SHARES)],
        "alarms": [_alarm(run, finding) for run, finding in alarms(runs)],
    }


def alarms(runs: Iterable[Judged]) -> list[tuple[Judged, Finding]]:
    """List every standing warning and error, errors first."""
    found = [(run, finding) for run in runs for finding in run.verdict.standing if finding.severity >= Severity.WARNING]
    return sorted(found, key=lambda pair: (-pair[1].severity, pair[1].id, pair[0].candidate.data_set))


def _counts_of(runs: Sequence[Judged], diagnosis: str) -> dict[str, int]:
    """Count runs by the worst that a diagnosis says of them, and by its status."""
    counted: Counter[str] = Counter()
    for run in runs:
        of_it = [finding for finding in run.verdict.findings if finding.id == diagnosis]
        standing = [finding.severity for finding in of_it if finding.standing]
        counted.update([str(max(standing))] if standing else [])
        counted["cleared"] += bool(of_it) and not standing
        counted.update(judgement.status for judgement in run.verdict.judgements if judgement.id == diagnosis)
    return {
        name: counted[name] for name in ("error", "warning", "info", "cleared", "clear", "not_applicable", "not_judged")
    }


def _counts_between(others: Sequence[Judged], low: float, high: float) -> dict[str, Any]:
    """Count the other runs with at least `low` and less than `high` of the best's margin by the worst said of them."""
    counted = Counter(str(run.worst) for run in others if low <= run.share < high)
    return {
        "from": low if math.isfinite(low) else None,
        "to": high if math.isfinite(high) else None,
        "runs": counted.total(),
        "error": counted["error"],
        "warning": counted["warning"],
    }


def _alarm(run: Judged, finding: Finding) -> dict[str, Any]:
    return {
        "severity": str(finding.severity),
        "key": finding.key,
        "explained_by": finding.explained_by,
        "evidence": finding.evidence,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "half": run.candidate.half,
        "family": run.candidate.family,
        "case": run.candidate.case,
        "score": run.score,
        "best": run.best,
        "run": run.candidate.key,
        "config": run.candidate.config,
    }


def print_summary(summed: dict[str, Any]) -> None:
    """Print the table of diagnoses and the list of alarms."""
    columns = ("error", "warning", "info", "cleared", "clear", "not_applicable", "not_judged")
    print(f"\n{'diagnosis':<28}" + "".join(f"{name.replace('_', ' '):>15}" for name in columns))
    for diagnosis, counted in summed["diagnoses"].items():
        print(f"{diagnosis:<28}" + "".join(f"{counted[name]:>15}" for name in columns))
    print(f"\nof {summed['runs']} healthy runs of {summed['families']} families on {summed['data_sets']} data sets:")
    for severity, pair in summed["bounds"].items():
        of_runs, of_sets = (
            f"{bound['alarmed']} of {bound['total']} (95 % bound {100 * bound['upper_95']:.2g} %)"
            for bound in (pair["runs"], pair["data_sets"])
        )
        print(f"  {severity if severity == 'error' else 'warning or error'}: runs {of_runs}, data sets {of_sets}")
    print("\nof the runs that did not train well, by what they have of the best's margin over the trivial predictor:")
    for group in summed["others"]:
        low, high = group["from"], group["to"]
        between = f"below {high:.0%}" if low is None else f"{low:.0%} to {high:.0%}" if high else f"{low:.0%} and more"
        print(f"  {between:<14}{group['runs']:>5} runs, {group['error']} with errors, {group['warning']} with warnings")
    for alarm in summed["alarms"]:
        explained = f", explained by {alarm['explained_by']}" if alarm["explained_by"] else ""
        print(f"\n{alarm['severity']} {alarm['key']} since step {alarm['first_step']}{explained}")
        print(f"  {alarm['family']}: {alarm['case']}, {alarm['score']:.3f}, the best {alarm['best']:.3f}")
        print(f"  {alarm['evidence']}")
        print(f"  run {alarm['run']}: {alarm['config']}")
