"""A check as JUnit XML: a test suite per run, a test case per run and diagnosis.

The dialect is that of Jenkins (xunit-plugin's junit-10.xsd), which GitLab, Azure and the usual GitHub actions read too.
A case fails, or is in error, if and only if the check does for it.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from gradvitals.diagnostics.findings import Finding, Judgement
from gradvitals.diagnostics.markdown import one_line, sentence
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.formats.outcome import (
    CheckOutcome,
    exception_text,
    finding_lines,
    path_gaps,
    printable,
    run_gaps,
)


def junit_report(outcome: CheckOutcome) -> str:
    """Write all runs of a check into one document."""
    document = JUnitXml("gradvitals check")
    for found in outcome.checked:
        for run in found.runs:
            document.add_testsuite(_run_suite(outcome, found, run))
        if path_gaps(found):
            document.add_testsuite(_error_suite(str(found.path), "record", path_gaps(found)))
    for refused in outcome.refused:
        document.add_testsuite(_error_suite(refused.path, "usage", refused.sentences))
    root: ET.Element = ET.fromstring(document.tostring())  # noqa: S314 - our own
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return f"{content.decode()}\n"


def _run_suite(outcome: CheckOutcome, found: CheckedPath, run: CheckedRun) -> TestSuite:
    """Write a run: its diagnoses in the order of the catalogue, then limits and the record itself."""
    suite = TestSuite(printable(run.name))
    suite.add_property("verdict", run.outcome)
    standing = run.verdict.standing
    judgements: dict[str, list[Judgement]] = {}
    for judgement in run.verdict.judgements:
        judgements.setdefault(judgement.id, []).append(judgement)
    gaps = run_gaps(run)
    ids = dict.fromkeys([*judgements, *(finding.id for finding in standing), *gaps])
    for id_ in ids:
        findings = [finding for finding in standing if finding.id == id_]
        case = _case(run, id_, findings, judgements.get(id_, []), gaps.get(id_))
        if run not in found.counting and (case.is_failure or case.is_error):
            _skip(case, f"does not count: {outcome.which_count}", case.result[0].text or "")
        suite.add_testcase(case)
    if run.notes or run.warnings:
        suite.add_testcase(_passed(run.name, "notes", [*run.notes, *run.warnings]))
    return suite


def _case(
    run: CheckedRun, id_: str, findings: Sequence[Finding], judgements: Sequence[Judgement], gap: str | None
) -> TestCase:
    """Write what a diagnosis says of a run."""
    failing = [finding for finding in findings if finding.key in run.failing]
    excuses = [text for finding in findings if (text := exception_text(run, finding)) is not None]
    told = "\n\n".join(_text(run, finding) for finding in findings)
    case = TestCase(id_, printable(run.name))
    if failing:
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        failure = Failure(printable(f"{_headline(failing[0])}{more}"), str(failing[0].severity))
        failure.text = printable(told)
        case.result = [failure]
    elif gap is not None:
        case.result = [_error(gap, told)]
    elif excuses:
        _skip(case, "; ".join(dict.fromkeys(excuses)), told)
    elif (judgement := next((each for each in judgements if each.reason), None)) is not None:
        _skip(case, f"{judgement.status.replace('_', ' ')}: {one_line(judgement.reason)}", told)
    elif told:
        case.system_out = printable(told)
    return case


def _headline(finding: Finding) -> str:
    return f"{finding.key}: {sentence(one_line(finding.evidence))}"


def _text(run: CheckedRun, finding: Finding) -> str:
    """Write a finding in full, below a line with its name."""
    terms = exception_text(run, finding)
    heading = f"{finding.severity} {finding.key} since step {finding.first_step}"
    return "\n".join([heading if terms is None else f"{heading} ({terms})", *finding_lines(finding)])


def _error_suite(path: str, name: str, sentences: Sequence[str]) -> TestSuite:
    """Write a path that could not be judged as a whole."""
    suite = TestSuite(printable(path))
    case = TestCase(name, printable(path))
    case.result = [_error("; ".join(sentences), "")]
    suite.add_testcase(case)
    return suite


def _passed(name: str, id_: str, sentences: Sequence[str]) -> TestCase:
    case = TestCase(id_, printable(name))
    case.system_out = printable("\n".join(sentences))
    return case


def _error(message: str, text: str) -> Error:
    error = Error(printable(one_line(message)), "not_judged")
    error.text = printable(text)
    return error


def _skip(case: TestCase, message: str, text: str) -> None:
    skipped = Skipped(printable(one_line(message)))
    skipped.text = printable(text)
    case.result = [skipped]
