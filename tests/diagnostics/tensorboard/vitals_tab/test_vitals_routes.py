"""Every address of the tab: what it answers, and what it says of arguments and logs that are wrong."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from werkzeug.test import TestResponse

from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.engine.events import LayerInfo

Ask = Callable[..., TestResponse]
SWEEP = "learning_rate_x_initialization"


@pytest.fixture(scope="module")
def ask(open_tab: Callable[[Path], Ask], sweep_logs: Path) -> Ask:
    return open_tab(sweep_logs)


@pytest.fixture(scope="module")
def ask_odd(open_tab: Callable[[Path], Ask], odd_logs: Path) -> Ask:
    return open_tab(odd_logs)


def run_named(ask: Ask, *parts: str) -> str:
    names: list[str] = [run["name"] for run in ask("runs").json["runs"]]  # type: ignore[index]
    (name,) = [name for name in names if all(part in name for part in parts)]
    return name


def answer(response: TestResponse) -> Any:
    assert response.status_code == 200, response.text
    assert response.content_type == "application/json"
    return response.json


def test_the_three_runs_that_tensorboard_makes_of_one_are_one(ask: Ask) -> None:
    runs = answer(ask("runs"))["runs"]
    assert len(runs) == 8
    assert {run["sweep"] for run in runs} == {SWEEP}
    assert {run["status"] for run in runs} == {"completed"}
    assert all(set(run["scores"]) == {"accuracy", "loss"} for run in runs)


def test_the_map_has_the_seeds_of_a_cell_together_with_their_mean(ask: Ask) -> None:
    runs = {run["name"]: run for run in answer(ask("runs"))["runs"]}
    drawn = answer(ask("map", sweep=SWEEP))
    assert (drawn["columns"], drawn["rows"]) == ("training.optimizer.learning_rate", "model.init")
    labels = {axis["key"]: axis["labels"] for axis in drawn["axes"]}
    assert labels == {
        "training.optimizer.learning_rate": ["0.05", "10"],
        "model.init": ["zeros", "he_normal"],
        "seed": ["0", "1"],
    }
    assert len(drawn["cells"]) == 4
    for cell in drawn["cells"]:
        members = [runs[name] for name in cell["runs"]]
        assert len(members) == 2
        assert {member["root"] for member in members} >= {cell["root"]}
        assert cell["score"] == pytest.approx(np.mean([member["scores"]["accuracy"] for member in members]))
    roots = {(cell["row"], cell["column"]): cell["root"] for cell in drawn["cells"]}
    assert roots[0, 0] == roots[0, 1] != ""  # zeros are wrong at any rate
    assert (roots[1, 0], roots[1, 1]) == ("", "learning_rate_too_high")


@pytest.mark.parametrize(("columns", "rows"), [("seed", "model.init"), ("model.init", "seed"), ("seed", "")])
def test_any_two_axes_can_be_chosen(ask: Ask, columns: str, rows: str) -> None:
    drawn = answer(ask("map", sweep=SWEEP, columns=columns, rows=rows))
    assert (drawn["columns"], drawn["rows"]) == (columns, rows or None)
    assert len(drawn["cells"]) == (4 if rows else 2)
    assert sum(len(cell["runs"]) for cell in drawn["cells"]) == 8


def test_heat_maps_hold_what_the_event_files_hold(ask: Ask, sweep_logs: Path) -> None:
    name = run_named(ask, "learning_rate=0.05", "he_normal", "seed=0")
    series = read_run(sweep_logs / name).scalars
    maps = {each["metric"]: each for each in answer(ask("run", run=name))["heat"]}
    assert maps.keys() == {"gradient_norm", "update_ratio", "weight_norm", "dead_fraction", "inactive_fraction"}
    for metric, drawn in maps.items():
        assert [layer for layer in drawn["layers"] if layer != "global"] == [
            layer for layer in ("hidden_1", "hidden_2", "output") if f"{metric}/{layer}" in series
        ]
        for layer, row in zip(drawn["layers"], drawn["values"], strict=True):
            held = {step: value for step, value in zip(drawn["steps"], row, strict=True) if value is not None}
            written = series[f"{metric}/{layer}"]
            assert list(held) == written.steps.tolist()
            assert np.array(list(held.values()), np.float32).tolist() == written.values.tolist()


def test_norms_are_on_a_logarithmic_scale_and_shares_reach_from_zero_to_one(ask: Ask) -> None:
    scales = {
        each["metric"]: each["scale"] for each in answer(ask("run", run=run_named(ask, "0.05", "he", "seed=0")))["heat"]
    }
    assert {metric: scale["kind"] for metric, scale in scales.items()} == {
        "gradient_norm": "log",
        "update_ratio": "log",
        "weight_norm": "log",
        "dead_fraction": "linear",
        "inactive_fraction": "linear",
    }
    assert (scales["dead_fraction"]["low"], scales["dead_fraction"]["high"]) == (0.0, 1.0)


def test_the_scale_of_the_sigmoids_slope_reaches_its_largest_possible_value(
    open_tab: Callable[[Path], Ask], tmp_path: Path
) -> None:
    with closing(RunWriter(tmp_path / "run")) as writer:
        writer.scalars(1, {"sigmoid_slope/hidden_1": 0.01})
        writer.note(Ending(1, "completed"))
    (slope,) = answer(open_tab(tmp_path)("run", run="run"))["heat"]
    assert (slope["metric"], slope["scale"]["low"], slope["scale"]["high"]) == ("sigmoid_slope", 0.0, 0.25)


def test_a_run_tells_what_was_known_before_it_and_how_it_went(ask: Ask) -> None:
    run = answer(ask("run", run=run_named(ask, "learning_rate=10", "he_normal", "seed=0")))
    assert [(layer["name"], layer["fan_in"], layer["fan_out"]) for layer in run["layers"]] == [
        ("hidden_1", 64, 64),
        ("hidden_2", 64, 32),
        ("output", 32, 10),
    ]
    assert run["facts"]["optimizer"] == "sgd"
    assert run["step"] == run["total_steps"] == 69
    assert [(curve["title"], [line["name"] for line in curve["lines"]]) for curve in run["curves"]] == [
        ("Loss", ["training", "validation"]),
        ("Accuracy", ["training", "validation"]),
    ]
    assert run["verdict"] == "error"
    assert run["findings"]["roots"][0]["id"] == "learning_rate_too_high"


def test_histograms_are_those_taken_nearest_to_the_step(ask: Ask) -> None:
    name = run_named(ask, "learning_rate=0.05", "he_normal", "seed=0")
    found = answer(ask("histograms", run=name, layer="hidden_1", step="60"))
    assert [each["kind"] for each in found] == ["activations", "gradients", "weights"]
    for each in found:
        assert each["step"] == min(each["steps"], key=lambda step: abs(step - 60))
        assert len(each["lefts"]) == len(each["rights"]) == len(each["counts"]) > 0
    assert sum(found[2]["counts"]) == pytest.approx(64 * 64)
    assert answer(ask("histograms", run=name, layer="no such layer", step="60")) == []


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("run", {}, 400, "run: missing"),
        ("run", {"run": "no such run"}, 404, "no gradvitals run 'no such run'"),
        ("run", {"run": "../../etc"}, 404, "no gradvitals run"),
        ("map", {"sweep": "no such sweep"}, 404, "no gradvitals runs in 'no such sweep'"),
        ("map", {}, 404, "no gradvitals runs at the top"),
        ("map", {"sweep": SWEEP, "columns": "<b>"}, 400, "'<b>' is no axis of this sweep"),
        ("histograms", {}, 400, "run: missing"),
        ("static/vitals.css", {}, 404, ""),
        ("..%2fplugin.py", {}, 404, ""),
    ],
)
def test_what_is_wrong_with_a_question_is_said(
    ask: Ask, path: str, query: dict[str, str], status: int, said: str
) -> None:
    response = ask(path, **query)
    assert response.status_code == status
    assert said in response.text
    assert "text/html" not in response.content_type


@pytest.mark.parametrize("step", ["-1", "1.5", "x", "", "9" * 30])
def test_a_step_that_is_none_is_refused(ask: Ask, step: str) -> None:
    response = ask("histograms", run=run_named(ask, "0.05", "he", "seed=0"), layer="hidden_1", step=step)
    assert response.status_code == 400
    assert "is no count of updates" in response.text


@pytest.mark.parametrize(
    ("file", "kind"), [("index.js", "text/javascript"), ("vitals.css", "text/css"), ("uPlot.esm.js", "text/javascript")]
)
def test_the_page_is_served_with_its_type(ask: Ask, file: str, kind: str) -> None:
    response = ask(file)
    assert response.status_code == 200
    assert response.content_type.startswith(kind)


def test_values_that_are_not_finite_are_named(ask_odd: Ask) -> None:
    (drawn,) = answer(ask_odd("run", run="not finite"))["heat"]
    assert drawn["values"][0] == [1.0, "NaN", "Infinity"]
    assert drawn["scale"]["kind"] == "log"


def test_only_runs_with_a_record_of_ours_are_listed(ask_odd: Ask) -> None:
    names = {run["name"] for run in answer(ask_odd("runs"))["runs"]}
    assert "not ours" not in names
    assert {"plain", "not finite", "still running", "failed", "torn", "damaged notes"} < names


def test_a_run_without_an_end_is_running_and_one_that_was_stopped_has_failed(ask_odd: Ask) -> None:
    runs = {run["name"]: run for run in answer(ask_odd("runs"))["runs"]}
    assert (runs["still running"]["status"], runs["still running"]["root"]) == ("running", "running")
    assert runs["still running"]["verdict"] == "not_judged"
    assert (runs["failed"]["status"], runs["failed"]["root"]) == ("failed", "failed")
    sick = runs["interrupted when sick"]
    assert (sick["status"], sick["root"], sick["verdict"]) == ("interrupted", "dead_units", "error")
    assert (runs["plain"]["verdict"], runs["plain"]["root"]) == ("error", "learning_rate_too_high")


def test_a_torn_file_gives_all_that_is_before_the_tear(ask_odd: Ask) -> None:
    run = answer(ask_odd("run", run="torn"))
    assert run["heat"][0]["steps"] == [1, 2, 3]
    assert run["status"] == "running"  # its end is what is torn off


def test_damaged_notes_are_no_verdict_and_no_error(ask_odd: Ask) -> None:
    run = answer(ask_odd("run", run="damaged notes"))
    assert (run["verdict"], run["recorded"], run["layers"], run["heat"]) == ("not_judged", False, [], [])


def test_names_and_texts_of_others_arrive_as_they_are(ask_odd: Ask) -> None:
    name = next(run["name"] for run in answer(ask_odd("runs"))["runs"] if "onerror" in run["name"])
    (root,) = answer(ask_odd("run", run=name))["findings"]["roots"]
    assert "<img src=x onerror=alert(1)>" in root["evidence"]


def test_what_a_root_explains_is_below_it_and_cures_say_what_became_of_them(ask_odd: Ask) -> None:
    (root,) = answer(ask_odd("run", run="plain"))["findings"]["roots"]
    assert root["key"] == "learning_rate_too_high"
    (explained,) = root["explains"]
    assert (explained["key"], explained["since"]) == ("dead_units@hidden_1", 2)
    assert explained["cures"] == [
        {"text": "lower the rate: `training.optimizer.learning_rate = 0.01`", "outcome": "confirmed"}
    ]


def test_runs_of_no_sweep_are_set_apart_by_their_configs(
    open_tab: Callable[[Path], Ask], make_run: Callable[..., None], tmp_path: Path
) -> None:
    for rate in (0.1, 1.0):
        for seed in (0, 1):
            make_run(tmp_path / f"{rate}-{seed}", config={"name": f"{rate}", "seed": seed, "rate": rate, "epochs": 3})
    drawn = answer(open_tab(tmp_path)("map", sweep=""))
    assert (drawn["columns"], drawn["rows"]) == ("rate", None)
    assert [len(cell["runs"]) for cell in drawn["cells"]] == [2, 2]
    assert {axis["key"]: axis["labels"] for axis in drawn["axes"]} == {"rate": ["0.1", "1"], "seed": ["0", "1"]}


def test_a_logdir_that_is_a_run_itself_is_shown(
    open_tab: Callable[[Path], Ask], make_run: Callable[..., None], tmp_path: Path
) -> None:
    make_run(tmp_path)
    ask = open_tab(tmp_path)
    (run,) = answer(ask("runs"))["runs"]
    assert (run["name"], run["sweep"]) == (".", "")
    seen = answer(ask("run", run="."))
    assert seen["layers"][0]["name"] == "hidden_1"
    assert [curve["title"] for curve in seen["curves"]] == ["Loss", "Accuracy"]


def test_a_folder_without_runs_of_ours_has_none(open_tab: Callable[[Path], Ask], tmp_path: Path) -> None:
    folder = tmp_path / "my logs"
    folder.mkdir()
    start = f"gradvitals sweep learning_rate_x_initialization --logdir '{folder}'"
    assert answer(open_tab(folder)("runs")) == {"logdir": str(folder), "start": start, "runs": []}


@pytest.mark.parametrize(
    ("loss", "changed", "scores", "on", "titles"),
    [
        ("mse", {}, {"loss": 0.5}, "256 training samples", ["Loss"]),
        (
            "cross_entropy",
            {"accuracy_excess": 0.25, "majority_accuracy": 0.5, "whole_set": True},
            {"loss": 0.5, "accuracy": 0.75},
            "the training set",
            ["Loss", "Accuracy"],
        ),
        ("mse", {"samples": "many"}, {}, "", []),
        ("unknown", {}, {}, "", []),
    ],
    ids=["regression", "classification", "damaged", "no loss told"],
)
def test_a_run_that_tells_of_no_epochs_has_the_scores_of_its_last_look(
    loss: str,
    changed: dict[str, Any],
    scores: dict[str, float],
    on: str,
    titles: list[str],
    *,
    make_probe: Callable[..., Probe],
    open_tab: Callable[[Path], Ask],
    tmp_path: Path,
) -> None:
    with closing(RunWriter(tmp_path / "run")) as run:
        run.context(Context((LayerInfo("0", "relu", 4, 4),), loss, None, 64, 1000, 1.0, None, None))
        for step, seen in ((0, 1.0), (10, 0.5)):
            run.note(make_probe(step, loss=seen, **changed))
    ask = open_tab(tmp_path)
    (brief,) = answer(ask("runs"))["runs"]
    assert (brief["scores"], brief["scored_on"]) == (scores, on)
    shown = answer(ask("run", run="run"))
    assert [curve["title"] for curve in shown["curves"]] == titles
    assert [curve["steps"] for curve in shown["curves"]] == [[0, 10]] * len(titles)
    assert shown["told"].startswith("No loss was seen") == (loss == "unknown")
    assert ("loss" in shown["facts"]) == (loss != "unknown")
