"""JUnit XML: what fails there is what fails the check, and nothing breaks the file."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from junitparser import JUnitXml

from gradvitals.diagnostics.findings import Judgement
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.formats.junit import junit_report


def cases(document: str) -> dict[tuple[str, str], Any]:
    """Read every test case back, by run and diagnosis."""
    suites = list(JUnitXml.fromstring(document.encode()))
    return {(suite.name, case.name): case for suite in suites for case in suite}


def kind(case: Any) -> str:
    return type(case.result[0]).__name__ if case.result else "Passed"


def test_a_case_says_what_became_of_a_diagnosis(make_outcome: Any) -> None:
    read = cases(junit_report(make_outcome("healthy", "sick", "ignored", "lost")))
    assert {key: kind(case) for key, case in read.items()} == {
        ("healthy", "numerics"): "Passed",
        ("healthy", "data_faults"): "Passed",
        ("healthy", "memorising"): "Skipped",
        ("healthy", "clipped_delta"): "Skipped",
        ("healthy", "symmetric_units"): "Skipped",
        ("sick", "numerics"): "Passed",
        ("sick", "dead_units"): "Failure",
        ("sick", "no_learning"): "Failure",
        ("sick", "saturated_units"): "Passed",
        ("sick", "data_faults"): "Passed",
        ("sick", "notes"): "Passed",
        ("ignored", "numerics"): "Passed",
        ("ignored", "dead_units"): "Skipped",
        ("lost", "numerics"): "Passed",
        ("lost", "record"): "Error",
    }
    assert all(case.classname == run for (run, _), case in read.items())
    messages = {key: case.result[0].message for key, case in read.items() if case.result}
    assert messages["healthy", "memorising"] == "not judged: no validation set"
    assert messages["healthy", "clipped_delta"] == "not applicable: no residual"
    assert messages["healthy", "symmetric_units"] == "switched off: meant so"
    assert messages["ignored", "dead_units"] == "ignored until 2030-01-02: sparse codes are meant"
    assert messages["lost", "record"] == "not judged: corrupt at byte 3; not judged: cut short"
    assert messages["sick", "dead_units"] == "dead_units@hidden_1: Dead_units is seen."
    assert read["sick", "dead_units"].result[0].text.splitlines() == [
        "error dead_units@hidden_1 since step 3",
        "Dead_units is seen.",
        "It hurts. Much.",
        "Wrong: The layer is silent.",
        "Costs: The loss is 98 % of the best constant output's.",
        'Try: start from zero biases: `model.bias_init = "zeros"`',
        "Try: try something",
    ]
    assert "A consequence of dead_units@hidden_1: mend that first." in read["sick", "no_learning"].result[0].text
    assert read["sick", "saturated_units"].system_out.startswith("warning saturated_units@hidden_2 since step 3\n")
    assert read["sick", "notes"].system_out == "truncated at byte 5"


@pytest.mark.parametrize("names", [["healthy"], ["sick"], ["ignored"], ["lost"], ["silent"], ["healthy", "hostile"]])
@pytest.mark.parametrize("refused", [False, True])
def test_a_case_fails_exactly_where_the_check_does(names: list[str], refused: bool, make_outcome: Any) -> None:  # noqa: FBT001
    outcome = make_outcome(*names, refused=refused)
    bad = {kind(case) for case in cases(junit_report(outcome)).values()} & {"Failure", "Error"}
    codes = {"Failure": Exit.FAILED, "Error": Exit.NOT_JUDGED}
    assert {codes[each] for each in bad} - {Exit.NOT_JUDGED} == {run.exit for _, run in outcome.runs} & {Exit.FAILED}
    assert ("Error" in bad) == (refused or any(run.exit is Exit.NOT_JUDGED for _, run in outcome.runs))
    assert bool(bad) == (outcome.exit is not Exit.DONE)


def test_what_had_to_be_judged_is_an_error_also_where_a_finding_is_ignored(
    make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    verdict = runs["ignored"].verdict
    verdict = replace(verdict, judgements=(*verdict.judgements, Judgement("dead_units", "not_judged", "cut short")))
    lost = replace(runs["ignored"], verdict=verdict, exit=Exit.NOT_JUDGED, demanded=frozenset({"dead_units"}))
    runs["ignored"] = lost
    assert kind(cases(junit_report(make_outcome("ignored")))["ignored", "dead_units"]) == "Error"


def test_a_run_of_a_sweep_that_does_not_count_does_not_fail(sweep: Any) -> None:
    read = cases(junit_report(sweep))
    assert {kind(case) for case in read.values()} == {"Passed", "Skipped"}
    assert read["sick", "dead_units"].result[0].message == "does not count: of a sweep the best counts"
    assert "Dead_units is seen." in read["sick", "dead_units"].result[0].text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runs": (), "counting": ()}, "no runs here: no event files and no run.json"),
        ({"gaps": ("it was cut short",)}, "it was cut short"),
    ],
)
def test_a_path_that_cannot_be_judged_is_an_error(values: Any, message: str, make_outcome: Any) -> None:
    read = cases(junit_report(make_outcome("healthy", exit=Exit.NOT_JUDGED, **values)))
    assert [case.result[0].message for case in read.values() if kind(case) == "Error"] == [message]


def test_no_text_breaks_the_file(make_outcome: Any) -> None:
    document = junit_report(make_outcome("hostile", refused=True))
    root = ET.fromstring(document.encode())  # noqa: S314 - our own
    text = " ".join([*root.itertext(), *(value for each in root.iter() for value in each.attrib.values())])
    assert "a�b�[31m� <b>&\"']]> %25 |" in text
    assert [suite.attrib["errors"] for suite in root] == ["0", "1"]


def test_numbers_of_a_suite_are_those_of_its_cases(make_outcome: Any) -> None:
    root = ET.fromstring(junit_report(make_outcome("healthy", "sick", "lost")).encode())  # noqa: S314 - our own
    for suite in root:
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{tag}"))
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
