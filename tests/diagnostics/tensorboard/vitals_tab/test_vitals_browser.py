"""The tab in a browser, on a real TensorBoard: what a user sees, clicks and types."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.diagnostics.tensorboard.vitals_tab.shown_tab import PATIENCE, Tab

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.tensorboard.vitals_tab.first_steps import TAB

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

Board: TypeAlias = Callable[..., AbstractContextManager[str]]

SWEEP = "learning_rate_x_initialization"


def summary_of(logs: Path, part: str) -> dict[str, Any]:
    """Read what a run's own file says of it."""
    summary: dict[str, Any] = json.loads((logs / name_of(logs, part) / "run.json").read_text(encoding="utf-8"))
    return summary


WALK = """
(canvas, [rows, columns]) => {
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const tip = canvas.parentElement.querySelector(".tip");
  const found = [];
  for (let row = 0; row < rows; row += 1) {
    for (let up = 0; up < 50; up += 1) press("ArrowUp");
    for (let down = 0; down < row; down += 1) press("ArrowDown");
    press("Home");
    press("ArrowLeft");
    for (let column = 0; column < columns; column += 1) {
      found.push({ ...tip.dataset });
      press("ArrowRight");
    }
  }
  return found;
}
"""
"""Walks over a heat map with the arrow keys and reads what its tip says."""


def name_of(logs: Path, *parts: str) -> str:
    (folder,) = [
        each for each in (logs / SWEEP).iterdir() if each.is_dir() and all(part in each.name for part in parts)
    ]
    return f"{SWEEP}/{folder.name}"


def histogram_steps(folder: Path, tag: str) -> list[int]:
    read = EventAccumulator(str(folder), size_guidance={"histograms": 0}).Reload()
    return [point.step for point in read.Histograms(tag)]


def test_the_tab_opens_with_a_map_that_has_the_right_cells(tab: Tab, logs: Path) -> None:
    tab.page.goto(tab.address)
    tab.page.get_by_role("tab", name="Vitals").or_(tab.page.get_by_text("Vitals", exact=True)).first.click()
    tab.look_inside()
    cells = tab.find(".map .cell")
    playwright.expect(cells).to_have_count(4)
    drawn = [(cell.get_attribute("data-root"), cell.get_attribute("data-verdict")) for cell in cells.all()]
    expected = []
    for init, rate in product(("zeros", "he_normal"), ("0.05", "10")):
        run = summary_of(logs, f"learning_rate={rate},init={init},seed=0")
        expected.append((run["findings"][0].partition("@")[0] if run["findings"] else "", run["verdict"]))
    assert drawn == expected
    assert drawn[2:] == [("", "healthy"), ("learning_rate_too_high", "error")]
    assert cells.nth(3).locator(".symbol").inner_text() == "△"
    summaries = [summary_of(logs, f"learning_rate=0.05,init=he_normal,{seed}") for seed in ("seed=0", "seed=1")]
    mean = np.mean([summary["scores"]["validation"]["accuracy"] for summary in summaries])
    assert float(cells.nth(2).locator(".score").inner_text()) == pytest.approx(mean, abs=0.005)


def test_a_cell_lists_its_seeds_and_one_of_these_opens_the_run(tab: Tab) -> None:
    tab.open(sweep=SWEEP)
    tab.find(".map .cell").nth(3).click()
    rows = tab.find(".list .runs tbody tr")
    playwright.expect(rows).to_have_count(2)
    rows.first.locator("button").click()
    playwright.expect(tab.find(".run-head h1")).to_contain_text("learning_rate_too_high")
    assert "p.gradvitals.view=run" in tab.page.url
    tab.page.go_back()
    playwright.expect(tab.find(".map .cell").first).to_be_visible()


def test_over_other_axes_a_cell_with_one_run_opens_it(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP, columns="seed", rows="model.init")
    playwright.expect(tab.find(".map thead .axis").first).to_have_text("seed →")
    tab.find("select[name=columns]").select_option("model.init")
    playwright.expect(tab.find(".map thead .axis").first).to_have_text("model.init →")
    assert "p.gradvitals.columns=model.init" in tab.page.url


def test_the_runs_of_a_cell_are_listed_again_on_the_way_back(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP)
    tab.find(".map .cell").nth(3).click()
    rows = tab.find(".list .runs tbody tr")
    playwright.expect(rows).to_have_count(2)
    rows.first.locator("button").click()
    playwright.expect(tab.find(".run-head h1")).to_be_visible()
    tab.page.go_back()
    playwright.expect(rows).to_have_count(2)


