"""Checking before training: configs judged by a pre-flight, and turned into an exit code."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.checking import CheckedPath, CheckedRun, Require, fails, severest
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.executor import limited_blas
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.ignoring import apply_ignores, today_utc
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.preflight import preflight, set_aside
from gradvitals.experiments.runner import Place
from gradvitals.experiments.sweep import Plan


def check_before_training(
    plan: Plan, overrides: Mapping[str, Any], require: Require, *, overfit: bool = False, today: date | None = None
) -> CheckedPath:
    """Judge every run of a plan before its first update; nothing is trained or written.

    Args:
        plan: Its runs, one or a sweep's.
        overrides: Terms that replace those of the config's [check]; None leaves one as it is.
        require: Whether of a sweep some run must pass, which may turn out the best, or all.
        overfit: Whether to make the trial of `cannot_overfit` even where the config does not ask for it.
        today: The day by which exceptions of `[check.ignore]` run out; by default today's, in UTC.

    Raises:
        UserError: If a run does not fit its data.
    """
    place = Place(plan.folder, plan.loaded.origin, plan.loaded.base_dir, plan.axes)
    day = today or today_utc()
    with limited_blas(None):
        judged = [
            check_run_before_training(planned, place, overrides, overfit=overfit, today=day) for planned in plan.runs
        ]
    runs = tuple(replace(run, name=f"{plan.folder.name}/{run.name}") for run in judged)
    passing = tuple(run for run in runs if run.exit is Exit.DONE)
    counting = passing if passing and require == "best" else runs
    code = severest([run.exit for run in counting])
    return CheckedPath(Path(plan.loaded.origin), runs, code, counting, source=plan.loaded.path)


def check_run_before_training(
    planned: PlannedRun, place: Place, overrides: Mapping[str, Any], *, overfit: bool = False, today: date | None = None
) -> CheckedRun:
    """Judge one run before its first update, by the terms of its [check]; its limits hold only for a trained network.

    Raises:
        UserError: If data and config do not fit.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    check = CheckConfig.model_validate({**planned.config.check.model_dump(exclude_none=True), **given})
    verdict = preflight(planned, place, overfit=overfit)
    failing = {finding.key for finding in verdict.standing if fails(finding, check)}
    counting = [each for each in verdict.standing if each.severity > Severity.INFO or each.key in failing]
    # an exception that is not needed yet may still be: of none is it known that there is nothing to ignore
    ignored, exemptions = apply_ignores(check.ignore or {}, counting, (), today or today_utc())
    demanded = set(check.fail_on) if isinstance(check.fail_on, tuple) else set()
    now, _ = set_aside(verdict)
    failing -= ignored.keys()
    unjudged = demanded.intersection(judgement.id for judgement in now.not_judged)
    if failing:
        code = Exit.FAILED
    elif now.outcome == "not_judged" or unjudged:
        code = Exit.NOT_JUDGED
    else:
        code = Exit.DONE
    return CheckedRun(
        planned.name,
        place.folder,
        verdict,
        code,
        ignored=ignored,
        exemptions=exemptions,
        failing=frozenset(failing),
        demanded=frozenset(unjudged),
        config=planned.config,
    )
