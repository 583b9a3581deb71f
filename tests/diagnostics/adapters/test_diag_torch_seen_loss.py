"""Functions of a user's own that are one of PyTorch's losses, and others that look like one."""

import warnings
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it

from gradvitals.diagnostics.adapters.torch_loss import adapt_loss  # noqa: E402

SAMPLES, CLASSES, LENGTH = 8, 3, 5
GENERATOR = np.random.default_rng(5)
LABELS = np.array([0, 1, 2, 0, 1, 2, 2, 1])
TOKENS = GENERATOR.integers(CLASSES, size=(SAMPLES, LENGTH))
VALUES = GENERATOR.normal(size=SAMPLES)
YES = VALUES > 0.0
LOGITS, ONE = (torch.from_numpy(GENERATOR.normal(size=(SAMPLES, width)).astype(np.float32)) for width in (3, 1))
MAPS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, LENGTH, CLASSES)).astype(np.float32))
WEIGHT = torch.tensor([1.0, 2.0, 3.0])


def adapt(loss: Any, outputs: Any, targets: Array) -> Any:
    return adapt_loss(loss, outputs, targets)


def _cross_entropy(ours: Any, theirs: Any) -> Any:
    return F.cross_entropy(ours, theirs)


def _squares(ours: Any, theirs: Any) -> Any:
    return F.mse_loss(ours, theirs)