def test_the_key_of_an_axis_is_not_cut(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP, columns="model.init", rows="training.optimizer.learning_rate")
    head = tab.find(".map th.down")
    playwright.expect(head).to_have_text("training.optimizer.learning_rate ↓")
    assert head.evaluate("head => head.scrollWidth <= head.clientWidth")


def test_the_map_is_walked_with_the_arrow_keys(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP)
    tab.find(".map .cell").first.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowDown")
    focused = tab.find(".map .cell:focus")
    assert (focused.get_attribute("data-row"), focused.get_attribute("data-column")) == ("1", "1")
    playwright.expect(focused.locator(".tip")).to_be_visible()
    tab.page.keyboard.press("Enter")
    playwright.expect(tab.find(".list .runs tbody tr")).to_have_count(2)


def test_the_values_of_the_heat_map_are_those_of_the_event_files(tab: Tab, logs: Path) -> None:
    run = name_of(logs, "0.05", "he", "seed=0")
    series = read_run(logs / run).scalars
    tab.open_alone(view="run", run=run)
    canvas = tab.find("[data-metric=gradient_norm] canvas")
    layers = ("hidden_1", "hidden_2", "output")
    found = canvas.evaluate(WALK, [len(layers), max(len(series[f"gradient_norm/{layer}"].steps) for layer in layers)])
    read: dict[str, dict[int, float]] = {}
    for each in found:
        read.setdefault(each["layer"], {})[int(each["step"])] = float(each["value"])
    for layer in layers:
        written = series[f"gradient_norm/{layer}"]
        assert list(read[layer]) == written.steps.tolist()
        assert np.array(list(read[layer].values()), np.float32).tolist() == written.values.tolist()


