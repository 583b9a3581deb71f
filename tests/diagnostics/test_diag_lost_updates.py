"""Updates that floats cannot hold, against parameters compared before and after every step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.lost_updates import LostUpdates, measure_rounding
from gradvitals.diagnostics.metrics import sum_of_squares
from gradvitals.diagnostics.notes import Rounding
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import GradientsReady, StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.training import Samples, train

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: Sgd(3e-7),
    "momentum": lambda: Sgd(3e-7, momentum=0.9),
    "adam": lambda: Adam(1e-8),
    "long steps": lambda: Sgd(0.1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_lost_is_what_has_a_gradient_and_stays(
    optimizer: str, dtype: Any, digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits, hidden=[16], dtype=dtype)
    lost, notes, expected = LostUpdates(), [], []
    seen: dict[str, Any] = {}

    def before(event: GradientsReady) -> None:
        lost.gradients(event)
        seen["gradients"], seen["parameters"] = network.gradients.copy(), network.parameters.copy()

    def after(event: StepEnded) -> None:
        notes.append(lost.ended(event))
        gradients = seen["gradients"].astype(np.float64)
        stayed = network.parameters == seen["parameters"]
        expected.append(
            (
                (stayed & (gradients != 0.0)).sum() / (gradients != 0.0).sum(),
                (gradients[stayed] ** 2).sum() / (gradients**2).sum(),
            )
        )

    network.hooks.on(GradientsReady, before)
    network.hooks.on(StepEnded, after)
    train(
        network,
        Samples(digits.inputs, digits.targets),
        OPTIMIZERS[optimizer](),
        epochs=1,
        batch_size=256,
        generator=np.random.default_rng(0),
        clip=clip_norm(0.5),
    )
    found = [(note.lost, note.lost_gradient) for note in notes if note is not None]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
    assert [note.step for note in notes if note is not None] == list(range(1, 7))
    if dtype is np.float32 and optimizer == "sgd":
        assert min(share for share, _ in found) > 0.3
    if optimizer == "long steps" or dtype is np.float64:
        assert max(share for share, _ in found) < 1e-3


def test_what_only_a_tiny_penalty_pulls_at_is_most_of_the_parameters_and_none_of_the_gradient() -> None:
    gradients = [np.concatenate([np.full(900, 1e-8), np.full(100, 0.1)])]
    updates = [np.concatenate([np.zeros(900), np.full(100, 0.01)])]
    note = measure_rounding(gradients, updates, step=3, learning_rate=0.1)
    assert note is not None
    assert (note.step, note.learning_rate, note.lost) == (3, 0.1, 0.9)
    assert note.lost_gradient < 1e-9


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf], ids=str)
def test_of_no_gradient_and_of_none_that_is_finite_nothing_is_told(value: float) -> None:
    assert measure_rounding([np.full(3, value)], [np.zeros(3)], step=1, learning_rate=0.1) is None


def test_a_parameter_without_gradient_is_not_lost_if_it_stays() -> None:
    note = measure_rounding([np.array([0.0, 0.0, 1.0])], [np.array([0.0, 0.0, 0.1])], step=1, learning_rate=0.1)
    assert note == Rounding(1, 0.1, 0.0, 0.0)


def test_gradients_of_another_step_are_not_compared() -> None:
    lost = LostUpdates()
    arrays = {"output": {"weight": np.ones((2, 2))}}
    lost.gradients(GradientsReady(4, arrays))
    assert lost.ended(StepEnded(5, 1.0, 1.0, 0.1, arrays, arrays)) is None
    assert lost.ended(StepEnded(4, 1.0, 1.0, 0.1, arrays, arrays)) is None  # it has let go of them


def test_layers_that_no_optimizer_holds_are_not_what_rounding_takes() -> None:
    lost = LostUpdates()
    lost.leave_out(["hidden_1"])
    gradients = {"hidden_1": {"weight": np.ones((2, 2))}, "output": {"weight": np.ones((2, 2))}}
    updates = {"hidden_1": {"weight": np.zeros((2, 2))}, "output": {"weight": np.diag([0.1, 0.1])}}
    lost.gradients(GradientsReady(4, gradients))
    assert lost.ended(StepEnded(4, 1.0, 1.0, 0.1, updates, gradients)) == Rounding(4, 0.1, 0.5, 0.5)


def test_what_is_lost_adds_up_row_by_row_however_arrays_are_laid_out() -> None:
    generator = np.random.default_rng(3)
    gradient = generator.normal(size=(60, 40)).astype(np.float32)
    update = np.where(generator.random((60, 40)) < 0.05, 0.0, -0.1 * gradient).astype(np.float32)

    for order in (np.ascontiguousarray, np.asfortranarray):
        own = order(gradient)
        found = measure_rounding([own], [order(update)], step=1, learning_rate=0.1)

        assert found is not None
        assert found.lost_gradient == sum_of_squares(own[update == 0.0]) / sum_of_squares(own)
        assert found.lost == np.mean(update == 0.0)
