"""The yardstick: the same measure whatever the loss, the output and the scaling."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.intervention.yardstick import score_rows
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset, run_alone
from gradvitals.experiments.watched_training import train_experiment


def trained(source: str, *overrides: str, epochs: int = 5) -> tuple[Experiment, Dataset]:
    raw = {"data": {"source": source}, "model": {"hidden": [8]}}
    config = parse_config(raw, "test", [f"training.epochs={epochs}", "training.optimizer=adam", *overrides])
    dataset = load_dataset(PlannedRun(config, {}, "test"), Place(Path(), "test", Path(), {}))
    experiment = assemble(config, dataset, check_fit(config, dataset))
    train_experiment(config, experiment)
    return experiment, dataset


@pytest.mark.parametrize(
    "overrides",
    [(), ("model.output=softmax",), ("training.loss=hinge",), ("training.loss=mse", "model.output=sigmoid")],
    ids=["cross-entropy", "on probabilities", "hinge", "squared error"],
)
def test_a_classification_is_measured_by_its_accuracy(overrides: Sequence[str]) -> None:
    experiment, dataset = trained("iris", *overrides)
    named = experiment.network.predict(experiment.validation.inputs).argmax(axis=1)
    scores = score_rows(experiment, dataset)
    assert scores.subset == "validation"
    assert len(scores.rows) == len(dataset.validation_targets)
    assert scores.mean == pytest.approx(accuracy_score(dataset.validation_targets, named))


def test_two_classes_on_one_output_are_measured_likewise() -> None:
    experiment, dataset = trained("moons", "data.n=200", "training.loss=binary_cross_entropy")
    named = experiment.network.predict(experiment.validation.inputs)[:, 0] > 0.0
    assert score_rows(experiment, dataset).mean == pytest.approx(accuracy_score(dataset.validation_targets, named))


def test_a_regression_is_measured_in_the_units_of_its_targets() -> None:
    """The scale of the targets is undone by hand, and R² taken about the training targets' mean."""
    experiment, dataset = trained("diabetes", "data.scale_targets=standard", epochs=40)
    _, raw = trained("diabetes", "data.scale_targets=none", epochs=1)
    mean, std = raw.targets.mean(), raw.targets.std()
    outputs = experiment.network.predict(experiment.validation.inputs) * std + mean
    errors = ((outputs - raw.validation_targets) ** 2).sum()
    expected = 1.0 - errors / ((raw.validation_targets - mean) ** 2).sum()
    scores = score_rows(experiment, dataset)
    assert scores.mean == pytest.approx(expected, rel=1e-5)
    assert scores.mean == pytest.approx(r2_score(raw.validation_targets, outputs), abs=0.02)  # about another mean


@pytest.mark.parametrize("overrides", [("data.scale_targets=none",), ("data.scale_targets=standard",)])
def test_a_regression_that_diverged_has_the_trivial_predictors_score(overrides: Sequence[str]) -> None:
    experiment, dataset = trained("diabetes", *overrides, 'training.optimizer={kind="sgd", learning_rate=1e3}')
    scores = score_rows(experiment, dataset)
    assert scores.broken
    assert scores.mean == pytest.approx(0.0, abs=1e-12)
    assert np.array_equal(scores.rows, scores.trivial)


def test_a_network_that_is_nan_is_worth_what_naming_the_commonest_class_is() -> None:
    experiment, dataset = trained("iris", epochs=1)
    experiment.network.parameters[...] = np.nan
    scores = score_rows(experiment, dataset)
    commonest = np.bincount(dataset.targets).argmax()
    assert scores.broken
    assert scores.mean == pytest.approx((dataset.validation_targets == commonest).mean())


def test_a_regression_far_worse_than_the_mean_is_not_counted_as_worse() -> None:
    experiment, dataset = trained("diabetes", epochs=1)
    experiment.network.parameters[...] *= 1e4
    scores = score_rows(experiment, dataset)
    assert not scores.broken
    assert scores.mean == pytest.approx(0.0, abs=1e-12)


def test_a_run_that_is_only_scored_gives_its_scores_and_writes_nothing(tmp_path: Path) -> None:
    config = parse_config({"data": {"source": "iris"}, "training": {"epochs": 2}}, "test", [])
    place = Place(tmp_path / "run", "test", Path(), {}, scored=True, watched=False)
    outcome = run_alone(PlannedRun(config, {}, "test"), place).outcome
    assert outcome.summary is not None
    assert (outcome.summary.status, outcome.summary.steps > 0) == ("completed", True)
    assert outcome.row_scores is not None
    assert len(outcome.row_scores.rows) == len(load_dataset(outcome.planned, place).validation_targets)
    assert not list(tmp_path.iterdir())
