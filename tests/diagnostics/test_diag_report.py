"""A verdict in words: on terminals of any width, and as Markdown."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from gradvitals.diagnostics.findings import Finding, Harm, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.markdown import finding_markdown, verdict_markdown
from gradvitals.diagnostics.report import report

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - as in findings
COSTS = "the loss is 98 ± 0.4 % of the best constant output's"


def make(diagnosis: str, severity: Severity = E, layer: str | None = "hidden_1", **values: Any) -> Finding:
    plain = Finding(diagnosis, "fact", severity, layer, 3, 900, 0.5, 0.1, f"{diagnosis} is seen", "It hurts.")
    return replace(plain, **values)


ROOT = make(
    "loss_mismatch",
    layer=None,
    defect="A softmax over one unit is always 1.",
    harm=Harm(0.98, 0.004, COSTS),
    prescriptions=(Prescription("use a sigmoid", {"model.output": "sigmoid"}),),
)
CONSEQUENCE = make(
    "no_learning", layer=None, explained_by="loss_mismatch", defect="never shown", harm=Harm(0.98, 0.004, COSTS)
)


def shown(verdict: Verdict, *, width: int = 120, **options: Any) -> list[str]:
    """Give the lines of a report, without what fills them up."""
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(report("run", verdict, **options))
    return [line.rstrip() for line in capture.get().splitlines()]


def verdict(*findings: Finding, judgements: tuple[Judgement, ...] = ()) -> Verdict:
    return Verdict((Judgement("x", "clear"), *judgements), findings)


def test_a_root_says_what_is_wrong_and_what_it_costs() -> None:
    assert shown(verdict(ROOT, CONSEQUENCE)) == [
        "✗ run: error",
        "  error loss_mismatch since step 3",
        "    Loss_mismatch is seen.",
        "    It hurts.",
        "    wrong: A softmax over one unit is always 1.",
        f"    costs: {COSTS}",
        '    → use a sigmoid: `model.output = "sigmoid"`',
        "    it explains:",
        "      error no_learning: No_learning is seen.",
    ]


@pytest.mark.parametrize("width", [30, 80])
def test_long_sentences_stay_inside_a_narrow_terminal(width: int) -> None:
    lines = shown(verdict(ROOT, CONSEQUENCE), width=width, ignored={"loss_mismatch": "until 2030-01-01: " + "x " * 80})
    assert max(map(len, lines)) <= width
    assert all(line.startswith("  ") for line in lines[1:])


def test_where_nothing_is_provably_wrong_or_compared_there_is_no_such_line() -> None:
    text = "\n".join(shown(verdict(make("dead_units"))))
    assert "wrong:" not in text
    assert "costs:" not in text


@pytest.mark.parametrize("form", [lambda given: "\n".join(shown(given, verbose=True)), verdict_markdown])
def test_what_several_roots_cost_together_is_said_once(form: Any) -> None:
    other = make("dead_units", harm=ROOT.harm, defect="Dead.")
    info = make("unscaled_inputs", I, harm=Harm(0.1, 0.1, "no word of it"), defect="nor of this")
    text = form(verdict(ROOT, other, CONSEQUENCE, info))
    assert text.count(COSTS) == 1
    assert text.count("A softmax over one unit") == text.count("Dead.") == 1
    assert not any(words in text for words in ("no word of it", "nor of this", "never shown"))
    different = replace(other, harm=Harm(0.5, 0.1, "half of it"))
    assert "half of it" in form(verdict(ROOT, different))


def test_what_is_switched_off_is_told_with_its_reason_in_one_line() -> None:
    off = (Judgement("dead_units", "switched_off", "sparse codes\n are intended"),)
    assert shown(verdict(judgements=off)) == [
        "✓ run: healthy",
        "  switched off: dead_units: sparse codes are intended",
    ]
    assert verdict_markdown(verdict(judgements=off)).splitlines() == [
        "**healthy**",
        "",
        "Switched off: dead_units (sparse codes are intended)",
    ]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("spare",), "module spare"),
        (("spare", "head.norm"), "modules spare, head.norm"),
        (tuple("abcdefghij"), "modules a, b, c, d, e, f, g, h, … (10)"),
    ],
    ids=["one", "two", "many"],
)
def test_parts_that_are_never_called_are_told_in_one_line(parts: tuple[str, ...], said: str) -> None:
    told = replace(verdict(), never_called=parts)
    assert shown(told) == ["✓ run: healthy", f"  never called: {said}"]
    assert verdict_markdown(told).splitlines()[-1] == f"Never called: {said}"
    assert told.to_json()["never_called"] == list(parts)
    assert told.without([]).never_called == parts


def test_an_ignored_root_is_marked_and_short_and_its_consequence_counts() -> None:
    terms = {"loss_mismatch": "until 2030-01-01: known"}
    lines = shown(verdict(ROOT, CONSEQUENCE), ignored=terms)
    assert lines[:5] == [
        "✗ run: error (1 ignored)",
        "  ignored error loss_mismatch since step 3",
        "    until 2030-01-01: known",
        "    Loss_mismatch is seen.",
        "    It hurts.",
    ]
    assert lines[-1] == "      error no_learning: No_learning is seen."
    assert shown(verdict(ROOT), ignored=terms) == ["✓ run: healthy (1 ignored)", *lines[1:4]]
    assert "    It hurts." in shown(verdict(ROOT), ignored=terms, verbose=True)


def test_an_ignored_consequence_is_marked_and_its_root_counts() -> None:
    lines = shown(verdict(ROOT, CONSEQUENCE), ignored={"no_learning": "until 2030-01-01: known"})
    assert lines[0] == "✗ run: error (1 ignored)"
    assert lines[-1] == "      ignored error no_learning (until 2030-01-01: known): No_learning is seen."


def test_what_it_costs_is_not_lost_with_an_ignored_root() -> None:
    other = make("dead_units", harm=ROOT.harm)
    lines = shown(verdict(ROOT, other), ignored={"loss_mismatch": "until 2030-01-01: known"})
    assert lines.index("  error dead_units@hidden_1 since step 3") < lines.index(f"    costs: {COSTS}")
    assert f"    costs: {COSTS}" in shown(verdict(ROOT), ignored={"loss_mismatch": "x"}, verbose=True)


def test_an_ignored_warning_leaves_the_error() -> None:
    given = verdict(ROOT, make("saturated_units", W))
    assert shown(given, ignored={"loss_mismatch": "x"})[0] == "! run: warning (1 ignored)"
    assert shown(given, ignored={"saturated_units@hidden_1": "x"})[0] == "✗ run: error (1 ignored)"


def test_markdown_says_what_is_wrong_and_what_it_costs() -> None:
    assert verdict_markdown(verdict(ROOT, CONSEQUENCE)).split("\n\n") == [
        "**error**",
        "### error: loss_mismatch",
        "*root, since step 3*",
        "Loss_mismatch is seen. It hurts.",
        "**Wrong:** A softmax over one unit is always 1.",
        f"**Costs:** {COSTS}",
        '- use a sigmoid: `model.output = "sigmoid"`',
        "### error: no_learning",
        "*explained by loss_mismatch, since step 3*",
        "No_learning is seen. It hurts.",
    ]


def test_one_finding_in_markdown_needs_no_verdict() -> None:
    assert "**Wrong:**" in finding_markdown(ROOT)
    assert "**Wrong:**" not in finding_markdown(CONSEQUENCE)
    assert "**Costs:**" in finding_markdown(ROOT)
    assert "**Costs:**" not in finding_markdown(CONSEQUENCE)


def test_what_is_known_is_marked_and_does_not_count() -> None:
    known = {"loss_mismatch": "known from the baseline"}
    lines = shown(verdict(ROOT), known=known)
    assert lines[0] == "✓ run: healthy (1 known)"
    assert lines[1] == "  known error loss_mismatch since step 3"
    both = shown(verdict(ROOT, CONSEQUENCE), known=known, ignored={"no_learning": "until 2030-01-01: known"})
    assert both[0] == "✓ run: healthy (1 ignored, 1 known)"
