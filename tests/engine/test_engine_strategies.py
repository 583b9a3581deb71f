"""Strategies: the same gradient from differences, what a search does without one, what observers see, the cost."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import Array, GradientsReady, LayerBackward, LayerForward, StepEnded
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.strategies import Backprop, NumericGradient, RandomSearch, Strategy
from gradvitals.engine.training import Samples, Trainer, train

DOC = Path(__file__).parents[2] / "docs" / "strategies.md"


def run_forward(network: Network, samples: Samples) -> ConnectedCircuit:
    circuit = network.training_circuit(len(samples))
    circuit.values["inputs"][...] = samples.inputs
    circuit.values["targets"][...] = samples.targets
    circuit.forward()
    return circuit


def gradients_of(strategy: Strategy, network: Network, samples: Samples, strength: float = 0.0) -> Array:
    """Let a strategy compute the gradients of a penalised network."""
    strategy.compute(network, run_forward(network, samples), L2(strength, mark_weights(network)))
    return network.gradients.copy()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the batch of every forward pass that is really run."""
    batches: list[int] = []
    forward = ConnectedCircuit.forward

    def note(circuit: ConnectedCircuit) -> None:
        batches.append(len(circuit.values["inputs"]))
        forward(circuit)

    monkeypatch.setattr(ConnectedCircuit, "forward", note)
    return batches


# The numeric gradient.


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse"])
@pytest.mark.parametrize("strength", [0.0, 0.3], ids=["plain", "L2"])
def test_differences_equal_backpropagation(
    loss: str, strength: float, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", loss, (3, 5, 4)), make_samples(loss, 3, 4, 7)
    expected = gradients_of(Backprop(), network, samples, strength)
    numeric = gradients_of(NumericGradient(), network, samples, strength)
    assert float(np.abs(expected).max()) > 0.01
    np.testing.assert_allclose(numeric, expected, rtol=0.0, atol=2e-10)


def test_differences_in_float32_are_coarse_but_right(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", dtype=np.float32), make_samples("cross_entropy", 3, 4, 7)
    expected = gradients_of(Backprop(), network, samples)
    error = np.abs(gradients_of(NumericGradient(), network, samples) - expected)
    assert float(error.max()) < 3e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_large_parameter_gets_a_step_that_it_can_take(dtype: DTypeLike, make_network: Callable[..., Network]) -> None:
    network = make_network("linear", "mse", (2, 1), dtype=dtype)
    network.parameters[...] = [1e7, 1.0, -3.0]
    samples = Samples(np.array([[1e-7, 1.0]]), np.array([[0.5]]))
    expected = gradients_of(Backprop(), network, samples)
    np.testing.assert_allclose(expected, [-3e-7, -3.0, -3.0], rtol=1e-5)
    np.testing.assert_allclose(gradients_of(NumericGradient(), network, samples), expected, rtol=1e-2)


def test_the_slope_is_over_the_distance_that_the_dtype_allows(make_network: Callable[..., Network]) -> None:
    network = make_network("linear", "mse", (1, 1), dtype=np.float32)
    network.parameters[...] = [1.0, 0.0]
    circuit = run_forward(network, Samples(np.ones((1, 1)), np.zeros((1, 1))))
    NumericGradient(epsilon=1e-6).compute(network, circuit, None)  # 1 ± 1e-6 are 8 and 8½ units in the last place off
    assert network.gradients[0] == pytest.approx(2.0, rel=1e-5)


def test_a_given_epsilon_is_the_distance_of_the_points(
    make_network: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network("linear", "mse", (1, 1))
    network.parameters[...] = 0.0
    circuit = run_forward(network, Samples(np.array([[2.0]]), np.array([[0.0]])))
    seen: list[list[float]] = []
    monkeypatch.setattr(ConnectedCircuit, "forward", lambda _: seen.append(network.parameters.tolist()))
    NumericGradient(epsilon=0.25).compute(network, circuit, None)
    assert seen == [[0.25, 0.0], [-0.25, 0.0], [0.0, 0.25], [0.0, -0.25], [0.0, 0.0]]


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, math.nan, math.inf])
def test_an_epsilon_that_makes_no_sense_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match=f"epsilon must be positive and finite, got {epsilon}"):
        NumericGradient(epsilon)