class Smoothed(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A loss module that hands on to another."""

    def __init__(self) -> None:
        super().__init__()
        self.criterion = nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.1)

    def forward(self, outputs: Any, targets: Any) -> Any:
        """Compute the other."""
        return self.criterion(outputs, targets.long())


SEEN: dict[str, tuple[Any, Any, Array, str]] = {
    "a lambda": (_cross_entropy, LOGITS, LABELS, "cross_entropy"),
    "a module in a module": (Smoothed(), LOGITS, LABELS, "cross_entropy with label smoothing 0.1"),
    "averaged by hand": (
        lambda ours, theirs: F.cross_entropy(ours, theirs, reduction="none").mean(),
        LOGITS,
        LABELS,
        "cross_entropy",
    ),
    "squeezed": (lambda ours, theirs: F.mse_loss(ours.squeeze(1), theirs), ONE, VALUES, "mse"),
    "squares by hand": (lambda ours, theirs: ((ours - theirs) ** 2).mean(), ONE, VALUES[:, np.newaxis], "mse"),
    "absolute values by hand": (lambda ours, theirs: (theirs - ours).abs().sum(), ONE, VALUES[:, np.newaxis], "mae"),
    "truths as floats": (
        lambda ours, theirs: F.binary_cross_entropy_with_logits(ours.view(-1), theirs.float()),
        ONE,
        YES,
        "binary_cross_entropy",
    ),
    "probabilities": (
        lambda ours, theirs: F.binary_cross_entropy(ours.view(-1), theirs.float()),
        ONE.sigmoid(),
        YES,
        "binary_cross_entropy",
    ),
    "positions in a row": (
        lambda ours, theirs: F.cross_entropy(ours.reshape(-1, CLASSES), theirs.reshape(-1)),
        MAPS,
        TOKENS,
        "cross_entropy of every position",
    ),
    "of a dictionary": (
        lambda ours, theirs: F.cross_entropy(ours["logits"], theirs),
        {"logits": LOGITS},
        LABELS,
        "cross_entropy",
    ),
}


@pytest.mark.parametrize(("loss", "outputs", "targets", "name"), SEEN.values(), ids=SEEN.keys())
def test_a_function_that_is_a_known_loss_is_taken_for_it(loss: Any, outputs: Any, targets: Array, name: str) -> None:
    adapted = adapt(loss, outputs, targets)
    assert adapted.name == name
    rows = adapted.coding.encode(targets)
    theirs = torch.as_tensor(targets)
    expected = loss(outputs, theirs.float() if theirs.is_floating_point() else theirs)
    assert float(adapted.mean(outputs, rows)) == pytest.approx(float(expected), rel=1e-5)


def _of_the_batch(ours: Any, theirs: Any) -> Any:
    return F.cross_entropy(ours, theirs, weight=torch.bincount(theirs, minlength=CLASSES).float())


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (lambda ours, theirs: 2.0 * F.cross_entropy(ours, theirs), LOGITS, LABELS),
        (lambda ours, theirs: F.cross_entropy(ours, (theirs + 1) % CLASSES), LOGITS, LABELS),
        (lambda ours, theirs: F.cross_entropy(ours / 2.0, theirs), LOGITS, LABELS),
        (lambda ours, theirs: F.mse_loss(ours, theirs) + 1e-3 * ours.abs().sum(), ONE, VALUES[:, np.newaxis]),
        (_of_the_batch, LOGITS, LABELS),
        (lambda ours, theirs: F.cross_entropy(ours[1], theirs), (LOGITS.flip(0), LOGITS), LABELS),
        (lambda ours, theirs: F.mse_loss(ours, theirs) + F.l1_loss(ours, theirs), ONE, VALUES[:, np.newaxis]),
        (lambda ours, theirs: ((ours - theirs) ** 2).mean().sqrt(), ONE, VALUES[:, np.newaxis]),
    ],
    ids=["a multiple", "other labels", "a temperature", "a penalty", "weights of the batch", "second", "two", "a root"],
)
def test_a_function_that_gives_other_numbers_is_taken_for_none(loss: Any, outputs: Any, targets: Array) -> None:
    adapted = adapt(loss, outputs, targets)
    assert (adapted.name, adapted.info) == ("custom", None)


def test_settings_of_the_loss_inside_are_known() -> None:
    adapted = adapt(Smoothed(), LOGITS, LABELS)
    np.testing.assert_array_equal(adapted.class_weight, WEIGHT.numpy())
    assert adapt(lambda ours, theirs: F.cross_entropy(ours, theirs, ignore_index=2), LOGITS, LABELS).ignored == 2


@pytest.mark.parametrize(
    "loss",
    [_squares, lambda ours, theirs: ((ours - theirs) ** 2).mean()],
    ids=["called", "by hand"],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_outputs_that_a_function_broadcasts_over_the_batch_are_told(loss: Any) -> None:
    assert adapt(loss, ONE, VALUES).info.across_samples
    assert not adapt(loss, ONE, VALUES[:, np.newaxis]).info.across_samples


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "squashed"),
    [
        (lambda ours, theirs: F.cross_entropy(F.softmax(ours, dim=1), theirs), LOGITS, LABELS, "softmax"),
        (
            lambda ours, theirs: F.binary_cross_entropy_with_logits(ours.sigmoid().squeeze(1), theirs.float()),
            ONE,
            YES,
            "sigmoid",
        ),
        (_cross_entropy, LOGITS, LABELS, None),
    ],
    ids=["softmax", "sigmoid", "none"],
)
def test_what_a_function_does_to_outputs_before_a_loss_of_logits_is_told(
    loss: Any, outputs: Any, targets: Array, squashed: str | None
) -> None:
    adapted = adapt(loss, outputs, targets)
    assert adapted.info.squashed == squashed
    expected = loss(outputs, torch.as_tensor(targets))
    assert float(adapted.mean(outputs, adapted.coding.encode(targets))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("along", [1, -1, 0])
def test_a_softmax_between_model_and_loss_in_the_users_loop_is_heard(along: int) -> None:
    loss = nn.CrossEntropyLoss()
    adapted = adapt(loss, LOGITS, LABELS)
    given = LOGITS.clone().requires_grad_()
    with torch.no_grad():
        loss(given.softmax(along), torch.from_numpy(LABELS))  # as before the training, of a validation set
    assert adapted.info.squashed is None
    loss(given.softmax(along), torch.from_numpy(LABELS))
    assert adapted.info.squashed == (None if along == 0 else "softmax")
    assert not loss._forward_pre_hooks


def test_logits_that_are_handed_on_as_they_are_are_no_softmax() -> None:
    loss = nn.BCEWithLogitsLoss()
    adapted = adapt(loss, ONE, YES)
    loss(ONE.clone().requires_grad_().squeeze(1), torch.from_numpy(YES).float())
    assert adapted.info.squashed is None
    assert not loss._forward_pre_hooks


@pytest.mark.parametrize(("outputs", "targets"), [(LOGITS, VALUES[:, np.newaxis]), (ONE, VALUES)])
def test_guesses_at_a_loss_warn_of_no_shapes_that_only_they_bring_together(outputs: Any, targets: Array) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        adapt(lambda ours, theirs: torch.maximum(0.9 * (theirs - ours), 0.1 * (ours - theirs)).mean(), outputs, targets)
    assert [str(warning.message) for warning in heard] == []
