"""The best constant under a PyTorch user's loss: our formulas, the search, and grids against each other."""

from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.constant_predictor import fit_constant
from gradvitals.engine.events import Array

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it
from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: E402

from gradvitals.diagnostics.adapters.torch_constant import best_constant  # noqa: E402
from gradvitals.diagnostics.adapters.torch_constant_search import fit_numerically  # noqa: E402
from gradvitals.diagnostics.adapters.torch_loss import adapt_loss  # noqa: E402

SAMPLES, CLASSES, LENGTH = 60, 4, 5
GENERATOR = np.random.default_rng(11)
LABELS = GENERATOR.choice(CLASSES, SAMPLES, p=[0.5, 0.3, 0.15, 0.05])
TOKENS = GENERATOR.choice(CLASSES, (SAMPLES, LENGTH), p=[0.5, 0.3, 0.15, 0.05])
PADDED = np.where(np.arange(LENGTH) < 1 + np.arange(SAMPLES)[:, None] % LENGTH, TOKENS, -100)
VALUES = GENERATOR.normal(3.0, 2.0, (SAMPLES, 3))
YES = (GENERATOR.random((SAMPLES, 3)) < [0.1, 0.5, 0.8]).astype(np.float64)
RARE = np.where(np.arange(SAMPLES)[:, None] % 5, 0.0, VALUES)
SHARES = GENERATOR.dirichlet(np.ones(CLASSES), SAMPLES)
WEIGHT = torch.tensor([1.0, 2.0, 3.0, 4.0])
LOGITS, OUTPUTS = (torch.from_numpy(GENERATOR.normal(size=(SAMPLES, width)).astype(np.float32)) for width in (4, 3))
MAPS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, CLASSES, LENGTH)).astype(np.float32))


def _cross_entropy(outputs: Any, targets: Any) -> Any:
    return F.cross_entropy(outputs, targets)


def _of_sequences(outputs: Any, targets: Any) -> Any:
    return F.cross_entropy(outputs.reshape(-1, CLASSES), targets.view(-1))


def nll(outputs: Any, targets: Any) -> Any:
    return 1.0 * F.nll_loss(outputs, targets)


def _many_wells(places: Any) -> Any:
    return (places**2 / 10.0 - torch.cos(4.0 * places)).mean() + 2.0


def _absolute(outputs: Any, targets: Any) -> Any:
    return (outputs - targets.to(outputs)).abs().mean()


def adapted_with_rows(loss: Any, outputs: Any, targets: Array) -> tuple[Any, Array]:
    adapted = adapt_loss(loss, outputs, targets)
    return adapted, adapted.coding.encode(targets)


OURS: dict[str, tuple[Any, Any, Array]] = {
    "classes": (nn.CrossEntropyLoss(), LOGITS, LABELS),
    "shares of classes": (nn.CrossEntropyLoss(), LOGITS, SHARES),
    "weight": (nn.CrossEntropyLoss(weight=WEIGHT), LOGITS, LABELS),
    "labels": (nn.BCEWithLogitsLoss(), OUTPUTS, YES),
    "one pos_weight": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), OUTPUTS, YES),
    "a pos_weight each": (nn.BCEWithLogitsLoss(pos_weight=WEIGHT[:3]), OUTPUTS, YES),
    "probabilities": (nn.BCELoss(), OUTPUTS.sigmoid(), YES),
    "squares": (nn.MSELoss(), OUTPUTS, VALUES),
    "huber": (nn.HuberLoss(), OUTPUTS, VALUES),
}


@pytest.mark.parametrize(("loss", "outputs", "targets"), OURS.values(), ids=OURS.keys())
def test_the_search_finds_the_constant_that_our_formulas_give(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    assert best_constant(adapted, rows, outputs) is None
    ours, found = fit_constant(adapted.name, rows, adapted.class_weight), fit_numerically(adapted, rows, outputs)
    assert ours is not None
    assert found is not None
    assert found.mean_loss == pytest.approx(ours.mean_loss, rel=1e-5)
    np.testing.assert_allclose(found.sample_losses(rows), ours.sample_losses(rows), rtol=1e-3, atol=1e-3)


CHANGED: dict[str, tuple[Any, Any, Array]] = {
    "label smoothing": (nn.CrossEntropyLoss(label_smoothing=0.1), LOGITS, LABELS),
    "label smoothing and weight": (nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2), LOGITS, LABELS),
    "log-probabilities": (nn.NLLLoss(), LOGITS.log_softmax(1), LABELS),
    "another delta": (nn.HuberLoss(delta=2.0), OUTPUTS, VALUES),
    "another beta": (nn.SmoothL1Loss(beta=0.3), OUTPUTS, VALUES),
}


