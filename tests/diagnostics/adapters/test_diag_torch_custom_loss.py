"""A loss that is none of PyTorch's own, against loops over batches of one."""

import functools
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it

from gradvitals.diagnostics.adapters.target_coding import TargetCoding  # noqa: E402
from gradvitals.diagnostics.adapters.torch_constant import best_constant  # noqa: E402
from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss  # noqa: E402
from gradvitals.diagnostics.adapters.torch_outputs import main_tensor  # noqa: E402

SAMPLES, CLASSES, LENGTH = 60, 4, 5
GENERATOR = np.random.default_rng(11)
LABELS = GENERATOR.choice(CLASSES, SAMPLES, p=[0.5, 0.3, 0.15, 0.05])
TOKENS = GENERATOR.choice(CLASSES, (SAMPLES, LENGTH), p=[0.5, 0.3, 0.15, 0.05])
VALUES = GENERATOR.normal(3.0, 2.0, (SAMPLES, 3))
YES = (GENERATOR.random((SAMPLES, 3)) < [0.1, 0.5, 0.8]).astype(np.float64)
WEIGHT = torch.tensor([1.0, 2.0, 3.0, 4.0])
LOGITS, OUTPUTS = (torch.from_numpy(GENERATOR.normal(size=(SAMPLES, width)).astype(np.float32)) for width in (4, 3))
MAPS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, CLASSES, LENGTH)).astype(np.float32))


