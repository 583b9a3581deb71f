"""Findings as JSON, and which finding explains which."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Harm, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.roots import explain
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - as in the table below

DERIVED = {"key", "margin", "root", "severity", "prescriptions", "harm"}
"""What JSON words otherwise than the fields."""


def finding(
    diagnosis: str, layer: str | None = None, first: int = 0, severity: Severity = E, *, cleared: bool = False
) -> Finding:
    return Finding(diagnosis, "test", severity, layer, first, 900, 0.5, 0.1, "seen", "Bad.", cleared=cleared)


@pytest.mark.parametrize("severity", Severity)
def test_a_severity_is_equal_to_its_own_name_and_to_no_other(severity: Severity) -> None:
    names = ["info", "warning", "error"]
    own = str(severity)
    assert [name for name in names if severity == name] == [name for name in names if name == severity] == [own]
    others = [name for name in names if name != own]
    assert [name for name in names if severity != name] == [name for name in names if name != severity] == others
    assert severity in set(names)
    assert severity not in set(others)
    assert [each for each in Severity if each == severity] == [severity]
    assert severity not in [each for each in Severity if each != severity]


def test_severities_are_ordered() -> None:
    assert sorted([E, I, W]) == [I, W, E]
    assert max(I, W) is W


@pytest.fixture
def context(make_context: Callable[..., Context]) -> Context:
    """Three hidden layers."""
    return make_context(["relu", "sigmoid", "relu"])


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([finding("no_learning", first=200)], {"no_learning": None}),
        (
            [finding("no_learning", first=200), finding("dead_units", "hidden_2")],
            {"dead_units@hidden_2": None, "no_learning": "dead_units@hidden_2"},
        ),
        (
            [finding("dead_units", "hidden_2", 300), finding("dead_units", "hidden_1", 300)],
            {"dead_units@hidden_1": None, "dead_units@hidden_2": "dead_units@hidden_1"},
        ),
        (
            [finding("dead_units", "hidden_1", 300), finding("saturated_units", "hidden_2", 0)],
            {"saturated_units@hidden_2": None, "dead_units@hidden_1": None},
        ),
        (
            [finding("vanishing_gradient", "hidden_1", 0), finding("saturated_units", "hidden_2", 0)],
            {"saturated_units@hidden_2": None, "vanishing_gradient@hidden_1": "saturated_units@hidden_2"},
        ),
        (
            [finding("saturated_units", "hidden_2", 400), finding("vanishing_gradient", "hidden_1", 0)],
            {"vanishing_gradient@hidden_1": None, "saturated_units@hidden_2": "vanishing_gradient@hidden_1"},
        ),
        (
            [finding("non_finite", "output", 40), finding("dead_units", "hidden_3", 100)],
            {"dead_units@hidden_3": None, "non_finite@output": None},
        ),
        (
            [finding("non_finite", "output", 40), finding("exploding_gradient", None, 30)],
            {"exploding_gradient": None, "non_finite@output": "exploding_gradient"},
        ),
        (
            [finding("no_learning", first=200), finding("dead_units", "hidden_1", 0, W)],
            {"no_learning": None, "dead_units@hidden_1": None},
        ),
        (
            [finding("dead_units", "hidden_1", 0, I), finding("dead_units", "hidden_2", 0, I)],
            {"dead_units@hidden_1": None, "dead_units@hidden_2": None},
        ),
        (
            [
                finding("saturated_units", "hidden_3", 0),
                finding("vanishing_gradient", "hidden_1", 0),
                finding("dead_units", "hidden_2", 100),
            ],
            {
                "saturated_units@hidden_3": None,
                "vanishing_gradient@hidden_1": "saturated_units@hidden_3",
                "dead_units@hidden_2": "saturated_units@hidden_3",
            },
        ),
    ],
    ids=[
        "alone",
        "a consequence of anything",
        "downstream",
        "not upstream",
        "a gradient passes every layer",
        "by time",
        "not by what came later",
        "by what came before",
        "not by a warning",
        "infos explain nothing",
        "the root and not a link of the chain",
    ],
)
def test_roots_and_what_they_explain(
    findings: list[Finding], expected: dict[str, str | None], context: Context
) -> None:
    for given in (findings, findings[::-1]):
        explained = explain(given, context)
        assert {found.key: found.explained_by for found in explained} == expected
        roots = [found.explained_by is None for found in explained]
        assert roots == sorted(roots, reverse=True)
        assert explained[0].key == next(iter(expected))


def test_cleared_findings_come_last_and_explain_nothing(context: Context) -> None:
    cleared = replace(finding("dead_units", "hidden_1", severity=I), cleared=True)
    explained = explain([cleared, finding("no_learning", first=200)], context)
    assert [(found.key, found.explained_by) for found in explained] == [
        ("no_learning", None),
        ("dead_units@hidden_1", None),
    ]


def test_a_finding_survives_json() -> None:
    cure = Prescription("lower it", {"training.optimizer.learning_rate": 0.01}, "confirmed")
    given = replace(
        finding("non_finite", "output"),
        value=float("nan"),
        threshold=float("inf"),
        prescriptions=(cure,),
        defect="A loss that is no number.",
        harm=Harm(1.5, float("inf"), "the loss is that of nobody"),
    )
    written = encode_json(given.to_json())
    assert json.loads(written)["harm"] == {"value": 1.5, "se": "Infinity", "text": "the loss is that of nobody"}
    read: Any = decode_json(written)
    assert str(read.pop("value")) == "nan"
    assert read == {
        "key": "non_finite@output",
        "id": "non_finite",
        "tier": "test",
        "severity": "error",
        "layer": "output",
        "first_step": 0,
        "last_step": 900,
        "threshold": float("inf"),
        "evidence": "seen",
        "explanation": "Bad.",
        "prescriptions": [
            {"why": "lower it", "set": {"training.optimizer.learning_rate": 0.01}, "outcome": "confirmed"}
        ],
        "cleared": False,
        "explained_by": None,
        "defect": "A loss that is no number.",
        "harm": {"value": 1.5, "se": float("inf"), "text": "the loss is that of nobody"},
        "margin": None,
        "root": True,
    }
    rebuilt = Finding(
        **{name: value for name, value in read.items() if name not in DERIVED},
        value=float("nan"),
        severity=Severity[read["severity"].upper()],
        prescriptions=tuple(Prescription(**prescription) for prescription in read["prescriptions"]),
        harm=Harm(**read["harm"]),
    )
    assert json.loads(encode_json(rebuilt.to_json())) == json.loads(encode_json(given.to_json()))


def test_what_a_finding_does_not_cost_is_null() -> None:
    data = finding("dead_units").to_json()
    assert (data["defect"], data["harm"]) == ("", None)


@pytest.mark.parametrize(
    ("judgements", "findings", "expected"),
    [
        ([Judgement("a", "clear"), Judgement("b", "not_judged", "why")], [], "healthy"),
        ([Judgement("a", "not_applicable"), Judgement("b", "not_judged", "why")], [], "not_judged"),
        ([Judgement("a", "switched_off", "why"), Judgement("b", "not_judged", "why")], [], "not_judged"),
        ([Judgement("a", "switched_off", "why"), Judgement("b", "clear")], [], "healthy"),
        ([Judgement("a", "fired")], [finding("a", severity=I)], "healthy"),
        ([Judgement("a", "fired")], [finding("a", severity=I), finding("b", severity=W)], "warning"),
        ([Judgement("a", "fired")], [finding("a"), finding("b", severity=W)], "error"),
        ([Judgement("a", "clear")], [finding("a", severity=I, cleared=True)], "healthy"),
    ],
    ids=["clear", "nothing judged", "nothing else judged", "all else clear", "info", "warning", "error", "cleared"],
)
def test_the_outcome_is_the_worst_that_stands(
    judgements: list[Judgement], findings: list[Finding], expected: str
) -> None:
    verdict = Verdict(tuple(judgements), tuple(findings))
    assert verdict.outcome == expected
    assert verdict.to_json()["verdict"] == expected
    assert [entry["id"] for entry in verdict.to_json()["not_judged"]] == [
        judgement.id for judgement in judgements if judgement.status == "not_judged"
    ]


def test_what_is_switched_off_is_told_with_its_reason() -> None:
    verdict = Verdict((Judgement("a", "switched_off", "meant"), Judgement("b", "not_judged", "no data")))
    data = verdict.to_json()
    assert (data["switched_off"], data["not_judged"]) == (
        [{"id": "a", "why": "meant"}],
        [{"id": "b", "reason": "no data"}],
    )


def test_a_verdict_without_some_findings_is_that_of_the_others() -> None:
    verdict = Verdict((Judgement("a", "fired"),), (finding("a", "output"), finding("b", severity=W)))
    assert verdict.without(["a@output"]).outcome == "warning"
    assert verdict.without(["a@output", "b"]).outcome == "healthy"
    assert verdict.without(["a"]).outcome == verdict.outcome == "error"


def test_a_finding_shows_itself_in_a_notebook_without_letting_markup_through() -> None:
    given = replace(
        finding("dead_units", "hidden_1"), evidence="<script>", defect="<script>", harm=Harm(1.0, 0.1, "<script>")
    )
    shown = given._repr_html_()
    assert "dead_units@hidden_1" in shown
    assert "Wrong: &lt;script&gt;. Costs: &lt;script&gt;." in shown
    assert "<script>" not in shown
