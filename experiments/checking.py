"""Checking: recorded runs judged anew, held against limits, and turned into an exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.findings import Finding, Judged, Judgement, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.limits import Unjudged, hold_limits
from gradvitals.diagnostics.tensorboard.run_record import RunRecord, read_record
from gradvitals.experiments.config.check import LIMITS, CheckConfig
from gradvitals.experiments.config.dump import training_hash, training_keys
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.ignoring import Exemption, apply_ignores, today_utc
from gradvitals.experiments.progress import RUNNING, Progress, read_progress, unfinished_text
from gradvitals.experiments.rules import configured
from gradvitals.experiments.run_folder import CONFIG_FILE, RunSummary, find_runs, find_sweeps, read_summary, read_sweep
from gradvitals.experiments.since_baseline import SinceBaseline
from gradvitals.experiments.sweep_map import best_run

Require: TypeAlias = Literal["best", "all"]

SEVEREST = (Exit.USAGE, Exit.FAILED, Exit.NOT_JUDGED, Exit.DONE)
"""Over several paths, the first of these that any path has."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run, judged.

    Attributes:
        name: Of the run: its path below the one that was checked.
        folder: Its folder.
        verdict: Of the diagnoses, with a finding for every limit exceeded; `record` is not judged where it has gaps.
        exit: What it means for the check.
        warnings: What was lost of the record and does no harm.
        ignored: The exceptions of the standing findings that do not fail the check, by the findings' keys.
        exemptions: All exceptions of its config, and what became of them.
        failing: Keys of the standing findings that fail the check.
        demanded: Ids of what was not judged and had to be.
        config: Its own config; None where there is none, or none that can be read.
        scores: Last losses and accuracies, by `training` and `validation`.
        members: The runs that it stands for by majority, one per seed; empty for a run of its own.
        baseline: What became of its findings since a baseline; None without one.
        notes: What else is to be said of it, a sentence each.
        call_site: The line of code that watched the training; None where a config was run.
        intervention: What trials of changes showed of its root, as JSON; None where none were made.
        progress: How far it has come; None for logs that are none of ours.
    """

    name: str
    folder: Path
    verdict: Verdict
    exit: Exit
    warnings: tuple[str, ...] = ()
    ignored: Mapping[str, Exemption] = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    failing: frozenset[str] = frozenset()
    demanded: frozenset[str] = frozenset()
    config: Config | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    members: tuple["CheckedRun", ...] = ()
    baseline: SinceBaseline | None = None
    notes: tuple[str, ...] = ()
    call_site: CallSite | None = None
    intervention: Mapping[str, Any] | None = None
    progress: Progress | None = None

    @property
    def excused(self) -> dict[str, str]:
        """Why standing findings do not fail the check, by their keys: they are ignored, or known from a baseline."""
        known = {} if self.baseline is None else self.baseline.known
        return {**known, **{key: f"ignored {exemption.text}" for key, exemption in self.ignored.items()}}

    @property
    def outcome(self) -> Judged:
        """The verdict in a word, by what is neither ignored nor known."""
        return self.verdict.without(self.excused).outcome

    def to_json(self) -> dict[str, Any]:
        """Give the run as the JSON contract words it; its verdict goes by what is not excused, as the exit code."""
        states = {} if self.baseline is None else self.baseline.states
        findings = [
            {
                **finding.to_json(),
                "ignored": self._terms(finding),
                "baseline": states.get(finding.key) if finding.standing else None,
            }
            for finding in self.verdict.findings
        ]
        return {
            "run": self.name,
            "config": None if self.config is None else training_hash(self.config),
            "seed": None if self.config is None or self.members else self.config.seed,
            "settings": None if self.config is None else training_keys(self.config),
            **self.verdict.to_json(),
            "verdict": self.outcome,
            "findings": findings,
            "ignores": [exemption.to_json() for exemption in self.exemptions],
            "scores": self.scores,
            "baseline": None if self.baseline is None else self.baseline.to_json(),
            "seeds": [member.to_json() for member in self.members],
            **({} if self.intervention is None else {"intervention": self.intervention}),
        }

    def _terms(self, finding: Finding) -> dict[str, str] | None:
        return self.ignored[finding.key].terms if finding.standing and finding.key in self.ignored else None


@dataclass(frozen=True, slots=True)
class CheckedPath:
    """A path, its runs, and what they mean together.

    Attributes:
        path: As given.
        runs: All runs at and below it.
        exit: Of the path.
        counting: The runs that count for it: all, or of every sweep the best by validation.
        gaps: Sweeps that were cut short, or have no best run, a sentence each.
        source: The config that all runs come from; None where each has its own.
    """

    path: Path
    runs: tuple[CheckedRun, ...]
    exit: Exit
    counting: tuple[CheckedRun, ...] = ()
    gaps: tuple[str, ...] = ()
    source: Path | None = None

    @property
    def unused(self) -> tuple[Exemption, ...]:
        """The exceptions that none of the runs which have them needs."""
        every = dict.fromkeys(exemption for run in self.runs for exemption in run.exemptions)
        needed = {exemption.same for exemption in every if exemption.state != "unused"}
        return tuple(exemption for exemption in every if exemption.same not in needed)


def check_path(
    path: Path, overrides: Mapping[str, Any], require: Require, *, prefix: str = "", today: date | None = None
) -> CheckedPath:
    """Check a run's folder, a sweep, or any folder with runs and sweeps below it.

    Args:
        path: The folder.
        overrides: Limits that replace those of the runs' own configs; None leaves a limit as it is.
        require: Whether of a sweep the best run by validation must pass, or all.
        prefix: Set before the runs' names, to tell those of several paths apart.
        today: The day by which exceptions of `[check.ignore]` run out; by default today's, in UTC.
    """
    day = today or today_utc()
    runs = tuple(_check_run(folder, _name(folder, path, prefix), overrides, day) for folder in find_runs(path))
    if not runs:
        return CheckedPath(path, (), Exit.NOT_JUDGED)
    if runs[0].folder == path:
        return CheckedPath(path, runs, runs[0].exit, runs)
    counting: list[CheckedRun] = []
    gaps: list[str] = []
    for parent in dict.fromkeys([*(run.folder.parent for run in runs), *find_sweeps(path)]):
        siblings = [run for run in runs if run.folder.parent == parent]
        chosen, gap = _counting(parent, siblings, require)
        counting += chosen
        gaps += [gap] if gap else []
    return CheckedPath(path, runs, path_exit(counting, gaps), tuple(counting), tuple(gaps))


def _counting(parent: Path, siblings: Sequence[CheckedRun], require: Require) -> tuple[Sequence[CheckedRun], str]:
    """Give the runs of a folder that count for it, and why that could not be told; nothing where it could."""
    sweep = read_sweep(parent)
    finished = {name: summary for name, summary in sweep.items() if summary is not None}
    gap = ""
    if len(finished) < len(sweep):
        known = {run.folder.name: run.progress for run in siblings}
        states = [known.get(name) for name in sweep if name not in finished]
        running = any(state is not None and state.status == RUNNING for state in states)
        how = "unless it still runs, --resume goes on with it" if running else "--resume goes on with it"
        gap = f"{parent}: {unfinished_text(len(sweep), states)}; {how}"
    if require == "all" or not sweep:
        return siblings, gap
    if gap:
        return (), gap  # nobody knows which will be the best
    best = best_run(list(finished.values()))
    chosen = [run for run in siblings if best is not None and finished.get(run.folder.name) is best]
    return chosen, "" if chosen else no_best(parent)


def no_best(parent: Path) -> str:
    """Say of a sweep, all of whose runs are there, that nobody knows which one counts."""
    return f"{parent}: no run of the sweep can be called the best by its scores"


def path_exit(counting: Sequence[CheckedRun], gaps: Sequence[str]) -> Exit:
    """Give the code of a path by its runs that count; a gap, or no such run, could not be judged."""
    return severest([*(run.exit for run in counting), *(Exit.NOT_JUDGED for _ in gaps)] or [Exit.NOT_JUDGED])


def _name(folder: Path, root: Path, prefix: str) -> str:
    """Name a run by its path below the root, or by its folder where it is the root."""
    below = folder.relative_to(root).as_posix() if folder != root else folder.resolve().name
    return f"{prefix}/{below}" if prefix and folder != root else prefix or below


def severest(codes: Sequence[Exit]) -> Exit:
    """Give the code that counts over several: 2, then 1, then 3, then 0."""
    return next(code for code in SEVEREST if code in {*codes, Exit.DONE})


def _check_run(folder: Path, name: str, overrides: Mapping[str, Any], today: date) -> CheckedRun:
    run = read_record(folder)
    summary = read_summary(folder)
    progress = read_progress(folder, run, summary)
    config, config_gap = _own_config(folder)
    check = CheckConfig() if config is None else config.check
    check = CheckConfig.model_validate(
        {**check.model_dump(exclude_none=True), **{key: value for key, value in overrides.items() if value is not None}}
    )
    rules = {} if config is None else config.diagnostics.rules
    verdict = judge(run.record, configured(rules, origin=str(folder / CONFIG_FILE)))
    limits = hold_limits(run.record, check, run.validation_accuracy) if run.recorded else []
    exceeded = tuple(found for found in limits if isinstance(found, Finding))
    missed = [Judgement(found.id, "not_judged", found.reason) for found in limits if isinstance(found, Unjudged)]
    missed += [Judgement("record", "not_judged", gap) for gap in (*_gaps(run, progress, summary), *config_gap)]
    demanded = check.fail_on if isinstance(check.fail_on, tuple) else ()
    missed += [
        Judgement(id_, "not_judged", "only a pre-flight judges it: check CONFIG --preflight")
        for id_ in demanded
        if id_ not in {judgement.id for judgement in verdict.judgements}
    ]
    verdict = replace(verdict, judgements=(*verdict.judgements, *missed), findings=(*verdict.findings, *exceeded))

    failing = {finding.key for finding in verdict.standing if finding in exceeded or fails(finding, check)}
    counting = [each for each in verdict.standing if each.severity > Severity.INFO or each.key in failing]
    ignored, exemptions = apply_ignores(check.ignore or {}, counting, _judged_ids(verdict), today)
    failing -= ignored.keys()
    if failing:
        code = Exit.FAILED
    elif missed or _undecided(verdict, check):
        code = Exit.NOT_JUDGED
        # what looks clear so far, or is ignored, is no ground to call such a run healthy
        verdict = replace(verdict, judgements=tuple(each for each in verdict.judgements if not _is_judged(each)))
    else:
        code = Exit.DONE
    warnings = tuple(damage.message for damage in run.damage if damage.kind != "corrupt")
    unjudged = {each.id for each in missed} | _unjudged_demands(verdict, check)
    return CheckedRun(
        name,
        folder,
        verdict,
        code,
        warnings,
        ignored,
        exemptions,
        frozenset(failing),
        frozenset(unjudged),
        config,
        scores=run.last_scores,
        notes=() if progress is None or progress.finished or not progress.told else (progress.told,),
        call_site=None if run.record.context is None else run.record.context.call_site,
        progress=progress,
    )


def _is_judged(judgement: Judgement) -> bool:
    return judgement.status in {"fired", "clear"}


def _judged_ids(verdict: Verdict) -> set[str]:
    """Name the diagnoses and limits of which it is known whether there are findings; none where the record has gaps."""
    unknown = {judgement.id for judgement in verdict.not_judged}
    return set() if "record" in unknown else {*(each.id for each in verdict.judgements), *LIMITS} - unknown


def _undecided(verdict: Verdict, check: CheckConfig) -> bool:
    """Tell whether a diagnosis that the check demands was not judged, or none at all was."""
    return bool(_unjudged_demands(verdict, check)) or verdict.outcome == "not_judged"


def _unjudged_demands(verdict: Verdict, check: CheckConfig) -> set[str]:
    """Name the diagnoses that the check demands and that were not judged."""
    demanded = check.fail_on if isinstance(check.fail_on, tuple) else ()
    unjudged = {judgement.id for judgement in (*verdict.not_judged, *verdict.switched_off)}
    return unjudged.intersection(demanded)


def fails(finding: Finding, check: CheckConfig) -> bool:
    """Tell whether a standing finding fails a check, if nothing exempts it."""
    if isinstance(check.fail_on, tuple):
        return finding.id in check.fail_on and finding.severity > Severity.INFO
    return finding.severity >= Severity[check.fail_on.upper()]


def _gaps(run: RunRecord, progress: Progress | None, summary: RunSummary | None) -> tuple[str, ...]:
    """Say why a record is no basis for a judgement, a sentence each."""
    gaps = [damage.message for damage in run.damage if damage.kind == "corrupt"]
    if progress is None:
        gaps.append("no record of gradvitals in these event files")
    elif progress.status == RUNNING and summary is not None and summary.finished:
        gaps.append("the record was cut short: it does not reach the end of the training")
    elif progress.gap:
        why = "" if summary is None or not summary.error else f": {summary.error}"
        gaps.append(f"{progress.gap}{why}")
    return tuple(gaps)


def _own_config(folder: Path) -> tuple[Config | None, tuple[str, ...]]:
    """Read the config beside a run's event files, where its limits are; other frameworks' runs have none."""
    path = folder / CONFIG_FILE
    try:
        return (load_config(path).config if path.is_file() else None), ()
    except UserError as error:
        return None, (f"its limits are not known: {error.sentences[0]}",)
