"""What a config asks for happens in the run that the command takes, and stands in its folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.tensorboard.run_record import RunRecord, read_record
from gradvitals.engine.dropout import Dropout
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.load import load_config, loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

Run = Callable[..., tuple[Path, Verdict, RunRecord]]
CONFIG = """
[data]
source = "iris"
[model]
hidden = [6, 5]
activation = "tanh"
[training]
epochs = 6
batch_size = 30
optimizer = {kind = "sgd", learning_rate = 0.1}
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the small config with some keys set, as `gradvitals run` does."""

    def run_with(*overrides: str) -> tuple[Path, Verdict, RunRecord]:
        path = tmp_path / "small.toml"
        path.write_text(CONFIG, encoding="utf-8")
        plan = make_plan(load_config(path, list(overrides)), tmp_path / "logs")
        ((planned, place),), _ = place_runs(plan, "new")
        _, verdict = run_one(planned, place)
        return place.folder, verdict, read_record(place.folder)

    return run_with


def summary(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return data


def test_l2_shrinks_the_weights(run: Run) -> None:
    _, _, plain = run()
    _, _, decayed = run("training.l2=1.0")
    norms = [record.record.series("weight_norm/hidden_1").values[-1] for record in (plain, decayed)]
    assert norms[1] < 0.3 * norms[0]


def test_a_schedule_sets_the_rate_of_every_step(run: Run) -> None:
    _, _, record = run("training.schedule={kind='step', every=2, factor=0.0}")
    np.testing.assert_allclose(record.training["learning_rate"].values, [0.1, 0.1, 0.0, 0.0, 0.0, 0.0], rtol=1e-6)
    losses = record.validation["epoch_loss"].values
    assert len(set(losses[:2])) == 2
    assert len(set(losses[1:])) == 1  # nothing moves any more


@pytest.mark.parametrize(
    ("gradient", "passes", "inapplicable"), [("backprop", 1, 0), ("numeric", 166, 2), ("random_search", 2, 2)]
)
def test_a_strategy_is_used_counted_and_judged_for_what_it_computes(
    gradient: str, passes: int, inapplicable: int, run: Run
) -> None:
    folder, verdict, _ = run(f"training.gradient={gradient}")
    assert summary(folder)["model"]["parameters"] == 83
    assert summary(folder)["steps"] == 24
    assert summary(folder)["forward_passes"] == 24 * passes
    statuses = {judgement.id: judgement.status for judgement in verdict.judgements}
    of_layers = [statuses["vanishing_gradient"], statuses["exploding_gradient"]]
    assert of_layers.count("not_applicable") == inapplicable


@pytest.mark.parametrize("units", ["", "model.output_units=1"], ids=["one-hot", "numbers"])
def test_a_squared_error_of_classes_has_an_accuracy(units: str, run: Run) -> None:
    folder, _, record = run("training.loss=mse", "model.output=linear", *([units] if units else []))
    assert summary(folder)["scores"]["validation"]["accuracy"] > 0.5
    assert len(record.validation["epoch_accuracy"].values) == 6


def test_dropout_stands_behind_its_layers_and_draws_from_a_stream_of_its_own() -> None:
    config = loads(CONFIG.replace("[training]", "dropout = [0.5, 0.0]\n[training]"))
    dataset = load_data(config.data, config.seed, Path())
    network = assemble(config, dataset, check_fit(config, dataset)).network
    drops = {placed.output.name: placed.gate for placed in network.circuit.gates if isinstance(placed.gate, Dropout)}
    assert list(drops) == ["hidden_1/dropout"]
    (generator,) = drops["hidden_1/dropout"].generators
    expected = np.random.default_rng(np.random.SeedSequence(config.seed).spawn(4)[3])
    assert generator.random() == expected.random()
