"""How long the tab Vitals takes to be there: 200 runs of 60 tags and 100 steps.

    python benchmarks/vitals_tab.py [--runs N] [--rounds N] [--json FILE]

Needs the extra `dev` and a browser. Runs are written as a training writes them: ten layers with six metrics each,
scores of every epoch, histograms, hyperparameters, a verdict. TensorBoard, with either of its loaders, has read them
before anything is timed. Medians, and the worst of all rounds.

map       From the click on the tab, in a page that shows another one, until all cells are there and one has the focus.
run       From the click on a cell until the heat maps and curves of its run are painted.
anew      From the address of the map in a new page, TensorBoard's own start included.
answers   What the server takes for each question, asked twice: anew, and again.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from machine import describe_machine
from vitals_browser import address_of, ask, open_browser, serve, wait_until_read

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Ending, Scan
from gradvitals.diagnostics.tensorboard import hparams
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.engine.events import EpochEnded, LayerInfo, Scores

LAYERS = tuple(f"hidden_{number}" for number in range(1, 11))
METRICS = ("gradient_norm", "update_ratio", "weight_norm", "dead_fraction", "inactive_fraction", "saturated_fraction")
STEPS, EPOCHS, COLUMNS = 100, 10, 20
LOADERS = {"fast": [], "slow": ["--load_fast=false"]}
GOALS = {"map": 2.0, "run": 1.0}
"""Seconds, on two cores."""


def write_runs(logs: Path, count: int) -> None:
    """Write a sweep of so many runs."""
    rates = [float(f"{10.0 ** (-4 + 5 * column / COLUMNS):.3g}") for column in range(COLUMNS)]
    widths = [float(2 ** (row + 3)) for row in range(-(-count // COLUMNS))]
    generator = np.random.default_rng(0)
    for number in range(count):
        place = {"learning_rate": rates[number % COLUMNS], "width": widths[number // COLUMNS]}
        with closing(
            RunWriter(logs / "sweep" / f"learning_rate={place['learning_rate']},width={place['width']}")
        ) as run:
            axes = {"learning_rate": rates, "width": widths}
            run.top.summary(0, hparams.experiment(axes, []), hparams.session_start(place))
            write_run(run, generator, sick=number % 3 == 0)


def write_run(run: RunWriter, generator: np.random.Generator, *, sick: bool) -> None:
    """Write what a training records."""
    infos = tuple(LayerInfo(name, "relu", 64, 64) for name in LAYERS)
    run.context(Context(infos, "cross_entropy", STEPS, 64, 640, 2.3, 10, None))
    values = generator.lognormal(-5.0, 2.0, (STEPS, len(LAYERS) * len(METRICS)))
    tags = [f"{metric}/{layer}" for metric in METRICS for layer in LAYERS]
    for step in range(1, STEPS + 1):
        run.scalars(step, dict(zip(tags, np.minimum(values[step - 1], 1.0).tolist(), strict=True)))
        if step % (STEPS // EPOCHS) == 0:
            run.epoch(EpochEnded(step, step, 0.1, Scores(1.0 / step, 0.5), Scores(1.2 / step, 0.4)))
            run.note(Scan(step, 640, dict.fromkeys(LAYERS, ())))
    for step in (0, STEPS // 2, STEPS):
        run.histograms(step, {f"weights/{layer}": reduce_histogram(generator.normal(size=4096)) for layer in LAYERS})
    fired = [_finding("dead_units", layer) for layer in LAYERS[:4]] if sick else []
    run.verdict(STEPS, Verdict((Judgement("dead_units", "fired" if sick else "clear"),), tuple(fired)))
    run.note(Ending(STEPS, "completed"))


def _finding(id_: str, layer: str) -> Finding:
    evidence, explanation = "32 of 64 units are silent on all 640 training examples", "They get no gradient. They stop."
    return Finding(id_, "fact", Severity.ERROR, layer, 20, STEPS, 0.5, 0.5, evidence, explanation)


def measure_once(browser: Any, address: str, runs: int, number: int) -> dict[str, float]:  # noqa: ANN401 - no types
    """Time each view once, in seconds."""
    page, frame = _new_page(browser)
    page.goto(f"{address}/#scalars")
    tab = page.get_by_text("Vitals", exact=True).first
    tab.wait_for()
    page.wait_for_load_state("networkidle")

    def open_map() -> None:
        tab.click()
        _wait_for_map(frame, runs)

    def open_run() -> None:
        frame.locator(".map .cell").nth(number).click()
        _wait_for_paint(frame)

    found = {"map": timed(open_map), "run": timed(open_run)}
    page.close()
    page, frame = _new_page(browser)

    def open_anew() -> None:
        page.goto(address_of(address))
        _wait_for_map(frame, runs)

    found["anew"] = timed(open_anew)
    page.close()
    return found


def _new_page(browser: Any) -> tuple[Any, Any]:  # noqa: ANN401 - no types
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    return page, page.frame_locator("iframe[src*='gradvitals']")


def _wait_for_map(frame: Any, runs: int) -> None:  # noqa: ANN401 - no types
    frame.locator(".map .cell").nth(runs - 1).wait_for()
    frame.locator(".map .cell").first.focus()


def _wait_for_paint(frame: Any) -> None:  # noqa: ANN401 - no types
    frame.locator(".heat canvas").nth(len(METRICS) - 1).wait_for()
    frame.locator(".curves .uplot canvas").first.wait_for()
    frame.locator("body").evaluate("() => new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok)))")


def timed(do: Callable[[], object]) -> float:
    """Time a call, in seconds."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def time_answers(address: str) -> dict[str, tuple[float, float]]:
    """Time what the server takes, at first and again, in seconds."""
    name = quote(ask(address, "plugin/gradvitals/runs")["runs"][0]["name"], safe="")
    paths = {"map": "map?sweep=sweep", "run": f"run?run={name}", "runs": "runs"}
    asking = {title: partial(ask, address, f"plugin/gradvitals/{path}") for title, path in paths.items()}
    return {title: (timed(question), timed(question)) for title, question in asking.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, serve, look, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {"machine": describe_machine(), "load before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder), options.runs)
        for loader, flags in LOADERS.items():
            with serve(Path(folder), *flags) as address, open_browser() as browser:
                read = wait_until_read(address, options.runs)
                answers = time_answers(address)
                rounds = [measure_once(browser, address, options.runs, number) for number in range(options.rounds)]
                seen = {name: [each[name] for each in rounds] for name in rounds[0]}
                results[loader] = {"read": read, "answers": answers, **seen}
                _print(loader, results[loader], os.getloadavg()[0])
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


def _print(loader: str, result: dict[str, Any], load: float) -> None:
    print(f"\n{loader} loader (read in {result['read']:.1f} s, load average {load:.1f}), seconds")
    for name in ("map", "run", "anew"):
        times = result[name]
        goal = f"  goal {GOALS[name]:.0f}" if name in GOALS else ""
        print(f"{name:8} median {statistics.median(times):5.2f}  worst {max(times):5.2f}{goal}")
    for name, (first, again) in result["answers"].items():
        print(f"answer {name:8} {first:6.3f}, again {again:6.3f}")


if __name__ == "__main__":
    main()
