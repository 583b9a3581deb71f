"""Step metrics of arrays that an adapter may send: sent again, changed in place, strided, overflowing."""

import weakref
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.observed_silence import SilenceWatcher
from gradvitals.diagnostics.step_metrics import StepMetrics
from gradvitals.engine.events import GradientsReady, LayerForward, LayerInfo, StepEnded


class OneLayer:
    """What step metrics ask of a network."""

    layers = (LayerInfo("only", "relu", 3, 4),)

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def parameters_by_layer(self) -> Any:
        """Give its weight."""
        return {"only": {"weight": self.weight}}


def norms_of(metrics: StepMetrics, arrays: Any) -> float:
    metrics.gradients(GradientsReady(1, arrays))
    scalars, _ = metrics.take()
    return scalars["gradient_norm/only"]


def whole() -> Any:
    return np.ones((3, 4))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(whole(), id="rows"),
        pytest.param(np.ones((4, 3)).T, id="columns"),
        pytest.param(np.ones((3, 8))[:, ::2], id="strided"),
    ],
)
def test_values_changed_in_place_are_measured_anew(array: Any) -> None:
    metrics, arrays = StepMetrics(OneLayer(array)), {"only": {"weight": array}}  # type: ignore[arg-type]
    assert norms_of(metrics, arrays) == pytest.approx(np.sqrt(12.0))
    array *= 2.0
    assert norms_of(metrics, arrays) == pytest.approx(2.0 * np.sqrt(12.0))


def test_another_array_in_the_same_mapping_is_measured() -> None:
    arrays = {"only": {"weight": whole()}}
    metrics = StepMetrics(OneLayer(whole()))  # type: ignore[arg-type]
    norms_of(metrics, arrays)
    arrays["only"]["weight"] = 3.0 * whole()
    assert norms_of(metrics, arrays) == pytest.approx(3.0 * np.sqrt(12.0))
    arrays["only"]["bias"] = np.full(4, 2.0)
    assert norms_of(metrics, arrays) == pytest.approx(np.sqrt(9.0 * 12.0 + 4.0 * 4.0))


def test_updates_belong_to_their_layers_whatever_the_order_they_are_sent_in() -> None:
    metrics = StepMetrics(OneLayer(whole()))  # type: ignore[arg-type]
    parameters = {"first": {"weight": 10.0 * whole()}, "second": {"weight": 10.0 * whole()}}
    updates = {"second": {"weight": 2.0 * whole()}, "first": {"weight": whole()}}
    metrics.ended(StepEnded(1, None, 1.0, 0.1, updates, parameters))
    scalars, _ = metrics.take()
    assert scalars["update_ratio/first"] == pytest.approx(0.1)
    assert scalars["update_ratio/second"] == pytest.approx(0.2)


@pytest.mark.parametrize("loss", [None, 1.0])
def test_what_overflows_is_measured_without_a_warning(loss: float | None) -> None:
    large = np.full((300, 4), 3e30, np.float32)
    metrics = StepMetrics(OneLayer(large))  # type: ignore[arg-type]
    arrays = {"only": {"weight": large}}
    metrics.forward(LayerForward("only", 1, large, None, large, "relu", "training"))
    metrics.gradients(GradientsReady(1, arrays))
    metrics.ended(StepEnded(1, loss, 1.0, 0.1, arrays, arrays))
    scalars, fault = metrics.take()
    assert fault is None  # large, and finite
    assert scalars["weight_norm/only"] == pytest.approx(3e30 * np.sqrt(1200.0), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "gradient", "weight", "update", "what"),
    [
        (np.nan, 1.0, 1.0, 1.0, "loss"),
        (np.nan, np.nan, np.nan, np.nan, "loss"),
        (None, np.inf, 1.0, 1.0, "gradients"),
        (None, 1.0, np.nan, 1.0, "parameters"),
        (None, 1.0, 1.0, -np.inf, "update"),
        (None, 1.0, 1.0, 1.0, None),
    ],
)
def test_the_first_fault_of_a_step_is_named(
    loss: float | None, gradient: float, weight: float, update: float, what: str | None
) -> None:
    metrics = StepMetrics(OneLayer(whole()))  # type: ignore[arg-type]
    metrics.gradients(GradientsReady(1, {"only": {"weight": gradient * whole()}}))
    metrics.ended(
        StepEnded(1, loss, 1.0, 0.1, {"only": {"weight": update * whole()}}, {"only": {"weight": weight * whole()}})
    )
    _, fault = metrics.take()
    assert (None if fault is None else fault.what) == what


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
@pytest.mark.parametrize("unit", [0, 3])
def test_a_single_output_that_is_not_finite_is_a_fault(activation: str, unit: int) -> None:
    outputs = np.full((5, 4), 0.5, np.float32)
    outputs[4, unit] = np.nan
    metrics = StepMetrics(OneLayer(whole()))  # type: ignore[arg-type]
    metrics.forward(LayerForward("only", 1, np.ones((5, 3), np.float32), None, outputs, activation, "training"))
    _, fault = metrics.take()
    assert fault is not None
    assert (fault.what, fault.layer) == ("outputs", "only")


