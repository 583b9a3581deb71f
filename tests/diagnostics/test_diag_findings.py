"""Findings as JSON, and which finding explains which."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.roots import explain
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - as in the table below


def finding(
    diagnosis: str, layer: str | None = None, first: int = 0, severity: Severity = E, *, cleared: bool = False
) -> Finding:
    return Finding(diagnosis, "test", severity, layer, first, 900, 0.5, 0.1, "seen", "Bad.", cleared=cleared)


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
    given = replace(finding("non_finite", "output"), value=float("nan"), threshold=float("inf"), prescriptions=(cure,))
    read: Any = decode_json(encode_json(given.to_json()))
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
        "root": True,
    }
    rebuilt = Finding(
        **{name: value for name, value in read.items() if name not in {"key", "root", "severity", "prescriptions"}},
        value=float("nan"),
        severity=Severity[read["severity"].upper()],
        prescriptions=tuple(Prescription(**prescription) for prescription in read["prescriptions"]),
    )
    assert json.loads(encode_json(rebuilt.to_json())) == json.loads(encode_json(given.to_json()))


@pytest.mark.parametrize(
    ("judgements", "findings", "expected"),
    [
        ([Judgement("a", "clear"), Judgement("b", "not_judged", "why")], [], "healthy"),
        ([Judgement("a", "not_applicable"), Judgement("b", "not_judged", "why")], [], "not_judged"),
        ([Judgement("a", "fired")], [finding("a", severity=I)], "healthy"),
        ([Judgement("a", "fired")], [finding("a", severity=I), finding("b", severity=W)], "warning"),
        ([Judgement("a", "fired")], [finding("a"), finding("b", severity=W)], "error"),
        ([Judgement("a", "clear")], [finding("a", severity=I, cleared=True)], "healthy"),
    ],
    ids=["clear", "nothing judged", "info", "warning", "error", "cleared"],
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


def test_a_finding_shows_itself_in_a_notebook_without_letting_markup_through() -> None:
    shown = replace(finding("dead_units", "hidden_1"), evidence="<script>")._repr_html_()
    assert "dead_units@hidden_1" in shown
    assert "<script>" not in shown
