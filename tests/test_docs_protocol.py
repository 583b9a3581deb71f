"""The JAX program of the guide to the protocol: it prints what is shown, and records what our own engine does.

It runs in processes of its own: JAX, once loaded, warns of every later fork of the process that it is loaded in.
"""

import dataclasses
import importlib.util
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.note_kinds import NOTES
from gradvitals.diagnostics.notes import Ending, Probe, Scan
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

GUIDE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
BLOCKS = r"^```python\n(.*?)^```\n.*?^```text\n(.*?)^```"
((PROGRAM, SHOWN),) = re.findall(BLOCKS, GUIDE, flags=re.MULTILINE | re.DOTALL)
DEFINITIONS = PROGRAM.partition("# One training with a fault")[0]
"""All of the program but the two trainings at its end."""

TOLERANCE = 1e-5
EPOCHS, BATCH, RATE = 3, 50, 0.05

TRAIN_IN_JAX = """
import contextlib
import pickle
import sys

from gradvitals.diagnostics.watched_data import WatchedData


def run(data, parameters, watched, settings):
    model = WatchableMlp([(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in parameters])
    with watch(model, data=WatchedData(*data)) if watched else contextlib.nullcontext() as monitor:
        train(model, *data[:2], **settings, generator=np.random.default_rng(3))
    standing = [(str(finding.severity), finding.key) for finding in monitor.verdict.standing] if watched else []
    parameters = [(np.asarray(weight), np.asarray(bias)) for weight, bias in model.parameters]
    return parameters, monitor and monitor.record, standing


tasks = pickle.loads(sys.stdin.buffer.read())
sys.stdout.buffer.write(pickle.dumps({name: run(*task) for name, task in tasks.items()}))
"""


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training in JAX left."""

    parameters: list[tuple[Any, Any]]
    record: Record
    standing: list[tuple[str, str]]


@pytest.fixture(scope="module")
def trained_in_jax() -> Mapping[str, Trained]:
    """Train several times in one process: most of its time is JAX's start."""
    data, start, settings = make_data(), make_parameters(), {"epochs": EPOCHS, "batch_size": BATCH}
    arrays = data.inputs, data.targets, data.validation_inputs, data.validation_targets
    longer = {**settings, "epochs": 20, "learning_rate": RATE}
    tasks = {
        "watched": (arrays, start, True, {**settings, "learning_rate": RATE}),
        "alone": (arrays, start, False, {**settings, "learning_rate": RATE}),
        "healthy": (arrays, start, True, longer),
        "born_dead": (arrays, make_parameters(hidden_bias=-20.0), True, longer),
        "killed_by_large_steps": (arrays, start, True, {**longer, "learning_rate": 30.0}),
    }
    command = [sys.executable, "-W", "error", "-c", DEFINITIONS + TRAIN_IN_JAX]
    done = subprocess.run(command, input=pickle.dumps(tasks), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {name: Trained(*left) for name, left in pickle.loads(done.stdout).items()}  # noqa: S301 - our own child


def make_data(rows: int = 300) -> WatchedData:
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((2 * rows, 7)).astype(np.float32)
    scores = inputs @ generator.standard_normal((7, 3)) + 0.3 * generator.standard_normal((2 * rows, 3))
    targets = np.eye(3, dtype=np.float32)[scores.argmax(axis=1)]
    return WatchedData(inputs[:rows], targets[:rows], inputs[rows:], targets[rows:])


def make_parameters(hidden_bias: float = 0.0) -> list[tuple[Any, Any]]:
    network = perceptron(
        [7, 12, 9, 3],
        ["relu", "relu"],
        "cross_entropy",
        initializers=[he_normal] * 3,
        generator=np.random.default_rng(2),
        biases=[hidden_bias, 0.0, 0.0],
    )
    return [(own["weight"].copy(), own["bias"].copy()) for own in network.parameters_by_layer().values()]


def train_in_our_engine(data: WatchedData) -> tuple[list[tuple[Any, Any]], Record]:
    network = perceptron(
        [7, 12, 9, 3],
        ["relu", "relu"],
        "cross_entropy",
        initializers=[he_normal] * 3,
        generator=np.random.default_rng(2),
    )
    samples, generator = Samples(data.inputs, data.targets), np.random.default_rng(3)
    with Monitor(network, data) as monitor:
        train(network, samples, Sgd(RATE), epochs=EPOCHS, batch_size=BATCH, generator=generator)
    trained = [(own["weight"], own["bias"]) for own in network.parameters_by_layer().values()]
    return trained, monitor.record


def differences(ours: Any, theirs: Any, path: str) -> list[str]:
    """List where two notes, or parts of notes, differ by more than the tolerance."""
    if dataclasses.is_dataclass(ours):
        names = [field.name for field in dataclasses.fields(ours)]
        parts = [(getattr(ours, name), getattr(theirs, name), f"{path}.{name}") for name in names]
    elif isinstance(ours, Mapping) and ours.keys() == theirs.keys():
        parts = [(ours[key], theirs[key], f"{path}[{key}]") for key in ours]
    elif isinstance(ours, tuple | list) and len(ours) == len(theirs):
        parts = [(one, other, f"{path}[{place}]") for place, (one, other) in enumerate(zip(ours, theirs, strict=True))]
    elif isinstance(ours, float) and isinstance(theirs, float):
        near = np.isclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        return [] if near else [f"{path}: {ours} against {theirs}"]
    else:
        return [] if ours == theirs else [f"{path}: {ours!r} against {theirs!r}"]
    return [line for part in parts for line in differences(*part)]


def test_the_program_prints_what_is_shown() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    numbers = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?|, …")  # another BLAS or another JAX rounds, or draws, otherwise
    assert [numbers.sub("#", line)[:60] for line in done.stdout.splitlines() if "info" not in line] == [
        numbers.sub("#", line)[:60] for line in SHOWN.splitlines() if "info" not in line
    ]


def test_the_program_is_short_enough_to_copy() -> None:
    assert len(PROGRAM.splitlines()) <= 150
    assert max(map(len, PROGRAM.splitlines())) <= 120


def test_every_scalar_and_note_is_that_of_our_own_engine(trained_in_jax: Mapping[str, Trained]) -> None:
    data = make_data()
    trained, ours = train_in_our_engine(data)
    theirs = trained_in_jax["watched"]

    for own, found in zip(trained, theirs.parameters, strict=True):
        np.testing.assert_allclose(found[0], own[0], TOLERANCE, TOLERANCE)
        np.testing.assert_allclose(found[1], own[1], TOLERANCE, TOLERANCE)
    assert ours.tags() == theirs.record.tags()
    assert "loss_ratio" in ours.tags()
    for tag in ours.tags():
        one, other = ours.series(tag), theirs.record.series(tag)
        assert np.array_equal(one.steps, other.steps), tag
        np.testing.assert_allclose(other.values, one.values, TOLERANCE, TOLERANCE, err_msg=tag)
    assert differences(ours.context, theirs.record.context, "context") == []
    assert all(ours.notes(kind) for kind in (Probe, Scan, Ending))
    assert [
        line
        for kind in NOTES.values()
        for line in differences(ours.notes(kind), theirs.record.notes(kind), kind.__name__)
    ] == []


def test_watching_leaves_the_training_as_it_is_bit_by_bit(trained_in_jax: Mapping[str, Trained]) -> None:
    alone, watched = (
        [array for layer in trained_in_jax[name].parameters for array in layer] for name in ("alone", "watched")
    )
    assert len(alone) == 6
    assert all(one.tobytes() == other.tobytes() for one, other in zip(alone, watched, strict=True))


@pytest.mark.parametrize("sick", ["born_dead", "killed_by_large_steps"])
def test_a_training_whose_relus_die_is_found(sick: str, trained_in_jax: Mapping[str, Trained]) -> None:
    assert [key for severity, key in trained_in_jax[sick].standing if severity == "error" and "dead_units" in key]


def test_a_healthy_training_is_found_healthy(trained_in_jax: Mapping[str, Trained]) -> None:
    healthy = trained_in_jax["healthy"]
    assert [finding for finding in healthy.standing if finding[0] != "info"] == []
    assert (healthy.record.notes(Probe)[-1].loss_ratio or 1.0) < 0.5