def test_arrays_that_are_others_every_time_are_let_go() -> None:
    metrics = StepMetrics(OneLayer(whole()))  # type: ignore[arg-type]
    for _ in range(10):
        gradient = whole()
        assert norms_of(metrics, {"only": {"weight": gradient}}) == pytest.approx(np.sqrt(12.0))
        held = weakref.ref(gradient)
        del gradient
    assert held() is None


def of_run(value: Any, run: int) -> Any:
    """Take what is one run's of a stack's event."""
    if isinstance(value, dict):
        return {key: of_run(item, run) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value[run].item() if value.ndim == 1 else value[run]
    return value


def stack_of_four(activation: str) -> tuple[Any, Any, Any]:
    """Give the events of a step of four runs whose numbers are all in order."""
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return np.abs(generator.normal(size=(4, *shape))).astype(np.float32) / 4

    forward = LayerForward("only", 1, draw(5, 3), None, draw(5, 4), activation, "training")
    gradients = {"only": {"weight": draw(3, 4), "bias": draw(4)}}
    parameters, updates = ({"only": {"weight": draw(3, 4), "bias": draw(4)}} for _ in range(2))
    return forward, gradients, StepEnded(1, draw().astype(np.float64), np.ones(4), np.full(4, 0.1), updates, parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38, 1e-30, 0.0])
@pytest.mark.parametrize("where", ["outputs", "gradient", "update", "weight", "loss"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "linear"])
def test_each_run_of_a_stack_has_the_scalars_and_the_fault_that_it_has_alone(
    activation: str, where: str, bad: float
) -> None:
    forward, gradients, ended = stack_of_four(activation)
    arrays = {
        "outputs": forward.outputs,
        "gradient": gradients["only"]["weight"],
        "update": ended.updates["only"]["weight"],
        "weight": ended.parameters["only"]["weight"],
        "loss": ended.loss,
    }
    arrays[where][2] = bad
    networks: list[Any] = [OneLayer(of_run(ended.parameters, run)["only"]["weight"]) for run in range(4)]
    stacked = [StepMetrics(network, SilenceWatcher()) for network in networks]
    for event in (forward, GradientsReady(1, gradients), ended):
        stacked[0].see_stack(event, stacked)
    for run, metrics in enumerate(stacked):
        alone = StepMetrics(metrics.network, SilenceWatcher())
        for event in (forward, GradientsReady(1, gradients), ended):
            own = {field.name: of_run(getattr(event, field.name), run) for field in fields(event)}
            alone(type(event)(**own))
        (scalars, fault), (expected, expected_fault) = metrics.take(), alone.take()
        assert repr(scalars) == repr(expected)
        assert fault == expected_fault
        assert repr(metrics.silence and metrics.silence.take(1)) == repr(alone.silence and alone.silence.take(1))
