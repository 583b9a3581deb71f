"""`gradvitals explain`: what the diagnoses mean, in the terminal."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.explain import Explanation, explain
from gradvitals.experiments.config.load import bundled_configs, loads
from gradvitals.experiments.diagnosis_guide import DIAGNOSES, EXAMPLES, config_lines, fixed_names
from gradvitals.experiments.rules import configured

EXPLANATIONS = [explain(diagnosis) for diagnosis in DIAGNOSES]
each = pytest.mark.parametrize("explanation", EXPLANATIONS, ids=lambda explanation: str(explanation.id))


def words(text: str) -> str:
    """Give the text on one line, without the marks that a terminal shows as styles."""
    return " ".join(text.replace("*", "").replace("`", "").split())


def test_without_an_id_each_diagnosis_has_a_line(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("explain")
    assert (said.code, said.err) == (0, "")
    lines = [line.split(maxsplit=1) for line in said.out.splitlines()[2:]]
    assert [(name, text.rstrip()) for name, text in lines] == [(each.id, each.headline) for each in EXPLANATIONS]


@each
def test_an_id_gets_every_part(explanation: Explanation, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("explain", explanation.id)
    assert (said.code, said.err) == (0, "")
    for part in explanation.parts.values():
        assert words(part)[:50] in said.out
    rows = [line.removeprefix("  thresholds").split()[:2] for line in said.out.splitlines()]
    assert all([limit.name, f"{limit.value:g}"] in rows for limit in explanation.thresholds)
    assert all(f"  {line} " in f"{said.out} " for line in config_lines(explanation))


@each
@pytest.mark.parametrize(("columns", "widest"), [(1, 66), (30, 66), (80, 80), (120, 100), (300, 100)])
def test_no_word_and_no_line_of_toml_is_lost_at_any_width(
    columns: int,
    widest: int,
    explanation: Explanation,
    gradvitals: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = gradvitals("explain", explanation.id)
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert max(map(len, lines)) <= widest
    assert all(any(line.endswith(f"  {toml}") for line in lines) for toml in config_lines(explanation))
    told = " ".join(part for part in (explanation.parts["Cause"], *(limit.meaning for limit in explanation.thresholds)))
    assert set(words(told).split()) <= set(said.out.split())


def test_several_ids_and_the_keys_of_findings_are_understood(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("explain", "no_learning", "dead_units@hidden_1", "dead_units@hidden_2")
    headings = [line.split()[0] for line in said.out.splitlines() if line and not line.startswith(" ")]
    assert (said.code, headings) == (0, ["no_learning", "dead_units"])


def test_an_unknown_id_names_the_nearest_and_nothing_is_explained(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("explain", "dead_units", "DeadUnit", "flat", "")
    assert (said.code, said.out, len(said.sentences)) == (2, "", 3)
    known = ", ".join(explanation.id for explanation in EXPLANATIONS)
    assert said.sentences[0] == f"gradvitals: no diagnosis 'DeadUnit'; there are {known} — did you mean 'dead_units'?"
    assert said.sentences[1] == f"gradvitals: no diagnosis 'flat'; there are {known}"


@each
def test_the_config_shown_is_valid_and_changes_nothing(explanation: Explanation) -> None:
    text = "\n".join(config_lines(explanation))
    rules = loads(f'[data]\nsource = "iris"\n{text}').diagnostics.rules
    assert configured(rules, diagnoses=DIAGNOSES) == DIAGNOSES
    shown = tomllib.loads(text)["diagnostics"][explanation.id]
    assert {*shown, *fixed_names(explanation)} == {"enabled", *(limit.name for limit in explanation.thresholds)}


def test_every_bundled_pair_is_the_example_of_a_diagnosis() -> None:
    twins = {example.twin for example in EXAMPLES.values()}
    bundled = bundled_configs()
    assert set(EXAMPLES) <= {explanation.id for explanation in EXPLANATIONS}
    assert {example.config for example in EXAMPLES.values()} <= set(bundled)
    assert twins == {name for name in bundled if name.endswith("_healthy")}
