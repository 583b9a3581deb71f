"""The gradient check: silent where backpropagation is right, loud where it is wrong, and leaving no trace."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from gradvitals.engine.activations import Activation, Relu, Tanh
from gradvitals.engine.catalogue import ACTIVATIONS, LOSSES
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.gates import Affine
from gradvitals.engine.gradient_check import check_gradients
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_and_loss_agrees_with_central_differences(
    activation: str, loss: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(activation, loss, (3, 6, 5, 4)), make_samples(loss, 3, 4, 7)
    checks = check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    pieces = 2 if activation == "maxout" else 1
    sizes = {"hidden_1": (18, 6), "hidden_2": (30, 5), "output": (20, 4)}
    expected: dict[str, int] = {}
    for layer, (weight, bias) in sizes.items():
        width = 1 if layer == "output" else pieces
        expected |= {f"{layer}/weight": weight * width, f"{layer}/bias": bias * width}
        if activation == "prelu" and layer != "output":
            expected[f"{layer}/slope"] = 1
    assert {check.name: check.checked + check.skipped for check in checks} == expected
    for check in checks:
        assert check.checked > 0
        assert check.relative_error < 1e-6, check


class SlightlyTooSteepTanh(Tanh):
    """A tanh whose gradient is too large by a part in a hundred thousand."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        super().backward()
        np.multiply(self._grad_input, 1.0 + 1e-5, out=self._grad_input)


class ReluThatNeverCloses(Relu):
    """A relu whose gradient passes everywhere."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        np.copyto(self._grad_input, self.grad_output)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(SlightlyTooSteepTanh, 1e-5), (ReluThatNeverCloses, 1e-2)],
    ids=["slightly", "grossly"],
)
def test_a_wrong_activation_gradient_is_found_in_the_layers_before_it(
    wrong: type[Activation],
    error: float,
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ACTIVATIONS, wrong.name, wrong)
    network, samples = make_network(wrong.name), make_samples("cross_entropy", 3, 4, 7)
    checks = check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    found = {check.name: check.relative_error for check in checks}
    assert found["hidden_1/weight"] > 0.9 * error
    assert found["hidden_1/bias"] > 0.9 * error
    assert found["output/weight"] < 1e-6
    assert found["output/bias"] < 1e-6


def test_one_wrong_entry_of_one_array_is_found_and_named(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Affine.backward

    def wrong(gate: Affine) -> None:
        backward(gate)
        gradient = gate.grad_inputs[1]
        if gradient is not None and gradient.shape == (6, 4):
            gradient[2, 3] *= 1.01

    monkeypatch.setattr(Affine, "backward", wrong)
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 7)
    checks = check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    loud = [check for check in checks if not check.relative_error < 1e-6]
    assert [(check.name, check.index) for check in loud] == [("output/weight", (2, 3))]
    assert loud[0].analytic / loud[0].numeric == pytest.approx(1.01, rel=1e-9)
    assert loud[0].relative_error == pytest.approx(0.01 / 1.01, rel=1e-6)


def test_a_gradient_that_is_no_number_is_loud(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Affine.backward

    def wrong(gate: Affine) -> None:
        backward(gate)
        if gate.grad_inputs[1] is not None:
            gate.grad_inputs[1][-1, 0] = math.nan

    monkeypatch.setattr(Affine, "backward", wrong)
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 7)
    checks = check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    assert [check.name for check in checks if math.isnan(check.relative_error)] == ["hidden_1/bias", "output/bias"]


def test_entries_across_a_kink_are_skipped_and_counted(make_network: Callable[..., Network]) -> None:
    network = make_network("relu", "mse", (1, 2, 1))
    views = network.views(network.parameters)
    views["hidden_1"]["weight"][...] = [[1.0, 1.0]]
    views["hidden_1"]["bias"][...] = [-1.0, 5.0]  # at input 1 the first unit stands on its kink, the second far away
    checks = check_gradients(network, np.array([[1.0]]), np.array([[0.3]]), generator=np.random.default_rng(0))
    counts = {check.name: (check.checked, check.skipped) for check in checks}
    assert counts == {
        "hidden_1/weight": (1, 1),
        "hidden_1/bias": (1, 1),
        "output/weight": (2, 0),
        "output/bias": (1, 0),
    }
    for check in checks:
        assert check.relative_error < 1e-6


def test_parameters_are_restored_to_the_bit(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("relu"), make_samples("cross_entropy", 3, 4, 7)
    before = network.parameters.tobytes()
    check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    assert network.parameters.tobytes() == before


def test_a_limit_of_entries_is_kept_and_chosen_by_the_generator(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 7)

    def check(seed: int) -> list[tuple[int, ...]]:
        generator = np.random.default_rng(seed)
        checks = check_gradients(network, samples.inputs, samples.targets, generator=generator, entries=4)
        assert [check.checked for check in checks] == [4, 4, 4, 4]
        return [check.index for check in checks]

    assert check(0) == check(0)
    assert len({tuple(check(seed)) for seed in range(5)}) > 1


def test_a_float32_network_is_refused(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(dtype=np.float32), make_samples("cross_entropy", 3, 4, 7)
    with pytest.raises(ValueError, match="needs a float64 network, got float32"):
        check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))


def test_inputs_of_another_width_are_refused_and_not_spread(make_network: Callable[..., Network]) -> None:
    with pytest.raises(ValueError, match=r"the circuit takes inputs of shape \(samples, 3\)"):
        check_gradients(make_network(), np.ones((7, 1)), np.eye(4)[[0] * 7], generator=np.random.default_rng(0))


def test_dropout_keeps_its_masks_while_gradients_are_compared() -> None:
    network = perceptron(
        (3, 20, 2),
        ["tanh"],
        "mse",
        initializers=[normal(0.7)] * 2,
        generator=np.random.default_rng(0),
        dropout=[Dropout(0.4, [np.random.default_rng(1)])],
        dtype=np.float64,
    )
    generator = np.random.default_rng(2)
    checks = check_gradients(network, generator.normal(size=(6, 3)), generator.normal(size=(6, 2)), generator=generator)
    assert all(check.relative_error < 1e-6 for check in checks)
