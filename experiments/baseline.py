"""Holding a check against a baseline: only what is new or worse than there fails it.

A baseline excuses and never accuses: what it does not know is judged as without one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.checking import CheckedPath, CheckedRun, path_exit
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.majority import majority_severity
from gradvitals.experiments.run_report import RunReport, badness, by_config, from_json, is_lower_worse, subject
from gradvitals.experiments.seed_spread import compare
from gradvitals.experiments.since_baseline import SinceBaseline, State

NO_RUN = "no run of this config in the baseline: judged as without one"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier check found.

    Attributes:
        groups: Its runs by config, one per seed.
    """

    groups: Mapping[str, Sequence[RunReport]]


def make_baseline(runs: Iterable[RunReport]) -> Baseline:
    """Order the runs of a report by config."""
    return Baseline(by_config(runs))


def hold_against(found: CheckedPath, baseline: Baseline) -> CheckedPath:
    """Excuse what the baseline knows; tell what is new, worse, and mended."""
    own = {id(run): from_json(run.to_json()) for run in found.runs}
    today = by_config(report for reports in own.values() for report in reports)
    held = {
        id(run): _hold(run, _of_config(own[id(run)], baseline.groups), _of_config(own[id(run)], today))
        for run in found.runs
    }
    counting = tuple(held[id(run)] for run in found.counting)
    runs = tuple(held[id(run)] for run in found.runs)
    return replace(found, runs=runs, counting=counting, exit=path_exit(counting, found.gaps))


def _of_config(own: Sequence[RunReport], groups: Mapping[str, Sequence[RunReport]]) -> Sequence[RunReport]:
    """Give the runs of the same config."""
    (key,) = by_config(own[:1])
    return groups.get(key, ())


def _hold(run: CheckedRun, before: Sequence[RunReport], today: Sequence[RunReport]) -> CheckedRun:
    if not before:
        notes = (*run.notes, NO_RUN)
        return replace(run, baseline=SinceBaseline(0), notes=notes)
    telling = [each for each in run.verdict.standing if each.severity > Severity.INFO or each.key in run.failing]
    states = {finding.key: _state(finding, before, today) for finding in telling}
    since = SinceBaseline(
        len(before),
        {key: state for key, (state, _) in states.items()},
        {key: text for key, (_, text) in states.items()},
        _mended(before, today),
    )
    failing = run.failing - since.known.keys()
    unjudged = run.demanded or run.verdict.outcome == "not_judged"
    code = Exit.FAILED if failing else Exit.NOT_JUDGED if unjudged else Exit.DONE
    told = [
        f"{state} since the baseline: {finding.key}{text and f': {text}'}"
        for finding in telling
        for state, text in (states[finding.key],)
        if state != "known" and finding.key not in run.ignored
    ]
    told += [f"mended since the baseline: {what}" for what in since.mended]
    verdict = run.verdict
    if code is Exit.NOT_JUDGED:  # what is known is no ground to call such a run healthy
        left = tuple(each for each in verdict.judgements if each.status not in {"fired", "clear"})
        verdict = replace(verdict, judgements=left)
    notes = (*run.notes, *told)
    return replace(run, verdict=verdict, exit=code, failing=frozenset(failing), baseline=since, notes=notes)


def _state(finding: Finding, before: Sequence[RunReport], today: Sequence[RunReport]) -> tuple[State, str]:
    """Say what a finding is, and why."""
    what = subject(finding.id, finding.layer)
    seen = [run.findings[what] for run in before if what in run.findings]
    if not seen:
        unjudged = next((run.unjudged[finding.id] for run in before if finding.id in run.unjudged), "")
        return "new", f"not judged there: {unjudged}" if unjudged else ""
    worst = max(each.severity for each in seen)
    if finding.severity > worst:
        return "worse", f"{worst} there, {finding.severity} now"
    now = [run.findings[what] for run in today if what in run.findings]
    lower = is_lower_worse([*seen, *now])
    if compare(badness(before, what, lower_is_worse=lower), badness(today, what, lower_is_worse=lower)) == "worse":
        return "worse", f"beyond the spread of {len(before)} seeds there and {len(today)} now"
    return "known", f"known from the baseline, in {len(seen)} of {len(before)} seeds there"


def _mended(before: Sequence[RunReport], today: Sequence[RunReport]) -> tuple[str, ...]:
    """Name what stood in most seeds and was looked for in vain in all of today's."""
    subjects = {what: seen.id for run in before for what, seen in run.findings.items()}
    return tuple(
        what
        for what, id_ in subjects.items()
        if majority_severity([run.findings[what].severity if what in run.findings else 0 for run in before]) > 1
        and not any(what in run.findings or id_ in run.unjudged or "record" in run.unjudged for run in today)
    )
