"""Every stock tab of a real TensorBoard, with each of its loaders, on the logs of a real sweep and of real runs."""

import shutil
from collections.abc import Callable
from functools import partial
from html import unescape
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image

from gradvitals import watch
from gradvitals.engine.events import EpochEnded
from gradvitals.experiments.cli.main import run_command
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.runner import Place, run_one
from gradvitals.experiments.sweep import make_plan

Fetch: TypeAlias = Callable[..., Any]

SWEEP = """
name = "grid"
[data]
source = "moons"
n = 200
[model]
hidden = [8, 6]
[training]
batch_size = 20
epochs = 10
[sweep]
"training.optimizer" = [
  {kind = "sgd", learning_rate = 0.3}, {kind = "sgd", learning_rate = 1e30},
]
"model.init" = ["he_normal", {kind = "normal", std = 0.5}]
"training.l2" = [0.0, 1e-3]
"seed" = [0, 1]
"""

RUNS = {
    "digits": """
        data = {source = "digits"}
        model = {hidden = [12], activation = "sigmoid"}
        training = {epochs = 3}
    """,
    "regression": """
        data = {source = "diabetes", scale_targets = "standard"}
        model = {hidden = [5], activation = "tanh"}
        training = {epochs = 3}
    """,
    "recurrent": """
        data = {source = "delayed_copy", n = 60}
        model = {kind = "rnn", hidden = [4], sequence_length = 6}
        training = {epochs = 3, batch_size = 16}
    """,
    "nothing_learned": """
        data = {source = "digits"}
        model = {hidden = [8], bias_init = {kind = "constant", value = -50.0}}
        training = {epochs = 3}
    """,
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a sweep in two processes, of which three runs are disturbed; single runs; and somebody else's modules."""
    folder = tmp_path_factory.mktemp("stock")
    (folder / "grid.toml").write_text(SWEEP, encoding="utf-8")
    plan = make_plan(load_config(folder / "grid.toml"), folder / "logs")
    places = {
        what: (planned, Place(plan.folder / planned.name, "", folder, plan.axes))
        for what, planned in zip(("interrupted", "failed", "resumed"), plan.runs, strict=False)
    }

    def stop(what: str, problem: BaseException) -> None:
        def at_the_third_epoch(event: EpochEnded) -> None:
            if event.epoch == 3:
                raise problem

        shutil.rmtree(places[what][1].folder, ignore_errors=True)
        with pytest.raises(type(problem)):
            run_one(*places[what], at_the_third_epoch)

    stop("resumed", KeyboardInterrupt())
    command = ["sweep", str(folder / "grid.toml"), "--logdir", str(plan.folder.parent), "--workers", "2", "--resume"]
    assert run_command([*command, "--quiet"]) == 0
    stop("interrupted", KeyboardInterrupt())
    stop("failed", ArithmeticError())
    for name, config in RUNS.items():
        (folder / f"{name}.toml").write_text(
            f'name = "{name}"\n' + config.replace("\n        ", "\n"), encoding="utf-8"
        )
        assert run_command(["run", str(folder / f"{name}.toml"), "--logdir", str(folder / "logs"), "--quiet"]) == 0
    return folder / "logs"


@pytest.fixture(scope="module")
def module_log(logs: Path) -> str:
    """Watch a PyTorch module whose parts have names that nobody should give."""
    torch = pytest.importorskip("torch")

    class Hostile(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            names = ["a b:c%<script>alert(1)</script>", "sum/x^2", "$^*[", "größe"]
            layers = (torch.nn.Linear(*pair) for pair in pairwise([2, 8, 8, 8, 2]))
            self.parts = torch.nn.ModuleDict(dict(zip(names, layers, strict=True)))

        def forward(self, inputs: Any) -> Any:
            *hidden, last = self.parts.values()
            for part in hidden:
                inputs = torch.relu(part(inputs))
            return last(inputs)

    torch.manual_seed(0)
    model, loss = Hostile(), torch.nn.CrossEntropyLoss()
    inputs = torch.randn(200, 2)
    targets = (inputs[:, 0] > 0).long()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, data=(inputs, targets), loss=loss, total_steps=60, logdir=logs / "modules" / "hostile"):
        for _ in range(60):
            optimizer.zero_grad()
            loss(model(inputs), targets).backward()
            optimizer.step()
    return "modules/hostile"


@pytest.fixture(scope="module", params=["fast", "slow"])
def fetch(
    request: pytest.FixtureRequest,
    logs: Path,
    serve: Callable[[Path, str], Fetch],
    patiently: Callable[[Callable[[], Any]], Any],
) -> Fetch:
    """Give a function that asks a server for these logs, once it has read them."""
    get = serve(logs, request.param)
    expected = {str(file.parent.relative_to(logs)) for file in logs.rglob("*tfevents*")}
    patiently(lambda: set(get("runs")) == expected)
    done = {run for run in expected if f"{run}/train" in expected and "grid" not in run}
    patiently(lambda: done <= set(get("plugin/text/tags")))
    patiently(lambda: len(statuses(get)) == 16 and list(statuses(get).values()).count("STATUS_UNKNOWN") == 0)
    return get


def has_text(get: Fetch) -> bool:
    return "findings" in get("plugin/text/tags").get(".", [])


def runs_of(fetch: Fetch, start: str) -> list[str]:
    return [run for run in fetch("runs") if run.startswith(start) and not run.endswith(("/train", "/validation"))]


def session_groups(get: Fetch) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = [{"metric": info["name"]} for info in outcomes(get)]
    allowed = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN", "STATUS_RUNNING"]
    body = {"colParams": columns, "allowedStatuses": allowed, "startIndex": 0, "sliceSize": 100}
    found: list[dict[str, Any]] = get("plugin/hparams/session_groups", body).get("sessionGroups", [])
    return found


def outcomes(get: Fetch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get("plugin/hparams/experiment", {"experimentName": "."})["metricInfos"]
    return found


def statuses(get: Fetch) -> dict[str, str]:
    return {
        session["name"]: session.get("status", "STATUS_UNKNOWN")
        for group in session_groups(get)
        for session in group["sessions"]
    }


def pictures(fetch: Fetch, run: str, tag: str) -> list[tuple[int, Image.Image]]:
    found = []
    for point in fetch("plugin/images/images", run=run, tag=tag, sample="0"):
        content = fetch(
            "plugin/images/individualImage", parse=lambda answer: answer.read(), **dict(parse_qsl(point["query"]))
        )
        found.append((point["step"], Image.open(BytesIO(content)).convert("RGB")))
    return found


# HParams


def test_the_table_has_typed_axes_one_row_a_setting_and_the_seeds_in_it(fetch: Fetch) -> None:
    experiment = fetch("plugin/hparams/experiment", {"experimentName": "."})
    assert {info["name"]: info["type"] for info in experiment["hparamInfos"]} == {
        "training.optimizer": "DATA_TYPE_STRING",
        "model.init": "DATA_TYPE_STRING",
        "training.l2": "DATA_TYPE_FLOAT64",
        "seed": "DATA_TYPE_FLOAT64",
    }
    groups = session_groups(fetch)
    assert len(groups) == 8
    assert {len(group["sessions"]) for group in groups} == {2}
    settings = {
        tuple(sorted((key, value) for key, value in group["hparams"].items() if key != "seed")) for group in groups
    }
    assert len(settings) == 8
    assert {group["hparams"]["training.l2"] for group in groups} == {0.0, 0.001}


def test_a_rows_outcomes_are_of_both_sets_and_of_the_verdict_and_a_lost_run_shows_as_such(fetch: Fetch) -> None:
    found = {(info["name"]["group"], info["name"]["tag"]) for info in outcomes(fetch)}
    assert found == {
        ("validation", "epoch_accuracy"),
        ("validation", "epoch_loss"),
        ("train", "epoch_loss"),
        ("", "verdict/errors"),
        ("", "verdict/worst_dead_fraction"),
    }
    losses: dict[str, list[Any]] = {"0.3": [], "1e+30": []}
    for group in session_groups(fetch):
        rate = group["hparams"]["training.optimizer"].rpartition("_")[2]
        for session in group["sessions"]:
            values = {
                (value["name"]["group"], value["name"]["tag"]): value["value"] for value in session["metricValues"]
            }
            losses[rate].append(values["train", "epoch_loss"])
            if rate == "1e+30":
                assert values["", "verdict/errors"] >= 1.0
    assert len(losses["0.3"]) == len(losses["1e+30"]) == 8
    assert all(isinstance(loss, float) and 0.0 < loss < 1.0 for loss in losses["0.3"])
    assert not any(isinstance(loss, float) and loss < 1.0 for loss in losses["1e+30"])


def test_the_status_of_a_run_is_how_it_ended_last(fetch: Fetch, logs: Path) -> None:
    found = statuses(fetch)
    plan = make_plan(load_config(logs.parent / "grid.toml"), logs)
    interrupted, failed, resumed, *others = [f"grid/{planned.name}" for planned in plan.runs]
    assert (found[interrupted], found[failed]) == ("STATUS_FAILURE", "STATUS_FAILURE")
    assert found[resumed] == "STATUS_SUCCESS"
    rates = {f"grid/{planned.name}": planned.config.training.optimizer.learning_rate for planned in plan.runs}
    lost = {other for other in others if rates[other] == 1e30}  # whose numbers are not finite
    assert {found[other] for other in lost} == {"STATUS_FAILURE"}
    assert {found[other] for other in set(others) - lost} == {"STATUS_SUCCESS"}


def test_a_run_that_was_resumed_shows_every_step_once(fetch: Fetch, logs: Path) -> None:
    run = f"grid/{make_plan(load_config(logs.parent / 'grid.toml'), logs).runs[2].name}"
    assert len(list((logs / run).glob("*tfevents*"))) == 2
    of_pictures = [step for step, _ in pictures(fetch, run, "decision_boundary")]
    of_histograms = [step for _, step, _ in fetch("plugin/histograms/histograms", run=run, tag="weights/output")]
    of_scalars = [step for _, step, _ in fetch("plugin/scalars/scalars", run=run, tag="gradient_norm/global")]
    for steps in (of_pictures, of_histograms, of_scalars):
        assert steps == sorted(set(steps))
    assert of_pictures[-1] == of_histograms[-1] == 80


# Custom Scalars


def curves(fetch: Fetch, run: str) -> dict[tuple[str, str], set[str]]:
    """Give by category and chart which of a run's parts have curves."""
    found: dict[tuple[str, str], set[str]] = {}
    for category in fetch("plugin/custom_scalars/layout")["category"]:
        for chart in category["chart"]:
            parts = found.setdefault((category["title"], chart["title"]), set())
            for tag in chart["multiline"]["tag"]:
                for part in ("", "/train", "/validation"):
                    if fetch("plugin/custom_scalars/scalars", tag=tag, run=run + part)["tag_to_events"]:
                        parts.add(part)
    return found


def test_every_panel_of_the_layout_has_curves_in_some_run_and_training_meets_validation(
    fetch: Fetch,
) -> None:
    shown = {name: curves(fetch, runs_of(fetch, f"{name}/")[0]) for name in ("grid", *RUNS)}
    for panel in shown["grid"]:
        assert any(of_run[panel] for of_run in shown.values()), panel
    for of_run in shown.values():
        assert of_run["Loss and verdict", "loss, training and validation"] == {"/train", "/validation"}
        assert of_run["Gradients", "gradient norm, by layer"] == {""}
        assert of_run["Weights", "update / weight, by layer"] == {""}
    assert shown["grid"]["Units", "dead over the training set, share of units, by layer"] == {""}
    assert shown["digits"]["Units", "saturated, share of units, by layer"] == {""}
    assert shown["regression"]["Loss and verdict", "accuracy, training and validation"] == set()
    assert shown["recurrent"]["Recurrence", "spectral radius, by layer"] == {""}


def test_a_chart_of_all_layers_has_no_other_curves(fetch: Fetch) -> None:
    (run,) = runs_of(fetch, "digits/")
    curves = fetch("plugin/custom_scalars/scalars", tag="gradient_norm/(?!global$).+$", run=run)["tag_to_events"]
    assert set(curves) == {"gradient_norm/hidden_1", "gradient_norm/output"}


# Histograms, Distributions


@pytest.mark.parametrize(
    ("start", "layers"),
    [
        ("grid/", ["hidden_1", "hidden_2", "output"]),
        ("recurrent/", ["hidden_1", "output"]),
        ("regression/", ["hidden_1", "output"]),
    ],
)
def test_activations_gradients_and_weights_of_every_layer_are_drawn_over_time(
    fetch: Fetch, start: str, layers: list[str]
) -> None:
    run = next(run for run in runs_of(fetch, start) if "0.3" in run or "grid" not in run)
    tags = {f"{kind}/{layer}" for kind in ("activations", "gradients", "weights") for layer in layers}
    assert tags <= set(fetch("plugin/histograms/tags")[run])
    for tag in tags:
        points = fetch("plugin/histograms/histograms", run=run, tag=tag)
        assert len(points) >= 5
        assert points[0][1] == 0
        assert all(sum(count for *_, count in buckets) > 0 for _, _, buckets in points)
        assert len(fetch("plugin/distributions/distributions", run=run, tag=tag)) == len(points)


def test_histograms_of_a_run_that_was_lost_have_what_is_finite(fetch: Fetch) -> None:
    run = next(run for run in runs_of(fetch, "grid/") if "1e+30" in run)
    points = fetch("plugin/histograms/histograms", run=run, tag="weights/output")
    counts = [sum(count for *_, count in buckets) for _, _, buckets in points]
    assert counts[0] == pytest.approx(12.0)
    assert counts[-1] < 12.0
    assert np.isfinite([edge for _, _, buckets in points for left, right, _ in buckets for edge in (left, right)]).all()


# Text


def test_verdict_and_findings_are_rendered(fetch: Fetch, logs: Path) -> None:
    (run,) = runs_of(fetch, "nothing_learned/")
    assert (logs / run / "findings.json").is_file()
    text = unescape(fetch("plugin/text/text", run=run, tag="findings")[-1]["text"])
    assert "<strong>error</strong>" in text
    assert "<h3>error: dead_units@hidden_1</h3>" in text
    assert "<em>root, since step 0</em>" in text
    assert "<li>" in text


# Graphs


@pytest.mark.parametrize(
    ("start", "node", "shape"),
    [("digits/", "hidden_1/weight_and_bias", (65, 12)), ("recurrent/", "hidden_1/recurrent_weight", (4, 4))],
)
def test_the_circuit_is_drawn_with_its_shapes(fetch: Fetch, start: str, node: str, shape: tuple[int, ...]) -> None:
    (run,) = runs_of(fetch, start)
    drawn = fetch("plugin/graphs/graph", parse=lambda answer: answer.read().decode(), run=run)
    block = next(block for block in drawn.split("node {") if f'name: "{node}"' in block)
    assert [int(line.split()[1]) for line in block.splitlines() if line.strip().startswith("size:")] == list(shape)


# Images


def test_a_decision_boundary_is_painted_over_time_and_follows_the_network(fetch: Fetch) -> None:
    run = next(run for run in runs_of(fetch, "grid/") if statuses(fetch)[run] == "STATUS_SUCCESS" and "0.3" in run)
    first, *_, last = found = pictures(fetch, run, "decision_boundary")
    assert len(found) >= 5
    assert first[0] == 0
    assert first[1].size == last[1].size == (176, 176)
    assert np.mean(np.asarray(first[1]) != np.asarray(last[1])) > 0.02
    about = fetch("plugin/images/tags")[run]["decision_boundary"]["description"]
    assert "What the network says of its two inputs" in about


def test_where_nothing_is_a_number_the_plane_is_grey(fetch: Fetch) -> None:
    run = next(run for run in runs_of(fetch, "grid/") if "1e+30" in run)
    _, last = pictures(fetch, run, "decision_boundary")[-1]
    grey = (np.asarray(last) == 150).all(axis=2).mean()
    assert grey > 0.5


def test_what_the_first_layer_looks_for_in_images_is_painted(fetch: Fetch) -> None:
    (run,) = runs_of(fetch, "digits/")
    found = pictures(fetch, run, "filters/hidden_1")
    assert len(found) >= 5
    assert {picture.size for _, picture in found} == {(4 * 17 - 1, 3 * 17 - 1)}
    (other,) = runs_of(fetch, "regression/")
    assert other not in fetch("plugin/images/tags")


def test_the_map_of_the_sweep_is_there(fetch: Fetch, logs: Path) -> None:
    ((step, picture),) = pictures(fetch, "grid/map", "sweep_map")
    assert step == 16
    with Image.open(logs / "grid" / "map.png") as drawn:
        assert np.array_equal(np.asarray(picture), np.asarray(drawn.convert("RGB")))


# Time Series


def test_time_series_has_scalars_histograms_and_pictures(fetch: Fetch) -> None:
    tags = fetch("plugin/timeseries/tags")
    (run,) = runs_of(fetch, "digits/")
    assert run in tags["scalars"]["runTagInfo"]
    assert "weights/hidden_1" in tags["histograms"]["runTagInfo"][run]
    assert "filters/hidden_1" in tags["images"]["tagRunSampledInfo"]
    assert "epoch_loss" in tags["scalars"]["runTagInfo"][f"{run}/validation"]


# Somebody else's modules


def test_a_module_with_hostile_names_is_in_every_tab(
    logs: Path,
    module_log: str,
    serve: Callable[[Path, str], Fetch],
    patiently: Callable[[Callable[[], Any]], Any],
) -> None:
    for loader in ("fast", "slow"):
        get = serve(logs / module_log, loader)
        patiently(partial(has_text, get))
        layers = [tag.partition("/")[2] for tag in get("plugin/histograms/tags")["."] if tag.startswith("weights/")]
        assert len(set(layers)) == 4
        scalars = set(get("plugin/scalars/tags")["."])
        assert {f"gradient_norm/{layer}" for layer in layers} <= scalars
        layout = get("plugin/custom_scalars/layout")["category"]
        assert {category["title"] for category in layout[-4:]} == {f"Layer {layer}" for layer in layers}
        for category in layout:
            for chart in category["chart"]:
                for tag in chart["multiline"]["tag"]:
                    found = get("plugin/custom_scalars/scalars", tag=tag, run=".")
                    assert found["regex_valid"]
                    assert found["tag_to_events"], (category["title"], chart["title"])
        drawn = get("plugin/graphs/graph", parse=lambda answer: answer.read().decode(), run=".")
        assert drawn.count('/weight"') >= 8  # named, and computed from
        assert len(pictures(get, ".", "decision_boundary")) >= 5
        assert "<script" not in get("plugin/text/text", run=".", tag="findings")[-1]["text"]