@pytest.mark.parametrize(("loss", "outputs", "targets"), CHANGED.values(), ids=CHANGED.keys())
def test_settings_that_change_a_formula_are_minded(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    formula, found = best_constant(adapted, rows, outputs), fit_numerically(adapted, rows, outputs)
    assert formula is not None
    assert found is not None
    assert formula.mean_loss == pytest.approx(found.mean_loss, rel=1e-5)
    assert formula.mean_loss == pytest.approx(formula.sample_losses(rows).mean(), rel=1e-9)
    np.testing.assert_allclose(formula.sample_losses(rows), found.sample_losses(rows), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        CHANGED["label smoothing"],
        CHANGED["label smoothing and weight"],
        (nn.CrossEntropyLoss(label_smoothing=0.1), MAPS, PADDED),
        (nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2), MAPS.transpose(1, 2), TOKENS),
        (nn.CrossEntropyLoss(weight=WEIGHT), LOGITS, SHARES),
        (nn.BCEWithLogitsLoss(), OUTPUTS, 0.1 + 0.8 * YES),
        (nn.BCEWithLogitsLoss(pos_weight=WEIGHT[:3]), OUTPUTS, 0.1 + 0.8 * YES),
        (nn.BCELoss(), OUTPUTS.sigmoid(), 0.1 + 0.8 * YES),
    ],
    ids=[
        "smoothed",
        "smoothed and weighted",
        "positions",
        "positions weighted",
        "shares",
        "labels of .1 and .9",
        "these weighted",
        "on probabilities",
    ],
)
def test_the_floor_is_the_least_loss_that_outputs_of_their_own_for_every_sample_have(
    loss: Any, outputs: Any, targets: Array
) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    constant = best_constant(adapted, rows, outputs) or fit_constant(adapted.name, rows, adapted.class_weight)
    assert constant is not None
    free = torch.zeros(outputs.shape, dtype=torch.float64, requires_grad=True)
    squash = torch.sigmoid if isinstance(loss, nn.BCELoss) else torch.positive
    search = torch.optim.LBFGS([free], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def slope() -> Any:
        search.zero_grad()
        value = adapted.sample_losses(squash(free), rows).mean()
        value.backward()
        return value

    search.step(slope)
    assert constant.floor == pytest.approx(float(slope().detach()), rel=1e-5)
    assert 0.0 < constant.floor < constant.mean_loss


def test_the_constant_of_a_margin_is_no_worse_than_any_on_a_grid() -> None:
    adapted, rows = adapted_with_rows(nn.MultiMarginLoss(), LOGITS, LABELS)
    constant = best_constant(adapted, rows, LOGITS)
    assert constant is not None
    grid = np.stack(np.meshgrid(*[np.linspace(-2, 2, 9)] * 3, [0.0]), axis=-1).reshape(-1, CLASSES)
    tried = [float(nn.MultiMarginLoss()(torch.tensor(each).expand(SAMPLES, -1), torch.tensor(LABELS))) for each in grid]
    assert constant.mean_loss == pytest.approx(min(tried), rel=1e-9)
    given = adapted.sample_losses(torch.tensor(constant.best).expand(SAMPLES, -1), rows)
    np.testing.assert_allclose(constant.sample_losses(rows), given, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3], ids=["hard", "smoothed"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_the_constant_of_positions_is_the_best_that_is_the_same_everywhere(weight: Any, smoothing: float) -> None:
    loss = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
    adapted, rows = adapted_with_rows(loss, MAPS, PADDED)
    constant = best_constant(adapted, rows, MAPS)
    assert constant is not None

    def mean_loss(logits: Any) -> float:
        spread = torch.as_tensor(logits)[None, :, None].expand(SAMPLES, CLASSES, LENGTH)
        return float(adapted.sample_losses(spread, rows).mean())

    assert constant.mean_loss == pytest.approx(mean_loss(np.log(constant.best)), rel=1e-6)
    others = np.random.default_rng(1).normal(scale=0.05, size=(50, CLASSES))
    assert all(mean_loss(np.log(constant.best) + other) >= constant.mean_loss - 1e-9 for other in others)
    spread = torch.log(torch.as_tensor(constant.best))[None, :, None].expand(SAMPLES, CLASSES, LENGTH)
    np.testing.assert_allclose(constant.sample_losses(rows), adapted.sample_losses(spread, rows), rtol=1e-6)


def test_a_class_that_no_position_has_costs_those_that_have_others_nothing() -> None:
    few = np.where(TOKENS == 3, 0, TOKENS)
    adapted, rows = adapted_with_rows(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 0.0])), MAPS, few)
    constant = best_constant(adapted, rows, MAPS)
    assert constant is not None
    costs = np.array([1.0, 2.0, 3.0]) * -np.log(constant.best[:3])
    np.testing.assert_allclose(constant.sample_losses(few), costs[few].mean(axis=1), rtol=1e-12)
    assert constant.sample_losses(np.full((1, LENGTH), 3)) == 0.0


