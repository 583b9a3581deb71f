"""The tab in a browser, on runs without an end or without epochs, and where addresses and the keyboard lead."""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.diagnostics.tensorboard.vitals_tab.shown_tab import Tab

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.engine.events import LayerInfo, OptimizerInfo

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SWEEP = "learning_rate_x_initialization"
MakeRun = Callable[..., None]


def sick_finding() -> Finding:
    return Finding(
        id="dead_units",
        tier="fact",
        severity=Severity.ERROR,
        layer="hidden_1",
        first_step=2,
        last_step=3,
        value=1.0,
        threshold=0.5,
        evidence="4 of 4 units are silent",
        explanation="They get no gradient. They stop learning.",
    )


def write_watched(folder: Path, make_probe: Callable[..., Probe], *, loss: str) -> None:
    """Write a run as of a loop that was watched: looks, and no epochs."""
    with closing(RunWriter(folder)) as writer:
        told = OptimizerInfo("adam", 0.003)
        layers = (LayerInfo("0", "relu", 4, 4),)
        writer.context(Context(layers, loss, None, 64, 1000, 1.0, None, None, optimizer=told))
        for step, seen in ((0, 1.0), (10, 0.5)):
            known = {"accuracy_excess": 0.25, "accuracy_excess_se": 0.1, "majority_accuracy": 0.5}
            writer.note(make_probe(step, loss=seen, **known))
        writer.scalars(10, {"gradient_norm/0": 1.0})
        writer.note(Ending(10, "completed"))


def test_an_address_leads_to_a_finding_and_a_finding_into_the_address(tab: Tab, logs: Path) -> None:
    (name,) = [
        f"{SWEEP}/{each.name}"
        for each in (logs / SWEEP).iterdir()
        if all(part in each.name for part in ("learning_rate=10", "he", "seed=0"))
    ]
    tab.open(view="findings", run=name)
    playwright.expect(tab.find(".finding").first).to_be_visible()
    playwright.expect(tab.find(".looked-for")).to_have_count(0)
    key = tab.find("[data-key]").last.get_attribute("data-key")
    tab.find(f'[data-key="{key}"] .anchor').last.click()
    playwright.expect(tab.find(".looked-for")).to_have_attribute("data-key", key)
    address = tab.page.url
    assert f"p.gradvitals.finding={quote(key, safe='')}" in address
    tab.page.goto("about:blank")
    tab.page.goto(address)
    playwright.expect(tab.find(".looked-for")).to_have_attribute("data-key", key)
    playwright.expect(tab.find(".looked-for")).to_be_in_viewport()
    tab.find("[data-view=run]").click()
    playwright.expect(tab.find("canvas.heat-canvas").first).to_be_visible()
    assert "p.gradvitals.finding" not in tab.page.url


def test_after_enter_on_a_listed_run_its_heading_has_the_focus(tab: Tab) -> None:
    tab.open_alone(sweep=":all")
    tab.find("table.runs button").first.focus()
    tab.page.keyboard.press("Enter")
    playwright.expect(tab.find(".run-head h1")).to_be_focused()


def test_what_has_the_focus_keeps_it_when_a_running_run_grows(tab: Tab, logs: Path, make_run: MakeRun) -> None:
    make_run(logs / "growing" / "run", ended=None, findings=[sick_finding()])
    tab.open_alone(view="findings", run="growing/run")
    playwright.expect(tab.find(".run-head .facts")).to_contain_text("no end yet", timeout=40_000)
    tab.find(".findings-view .anchor").first.focus()
    with closing(RunWriter(logs / "growing" / "run")) as writer:
        writer.scalars(50, {"gradient_norm/hidden_1": 1.0})
        writer.note(Ending(50, "completed"))
    playwright.expect(tab.find(".run-head .facts")).to_contain_text("completed", timeout=40_000)
    playwright.expect(tab.find(".findings-view .anchor").first).to_be_focused()
    tab.forgive("404")


def test_a_run_that_was_silent_for_minutes_is_not_called_live_but_says_since_when(tab: Tab) -> None:
    tab.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(minutes=20))
    tab.open_alone(view="run", run="odd/still running")
    playwright.expect(tab.find(".live")).to_have_text(re.compile(r"last written 2\d min ago"))


def test_a_running_cell_says_once_that_it_has_no_end(tab: Tab, logs: Path, make_run: MakeRun) -> None:
    make_run(logs / "open" / "a", ended=None, config={"rate": 0.1})
    make_run(logs / "open" / "b", ended=None, config={"rate": 0.2}, findings=[sick_finding()])
    make_run(logs / "open" / "c", config={"rate": 0.3})
    tab.open_alone(sweep="open")
    cells = tab.find(".map .cell")
    playwright.expect(cells).to_have_count(3, timeout=40_000)
    for place, verdict in ((1, "✗…"), (2, "✓")):  # a file that is read only in part is shown as a running one
        playwright.expect(cells.nth(place).locator(".verdict")).to_have_text(verdict, timeout=40_000)
    seen = [[cell.locator(f".{part}").inner_text() for part in ("symbol", "verdict")] for cell in cells.all()]
    assert seen == [["…", ""], ["†", "✗…"], ["·", "✓"]]
    tab.forgive("404")


def test_of_a_run_that_tells_of_no_epochs_what_was_seen_is_shown(
    tab: Tab, logs: Path, make_probe: Callable[..., Probe]
) -> None:
    write_watched(logs / "watched" / "seen", make_probe, loss="cross_entropy")
    write_watched(logs / "watched" / "unseen", make_probe, loss="unknown")
    tab.open_alone(sweep="watched")
    playwright.expect(tab.find("table.runs tbody tr")).to_have_count(2, timeout=40_000)
    numbers = [row.locator("td.number").all_inner_texts() for row in tab.find("table.runs tbody tr").all()]
    assert numbers == [["0.75*", "0.5*", "10"], ["–", "–", "10"]]
    tab.find("table.runs button").first.click()
    playwright.expect(tab.find(".facts")).to_contain_text("scored on")
    playwright.expect(tab.find(".facts")).to_contain_text("256 training samples")
    playwright.expect(tab.find(".facts")).to_contain_text(re.compile(r"optimizer\s*adam"))
    playwright.expect(tab.find(".facts")).to_contain_text(re.compile(r"learning rate\s*0.003"))
    titles = tab.find(".curves figcaption").all_inner_texts()
    assert titles == ["Loss", "Accuracy"]
    tab.open_alone(view="run", run="watched/unseen")
    playwright.expect(tab.find(".main")).to_contain_text("No loss was seen: watch(model, data=…, loss=…)")
    playwright.expect(tab.find(".facts")).not_to_contain_text("unknown")
    tab.forgive("404")
