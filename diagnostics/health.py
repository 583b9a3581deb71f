"""The verdict as an assertion: a training is healthy, or an exception says why it is not, or why nobody can tell."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.diagnoses.memorising import NO_VALIDATION
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.limits import Unjudged, hold_limits
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.requirements import Requirements
from gradvitals.diagnostics.suggest import did_you_mean

WIDTH = 100

NO_TRAINING = (
    "this monitor saw no training: train the model that was given to watch, inside the with block,"
    " and call assert_healthy after it"
)
NOT_ENDED = "the training has not ended: call assert_healthy after it, outside the with block"


class UnhealthyTraining(AssertionError):  # noqa: N818 - what it says is its name
    """A finding stands that fails, or a limit is exceeded.

    Attributes:
        verdict: With all findings, those of exceeded limits included.
    """

    __module__ = "gradvitals"  # the name people import it by, and short enough for a test runner's summary

    def __init__(self, message: str, verdict: Verdict | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class NotJudged(Exception):  # noqa: N818 - it is no error of the training
    """Something was demanded that could not be judged; nothing is known to be wrong."""

    __module__ = "gradvitals"


class UnjudgedWarning(UserWarning):
    """Some diagnoses could not be judged; those that could found nothing that fails."""

    __module__ = "gradvitals"


def require_healthy(
    record: Record, diagnoses: Sequence[Diagnosis], wanted: Requirements, accuracy: float | None, *, stacklevel: int = 2
) -> None:
    """Judge a record and hold it against what is wanted; return only if all is well.

    Args:
        record: The measurements.
        diagnoses: The rules.
        wanted: What fails, and the limits.
        accuracy: The last on the validation set; None where there is none.
        stacklevel: Whose line a warning names, as in `warnings.warn`.

    Raises:
        UnhealthyTraining: If a finding stands that fails, or a limit is exceeded.
        NotJudged: If there is nothing to judge, the training did not reach its end, or a limit or a demanded diagnosis
            could not be judged.
        ValueError: If `fail_on` names a diagnosis that does not exist.
    """
    __tracebackhide__ = True  # pytest's traceback ends at the caller's line
    require_known(wanted.demanded, diagnoses)
    if record.context is None:
        raise NotJudged(NO_TRAINING)
    verdict = judge(record, diagnoses)
    held = hold_limits(record, wanted, accuracy)
    exceeded = tuple(found for found in held if isinstance(found, Finding))
    missed = [Judgement(found.id, "not_judged", found.reason) for found in held if isinstance(found, Unjudged)]
    missed += [judgement for judgement in verdict.not_judged if judgement.id in wanted.demanded]
    gap = _gap(record)
    failing = [finding for finding in verdict.standing if _fails(finding, wanted)] + list(exceeded)
    if failing:
        raise UnhealthyTraining(
            _unhealthy(failing, verdict, [*missed, *verdict.not_judged], gap),
            replace(verdict, findings=(*verdict.findings, *exceeded)),
        )
    if gap:
        raise NotJudged(gap)
    if missed:
        raise NotJudged("\n".join(f"demanded, but not judged: {reason}" for reason in _reasons(missed)))
    unjudged = [f"  {reason}" for reason in _reasons(verdict.not_judged)]
    if verdict.outcome == "not_judged":
        raise NotJudged("\n".join(["nothing could be judged:", *unjudged]))
    message = "\n".join([f"{len(verdict.not_judged)} of {len(verdict.judgements)} diagnoses not judged:", *unjudged])
    if unjudged and wanted.unjudged == "fail":
        raise NotJudged(message)
    if wanted.unjudged != "warn" or all(judgement.reason == NO_VALIDATION for judgement in verdict.not_judged):
        return  # a validation set that nobody gave is nothing to warn of
    message += '\n  (unjudged="ignore" accepts that, unjudged="fail" does not)'
    warnings.warn(message, UnjudgedWarning, stacklevel=stacklevel)


def require_known(demanded: Iterable[str], diagnoses: Sequence[Diagnosis] = CATALOGUE) -> None:
    """Refuse a name that is none of a diagnosis.

    Raises:
        ValueError: If there is one.
    """
    known = [diagnosis.id for diagnosis in diagnoses]
    for name in demanded:
        if name not in known:
            hint = did_you_mean(name, [*known, *map(str, Severity)]) or f"; there are {', '.join(known)}"
            msg = f"fail_on: no diagnosis of a training has the id {name!r}{hint}"
            raise ValueError(msg)


def _fails(finding: Finding, wanted: Requirements) -> bool:
    if wanted.severity is not None:
        return finding.severity >= wanted.severity
    return finding.id in wanted.demanded and finding.severity > Severity.INFO


def _gap(record: Record) -> str:
    """Say why the record does not reach the end of the training; nothing if it does."""
    endings = record.notes(Ending)
    if not endings:
        return NOT_ENDED
    return f"{endings[-1].what} before its end{endings[-1].because}" if endings[-1].cut_short else ""


def _unhealthy(failing: Sequence[Finding], verdict: Verdict, unjudged: Sequence[Judgement], gap: str) -> str:
    """Write the message: what is wrong first in one line, then every root with what it explains, costs, and cures."""
    from rich.console import Console

    from gradvitals.diagnostics.report import report

    first, *more = failing
    count = f" (and {len(more)} more)" if more else ""
    told = [finding for finding in verdict.standing if finding.severity > Severity.INFO or finding in failing]
    told += [finding for finding in failing if finding not in told]
    text = StringIO()
    console = Console(file=text, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(report("training", Verdict((), tuple(told), verdict.never_called), verbose=True))
    _, *body = text.getvalue().splitlines()  # its heading would say the same as the first line here
    lines = [f"{first.key}: {first.evidence}{count}", *(line.rstrip() for line in body)]
    lines += [f"  {gap}"] if gap else []
    lines += [f"  not judged: {reason}" for reason in _reasons(dict.fromkeys(unjudged))]
    return "\n".join(lines)


def _reasons(judgements: Iterable[Judgement]) -> list[str]:
    """Give a line for every reason why something was not judged, behind all that it holds for."""
    ids: dict[str, list[str]] = {}
    for judgement in judgements:
        ids.setdefault(judgement.reason, []).append(judgement.id)
    return [f"{', '.join(names)}: {reason}" for reason, names in ids.items()]
