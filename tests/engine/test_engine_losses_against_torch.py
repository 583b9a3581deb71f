"""Losses against PyTorch's own or, where it has none, against the formula under autograd; right and wrong programs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.catalogue import ACTIVATIONS, LOSSES
from gradvitals.engine.events import Array
from gradvitals.engine.hinge_losses import BinaryHinge, Hinge
from gradvitals.engine.initializers import normal
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs, NegativeLogLikelihood
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError
from gradvitals.engine.training import Samples, Trainer

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

WEIGHTS = [0.5, 2.0, 1.5]


def _weights() -> Any:
    return torch.tensor(WEIGHTS, dtype=torch.float64)


def _keras_probs(outputs: Any, *, normalize: bool) -> Any:
    """Prepare probabilities as Keras does before it takes their logarithm."""
    return torch.clamp(outputs / outputs.sum(-1, keepdim=True) if normalize else outputs, 1e-7, 1 - 1e-7)


def _keras_cross_entropy(outputs: Any, targets: Any, *, normalize: bool = True) -> Any:
    return -(targets * _keras_probs(outputs, normalize=normalize).log()).sum(-1).mean()


def _keras_binary_cross_entropy(outputs: Any, targets: Any) -> Any:
    probs = _keras_probs(outputs, normalize=False)
    return -(targets * probs.log() + (1 - targets) * (1 - probs).log()).mean()


def _binary_hinge(outputs: Any, targets: Any) -> Any:
    return torch.clamp(1 - (2 * targets - 1) * outputs, min=0)


DISTRIBUTIONS, LABELS, ONE_HOT, NUMBERS = "distributions", "labels", "one-hot", "numbers"
CASES: dict[str, tuple[Loss, Callable[[Any, Any], Any], str]] = {
    "cross_entropy": (SoftmaxCrossEntropy(), F.cross_entropy, DISTRIBUTIONS),
    "cross_entropy, sum": (
        SoftmaxCrossEntropy(reduction="sum"),
        lambda x, t: F.cross_entropy(x, t, reduction="sum"),
        DISTRIBUTIONS,
    ),
    "cross_entropy, weights": (
        SoftmaxCrossEntropy(class_weight=WEIGHTS),
        lambda x, t: F.cross_entropy(x, t, weight=_weights()),
        DISTRIBUTIONS,
    ),
    "cross_entropy, several labels": (SoftmaxCrossEntropy(sums_to_one=False), F.cross_entropy, LABELS),
    "cross_entropy on probs": (CrossEntropyOnProbs(), _keras_cross_entropy, DISTRIBUTIONS),
    "cross_entropy on probs, unclipped": (
        CrossEntropyOnProbs(clip=None),
        lambda p, t: F.nll_loss(p.log(), t.argmax(-1)),
        ONE_HOT,
    ),
    "nll": (NegativeLogLikelihood(), lambda x, t: F.nll_loss(x, t.argmax(-1)), ONE_HOT),
    "nll, weights": (
        NegativeLogLikelihood(class_weight=WEIGHTS),
        lambda x, t: F.nll_loss(x, t.argmax(-1), weight=_weights(), reduction="none").mean(),
        ONE_HOT,
    ),
    "binary_cross_entropy": (BinaryCrossEntropy(), F.binary_cross_entropy_with_logits, DISTRIBUTIONS),
    "binary_cross_entropy, pos_weight": (
        BinaryCrossEntropy(class_weight=[1.0, 3.0]),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor(3.0)),
        DISTRIBUTIONS,
    ),
    "binary_cross_entropy, pos_weight per output": (
        BinaryCrossEntropy(class_weight=[[1.0, 1.0, 1.0], WEIGHTS]),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=_weights()),
        DISTRIBUTIONS,
    ),
    "binary_cross_entropy, sum": (
        BinaryCrossEntropy(reduction="sum"),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="sum"),
        DISTRIBUTIONS,
    ),
    "binary_cross_entropy on probs": (BinaryCrossEntropyOnProbs(), _keras_binary_cross_entropy, DISTRIBUTIONS),
    "binary_cross_entropy on probs, unclipped": (
        BinaryCrossEntropyOnProbs(clip=None),
        F.binary_cross_entropy,
        DISTRIBUTIONS,
    ),
    "hinge": (Hinge(), lambda x, t: 3 * F.multi_margin_loss(x, t.argmax(-1)), ONE_HOT),
    "hinge, weights": (
        Hinge(class_weight=WEIGHTS),
        lambda x, t: 3 * F.multi_margin_loss(x, t.argmax(-1), weight=_weights()),
        ONE_HOT,
    ),
    "binary_hinge": (BinaryHinge(), lambda x, t: _binary_hinge(x, t).mean(), DISTRIBUTIONS),
    "binary_hinge, weights": (
        BinaryHinge(class_weight=[0.5, 3.0]),
        lambda x, t: ((0.5 + 2.5 * t) * _binary_hinge(x, t)).mean(),
        DISTRIBUTIONS,
    ),
    "mse": (MeanSquaredError(), F.mse_loss, NUMBERS),
    "mse, sum": (MeanSquaredError(reduction="sum"), lambda x, t: F.mse_loss(x, t, reduction="sum"), NUMBERS),
    "mae": (MeanAbsoluteError(), F.l1_loss, NUMBERS),
    "huber": (Huber(), F.huber_loss, NUMBERS),
    "huber, delta .3": (Huber(delta=0.3), lambda x, t: F.huber_loss(x, t, delta=0.3), NUMBERS),
}


def draw(kind: str, shape: tuple[int, int], seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    match kind:
        case "distributions":
            return generator.dirichlet(np.ones(shape[1]), shape[0])
        case "labels":
            return generator.integers(0, 2, shape).astype(np.float64)
        case "one-hot":
            return np.eye(shape[1])[generator.integers(0, shape[1], shape[0])]
        case _:
            return generator.normal(size=shape)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_both_gradients_equal_autograd(case: str, batch: int, connect_gate: Callable[..., Any]) -> None:
    loss, reference, kind = CASES[case]
    generator = np.random.default_rng(9)
    outputs = generator.uniform(0.02, 0.98, (batch, 3)) if " on probs" in case else generator.normal(size=(batch, 3))
    targets = draw(kind, (batch, 3))
    x, t = torch.tensor(outputs, requires_grad=True), torch.tensor(targets, requires_grad=kind != ONE_HOT)
    expected = reference(x, t)
    expected.backward()
    gate: Any
    if kind == ONE_HOT:  # PyTorch takes indices there, which have no gradient
        gate = loss.connect((outputs, targets), np.empty(()), np.ones(()), (np.full_like(outputs, np.nan), None))
    else:
        gate = connect_gate(loss, outputs, targets)
    gate.forward()
    gate.backward()
    assert float(gate.output) == pytest.approx(float(expected.detach()), rel=1e-13)
    np.testing.assert_allclose(gate.grad_inputs[0], x.grad.numpy(), rtol=1e-11, atol=1e-15)
    if kind != ONE_HOT:
        np.testing.assert_allclose(gate.grad_inputs[1], t.grad.numpy(), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_is_compared(loss: str) -> None:
    assert type(CASES[loss][0]) is LOSSES[loss]


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (MeanSquaredError(broadcast="batch"), F.mse_loss),
        (MeanAbsoluteError(broadcast="batch"), F.l1_loss),
        (Huber(broadcast="batch"), F.huber_loss),
    ],
    ids=["mse", "mae", "huber"],
)
def test_targets_without_their_second_axis_broadcast_over_the_batch_as_in_pytorch(
    loss: Loss, reference: Callable[[Any, Any], Any], connect_gate: Callable[..., Any]
) -> None:
    outputs, targets = draw(NUMBERS, (6, 1)), draw(NUMBERS, (6, 1), 1)
    x, t = torch.tensor(outputs, requires_grad=True), torch.tensor(targets[:, 0], requires_grad=True)
    with pytest.warns(UserWarning, match="different to the input size"):
        expected = reference(x, t)
    expected.backward()
    gate = connect_gate(loss, outputs, targets)
    gate.forward()
    gate.backward()
    assert float(gate.output) == pytest.approx(float(expected.detach()), rel=1e-13)
    np.testing.assert_allclose(gate.grad_inputs[0], x.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(gate.grad_inputs[1][:, 0], t.grad.numpy(), rtol=1e-12)


def test_binary_cross_entropy_at_certain_answers_equals_bce_loss(connect_gate: Callable[..., Any]) -> None:
    outputs, targets = np.array([[0.0, 0.0, 1.0, 1.0, 1e-300]]), np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])
    x = torch.tensor(outputs, requires_grad=True)
    expected = F.binary_cross_entropy(x, torch.tensor(targets))
    expected.backward()
    gate = connect_gate(BinaryCrossEntropyOnProbs(clip=None), outputs, targets)
    with np.errstate(divide="ignore"):
        gate.forward()
        gate.backward()
    assert float(gate.output) == pytest.approx(float(expected.detach()), rel=1e-15)
    np.testing.assert_allclose(gate.grad_inputs[0], x.grad.numpy(), rtol=1e-8)  # PyTorch's 1e-12 is a float32


def test_log_of_a_vanished_probability_spoils_the_gradient_as_in_pytorch() -> None:
    outputs, targets = np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2)[[0, 0]]
    x = torch.tensor(outputs, requires_grad=True)
    expected = F.nll_loss(x.log(), torch.tensor([0, 0]), reduction="none")
    expected.mean().backward()
    arrays = (outputs, targets)
    gate = CrossEntropyOnProbs(clip=None).connect(arrays, np.empty(()), np.ones(()), (np.full((2, 2), 7.0), None))
    with np.errstate(divide="ignore", invalid="ignore"):
        gate.forward()
        gate.backward()
    np.testing.assert_array_equal(gate.sample_losses, expected.detach().numpy())
    np.testing.assert_array_equal(gate.grad_inputs[0], x.grad.numpy())


# Training: whole networks that end in any activation, under any loss.

TORCH_OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, -1),
    "tanh": torch.tanh,
}
HAVE_PARAMETERS_OR_PIECES = {"prelu", "maxout"}


def assert_a_hundred_steps_agree(
    network: Network, reference: Callable[[Any, Any], Any], output: Callable[[Any], Any], kind: str, rate: float
) -> None:
    """Train network and twin alike, with faults ignored as the training loop does; NaN has to come at the same step."""
    samples = Samples(draw(NUMBERS, (60, 4)), draw(kind, (60, 3), 1))
    parameters = [
        torch.tensor(array.copy(), requires_grad=True)
        for layer in network.parameters_by_layer().values()
        for array in layer.values()
    ]
    start = network.parameters.copy()
    optimizer = torch.optim.SGD(parameters, lr=rate)
    trainer, generator = Trainer(network, Sgd(rate)), np.random.default_rng(5)
    for _ in range(100):
        rows = generator.integers(0, 60, 16)
        with np.errstate(all="ignore"):
            taken = trainer.step(samples, rows)
        optimizer.zero_grad()
        weight_1, bias_1, weight_2, bias_2 = parameters
        hidden = torch.tanh(torch.tensor(samples.inputs[rows]) @ weight_1 + bias_1)
        expected = reference(output(hidden @ weight_2 + bias_2), torch.tensor(samples.targets[rows]))
        expected.backward()
        optimizer.step()
        assert taken == pytest.approx(float(expected.detach()), rel=1e-9, nan_ok=True)
    assert not np.array_equal(network.parameters, start)
    flat = np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])
    np.testing.assert_allclose(network.parameters, flat, rtol=0, atol=1e-10)


def make_network(loss: Loss, output: str) -> Network:
    return perceptron(
        (4, 6, 3),
        ["tanh"],
        loss,
        output=output,
        initializers=[normal(0.5)] * 2,
        biases=[0.0, 0.5],
        generator=np.random.default_rng(0),
        dtype=np.float64,
    )


NO_PROBS = "binary_cross_entropy on probs, unclipped"


TRIED_ON_EVERY_OUTPUT = [
    "cross_entropy",
    "cross_entropy on probs",
    "binary_cross_entropy",
    "binary_cross_entropy on probs",
    "mse, sum",
]
PAIRS = [(output, case) for case in TRIED_ON_EVERY_OUTPUT for output in TORCH_OUTPUTS] + [
    (output, case) for case in CASES if case not in TRIED_ON_EVERY_OUTPUT for output in ("linear", "softmax")
]


@pytest.mark.parametrize(("output", "case"), PAIRS)
def test_a_hundred_steps_of_any_loss_on_any_output_equal_torch(output: str, case: str) -> None:
    loss, reference, kind = CASES[case]
    rate = 0.001 if loss.reduction == "sum" else 0.05  # a sum at the rate of a mean diverges, and amplifies rounding
    train = partial(
        assert_a_hundred_steps_agree, make_network(loss, output), reference, TORCH_OUTPUTS[output], kind, rate
    )
    if case == NO_PROBS and output not in {"sigmoid", "softmax"}:
        with pytest.raises(RuntimeError, match="between 0 and 1"):  # PyTorch refuses what is no probability
            train()
    else:
        train()


def test_log_of_the_zeros_of_a_relu_ends_in_nan() -> None:
    network = make_network(CrossEntropyOnProbs(clip=None), "relu")
    trainer = Trainer(network, Sgd(0.05))
    samples = Samples(draw(NUMBERS, (60, 4)), draw(ONE_HOT, (60, 3), 1))
    with np.errstate(all="ignore"):
        losses = [trainer.step(samples, np.arange(60)) for _ in range(2)]
    assert losses[0] == np.inf  # as in PyTorch, where the gradient would survive: it selects where relu multiplies
    assert np.isnan(losses[1])


def test_every_activation_is_tried_as_output() -> None:
    assert set(TORCH_OUTPUTS) == set(ACTIVATIONS) - HAVE_PARAMETERS_OR_PIECES
