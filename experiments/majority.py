"""The verdict by majority: runs of one config that differ in the seed alone, combined into one.

What stands in more than half of the seeds stands, with the severity that it reaches in more than half of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median_low

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.experiments.checking import CheckedPath, CheckedRun, Require, no_best, path_exit
from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.ignoring import Exemption, State
from gradvitals.experiments.run_folder import RunSummary, read_sweep
from gradvitals.experiments.run_report import subject, without_seed
from gradvitals.experiments.sweep_map import best_run

STATES: tuple[State, ...] = ("active", "expired", "not_judged", "unused")
"""Of what became of an exception over several seeds, the first that occurs counts."""

NO_CONFIG = "no config is recorded, so nobody knows which runs differ in the seed alone"


def judge_by_majority(found: CheckedPath, seeds: int, require: Require) -> CheckedPath:
    """Combine the runs of a path that differ in the seed alone.

    Args:
        found: The path, every run judged by itself.
        seeds: How many seeds of every config there must be; all that are there count.
        require: Whether of a sweep the best config, by its mean score on validation, must pass, or all.
    """
    runs: list[CheckedRun] = []
    counting: list[CheckedRun] = []
    parents = dict.fromkeys(run.folder.parent for run in found.runs)
    of_single_runs = {no_best(parent) for parent in parents}  # which is to be asked of what they make together
    gaps = [gap for gap in found.gaps if gap not in of_single_runs]
    for parent in parents:
        siblings = [run for run in found.runs if run.folder.parent == parent]
        gaps += [f"{run.name}: {NO_CONFIG}" for run in siblings if run.config is None]
        groups: dict[str, dict[int, CheckedRun]] = {}
        for run in siblings:
            if run.config is not None:
                groups.setdefault(training_hash(run.config), {})[run.config.seed] = run
        combined = [combine(list(group.values())) for group in groups.values()]
        for one, group in zip(combined, groups.values(), strict=True):
            if len(group) < seeds:
                gaps.append(f"{one.name}: {len(group)} of {seeds} seeds are there")
        runs += [*combined, *(run for run in siblings if run.config is None)]
        is_sweep = require == "best" and len(combined) > 1 and bool(read_sweep(parent))
        chosen = _best(combined) if is_sweep else combined
        counting += chosen
        gaps += [no_best(parent)] if combined and not chosen else []
    code = path_exit(counting, gaps)
    return replace(found, runs=tuple(runs), exit=code, counting=tuple(counting), gaps=tuple(gaps))


def combine(members: Sequence[CheckedRun]) -> CheckedRun:
    """Combine runs of one config, each with a seed of its own, in the order of the seeds; one stays as it is."""
    if len(members) == 1:
        return members[0]
    ordered = sorted(members, key=_seed)
    count = len(ordered)
    findings = _majority_findings(ordered)
    keys = {_subject(finding): finding.key for finding in findings}
    failures: dict[str, set[int]] = {}
    for seed, run in enumerate(ordered):
        for each in run.verdict.standing:
            if each.key in run.failing:
                failures.setdefault(_subject(each), set()).add(seed)
    failing = frozenset(keys[what] for what, seeds in failures.items() if len(seeds) > count / 2)
    ignored = {
        keys[what]: run.ignored[each.key]
        for run in reversed(ordered)
        for each in run.verdict.standing
        if each.key in run.ignored and (what := _subject(each)) in keys and keys[what] not in failing
    }
    unjudged = {seed for seed, run in enumerate(ordered) if run.exit is Exit.NOT_JUDGED or run.demanded}
    judgements = _judgements(ordered, {finding.id for finding in findings})
    code = Exit.FAILED if failing else Exit.DONE
    could_fail = max((len(unjudged | seeds) for seeds in failures.values()), default=len(unjudged))
    if unjudged and could_fail > count / 2:
        first_gap = ordered[min(unjudged)].verdict.not_judged
        reason = next((each.reason for each in first_gap), "nothing that applies could be judged")
        reason = f"{len(unjudged)} of {count} seeds could not be judged: {reason}"
        code = code or Exit.NOT_JUDGED
        judgements = [each for each in judgements if each.status not in {"fired", "clear"} or code is Exit.FAILED]
        judgements.append(Judgement("seeds", "not_judged", reason))
    first = ordered[0]
    return CheckedRun(
        f"{without_seed(first.name) or first.folder.parent.name} ({count} seeds)",
        first.folder,
        Verdict(tuple(judgements), findings, first.verdict.never_called),
        code,
        tuple(dict.fromkeys(warning for run in ordered for warning in run.warnings)),
        ignored,
        _exemptions(ordered),
        failing,
        frozenset({"seeds"} if judgements and judgements[-1].id == "seeds" else ()),
        first.config,
        scores=_mean_scores(ordered),
        members=tuple(ordered),
        notes=_minorities(ordered, keys),
    )


def _seed(run: CheckedRun) -> int:
    return -1 if run.config is None else run.config.seed


def _subject(finding: Finding) -> str:
    return subject(finding.id, finding.layer)


def _worst_by_subject(run: CheckedRun) -> dict[str, Finding]:
    """Give what stands in a run by subject; of several of one, the worst."""
    return {_subject(each): each for each in sorted(run.verdict.standing, key=lambda each: each.severity)}


def _majority_findings(runs: Sequence[CheckedRun]) -> tuple[Finding, ...]:
    """Give what stands in more than half of the runs, in the words of the one with the middle value."""
    by_run = [_worst_by_subject(run) for run in runs]
    found: list[Finding] = []
    for what in dict.fromkeys(_subject(each) for run in runs for each in run.verdict.standing):
        severity = majority_severity([each[what].severity if what in each else 0 for each in by_run])
        if not severity:
            continue
        bad = [(each[what], run) for each, run in zip(by_run, runs, strict=True) if what in each]
        bad = [(finding, run) for finding, run in bad if finding.severity >= severity]
        middle = median_low(finding.value for finding, _ in bad)
        same = [pair for pair in bad if pair[0].value == middle] or bad  # a NaN equals nothing
        finding, run = next((pair for pair in same if pair[0].severity == severity), same[0])
        evidence = f"in {len(bad)} of {len(runs)} seeds, such as seed {_seed(run)}: {finding.evidence}"
        found.append(replace(finding, severity=Severity(severity), evidence=evidence))
    keys = {finding.key for finding in found}
    return tuple(
        sorted(
            (replace(each, explained_by=each.explained_by if each.explained_by in keys else None) for each in found),
            key=lambda each: (each.explained_by is not None, -each.severity),
        )
    )


def majority_severity(severities: Sequence[int]) -> int:
    """Give the greatest severity that more than half of the runs reach; 0 where most have none.

    >>> majority_severity([3, 3, 0]), majority_severity([3, 2, 0]), majority_severity([3, 0])
    (3, 2, 0)
    """
    return sorted(severities, reverse=True)[len(severities) // 2]


def _minorities(runs: Sequence[CheckedRun], keys: Mapping[str, str]) -> tuple[str, ...]:
    """Say what stands as a warning or an error in some seeds, but not in most."""
    counts = Counter(
        what
        for run in runs
        for what, finding in _worst_by_subject(run).items()
        if finding.severity > Severity.INFO and what not in keys
    )
    return tuple(f"in {number} of {len(runs)} seeds only: {what}" for what, number in counts.most_common())


def _judgements(runs: Sequence[CheckedRun], fired: set[str]) -> list[Judgement]:
    """Give for every diagnosis the status that most runs have; one that fires in few seeds only is clear."""
    found: list[Judgement] = []
    for id_ in dict.fromkeys(each.id for run in runs for each in run.verdict.judgements):
        of_it = [next((each for each in run.verdict.judgements if each.id == id_), None) for run in runs]
        statuses = Counter("clear" if each is None or each.status == "fired" else each.status for each in of_it)
        status = "fired" if id_ in fired else statuses.most_common(1)[0][0]
        example = next((each for each in of_it if each is not None and each.status == status), None)
        if example is not None:
            found.append(replace(example, findings=()))
        elif any(each is not None and each.status == "fired" for each in of_it):
            found.append(Judgement(id_, status))
    return found


def _exemptions(runs: Sequence[CheckedRun]) -> tuple[Exemption, ...]:
    best: dict[str, Exemption] = {}
    for exemption in sorted(
        (each for run in runs for each in run.exemptions), key=lambda each: STATES.index(each.state)
    ):
        best.setdefault(exemption.key, exemption)
    return tuple(best.values())


def _mean_scores(runs: Sequence[CheckedRun]) -> dict[str, dict[str, float]]:
    """Average the scores that all runs have."""
    return {
        part: {
            name: fmean(run.scores[part][name] for run in runs)
            for name in values
            if all(name in run.scores.get(part, {}) for run in runs)
        }
        for part, values in runs[0].scores.items()
    }


def _best(runs: Sequence[CheckedRun]) -> list[CheckedRun]:
    """Give the config with the best mean score; none where nobody knows."""
    summaries = [RunSummary(run.name, "completed", {}, scores=run.scores) for run in runs]
    best = best_run(summaries)
    return [run for run, summary in zip(runs, summaries, strict=True) if summary is best]
