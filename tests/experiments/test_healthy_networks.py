"""Healthy networks that look sick to a rule of thumb: each solves its task, and no rule calls it an error."""

from pathlib import Path

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

ADAM = '{kind = "adam", learning_rate = 0.03}'
MOMENTUM = '{kind = "sgd", learning_rate = 0.3, momentum = 0.9}'

XOR = """
[data]
source = "xor"
n = 200
noise = 0.1
[model]
hidden = {hidden}
activation = "{activation}"
init = "glorot_uniform"
[training]
loss = "{loss}"
optimizer = {optimizer}
batch_size = {batch}
epochs = 100
"""

DIGITS = """
[data]
source = "digits"
scale = "{scale}"
[model]
hidden = {hidden}
activation = "{activation}"
init = {init}
[training]
optimizer = {optimizer}
batch_size = {batch}
epochs = {epochs}
"""

OWN = """
[data]
source = "{path}"
[model]
hidden = [16]
output_bias = "{bias}"
[training]
loss = "{loss}"
optimizer = {optimizer}
batch_size = 64
epochs = 30
"""


def scores_and_errors(text: str, folder: Path, seed: int = 0) -> tuple[float, list[str]]:
    """Train, and give the accuracy on the training set and the errors that stand."""
    loaded = LoadedConfig(loads(f"seed = {seed}\n{text}"), "config", folder)
    ((planned, place),), _ = place_runs(make_plan(loaded, folder / "logs"), "refuse")
    summary, verdict = run_one(planned, place)
    accuracy = summary.scores["training"]["accuracy"]
    assert accuracy is not None
    return accuracy, [
        f"{found.key}: {found.evidence}" for found in verdict.standing if found.severity is Severity.ERROR
    ]


@pytest.mark.parametrize("optimizer", [ADAM, MOMENTUM], ids=["adam", "momentum"])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "hinge", "binary_hinge"])
@pytest.mark.parametrize(
    ("activation", "hidden"),
    [("tanh", [4]), ("sigmoid", [8]), ("relu", [8]), ("leaky_relu", [8]), ("elu", [8]), ("gelu", [16, 16])],
    ids=str,
)
def test_xor_solved(activation: str, hidden: list[int], loss: str, optimizer: str, tmp_path: Path) -> None:
    text = XOR.format(activation=activation, hidden=hidden, loss=loss, optimizer=optimizer, batch=50)
    accuracy, errors = scores_and_errors(text, tmp_path)
    assert accuracy > 0.9
    assert errors == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("activation", "init", "optimizer", "epochs"),
    [
        ("sigmoid", '"glorot_uniform"', '{kind = "sgd", learning_rate = 1.0, momentum = 0.9}', 40),
        ("sigmoid", '{kind = "normal", std = 1.0}', '{kind = "adam", learning_rate = 0.01}', 40),
        ("tanh", '"glorot_uniform"', '{kind = "sgd", learning_rate = 0.3, momentum = 0.9}', 30),
        ("tanh", '{kind = "normal", std = 0.5}', '{kind = "adam", learning_rate = 0.01}', 30),
    ],
    ids=["sigmoid", "sigmoid from large weights", "tanh", "tanh from large weights"],
)
def test_converged_sigmoid_and_tanh_networks(  # noqa: PLR0917 - a column each
    activation: str, init: str, optimizer: str, epochs: int, seed: int, tmp_path: Path
) -> None:
    text = DIGITS.format(
        scale="standard", hidden=[32], activation=activation, init=init, optimizer=optimizer, batch=64, epochs=epochs
    )
    accuracy, errors = scores_and_errors(text, tmp_path, seed)
    assert accuracy >= 0.97
    assert errors == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_zero_initialised_head(activation: str, seed: int, tmp_path: Path) -> None:
    text = DIGITS.format(
        scale="standard",
        hidden=[32, 32],
        activation=activation,
        init='["glorot_uniform", "glorot_uniform", "zeros"]',
        optimizer='{kind = "adam", learning_rate = 0.01}',
        batch=64,
        epochs=15,
    )
    accuracy, errors = scores_and_errors(text, tmp_path, seed)
    assert accuracy > 0.95
    assert errors == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", ["minmax", "none"])
@pytest.mark.parametrize(
    "optimizer", ['{kind = "sgd", learning_rate = RATE}', '{kind = "adam", learning_rate = 1e-3}'], ids=["sgd", "adam"]
)
def test_digits_scaled_to_0_1_and_raw(scale: str, optimizer: str, seed: int, tmp_path: Path) -> None:
    rate = "0.1" if scale == "minmax" else "0.005"
    text = DIGITS.format(
        scale=scale,
        hidden=[64, 32],
        activation="relu",
        init='"he_normal"',
        optimizer=optimizer.replace("RATE", rate),
        batch=32,
        epochs=30,
    )
    accuracy, errors = scores_and_errors(text, tmp_path, seed)
    assert accuracy > 0.95
    assert errors == []


@pytest.mark.parametrize("seed", range(3))
def test_momentum_of_9_tenths_at_full_batch(seed: int, tmp_path: Path) -> None:
    text = DIGITS.format(
        scale="standard",
        hidden=[64],
        activation="relu",
        init='"he_normal"',
        optimizer='{kind = "sgd", learning_rate = 0.2, momentum = 0.9}',
        batch=5000,
        epochs=200,
    )
    accuracy, errors = scores_and_errors(text, tmp_path, seed)
    assert accuracy > 0.97
    assert errors == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bias", ["prior", "zeros"])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("separation", [1.0, 3.0], ids=["faint signal", "strong signal"])
def test_99_to_1_classes(separation: float, loss: str, bias: str, seed: int, tmp_path: Path) -> None:
    """Where the signal is faint, always naming the common class is the best that anybody can do."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(3000) % 100 == 0).astype(int)
    inputs = generator.normal(size=(3000, 8))
    inputs[labels == 1, :2] += separation
    np.savez(tmp_path / "rare.npz", x=inputs, y=labels)
    text = OWN.format(
        path=tmp_path / "rare.npz", bias=bias, loss=loss, optimizer='{kind = "adam", learning_rate = 3e-3}'
    )
    accuracy, errors = scores_and_errors(text, tmp_path, seed)
    assert accuracy >= 0.985
    assert errors == []