class Focal(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A loss with a reduction and a count of its calls."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction, self.calls = reduction, 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs: Any, targets: Any) -> Any:
        """Count, and compute."""
        self.calls += 1
        self.seen += 1
        costs = F.cross_entropy(outputs, targets, reduction="none")
        costs = (1.0 - torch.exp(-costs)) ** 2 * costs
        return costs if self.reduction == "none" else costs.mean()


def _cross_entropy(outputs: Any, targets: Any) -> Any:
    return F.cross_entropy(outputs, targets)


def _binary(outputs: Any, targets: Any) -> Any:
    return F.binary_cross_entropy_with_logits(outputs, targets)


def _huber(delta: float, outputs: Any, targets: Any) -> Any:
    return F.huber_loss(outputs, targets, delta=delta)


CUSTOM: dict[str, tuple[Any, Any, Array]] = {
    "a lambda": (_cross_entropy, LOGITS, LABELS),
    "two terms": (lambda outputs, targets: F.mse_loss(outputs, targets) + outputs.abs().mean(), OUTPUTS, VALUES),
    "a sequence": (
        lambda outputs, targets: F.cross_entropy(outputs.reshape(-1, CLASSES), targets.view(-1)),
        MAPS.transpose(1, 2),
        TOKENS,
    ),
    "a folded batch": (
        lambda outputs, targets: F.cross_entropy(outputs, targets.view(-1)),
        MAPS.transpose(1, 2).reshape(-1, CLASSES),
        TOKENS,
    ),
    "an LSTM's outputs": (
        lambda outputs, targets: F.cross_entropy(outputs[0], targets) + outputs[1][0].mean(),
        (LOGITS, (MAPS.permute(1, 0, 2), None)),
        LABELS,
    ),
    "a dictionary": (lambda outputs, targets: F.cross_entropy(outputs["logits"], targets), {"logits": LOGITS}, LABELS),
    "a module": (Focal(), LOGITS, LABELS),
    "a subclass that computes something else": (
        type("Scaled", (nn.MSELoss,), {"forward": lambda _, outputs, targets: 3.0 * F.mse_loss(outputs, targets)})(),
        OUTPUTS,
        VALUES,
    ),
    "a partial with arguments by place": (
        functools.partial(_huber, 2.0),
        OUTPUTS,
        VALUES,
    ),
    "unreduced": (lambda outputs, targets: ((outputs - targets) ** 2).mean(dim=1), OUTPUTS, VALUES),
    "targets as floats": (
        _binary,
        OUTPUTS,
        YES.astype(int),
    ),
    "targets as indices": (_cross_entropy, LOGITS, LABELS.astype(np.int32)),
}


def adapted_with_rows(loss: Any, outputs: Any, targets: Array) -> tuple[Any, Array]:
    main = main_tensor(outputs)
    coding = TargetCoding(targets.shape[1:], truths=targets.dtype == np.bool_)
    adapted = CustomTorchLoss(loss, coding, tuple(main.shape), len(main) // len(targets))
    adapted.try_out(outputs, targets)
    return adapted, adapted.coding.encode(targets)


@pytest.mark.parametrize(("loss", "outputs", "targets"), CUSTOM.values(), ids=CUSTOM.keys())
def test_any_other_loss_is_computed_of_every_sample_alone(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    assert (adapted.name, adapted.info, adapted.class_weight) == ("custom", None, None)
    assert adapted.scores(outputs, rows) is None
    wanted = torch.as_tensor(targets)
    wanted = (
        wanted.float() if wanted.is_floating_point() or targets is CUSTOM["targets as floats"][2] else wanted.long()
    )
    alone = []
    for i in range(SAMPLES):
        own = outputs[i : i + 1] if isinstance(outputs, torch.Tensor) else None
        if own is not None and len(outputs) > SAMPLES:
            own = outputs[i * LENGTH : (i + 1) * LENGTH]
        if isinstance(outputs, dict):
            own = {"logits": LOGITS[i : i + 1]}
        if isinstance(outputs, tuple):
            own = (LOGITS[i : i + 1], (outputs[1][0][:, i : i + 1], None))
        alone.append(float(loss(own, wanted[i : i + 1]).mean()))
    np.testing.assert_allclose(adapted.sample_losses(outputs, rows).numpy(), alone, rtol=1e-6, atol=1e-7)
    assert float(adapted.mean(outputs, rows)) == pytest.approx(float(loss(outputs, wanted).mean()), rel=1e-6)
    assert adapted.rows(outputs).shape[0] == SAMPLES


def test_a_folded_batch_of_as_many_classes_as_samples_is_cut_by_samples() -> None:
    folded = MAPS[:CLASSES].transpose(1, 2).reshape(-1, CLASSES)
    loss = CUSTOM["a folded batch"][0]
    adapted, rows = adapted_with_rows(loss, folded, TOKENS[:CLASSES])
    assert adapted.separable
    alone = [float(loss(MAPS[i].T, torch.from_numpy(TOKENS[i]))) for i in range(CLASSES)]
    np.testing.assert_allclose(adapted.sample_losses(folded, rows), alone, rtol=1e-6)


def test_a_loss_module_is_not_changed_by_being_computed() -> None:
    loss = Focal()
    heard: list[Any] = []
    loss.register_forward_hook(lambda *seen: heard.append(seen))
    adapted, rows = adapted_with_rows(loss, LOGITS, LABELS)
    adapted.sample_losses(LOGITS, rows)
    adapted.mean(LOGITS, rows)
    assert (loss.calls, float(loss.seen), loss.reduction, heard) == (0, 0.0, "mean", [])


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, targets: ((outputs - outputs.mean(dim=0)) * (targets - targets.mean(dim=0))).mean(),
        lambda outputs, targets: -torch.corrcoef(torch.stack([outputs[:, 0], targets[:, 0]]))[0, 1],
        lambda outputs, targets: F.batch_norm(outputs, None, None, training=True).square().mean() + targets.mean(),
    ],
    ids=["a covariance", "a correlation", "a norm over the batch"],
)
def test_a_loss_that_no_samples_add_up_to_has_one_value_and_no_constant(loss: Any) -> None:
    adapted, rows = adapted_with_rows(loss, OUTPUTS, VALUES)
    assert not adapted.separable
    losses = adapted.sample_losses(OUTPUTS, rows)
    whole = float(loss(OUTPUTS, torch.as_tensor(VALUES).float()))
    np.testing.assert_allclose(losses.numpy(), np.full(SAMPLES, whole), rtol=1e-6)
    assert best_constant(adapted, rows, OUTPUTS) is None


def test_a_loss_with_weights_in_half_precision_takes_outputs_in_half_precision() -> None:
    weight = WEIGHT.half()
    adapted, rows = adapted_with_rows(
        lambda outputs, targets: (
            (weight * outputs.log_softmax(1))[torch.arange(len(targets)), targets].neg().mean()
            + torch.dot(outputs[0], weight) * 0.0
        ),
        LOGITS.half(),
        LABELS,
    )
    expected = [float(-WEIGHT[label] * LOGITS[i].log_softmax(0)[label]) for i, label in enumerate(LABELS)]
    np.testing.assert_allclose(adapted.sample_losses(LOGITS.half(), rows).float(), expected, rtol=1e-2, atol=1e-2)


def test_truths_are_truths_for_the_loss_and_numbers_for_rules() -> None:
    wanted = YES > 0.5
    adapted, rows = adapted_with_rows(
        lambda outputs, truths: torch.where(truths, outputs, -outputs).mean(), OUTPUTS, wanted
    )
    np.testing.assert_array_equal(rows, wanted.astype(np.float32))
    expected = np.where(wanted, OUTPUTS.numpy(), -OUTPUTS.numpy()).mean(axis=1)
    np.testing.assert_allclose(adapted.sample_losses(OUTPUTS, rows), expected, rtol=1e-5, atol=1e-6)
