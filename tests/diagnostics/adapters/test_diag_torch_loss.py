"""A PyTorch user's loss, sample by sample, against loops over batches of one and against autograd."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array, LossInfo

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it

from gradvitals.diagnostics.adapters.torch_loss import adapt_loss  # noqa: E402

SAMPLES, CLASSES, LENGTH = 60, 4, 5
GENERATOR = np.random.default_rng(11)
LABELS = GENERATOR.choice(CLASSES, SAMPLES, p=[0.5, 0.3, 0.15, 0.05])
TOKENS = GENERATOR.choice(CLASSES, (SAMPLES, LENGTH), p=[0.5, 0.3, 0.15, 0.05])
PADDED = np.where(np.arange(LENGTH) < 1 + np.arange(SAMPLES)[:, None] % LENGTH, TOKENS, -100)
VALUES = GENERATOR.normal(3.0, 2.0, (SAMPLES, 3))
YES = (GENERATOR.random((SAMPLES, 3)) < [0.1, 0.5, 0.8]).astype(np.float64)
SHARES = GENERATOR.dirichlet(np.ones(CLASSES), SAMPLES)
WEIGHT = torch.tensor([1.0, 2.0, 3.0, 4.0])
LOGITS, OUTPUTS = (torch.from_numpy(GENERATOR.normal(size=(SAMPLES, width)).astype(np.float32)) for width in (4, 3))
MAPS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, CLASSES, LENGTH)).astype(np.float32))

KNOWN: dict[str, tuple[Any, Any, Array, str, str]] = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), LOGITS, LABELS, "cross_entropy", "logits"),
    "cross_entropy": (F.cross_entropy, LOGITS, LABELS, "cross_entropy", "logits"),
    "shares of classes": (nn.CrossEntropyLoss(), LOGITS, SHARES, "cross_entropy", "logits"),
    "weight": (nn.CrossEntropyLoss(weight=WEIGHT), LOGITS, LABELS, "cross_entropy", "logits"),
    "a partial with a weight": (
        functools.partial(F.cross_entropy, weight=WEIGHT),
        LOGITS,
        LABELS,
        "cross_entropy",
        "logits",
    ),
    "a sum": (nn.CrossEntropyLoss(reduction="sum"), LOGITS, LABELS, "cross_entropy", "logits"),
    "label_smoothing": (
        nn.CrossEntropyLoss(label_smoothing=0.1),
        LOGITS,
        LABELS,
        "cross_entropy with label smoothing 0.1",
        "logits",
    ),
    "label_smoothing and weight": (
        nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2),
        LOGITS,
        LABELS,
        "cross_entropy with label smoothing 0.2",
        "logits",
    ),
    "NLLLoss": (nn.NLLLoss(), LOGITS.log_softmax(1), LABELS, "nll", "log_probabilities"),
    "MultiMarginLoss": (nn.MultiMarginLoss(), LOGITS, LABELS, "multi_margin", "scores"),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), OUTPUTS, YES, "binary_cross_entropy", "logits"),
    "one pos_weight": (
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)),
        OUTPUTS,
        YES,
        "binary_cross_entropy",
        "logits",
    ),
    "a pos_weight each": (nn.BCEWithLogitsLoss(pos_weight=WEIGHT[:3]), OUTPUTS, YES, "binary_cross_entropy", "logits"),
    "a weight for outputs": (
        nn.BCEWithLogitsLoss(weight=WEIGHT[:3]),
        OUTPUTS,
        YES,
        "weighted binary_cross_entropy",
        "logits",
    ),
    "BCELoss": (nn.BCELoss(), OUTPUTS.sigmoid(), YES, "binary_cross_entropy", "probabilities"),
    "labels as integers": (nn.BCEWithLogitsLoss(), OUTPUTS, YES.astype(int), "binary_cross_entropy", "logits"),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss(), OUTPUTS, YES, "binary_cross_entropy", "logits"),
    "MSELoss": (nn.MSELoss(), OUTPUTS, VALUES, "mse", "values"),
    "mse_loss": (F.mse_loss, OUTPUTS, VALUES, "mse", "values"),
    "no reduction": (nn.MSELoss(reduction="none"), OUTPUTS, VALUES, "mse", "values"),
    "L1Loss": (nn.L1Loss(), OUTPUTS, VALUES, "mae", "values"),
    "HuberLoss": (nn.HuberLoss(), OUTPUTS, VALUES, "huber", "values"),
    "another delta": (nn.HuberLoss(delta=2.0), OUTPUTS, VALUES, "huber of delta 2", "values"),
    "SmoothL1Loss": (nn.SmoothL1Loss(), OUTPUTS, VALUES, "huber", "values"),
    "another beta": (nn.SmoothL1Loss(beta=0.3), OUTPUTS, VALUES, "smooth_l1 of beta 0.3", "values"),
    "no beta": (nn.SmoothL1Loss(beta=0.0), OUTPUTS, VALUES, "mae", "values"),
    "images": (nn.MSELoss(), MAPS, MAPS.numpy() + 1.0, "mse", "values"),
}


def _cross_entropy(outputs: Any, targets: Any) -> Any:
    return F.cross_entropy(outputs, targets)


def adapted_with_rows(loss: Any, outputs: Any, targets: Array) -> tuple[Any, Array]:
    adapted = adapt_loss(loss, outputs, targets)
    return adapted, adapted.coding.encode(targets)


def as_loss_takes(adapted: Any, targets: Array) -> Any:
    whole = torch.as_tensor(targets)
    return whole.float() if whole.is_floating_point() or adapted.name.endswith("binary_cross_entropy") else whole.long()


@pytest.mark.parametrize(("loss", "outputs", "targets", "name", "takes"), KNOWN.values(), ids=KNOWN.keys())
def test_losses_of_pytorch_are_known_by_name_and_by_what_they_take(
    loss: Any, outputs: Any, targets: Array, name: str, takes: Any
) -> None:
    adapted = adapt_loss(loss, outputs, targets)
    assert adapted.name == name
    is_sum = getattr(loss, "reduction", "mean") == "sum"
    assert adapted.info == LossInfo(takes, "sum" if is_sum else "mean")


@pytest.mark.parametrize(("loss", "outputs", "targets"), [case[:3] for case in KNOWN.values()], ids=KNOWN.keys())
def test_a_known_loss_of_every_sample_is_that_of_a_batch_of_one(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    wanted = as_loss_takes(adapted, targets)
    alone = np.array([float(loss(outputs[i : i + 1], wanted[i : i + 1]).mean()) for i in range(SAMPLES)])
    weight = getattr(loss, "weight", getattr(loss, "keywords", {}).get("weight"))
    if weight is not None and adapted.known.kind.of_one_class:  # of one sample alone, PyTorch divides it out again
        alone *= weight.numpy()[targets]
    np.testing.assert_allclose(adapted.sample_losses(outputs, rows).numpy(), alone, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("loss", "outputs", "targets"), [case[:3] for case in KNOWN.values()], ids=KNOWN.keys())
def test_the_mean_is_what_the_user_gets_and_has_the_same_gradient(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    ours, theirs = (outputs.clone().requires_grad_() for _ in range(2))
    adapted.mean(ours, rows).backward()
    loss(theirs, as_loss_takes(adapted, targets)).mean().backward()
    assert float(adapted.mean(outputs, rows)) == pytest.approx(
        float(loss(outputs, as_loss_takes(adapted, targets)).mean()), rel=1e-6
    )
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_outputs_of_other_precisions_have_losses_of_at_least_single_precision(dtype: str) -> None:
    outputs = LOGITS.to(getattr(torch, dtype))
    for loss in (nn.CrossEntropyLoss(), _cross_entropy):
        adapted, rows = adapted_with_rows(loss, outputs, LABELS)
        losses = adapted.sample_losses(outputs, rows)
        expected = F.cross_entropy(outputs.double(), torch.from_numpy(LABELS), reduction="none")
        np.testing.assert_allclose(losses.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "right"),
    [
        (nn.CrossEntropyLoss(), LOGITS, LABELS, lambda i: LOGITS[i].argmax() == LABELS[i]),
        (nn.CrossEntropyLoss(), LOGITS, SHARES, lambda i: LOGITS[i].argmax() == SHARES[i].argmax()),
        (nn.BCEWithLogitsLoss(), OUTPUTS, YES, lambda i: np.mean((OUTPUTS[i].numpy() > 0) == (YES[i] > 0.5))),
        (nn.BCELoss(), OUTPUTS.sigmoid(), YES, lambda i: np.mean((OUTPUTS[i].numpy() > 0) == (YES[i] > 0.5))),
        (
            nn.CrossEntropyLoss(),
            MAPS,
            PADDED,
            lambda i: np.mean((MAPS[i].argmax(0).numpy() == PADDED[i])[PADDED[i] != -100]),
        ),
    ],
    ids=["classes", "shares", "logits", "probabilities", "positions"],
)
def test_answers_are_scored_sample_by_sample(
    loss: Any, outputs: Any, targets: Array, right: Callable[[int], Any]
) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    scores = adapted.scores(outputs, rows)
    assert scores is not None
    np.testing.assert_allclose(scores, [float(right(i)) for i in range(SAMPLES)], rtol=1e-7)


@pytest.mark.parametrize("ignore", [-100, 0], ids=["-100", "a class"])
@pytest.mark.parametrize("axis", [1, -1], ids=["classes first", "classes last"])
def test_positions_without_a_label_are_left_out_of_a_samples_mean(ignore: int, axis: int) -> None:
    targets = np.where(PADDED == -100, ignore, PADDED)
    outputs = MAPS if axis == 1 else MAPS.transpose(1, 2)
    loss = nn.CrossEntropyLoss(ignore_index=ignore)
    adapted = adapt_loss(loss, outputs[1:], targets[1:])
    labelled = adapted.labelled(targets)
    np.testing.assert_array_equal(labelled, [(row != ignore).any() for row in targets])
    chosen = np.flatnonzero(labelled)
    rows = adapted.coding.encode(targets[chosen])
    alone = [float(loss(MAPS[i : i + 1], torch.from_numpy(targets[i : i + 1]))) for i in chosen]
    np.testing.assert_allclose(adapted.sample_losses(outputs[chosen], rows), alone, rtol=1e-5)
    assert adapted.info is None
    whole = float(loss(MAPS[chosen], torch.from_numpy(targets[chosen])))
    assert float(adapted.mean(outputs[chosen], rows)) == pytest.approx(whole, rel=1e-6)


def test_a_sample_whose_only_label_is_ignored_has_neither_loss_nor_score() -> None:
    adapted, rows = adapted_with_rows(nn.CrossEntropyLoss(ignore_index=0), LOGITS, LABELS)
    ignored = LABELS == 0
    assert 0 < ignored.sum() < len(LABELS)
    losses, scores = adapted.sample_losses(LOGITS, rows).numpy(), adapted.scores(LOGITS, rows)
    np.testing.assert_array_equal(np.isnan(losses), ignored)
    np.testing.assert_array_equal(np.isnan(scores), ignored)
    alone = F.cross_entropy(LOGITS, torch.from_numpy(LABELS), reduction="none").numpy()
    np.testing.assert_allclose(losses[~ignored], alone[~ignored], rtol=1e-6)


def test_a_folded_batch_of_positions_is_taken_apart_again() -> None:
    folded = MAPS.transpose(1, 2).reshape(-1, CLASSES)
    adapted, rows = adapted_with_rows(nn.CrossEntropyLoss(), folded, TOKENS)
    alone = [float(F.cross_entropy(MAPS[i : i + 1], torch.from_numpy(TOKENS[i : i + 1]))) for i in range(SAMPLES)]
    np.testing.assert_allclose(adapted.sample_losses(folded, rows), alone, rtol=1e-5)
    np.testing.assert_array_equal(adapted.rows(folded), MAPS.transpose(1, 2).reshape(SAMPLES, -1))


def test_labels_beyond_the_outputs_have_no_loss_and_a_column_of_their_own() -> None:
    targets = LABELS.copy()
    targets[5] = CLASSES + 1
    adapted = adapt_loss(nn.CrossEntropyLoss(), LOGITS[:5], targets[:5])
    rows = adapted.coding.encode(targets)
    assert rows.shape == (SAMPLES, CLASSES + 2)
    losses = adapted.sample_losses(LOGITS, rows).numpy()
    assert np.flatnonzero(np.isnan(losses)).tolist() == [5]
    assert np.isnan(float(adapted.mean(LOGITS, rows)))


@pytest.mark.parametrize("labels", [[-1, 2], [0.5, 1.0], [0, 10**9], [np.nan, 1.0]], ids=["-1", "½", "huge", "NaN"])
def test_labels_that_are_none_are_refused_in_a_sentence(labels: list[Any]) -> None:
    adapted = adapt_loss(nn.CrossEntropyLoss(), LOGITS, LABELS)
    with pytest.raises(ValueError, match="class indices must be whole numbers from 0 to 3"):
        adapted.coding.encode(np.array(labels))


def test_a_label_that_is_none_among_the_first_is_refused_too() -> None:
    with pytest.raises(ValueError, match=r"^class indices must be whole numbers from 0 to 3"):
        adapt_loss(nn.CrossEntropyLoss(), LOGITS[:3], np.array([0, -1, 2]))


def test_samples_that_all_have_no_label_tell_nothing_of_the_loss() -> None:
    adapted = adapt_loss(nn.CrossEntropyLoss(), LOGITS[:3], np.full(3, -100))
    assert adapted.name == "cross_entropy"


@pytest.mark.parametrize("given", ["by place", "by name"])
@pytest.mark.parametrize("column", ["outputs", "targets"])
def test_a_broadcast_over_the_batch_is_known_as_soon_as_the_users_own_loop_makes_it(given: str, column: str) -> None:
    outputs, targets = OUTPUTS[:, 0], VALUES[:, 0]
    if column == "outputs":
        outputs = outputs[:, None]
    else:
        targets = targets[:, None]
    loss = nn.MSELoss()
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    assert not adapted.info.across_samples
    paired = adapted.sample_losses(outputs, rows)
    np.testing.assert_allclose(paired, (outputs.ravel().numpy() - targets.ravel()) ** 2, rtol=1e-4)
    wanted = torch.as_tensor(targets).float()
    with pytest.warns(UserWarning, match="broadcasting"):
        theirs = loss(outputs, wanted) if given == "by place" else loss(input=outputs, target=wanted)
    assert adapted.info == LossInfo("values", across_samples=True)
    with pytest.warns(UserWarning, match="broadcasting"):
        losses, mean = adapted.sample_losses(outputs, rows), adapted.mean(outputs, rows)
    pairs = (outputs.numpy().reshape(-1, 1) - targets.reshape(1, -1)) ** 2
    np.testing.assert_allclose(losses, pairs.mean(axis=1), rtol=1e-4)
    assert float(mean) == pytest.approx(float(theirs), rel=1e-6)
    assert not loss._forward_pre_hooks


def test_targets_that_the_users_loop_lays_beside_the_outputs_are_no_broadcast() -> None:
    outputs, loss = OUTPUTS[:, :1], nn.MSELoss()
    adapted, _ = adapted_with_rows(loss, outputs, VALUES[:, 0])
    loss(outputs.squeeze(1), torch.as_tensor(VALUES[:, 0]).float())
    assert not adapted.info.across_samples
    assert not loss._forward_pre_hooks


def test_a_closed_loss_leaves_no_hook() -> None:
    loss = nn.MSELoss()
    adapted, _ = adapted_with_rows(loss, OUTPUTS[:, :1], VALUES[:, 0])
    adapted.close()
    assert not loss._forward_pre_hooks


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (nn.MSELoss(), OUTPUTS, VALUES[:, :2]),
        (nn.CrossEntropyLoss(), LOGITS, VALUES),
        (lambda outputs, targets: outputs @ targets, OUTPUTS, VALUES),
        (nn.CosineEmbeddingLoss(), OUTPUTS, VALUES),
        (lambda *_: 3.0, OUTPUTS, VALUES),
    ],
    ids=["other shapes", "no classes", "an error of its own", "three arguments", "no tensor"],
)
def test_a_loss_that_cannot_be_computed_is_refused_in_a_sentence(loss: Any, outputs: Any, targets: Array) -> None:
    with pytest.raises(ValueError, match=r"loss\(outputs, targets\) fails") as error:
        adapt_loss(loss, outputs, targets)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("loss", "what"), [(3, "got 3"), (nn.MSELoss, "got the class MSELoss")], ids=["a number", "a class"]
)
def test_what_is_no_loss_is_refused_in_a_sentence(loss: Any, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        adapt_loss(loss, OUTPUTS, VALUES)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        KNOWN["CrossEntropyLoss"][:3],
        KNOWN["MSELoss"][:3],
        (_cross_entropy, LOGITS, LABELS),
        (nn.MSELoss(), OUTPUTS[:, 0], VALUES[:, 0]),
    ],
    ids=["classes", "values", "a lambda", "one output"],
)
def test_a_single_row_may_lose_its_axis_in_the_model(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    whole = adapted.sample_losses(outputs, rows)
    squeezed = outputs[:1].squeeze()
    np.testing.assert_allclose(adapted.sample_losses(squeezed, rows[:1]), whole[:1], rtol=1e-6)
    assert float(adapted.mean(squeezed, rows[:1])) == pytest.approx(float(whole[0]), rel=1e-6)
    assert adapted.rows(squeezed).shape == (1, max(outputs[0].numel(), 1))


def test_a_model_without_outputs_of_floats_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="must return a tensor of floats"):
        adapt_loss(nn.MSELoss(), (None, torch.arange(3)), VALUES)
