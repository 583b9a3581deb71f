"""Checking: recorded runs judged anew, held against limits, and turned into an exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Ending
from gradvitals.diagnostics.tensorboard.run_record import RunRecord, read_record
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.limits import Unjudged, hold_limits
from gradvitals.experiments.rules import configured
from gradvitals.experiments.run_folder import CONFIG_FILE, FINISHED, find_runs, read_summary
from gradvitals.experiments.sweep import is_sweep
from gradvitals.experiments.sweep_map import best_run

Require: TypeAlias = Literal["best", "all"]


SEVEREST = (Exit.USAGE, Exit.FAILED, Exit.NOT_JUDGED, Exit.DONE)
"""Over several paths, the first of these that any path has."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run, judged.

    Attributes:
        name: Of the run: the path that a user can find it by.
        folder: Its folder.
        verdict: Of the diagnoses, with a finding for every limit exceeded.
        exit: What it means for the check.
        notes: What was damaged or kept it from being judged.
    """

    name: str
    folder: Path
    verdict: Verdict
    exit: Exit
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the run as the JSON contract words it."""
        data = self.verdict.to_json()
        if self.exit is Exit.NOT_JUDGED and data["verdict"] == "healthy":
            data["verdict"] = "not_judged"
        return {"run": self.name, **data, "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class CheckedPath:
    """A path, its runs, and what they mean together.

    Attributes:
        path: As given.
        runs: All runs at and below it.
        exit: Of the path.
        best: In a sweep of which only the best run by validation counts, that run.
    """

    path: Path
    runs: tuple[CheckedRun, ...]
    exit: Exit
    best: str = ""


def check_path(path: Path, overrides: Mapping[str, Any], require: Require) -> CheckedPath:
    """Check a run's folder, a sweep, or any folder with runs below it.

    Args:
        path: The folder.
        overrides: Limits that replace those of the runs' own configs; None leaves a limit as it is.
        require: Whether in a sweep the best run by validation must pass, or all.
    """
    folders = list(find_runs(path))
    if not folders:
        return CheckedPath(path, (), Exit.NOT_JUDGED)
    runs = tuple(_check_run(folder, path, overrides) for folder in folders)
    if is_sweep(path) and require == "best":
        summaries = [summary for folder in folders if (summary := read_summary(folder)) is not None]
        best = best_run([summary for summary in summaries if summary.finished])
        chosen = next((run for run in runs if best is not None and run.folder.name == best.name), None)
        if chosen is None:
            return CheckedPath(path, runs, Exit.NOT_JUDGED)
        return CheckedPath(path, runs, chosen.exit, best=chosen.name)
    return CheckedPath(path, runs, severest([run.exit for run in runs]))


def severest(codes: Sequence[Exit]) -> Exit:
    """Give the code that counts over several: 2, then 1, then 3, then 0."""
    return next(code for code in SEVEREST if code in {*codes, Exit.DONE})


def _check_run(folder: Path, root: Path, overrides: Mapping[str, Any]) -> CheckedRun:
    run = read_record(folder)
    config = _own_config(folder)
    check = CheckConfig() if config is None else config.check
    check = CheckConfig.model_validate(
        {**check.model_dump(exclude_none=True), **{key: value for key, value in overrides.items() if value is not None}}
    )
    rules = {} if config is None else config.diagnostics.rules
    verdict = judge(run.record, configured(rules, origin=str(folder / CONFIG_FILE)))
    limits = hold_limits(run, check) if run.recorded else []
    exceeded = tuple(found for found in limits if isinstance(found, Finding))
    missed = [found for found in limits if isinstance(found, Unjudged)]
    judgements = (*verdict.judgements, *(Judgement(found.id, "not_judged", found.reason) for found in missed))
    verdict = Verdict(judgements, (*verdict.findings, *exceeded))
    notes = _notes(run)
    return CheckedRun(
        str(folder.relative_to(root)) if folder != root else folder.resolve().name,
        folder,
        verdict,
        _exit_code(run, verdict, check, limit_missed=bool(missed), limit_exceeded=bool(exceeded)),
        tuple(notes),
    )


def _exit_code(
    run: RunRecord, verdict: Verdict, check: CheckConfig, *, limit_missed: bool, limit_exceeded: bool
) -> Exit:
    if limit_exceeded or any(_fails(finding, check) for finding in verdict.standing):
        return Exit.FAILED
    demanded = check.fail_on if isinstance(check.fail_on, tuple) else ()
    unjudged = {judgement.id for judgement in verdict.not_judged}
    corrupt = any(damage.kind == "corrupt" for damage in run.damage)
    cut_short = not run.finished or run.record.notes(Ending)[-1].reason not in FINISHED
    if corrupt or cut_short or limit_missed or unjudged.intersection(demanded) or verdict.outcome == "not_judged":
        return Exit.NOT_JUDGED
    return Exit.DONE


def _fails(finding: Finding, check: CheckConfig) -> bool:
    if isinstance(check.fail_on, tuple):
        return finding.id in check.fail_on and finding.severity > Severity.INFO
    return finding.severity >= Severity[check.fail_on.upper()]


def _notes(run: RunRecord) -> list[str]:
    """Say what was damaged or missing, a sentence each."""
    notes = [damage.message for damage in run.damage]
    if not run.recorded:
        notes.append("no record of gradvitals in these event files: nothing to judge")
    elif not run.finished:
        notes.append("the run was cut short: its record does not reach the end of the training")
    elif (reason := run.record.notes(Ending)[-1].reason) not in FINISHED:
        notes.append(f"the training was {reason} before its end")
    return notes


def _own_config(folder: Path) -> Config | None:
    """Read the config beside a run's event files; other frameworks' runs have none."""
    path = folder / CONFIG_FILE
    try:
        return load_config(path).config if path.is_file() else None
    except UserError:
        return None  # from another version: the defaults apply