def test_an_epsilon_below_the_precision_of_the_parameters_is_refused(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(dtype=np.float32), make_samples("cross_entropy", 3, 4, 7)
    with pytest.raises(ValueError, match=r"epsilon must be at least 1\.2e-07, the precision of float32; got 1e-09"):
        gradients_of(NumericGradient(1e-9), network, samples)


def test_a_thousand_weights_cost_two_thousand_passes_against_one(
    passes: list[int], make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", "mse", (99, 10)), make_samples("mse", 99, 10, 3)
    assert network.parameters.size == 1000
    circuit = run_forward(network, samples)
    counted = []
    for strategy in (Backprop(), NumericGradient(), RandomSearch(0.1, np.random.default_rng(0))):
        passes.clear()
        counted.append(strategy.compute(network, circuit, None))
        really = len(passes)
        # Backpropagation and search use the pass that was there; the others end with one for observers.
        assert really == {1: 0, 2000: 2001, 2: 2}[counted[-1]]
    assert counted == [1, 2000, 2]


@pytest.mark.parametrize("make", [NumericGradient, lambda: RandomSearch(0.5, np.random.default_rng(0))])
@pytest.mark.parametrize("fails", [False, True], ids=["done", "interrupted"])
def test_parameters_and_values_are_left_as_they_were_to_the_bit(
    make: Callable[[], Strategy],
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
    monkeypatch: pytest.MonkeyPatch,
    *,
    fails: bool,
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 7)
    circuit = run_forward(network, samples)
    parameters = network.parameters.tobytes()
    values = {name: value.tobytes() for name, value in circuit.values.items()}
    if fails:

        def interrupt(_: ConnectedCircuit) -> None:
            assert network.parameters.tobytes() != parameters  # in the middle of a trial
            raise KeyboardInterrupt

        monkeypatch.setattr(ConnectedCircuit, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make().compute(network, circuit, None)
    else:
        make().compute(network, circuit, None)
        assert {name: value.tobytes() for name, value in circuit.values.items()} == values
    assert network.parameters.tobytes() == parameters


def dropping_network() -> Network:
    return perceptron(
        (3, 20, 4),
        ["tanh"],
        "cross_entropy",
        initializers=[normal(0.7)] * 2,
        generator=np.random.default_rng(0),
        dropout=[Dropout(0.5, [np.random.default_rng(1)])],
        dtype=np.float64,
    )


def test_differences_with_dropout_are_taken_with_one_and_the_same_mask(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples("cross_entropy", 3, 4, 7)
    results = [gradients_of(strategy, dropping_network(), samples) for strategy in (Backprop(), NumericGradient())]
    np.testing.assert_allclose(results[1], results[0], rtol=0.0, atol=2e-10)
    network = dropping_network()
    assert (gradients_of(Backprop(), network, samples) != gradients_of(Backprop(), network, samples)).any()


def test_training_by_differences_follows_training_by_backpropagation(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples, ends, histories = make_samples("cross_entropy", 3, 4, 22), [], []
    for strategy in (None, Backprop(), NumericGradient()):
        network = make_network()
        history = train(
            network,
            samples,
            Sgd(0.1, momentum=0.9),
            epochs=4,
            batch_size=8,
            generator=np.random.default_rng(0),
            clip=clip_norm(1.0),
            penalty=L2(0.1, mark_weights(network)),
            strategy=strategy,
        )
        ends.append(network.parameters)
        histories.append(history)
    assert ends[0].tobytes() == ends[1].tobytes()
    np.testing.assert_allclose(ends[2], ends[0], rtol=0.0, atol=1e-7)
    assert [history.forward_passes for history in histories] == [12, 12, 12 * 2 * ends[0].size]


# What observers see.


def make_search() -> tuple[Any, Any]:
    optimizer = RandomSearch(0.1, np.random.default_rng(0))
    return optimizer, optimizer


STRATEGIES: dict[str, tuple[Callable[[], tuple[Any, Any]], list[str]]] = {
    "backprop": (
        lambda: (Backprop(), Adam(0.01)),
        ["LayerForward"] * 2 + ["LayerBackward"] * 2 + ["GradientsReady", "StepEnded"],
    ),
    "numeric": (lambda: (NumericGradient(), Adam(0.01)), ["LayerForward"] * 2 + ["GradientsReady", "StepEnded"]),
    "random search": (make_search, ["LayerForward"] * 2 + ["StepEnded"]),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_what_was_computed_is_shown(
    name: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    make, expected = STRATEGIES[name]
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 8)
    told: list[str] = []
    outputs: list[Array] = []
    for event_type in (LayerForward, LayerBackward, GradientsReady, StepEnded):
        network.hooks.on(event_type, lambda event: told.append(type(event).__name__))
    network.hooks.on(LayerForward, lambda event: outputs.append(event.outputs.copy()))
    logits = network.predict(samples.inputs)
    strategy, optimizer = make()
    Trainer(network, optimizer, strategy=strategy).step(samples, np.arange(8))
    assert told == expected
    np.testing.assert_array_equal(outputs[-1], logits)


@pytest.mark.parametrize("name", STRATEGIES)
def test_watching_changes_nothing(
    name: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples, ends = make_samples("cross_entropy", 3, 4, 22), []
    for watched in (False, True):
        network = make_network()
        if watched:
            for event_type in (LayerForward, LayerBackward, GradientsReady, StepEnded):
                network.hooks.on(event_type, lambda _: None)
        strategy, optimizer = STRATEGIES[name][0]()
        train(
            network,
            samples,
            optimizer,
            strategy=strategy,
            epochs=3,
            batch_size=8,
            generator=np.random.default_rng(0),
        )
        ends.append(network.parameters.tobytes())
    assert ends[0] == ends[1]


# The document.


def rows(table: str) -> dict[str, list[float]]:
    """Read the lines of a table: a name, then numbers."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.strip().splitlines()[1:]]
    return {name: [float(number.replace(",", "")) for number in numbers] for name, *numbers in lines}


def test_the_comparison_of_the_document_comes_out_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = DOC.read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    exec(compile(program, DOC.name, "exec"), {})  # noqa: S102 - our own document
    printed, expected = rows(capsys.readouterr().out), rows(shown)
    assert list(printed) == list(expected)
    for name, numbers in expected.items():
        assert printed[name] == pytest.approx(numbers, rel=0.2), name  # another BLAS may tip a search
