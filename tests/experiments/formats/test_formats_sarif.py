"""SARIF: valid by the standard's own schema, and pointing where a person would look."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.formats.sarif import documentation, fingerprint, sarif_report
from gradvitals.experiments.since_baseline import SinceBaseline

SCHEMA = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text(encoding="utf-8"))


def read(document: str) -> Any:
    """Give the one run of a log that is valid."""
    log = json.loads(document)
    faults = [f"{list(error.absolute_path)}: {error.message}" for error in Draft4Validator(SCHEMA).iter_errors(log)]
    assert faults == []
    (run,) = log["runs"]
    return run


def test_the_schema_tells_right_from_wrong(make_outcome: Any) -> None:
    log = json.loads(sarif_report(make_outcome("sick")))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not Draft4Validator(SCHEMA).is_valid(log)


@pytest.mark.parametrize("names", [["healthy"], ["sick"], ["ignored"], ["lost"], ["silent"], ["hostile"], []])
@pytest.mark.parametrize("refused", [False, True])
def test_every_outcome_is_a_valid_log(names: list[str], refused: bool, make_outcome: Any) -> None:  # noqa: FBT001
    outcome = make_outcome(*names, refused=refused)
    run = read(sarif_report(outcome))
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == outcome.exit
    assert invocation["executionSuccessful"] == (outcome.exit in {0, 1})
    errors = [each for each in invocation["toolExecutionNotifications"] if each["level"] == "error"]
    assert bool(errors) == (outcome.exit in {2, 3})


def test_a_result_says_what_and_where(make_outcome: Any) -> None:
    run = read(sarif_report(make_outcome("sick")))
    results = run["results"]
    assert [(each["ruleId"], each["level"]) for each in results] == [
        ("dead_units", "error"),
        ("no_learning", "error"),
        ("saturated_units", "warning"),
    ]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in results)
    first = results[0]
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "con%20figs/%C3%A4.toml"},
                "region": {"startLine": 5},
            },
            "logicalLocations": [{"name": "hidden_1", "fullyQualifiedName": "sick/hidden_1", "kind": "member"}],
        }
    ]
    assert first["message"]["text"].startswith("sick: Dead_units is seen.\n")
    assert first["suppressions"] == []
    properties = first["properties"]
    assert (properties["value"], properties["threshold"], properties["margin"]) == (1.0, 0.5, 1.0)
    assert properties["harm"] == {"value": 0.98, "se": "NaN"}
    assert properties["failsCheck"] is True
    assert results[1]["properties"]["explainedBy"] == "dead_units@hidden_1"


def test_every_diagnosis_is_a_rule_in_its_own_words(make_outcome: Any) -> None:
    rules = {rule["id"]: rule for rule in read(sarif_report(make_outcome("healthy")))["tool"]["driver"]["rules"]}
    assert rules.keys() >= {diagnosis.id for diagnosis in CATALOGUE} | {"gradient_check", "max_dead"}
    dead = rules["dead_units"]
    assert dead["shortDescription"]["text"].startswith("Units whose output")
    assert dead["defaultConfiguration"]["level"] == "error"
    assert "**Cure:** Died: a lower learning rate" in dead["help"]["markdown"]


@pytest.mark.parametrize(
    ("urls", "base"),
    [
        ([], None),
        (["Source, https://x.org/y"], None),
        (["Documentation, https://x.org/docs/"], "https://x.org/docs"),
    ],
)
def test_rules_link_to_the_docs_once_the_package_says_where_they_are(urls: list[str], base: str | None) -> None:
    assert documentation(urls) == base


def test_an_ignored_finding_is_suppressed_with_its_reason(make_outcome: Any) -> None:
    (result,) = read(sarif_report(make_outcome("ignored")))["results"]
    (suppression,) = result["suppressions"]
    assert suppression == {
        "kind": "inSource",
        "status": "accepted",
        "justification": "until 2030-01-02: sparse codes are meant",
    }


def test_what_is_known_since_a_baseline_is_unchanged(make_outcome: Any, runs: dict[str, CheckedRun]) -> None:
    states = {"dead_units@hidden_1": "known", "no_learning": "new", "saturated_units@hidden_2": "worse"}
    baseline = SinceBaseline(1, states, dict.fromkeys(states, ""))  # type: ignore[arg-type]
    runs["sick"] = replace(runs["sick"], baseline=baseline)
    results = read(sarif_report(make_outcome("sick")))["results"]
    assert [result["baselineState"] for result in results] == ["unchanged", "new", "updated"]


def test_info_is_a_note_on_request(make_outcome: Any) -> None:
    assert read(sarif_report(make_outcome("healthy")))["results"] == []
    (note,) = read(sarif_report(make_outcome("healthy", verbose=True)))["results"]
    assert (note["ruleId"], note["level"]) == ("data_faults", "note")


def test_runs_of_a_sweep_that_do_not_count_are_left_out(sweep: Any) -> None:
    assert read(sarif_report(sweep))["results"] == []


def test_a_fingerprint_outlives_seed_limits_and_name_but_not_the_config(runs: dict[str, CheckedRun]) -> None:
    def of(text: str, layer: str = "hidden_1") -> str:
        found: Finding = replace(runs["sick"].verdict.findings[0], layer=layer)
        return fingerprint(replace(runs["sick"], name=text, config=loads(f'[data]\nsource = "digits"\n{text}')), found)

    assert of("[check]\nmax_dead = 0.5") == of("[check]\nmax_dead = 0.1") == of("")
    assert of("") != of("[training]\nepochs = 3")
    assert of("") != of("", layer="hidden_2")


def uri_of(outcome: Any) -> str:
    place = read(sarif_report(outcome))["results"][0]["locations"][0]["physicalLocation"]
    return str(place["artifactLocation"]["uri"])


def test_the_config_that_was_checked_goes_before_the_copy_in_the_runs_folder(
    make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    copy = runs["sick"].folder / "config.toml"
    copy.parent.mkdir(parents=True)
    copy.touch()
    assert uri_of(make_outcome("sick")) == "con%20figs/%C3%A4.toml"
    assert uri_of(make_outcome("sick", source=None)) == "logs/x/config.toml"


@pytest.mark.parametrize("file", ["../secret.py", "/etc/hostname", "a\x00b", "nowhere.py", "x" * 5000, ".", ""])
def test_a_record_cannot_point_outside_of_the_checkout(
    file: str, make_outcome: Any, runs: dict[str, CheckedRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.py").touch()
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    runs["sick"] = replace(runs["sick"], call_site=CallSite(file, 3))
    assert uri_of(make_outcome("sick", source=None)) == "logs/x"
    (tmp_path / "checkout" / "train.py").touch()
    runs["sick"] = replace(runs["sick"], call_site=CallSite("train.py", 3))
    assert uri_of(make_outcome("sick", source=None)) == "train.py"


def test_a_run_without_a_config_is_found_by_its_folder(make_outcome: Any) -> None:
    (first, *_) = read(sarif_report(make_outcome("sick", source=None)))["results"]
    assert first["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "logs/x"}}


@pytest.mark.parametrize("severity", Severity)
def test_levels_are_those_of_findings(severity: Severity, make_outcome: Any, runs: dict[str, CheckedRun]) -> None:
    verdict = runs["sick"].verdict
    one = replace(verdict.findings[0], severity=severity)
    runs["sick"] = replace(runs["sick"], verdict=replace(verdict, findings=(one,)))
    (result,) = read(sarif_report(make_outcome("sick", verbose=True)))["results"]
    assert result["level"] == {"info": "note"}.get(str(severity), str(severity))