def test_a_click_shows_the_layers_curve_and_the_histograms_at_that_step(tab: Tab, logs: Path) -> None:
    run = name_of(logs, "0.05", "he", "seed=0")
    tab.open_alone(view="run", run=run)
    canvas = tab.find("[data-metric=weight_norm] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] - 4, "y": 5})
    detail = tab.find(".detail")
    playwright.expect(detail).to_have_attribute("data-layer", "hidden_1")
    playwright.expect(detail.locator(".histogram-of")).to_have_count(3)
    *_, before, last = histogram_steps(logs / run, "activations/hidden_1")
    assert {each.get_attribute("data-step") for each in detail.locator(".histogram-of").all()} == {str(last)}
    assert detail.locator(".uplot canvas").count() == 1
    assert "p.gradvitals.layer=hidden_1" in tab.page.url
    detail.locator(".histogram-of button[aria-label='Histograms before']").first.click()
    playwright.expect(detail.locator(".histogram-of").first).to_have_attribute("data-step", str(before))
    tab.page.keyboard.press("Escape")
    playwright.expect(detail).to_have_count(0)


def test_findings_stand_root_first_with_what_they_explain(tab: Tab, logs: Path) -> None:
    run = name_of(logs, "learning_rate=10", "he", "seed=0")
    recorded = json.loads((logs / run / "findings.json").read_text(encoding="utf-8"))["findings"]
    serious = [each for each in recorded if each["severity"] != "info" and not each["cleared"]]
    tab.open_alone(view="findings", run=run)
    roots = tab.find(".finding")
    playwright.expect(roots).to_have_count(sum(each["root"] for each in serious))
    assert roots.first.get_attribute("data-key") == serious[0]["key"]
    explained = [each.get_attribute("data-key") for each in roots.first.locator(".explained").all()]
    assert explained == [each["key"] for each in serious if each["explained_by"] == serious[0]["key"]]
    assert roots.first.locator(".outcome").first.inner_text() == "not tried yet"


def test_a_finding_is_marked_where_it_began_and_leads_to_its_words(tab: Tab, logs: Path) -> None:
    tab.open_alone(view="run", run=name_of(logs, "learning_rate=10", "he", "seed=0"))
    mark = tab.find(".lane .mark").first
    playwright.expect(mark).to_have_attribute("title", "learning_rate_too_high: since step 1")
    mark.click()
    playwright.expect(tab.find(".finding.looked-for")).to_have_attribute("data-key", "learning_rate_too_high")


def test_a_dead_unit_shows_what_it_was_before_and_after(tab: Tab, logs: Path) -> None:
    tab.open_alone(view="units", run=name_of(logs, "learning_rate=10", "he", "seed=0"))
    playwright.expect(tab.find(".unit-detail h1")).to_contain_text("killed by update")
    before, after = tab.find(".distribution").nth(0), tab.find(".distribution").nth(1)
    assert before.locator(".bar.fires").count() > 0
    assert (after.locator(".bar.fires").count(), after.locator(".bar.silent").count() > 0) == (0, True)
    assert tab.find(".largest tr").last.locator("td").last.inner_text() == "silent"
    tab.find(".unit").first.focus()
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    playwright.expect(tab.find(".unit").nth(1)).to_have_attribute("aria-current", "true")
    assert "p.gradvitals.unit=" in tab.page.url


def test_a_run_with_values_that_are_not_finite_is_drawn_and_names_them(tab: Tab) -> None:
    tab.open_alone(view="run", run="odd/not finite")
    section = tab.find("[data-metric=gradient_norm]")
    playwright.expect(section.locator(".heat-legend")).to_contain_text("not finite")
    canvas = section.locator("canvas")
    canvas.focus()
    tab.page.keyboard.press("End")
    playwright.expect(section.locator(".tip")).to_contain_text("∞")
    tab.page.keyboard.press("ArrowLeft")
    playwright.expect(section.locator(".tip")).to_contain_text("nan")
    colours = canvas.evaluate(
        "canvas => [0.1, 0.5, 0.99].map((x) => [...canvas.getContext('2d')"
        ".getImageData(Math.floor(x * canvas.width) - 1, canvas.height - 4, 1, 1).data].slice(0, 3))"
    )
    assert colours[2] == [0xD8, 0x1B, 0x7A]
    assert colours[0] != colours[2]


def test_behind_another_tab_it_asks_nothing_and_comes_back_as_it_was(tab: Tab, logs: Path) -> None:
    tab.open(view="run", run=name_of(logs, "0.05", "he", "seed=0"))
    playwright.expect(tab.find(".heat canvas").first).to_be_visible()
    tab.page.get_by_role("tab", name="scalars").first.click()
    tab.page.wait_for_timeout(1500)  # for answers on their way
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.wait_for_timeout(5000)  # longer than a live page waits
    assert [url for url in asked if "plugin/gradvitals" in url] == []
    tab.page.get_by_role("tab", name="vitals").first.click()
    playwright.expect(tab.find(".heat canvas").first).to_be_visible()
    assert "p.gradvitals.view=run" in tab.page.url


def test_all_runs_can_be_seen_as_a_list(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP)
    tab.find("select[name=sweep]").select_option("all runs, as a list")
    names = tab.find(".runs tbody tr")
    playwright.expect(names.first).to_be_visible()
    assert names.count() >= 8 + 7


def test_a_list_of_runs_from_several_folders_says_where_each_is(tab: Tab) -> None:
    tab.open_alone(sweep=":all")
    row = tab.find(".runs tbody tr", has_text="learning_rate=0.05,init=he_normal,seed=0")
    playwright.expect(row.locator(".quiet")).to_have_text(SWEEP)
    plain = tab.find(".runs tbody tr", has=tab.page.get_by_text("odd/plain", exact=True))
    playwright.expect(plain).to_have_count(1)
    assert plain.locator(".quiet").count() == 0


def test_numbers_stand_below_their_headings(tab: Tab) -> None:
    tab.open_alone(sweep="odd")
    loss = tab.find(".runs th", has_text="Loss")
    playwright.expect(loss).to_have_css("text-align", "right")


def test_a_name_that_ends_in_a_date_stays_whole(tab: Tab, logs: Path, make_run: Callable[..., None]) -> None:
    for day in ("231015", "231016"):
        make_run(logs / "dated" / f"mlp-{day}")
    tab.open_alone(sweep="dated")
    names = tab.find(".runs .link")
    playwright.expect(names).to_have_text(["dated/mlp-231015", "dated/mlp-231016"], timeout=40_000)
    tab.forgive("404")  # before TensorBoard had seen the runs


def test_hostile_names_and_texts_stay_text(tab: Tab) -> None:
    tab.page.on("dialog", lambda dialog: tab.wrong.append(dialog.message))
    tab.open_alone(sweep="odd")
    row = tab.find(".runs tr", has_text="onerror")
    playwright.expect(row).to_have_count(1)
    row.locator("button").click()
    playwright.expect(tab.find(".run-head")).to_contain_text("<img src=x onerror=alert(1)>")
    tab.find("[data-view=findings]").click()
    playwright.expect(tab.find(".finding")).to_contain_text("<img src=x onerror=alert(1)>")
    assert tab.find("img").count() == 0


def test_the_picker_finds_a_run_by_parts_of_its_name_with_the_keyboard_alone(tab: Tab) -> None:
    tab.open_alone(sweep=SWEEP)
    playwright.expect(tab.find(".map .cell").first).to_be_visible()
    tab.find("body").press("/")
    tab.page.keyboard.type("too_high he_normal")
    playwright.expect(tab.find(".option").first).to_contain_text("learning_rate=10,init=he_normal")
    tab.page.keyboard.type(" seed=0")
    playwright.expect(tab.find(".option")).to_have_count(1)
    tab.page.keyboard.press("Enter")
    playwright.expect(tab.find(".run-head h1")).to_contain_text("learning_rate=10,init=he_normal,seed=0")
    tab.find("body").press("]")
    playwright.expect(tab.find(".run-head h1")).not_to_contain_text("learning_rate=10,init=he_normal,seed=0")


def test_the_page_follows_the_theme_of_tensorboard(tab: Tab) -> None:
    tab.open(sweep=SWEEP)
    root = tab.find("html")
    playwright.expect(tab.find(".map .cell").first).to_be_visible()
    light = tab.find("body").evaluate("body => getComputedStyle(body).backgroundColor")
    tab.page.evaluate("document.body.classList.toggle('dark-mode')")
    playwright.expect(root).to_have_class("dark")
    dark = tab.find("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(18, 22, 28)")


def test_an_address_to_what_is_gone_says_so_and_leads_back(tab: Tab) -> None:
    tab.open_alone(view="run", run="no such run")
    playwright.expect(tab.find(".notice")).to_contain_text("no gradvitals run 'no such run'")
    tab.find(".notice button").click()
    playwright.expect(tab.find(".map .cell").first).to_be_visible()
    tab.forgive("404")


def test_a_running_run_grows_before_the_eyes(tab: Tab, logs: Path) -> None:
    with closing(RunWriter(logs / "live" / "run")) as writer:
        writer.scalars(1, {"gradient_norm/hidden_1": 1.0})
        writer.verdict(1, Verdict((), ()))
        tab.open_alone(view="run", run="live/run")
        facts = tab.find(".run-head .facts")
        playwright.expect(facts).to_contain_text("no end yet", timeout=40_000)
        playwright.expect(tab.find(".live")).to_have_text("live")
        tab.find("canvas.heat-canvas").focus()
        tab.page.keyboard.press("End")
        playwright.expect(tab.find(".heat .tip")).to_contain_text("Gradient norm: 1")
        writer.scalars(30, {"gradient_norm/hidden_1": 0.125})
        writer.note(Ending(30, "completed"))
    playwright.expect(facts).to_contain_text("completed", timeout=40_000)
    playwright.expect(facts).to_contain_text("30 steps")
    playwright.expect(tab.find(".heat .tip")).to_contain_text("Gradient norm: 1")  # what was read goes on being read
    tab.page.keyboard.press("End")
    playwright.expect(tab.find(".heat .tip")).to_contain_text("0.125")
    tab.forgive("404")  # before TensorBoard had seen the run


def test_a_run_that_was_silent_for_hours_is_not_called_live(tab: Tab) -> None:
    tab.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=2))
    tab.open_alone(view="run", run="odd/still running")
    playwright.expect(tab.find(".run-head .facts")).to_contain_text("last written 2 h ago")
    playwright.expect(tab.find(".live")).to_have_text("")


def test_an_empty_folder_says_how_to_start(browser: Any, board: Board, tmp_path: Path) -> None:
    (tmp_path / "my logs").mkdir()
    with board(tmp_path / "my logs") as address:
        page = browser.new_page()
        page.goto(f"{address}/{TAB}")
        frame = page.frame_locator("iframe[src*='gradvitals']")
        playwright.expect(frame.locator(".notice")).to_contain_text("No gradvitals runs here yet", timeout=PATIENCE)
        told = f"gradvitals sweep learning_rate_x_initialization --logdir '{tmp_path / 'my logs'}'"
        playwright.expect(frame.locator("pre")).to_have_text(told)
        page.close()
