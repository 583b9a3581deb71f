"""What a notebook shows of a monitor, a verdict and a finding: all that counts, safely, on light and dark paper."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notebook import BADGES, finding_html, verdict_html
from gradvitals.diagnostics.watched_data import WatchedData

HOSTILE = "<script>alert('x')</script>&\"'"


def finding(id_: str, layer: str | None = None, **values: Any) -> Finding:
    plain: dict[str, Any] = {
        "tier": "fact",
        "severity": Severity.ERROR,
        "first_step": 3,
        "last_step": 9,
        "value": 1.0,
        "threshold": 0.5,
        "evidence": "half of it",
        "explanation": "It means this. It does that.",
    }
    return Finding(id_, layer=layer, **(plain | values))


class Checked(HTMLParser):
    """Tells whether every element is closed, and which there are."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(shown)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open."""
        self.open.append(tag)
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        """Close."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Read."""
        self.text += data


VERDICT = Verdict(
    (
        Judgement("dead_units", "fired"),
        Judgement("numerics", "not_judged", f"not recorded {HOSTILE}"),
        Judgement("overfitting", "switched_off", f"we know\n{HOSTILE}"),
    ),
    (
        finding("dead_units", "hidden_1", prescriptions=(Prescription("lower it", {"training.l2": 0.5}, "confirmed"),)),
        finding("no_learning", explained_by="dead_units@hidden_1", severity=Severity.WARNING),
        finding("update_ratio", severity=Severity.INFO),
        finding("vanishing_gradient", "hidden_2", cleared=True),
    ),
    ("encoder",),
)


def test_a_verdict_shows_roots_with_what_they_explain_and_the_rest_in_brief() -> None:
    shown = Checked(verdict_html(VERDICT, "after 9 updates"))
    assert shown.text.startswith("✗ error after 9 updates")
    assert shown.text.index("dead_units@hidden_1") < shown.text.index("it explains: warning no_learning: half of it")
    assert "→ lower it: training.l2 = 0.5 (confirmed by trial)" in shown.text
    for aside in ("1 of no consequence", "1 cleared", "1 not judged", "1 switched off", "1 never called"):
        assert aside in shown.text
    assert shown.text.count("no_learning") == 1


def test_a_finding_whose_cause_does_not_stand_is_shown_all_the_same() -> None:
    lone = Verdict((), (finding("no_learning", explained_by="dead_units@hidden_1"),))
    assert "no_learning since step 3, explained by dead_units@hidden_1" in Checked(verdict_html(lone)).text


def test_nothing_that_people_wrote_becomes_markup() -> None:
    fields = dict.fromkeys(("evidence", "explanation", "defect"), HOSTILE)
    hostile = finding(
        "dead_units",
        HOSTILE,
        **fields,
        prescriptions=(Prescription(HOSTILE, {HOSTILE: HOSTILE}),),
        explained_by=HOSTILE,
    )
    for shown in (
        finding_html(hostile),
        verdict_html(replace(VERDICT, findings=(hostile,), never_called=(HOSTILE,)), HOSTILE),
    ):
        checked = Checked(shown)
        assert checked.elements <= {"div", "span", "b", "code", "details", "summary", "ul", "li"}
        assert checked.attributes == {"style"}
        assert "<script" not in shown


def test_it_needs_nothing_from_elsewhere_and_takes_the_papers_own_ink() -> None:
    shown = verdict_html(VERDICT)
    assert not re.search(r"https?:|url\(|src=|href=|class=|<style", shown)
    inks = re.findall(r"(?<![-\w])color:([^;']+)", shown)
    assert set(inks) == {"#fff"}  # on badges, which bring their own paper


@pytest.mark.parametrize("colour", [colour for _, colour in BADGES.values()])
def test_white_on_a_badge_can_be_read(colour: str) -> None:
    channels = [int(colour[at : at + 2], 16) / 255.0 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


def test_a_monitor_shows_where_it_is(
    digits: WatchedData, make_network: Callable[..., Any], train_watched: Callable[..., Any]
) -> None:
    pytest.importorskip("IPython")
    from IPython.core.formatters import DisplayFormatter

    def displayed(thing: object) -> str:
        shown: str = DisplayFormatter().format(thing)[0]["text/html"]
        return Checked(shown).text

    assert "? not judged no training was seen yet" in displayed(Monitor(make_network(digits), digits))
    watched = train_watched(digits, bias=-50.0, epochs=5)
    assert displayed(watched.monitor).startswith("✗ error after 105 updates")
    assert "dead_units@hidden_1" in displayed(watched.monitor)
    assert displayed(watched.monitor.verdict).startswith("✗ error")
    assert "dead_units@hidden_1" in displayed(watched.monitor.verdict.standing[0])
