"""Splits follow the seed and the classes; scaling knows the training set alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from gradvitals.experiments.config.data import DataConfig, ScaleValue
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.data.scale import fit_scaler
from gradvitals.experiments.data.split import split_rows
from gradvitals.experiments.errors import UserError


def load(seed: int = 0, folder: Path = Path(), **settings: Any) -> Dataset:
    return load_data(DataConfig(**settings), seed, folder)


@pytest.mark.parametrize("source", ["digits", "diabetes", "spiral"])
def test_the_same_seed_gives_the_same_arrays(source: str) -> None:
    one, other = load(seed=5, source=source), load(seed=5, source=source)
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.validation_targets, other.validation_targets)


@pytest.mark.parametrize("source", ["digits", "diabetes", "spiral"])
def test_another_seed_gives_another_split(source: str) -> None:
    assert not np.array_equal(load(seed=5, source=source).inputs, load(seed=6, source=source).inputs)


def test_scaling_does_not_change_the_split() -> None:
    raw, scaled = load(source="wine", scale="none"), load(source="wine", scale="standard")
    np.testing.assert_allclose(scaled.inputs, StandardScaler().fit_transform(raw.inputs), atol=1e-12)


def test_every_row_is_in_exactly_one_part() -> None:
    training, held_out = split_rows(101, 0.3, None, np.random.default_rng(0))
    assert sorted([*training, *held_out]) == list(range(101))
    assert len(held_out) == 30


@pytest.mark.parametrize("seed", range(5))
def test_each_class_has_its_share_to_within_one(seed: int) -> None:
    classes = np.repeat(np.arange(4), [100, 50, 11, 7])
    _, held_out = split_rows(168, 0.25, classes, np.random.default_rng(seed))
    counts = np.bincount(classes[held_out], minlength=4)
    assert len(held_out) == 42
    assert np.all(np.abs(counts - 0.25 * np.array([100, 50, 11, 7])) <= 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_one_stays_in_training(seed: int) -> None:
    classes = np.array([0] * 20 + [1])
    training, _ = split_rows(21, 0.5, classes, np.random.default_rng(seed))
    assert 20 in training


def test_every_row_is_held_out_equally_often() -> None:
    classes = np.arange(20) % 2
    rng = np.random.default_rng(0)
    counts = np.zeros(20)
    for _ in range(4000):
        counts[split_rows(20, 0.25, classes, rng)[1]] += 1
    np.testing.assert_allclose(counts / 4000, 0.25, atol=5 * np.sqrt(0.25 * 0.75 / 4000))


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [("standard", StandardScaler()), ("center", StandardScaler(with_std=False)), ("minmax", MinMaxScaler())],
    ids=["standard", "center", "minmax"],
)
def test_scaling_uses_statistics_of_the_training_set_only(kind: str, oracle: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, x_validation = rng.normal(3.0, 2.0, (50, 4)), rng.normal(-100.0, 50.0, (20, 4))
    y = np.arange(50) % 2
    np.savez(tmp_path / "d.npz", x=x, y=y, x_validation=x_validation, y_validation=y[:20])
    dataset = load(folder=tmp_path, source="d.npz", scale=kind)
    oracle.fit(x)
    np.testing.assert_allclose(dataset.inputs, oracle.transform(x), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dataset.validation_inputs, oracle.transform(x_validation), rtol=1e-10)


def test_standard_scaling_gives_mean_zero_and_deviation_one() -> None:
    inputs = load(source="wine").inputs
    np.testing.assert_allclose(inputs.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.std(axis=0), 1.0)


def test_minmax_scaling_gives_the_unit_interval() -> None:
    inputs = load(source="wine", scale="minmax").inputs
    np.testing.assert_allclose(inputs.min(axis=0), 0.0)
    np.testing.assert_allclose(inputs.max(axis=0), 1.0)


def test_a_factor_multiplies() -> None:
    raw, scaled = load(source="iris", scale="none"), load(source="iris", scale=1000)
    np.testing.assert_array_equal(scaled.inputs, raw.inputs * 1000.0)
    np.testing.assert_array_equal(scaled.validation_inputs, raw.validation_inputs * 1000.0)


def test_centering_moves_the_mean_to_zero_and_keeps_the_spread() -> None:
    raw, centered = load(source="wine", scale="none").inputs, load(source="wine", scale="center").inputs
    np.testing.assert_allclose(centered.mean(axis=0), 0.0, atol=1e-12 * np.abs(raw).max())
    np.testing.assert_allclose(centered.std(axis=0), raw.std(axis=0))


@pytest.mark.parametrize("kind", ["standard", "center", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -3.7e-12])
def test_a_constant_column_becomes_zero(kind: ScaleValue, value: float) -> None:
    column = np.full((37, 1), value)
    scaled = fit_scaler(kind, column)(column)
    np.testing.assert_allclose(scaled, 0.0, atol=1e-5)


def test_a_column_of_tiny_numbers_is_not_taken_for_constant() -> None:
    column = np.array([[1e-20], [3e-20]])
    np.testing.assert_allclose(fit_scaler("standard", column)(column), [[-1.0], [1.0]])


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_spread_without_a_reciprocal_counts_as_none(kind: ScaleValue) -> None:
    column = np.array([[0.0], [1e-320]])
    np.testing.assert_allclose(fit_scaler(kind, column)(column), 0.0, atol=1e-300)


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_validation_rows_that_scaling_takes_beyond_float32_are_refused(kind: str, tmp_path: Path) -> None:
    y = np.arange(20) % 2
    x = np.column_stack([np.arange(20.0), np.where(y, 1e-20, 3e-20)])
    np.savez(tmp_path / "d.npz", x=x, y=y, x_validation=x + np.array([0.0, 1e30]), y_validation=y)
    with pytest.raises(
        UserError, match=r"inputs: column 1 \(counted from 0\) hardly varies in the training set, .* 1e\+30"
    ):
        load(folder=tmp_path, source="d.npz", scale=kind)
    raw = load(folder=tmp_path, source="d.npz", scale=kind, columns={"x1": "none"})
    assert raw.validation_inputs[0, 1] == 1e30


def test_targets_stay_as_they_are_unless_told_otherwise() -> None:
    dataset = load(source="diabetes")
    targets = np.concatenate([dataset.targets, dataset.validation_targets])
    np.testing.assert_array_equal(np.sort(targets[:, 0]), np.sort(load_diabetes().target))


def test_targets_are_scaled_with_statistics_of_the_training_set() -> None:
    raw, scaled = load(source="diabetes"), load(source="diabetes", scale_targets="standard")
    mean, deviation = raw.targets.mean(), raw.targets.std()
    np.testing.assert_allclose(scaled.targets, (raw.targets - mean) / deviation)
    np.testing.assert_allclose(scaled.validation_targets, (raw.validation_targets - mean) / deviation)


def test_more_noise_does_not_change_which_points_there_are() -> None:
    clean, noisy = load(source="moons", noise=0.0, scale="none"), load(source="moons", noise=1e-9, scale="none")
    np.testing.assert_allclose(clean.inputs, noisy.inputs, atol=1e-7)