@pytest.mark.parametrize("beyond", [255, -1], ids=["255", "-1"])
def test_a_position_whose_label_is_beyond_the_classes_has_no_loss(beyond: int) -> None:
    adapted = adapt_loss(nn.CrossEntropyLoss(), MAPS, TOKENS)
    spoiled = TOKENS.copy()
    spoiled[20, 2] = beyond
    constant = best_constant(adapted, adapted.coding.encode(spoiled), MAPS)
    assert constant is not None
    others = np.delete(spoiled[20], 2)
    assert constant.sample_losses(spoiled)[20] == pytest.approx(-np.log(constant.best[others]).sum() / LENGTH)
    counted = np.bincount(np.delete(spoiled.ravel(), 20 * LENGTH + 2), minlength=CLASSES)
    np.testing.assert_allclose(constant.best, counted / counted.sum(), rtol=1e-12)


def test_a_loss_that_takes_only_double_precision_has_a_constant_too() -> None:
    double = LOGITS.double()
    weight = torch.ones(CLASSES, dtype=torch.float64)
    adapted, rows = adapted_with_rows(
        lambda outputs, targets: F.cross_entropy(outputs, targets, weight=weight), double, LABELS
    )
    ours, found = fit_constant("cross_entropy", np.eye(CLASSES)[LABELS]), fit_numerically(adapted, rows, double)
    assert ours is not None
    assert found is not None
    assert found.mean_loss == pytest.approx(ours.mean_loss, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "expected"),
    [
        (_cross_entropy, LOGITS, LABELS, ("cross_entropy", LABELS)),
        (_of_sequences, MAPS.transpose(1, 2), TOKENS, ("cross_entropy", TOKENS.ravel())),
        (_of_sequences, MAPS.transpose(1, 2).reshape(-1, CLASSES), TOKENS, ("cross_entropy", TOKENS.ravel())),
        (lambda outputs, targets: F.mse_loss(outputs, targets.float()), OUTPUTS, VALUES, ("mse", VALUES)),
        (
            nll,
            LOGITS.log_softmax(1),
            LABELS,
            ("cross_entropy", LABELS),
        ),
        (
            lambda outputs, targets: F.nll_loss(outputs.log(), targets),
            LOGITS.softmax(1),
            LABELS,
            ("cross_entropy", LABELS),
        ),
        (
            lambda outputs, targets: F.binary_cross_entropy(outputs, targets.to(outputs)),
            OUTPUTS.sigmoid(),
            YES,
            ("binary_cross_entropy", YES),
        ),
        (
            lambda outputs, targets: F.cross_entropy(outputs, targets, weight=torch.ones(CLASSES)),
            LOGITS,
            LABELS,
            ("cross_entropy", LABELS),
        ),
    ],
    ids=[
        "logits",
        "a sequence",
        "a folded batch",
        "values",
        "log-probabilities",
        "probabilities",
        "yes or no",
        "float32",
    ],
)
def test_the_best_constant_of_any_other_loss_is_searched_for(
    loss: Any, outputs: Any, targets: Array, expected: tuple[str, Array]
) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    name, values = expected
    ours = fit_constant(name, values if values.ndim == 2 else np.eye(CLASSES)[values])
    found = fit_numerically(adapted, rows, outputs)
    assert ours is not None
    assert found is not None
    assert found.mean_loss == pytest.approx(ours.mean_loss, rel=1e-5)
    assert found.sample_losses(rows).mean() == pytest.approx(ours.mean_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (nn.NLLLoss(), LOGITS, LABELS),
        (nll, LOGITS, LABELS),
        (lambda outputs, targets: _many_wells(outputs - targets.mean()), OUTPUTS, VALUES),
        (lambda outputs, targets: -(outputs * targets.to(outputs)).mean(), OUTPUTS, VALUES),
        (lambda outputs, targets: F.cross_entropy(outputs[0], targets), (LOGITS, LOGITS), LABELS),
        (_absolute, OUTPUTS[1:], VALUES[1:]),  # an odd number of them: the median is one
        (_absolute, OUTPUTS, RARE),
        (lambda outputs, targets: 100.0 + _absolute(outputs, targets), OUTPUTS[1:], VALUES[1:]),
    ],
    ids=[
        "no log-probabilities",
        "the same by hand",
        "many minima",
        "no minimum",
        "several outputs",
        "kinks",
        "kinks at 0",
        "kinks on top of a large loss",
    ],
)
def test_where_no_constant_is_surely_best_there_is_none(loss: Any, outputs: Any, targets: Array) -> None:
    adapted, rows = adapted_with_rows(loss, outputs, targets)
    assert best_constant(adapted, rows, outputs) is None


def test_the_search_is_no_step_that_hooks_of_optimizers_see() -> None:
    steps: list[Any] = []
    handle = register_optimizer_step_pre_hook(lambda *seen: steps.append(seen))
    try:
        adapted, rows = adapted_with_rows(_cross_entropy, LOGITS, LABELS)
        assert fit_numerically(adapted, rows, LOGITS) is not None
    finally:
        handle.remove()
    assert steps == []
