"""Scores on new samples, and those of simple models on the same: against scikit-learn and the same worked by hand."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from gradvitals.diagnostics.constant_predictor import fit_constant
from gradvitals.diagnostics.data_signal import MOST_ROWS, NEIGHBOURS, RIDGE, predict_simply
from gradvitals.diagnostics.gate import is_memorising
from gradvitals.diagnostics.generalisation import Comparer, is_gap
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Generalisation
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import ProbeResult
from gradvitals.engine.initializers import normal
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.perceptron import perceptron

Train = Callable[..., Any]


@dataclass(frozen=True)
class Sets:
    """A training set, of which the probe sees the first 120 rows, and a validation set."""

    inputs: np.ndarray
    targets: np.ndarray
    new_inputs: np.ndarray
    new_targets: np.ndarray


def make_sets(kind: str, seed: int = 0) -> Sets:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(500, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 5.0, 0.0, 3.0]
    signal = inputs[:, 0] + inputs[:, 1] / 100.0
    if kind == "classes":
        targets = np.eye(3)[np.digitize(signal, [-0.5, 1.0])]
    elif kind == "labels":
        targets = np.stack([signal > 0.0, inputs[:, 3] > 3.0], axis=1).astype(float)
    else:
        targets = np.stack([signal, 2.0 * inputs[:, 3]], axis=1) + rng.normal(size=(500, 2))
    return Sets(inputs[:300], targets[:300], inputs[300:], targets[300:])


def simple_predictions(sets: Sets) -> dict[str, np.ndarray]:
    scaler = StandardScaler().fit(sets.inputs)
    x, new = scaler.transform(sets.inputs), scaler.transform(sets.new_inputs)
    models = {"ridge": Ridge(alpha=RIDGE * len(x)), "neighbours": KNeighborsRegressor(NEIGHBOURS)}
    return {name: model.fit(x, sets.targets).predict(new) for name, model in models.items()}


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_simple_models_predict_as_those_of_scikit_learn(kind: str) -> None:
    sets = make_sets(kind)
    predicted = predict_simply(sets.inputs, sets.targets, sets.new_inputs, np.random.default_rng(0))
    for own, expected in zip(predicted, simple_predictions(sets).values(), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-9)


def test_simple_models_need_ten_finite_rows() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    assert len(predict_simply(x, y, x, rng)) == 2
    assert predict_simply(x[:9], y[:9], x, rng) == ()
    for array in (x, y):
        array[3, 0], before = math.nan, array[3, 0]
        assert predict_simply(x, y, x[:2], rng) == ()
        array[3, 0] = before
    assert predict_simply(x, y, np.full((2, 3), math.inf), rng) == ()


def test_simple_models_are_fitted_to_two_thousand_rows_at_most() -> None:
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(MOST_ROWS + 1000, 2)), rng.normal(size=(MOST_ROWS + 1000, 1)), rng.normal(size=(5, 2))
    rows = np.random.default_rng(3).permutation(len(x))[:MOST_ROWS]
    scaler = StandardScaler().fit(x[rows])
    expected = Ridge(alpha=RIDGE * MOST_ROWS).fit(scaler.transform(x[rows]), y[rows]).predict(scaler.transform(new))
    np.testing.assert_allclose(predict_simply(x, y, new, np.random.default_rng(3))[0][:, 0], expected.ravel())


def right(predicted: Any, targets: Any, *, one_class: bool) -> Any:
    if one_class:
        return (predicted.argmax(axis=1) == targets.argmax(axis=1)).astype(float)
    return ((predicted > 0.5) == (targets > 0.5)).mean(axis=1)


def result(outputs: Any, targets: Any, loss: str) -> ProbeResult:
    """Give what a network of these outputs would; of a classification only whether it is right counts."""
    if loss == "mse":
        return ProbeResult(((outputs - targets) ** 2).mean(axis=1), outputs)
    if loss == "mae":
        return ProbeResult(np.abs(outputs - targets).mean(axis=1), outputs)
    return ProbeResult(np.zeros(len(outputs)), outputs, right(outputs, targets, one_class=loss == "cross_entropy"))


def of(values: Any) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


@pytest.mark.parametrize(
    ("loss", "kind", "weights"),
    [
        ("cross_entropy", "classes", None),
        ("cross_entropy", "classes", [1.0, 5.0, 0.1]),
        ("binary_cross_entropy", "labels", None),
        ("binary_cross_entropy", "labels", [1.0, 4.0]),
        ("mse", "values", None),
        ("mae", "values", None),
    ],
    ids=str,
)
def test_scores_and_their_differences_are_those_of_every_sample(loss: str, kind: str, weights: Any) -> None:
    sets, rng = make_sets(kind), np.random.default_rng(1)
    weights = None if weights is None else np.array(weights)
    constant = fit_constant(loss, sets.targets, weights)
    assert constant is not None
    seen_targets = sets.targets[:120]
    seen = result(seen_targets, seen_targets, loss)  # all right
    unseen = result(rng.normal(size=sets.new_targets.shape), sets.new_targets, loss)
    note = Comparer(constant, (sets.inputs, sets.targets), seen_targets, sets.new_targets, rng).compare(
        7, seen, unseen, sets.new_inputs
    )

    def factors(targets: Any) -> Any:
        if weights is None:
            return np.ones(len(targets))
        of_rows = weights[targets.argmax(axis=1)] if kind == "classes" else weights[targets.astype(int)].mean(axis=1)
        return of_rows / of_rows.mean()

    def gains(losses: Any, targets: Any) -> Any:
        errors = (constant.best - targets) ** 2 if loss == "mse" else np.abs(constant.best - targets)
        return np.maximum((errors.mean(axis=1) - losses) / constant.mean_loss, -10.0)

    if kind == "values":
        own, new = gains(seen.losses, seen_targets), gains(unseen.losses, sets.new_targets)
        of_constant = np.zeros(200)
        simple = {
            name: gains(result(predicted, sets.new_targets, loss).losses, sets.new_targets)
            for name, predicted in simple_predictions(sets).items()
        }
    else:
        one = kind == "classes"
        assert seen.scores is not None
        assert unseen.scores is not None
        own, new = seen.scores * factors(seen_targets), unseen.scores * factors(sets.new_targets)
        guess = np.broadcast_to(constant.best, sets.new_targets.shape)
        of_constant = right(guess, sets.new_targets, one_class=one) * factors(sets.new_targets)
        simple = {
            name: right(predicted, sets.new_targets, one_class=one) * factors(sets.new_targets)
            for name, predicted in simple_predictions(sets).items()
        }
    best = max(simple.values(), key=lambda scores: of(scores - of_constant)[0] - 3 * of(scores - of_constant)[1])
    assert (note.step, note.samples) == (7, 200)
    assert (note.training_score, note.training_score_se) == pytest.approx(of(own))
    assert (note.score, note.score_se) == pytest.approx(of(new))
    assert (note.simple_excess, note.simple_excess_se) == pytest.approx(of(best - of_constant))
    assert (note.shortfall, note.shortfall_se) == pytest.approx(of(best - new))
    assert is_gap(note)


def test_simple_models_are_asked_only_where_new_samples_are_surely_and_clearly_worse() -> None:
    sets = make_sets("classes")
    constant = fit_constant("cross_entropy", sets.targets)
    assert constant is not None
    seen = result(sets.targets, sets.targets, "cross_entropy")
    comparer = Comparer(constant, (sets.inputs, sets.targets), sets.targets, sets.new_targets, np.random.default_rng(0))
    for wrong, asked in ((0, False), (19, False), (21, True), (200, True), (0, False)):
        outputs = np.where(np.arange(200)[:, None] < wrong, -sets.new_targets, sets.new_targets)
        note = comparer.compare(0, seen, result(outputs, sets.new_targets, "cross_entropy"), sets.new_inputs)
        assert note.score == pytest.approx(1.0 - wrong / 200)
        assert (note.shortfall is not None) == asked
        assert note_from_json("generalisation", note_to_json(note)) == note


@pytest.mark.parametrize(
    ("broken", "samples"),
    [(math.nan, 200), (math.inf, 200), (1e300, 200), (None, 1)],
    ids=["NaN", "inf", "huge", "one"],
)
def test_what_is_not_finite_or_single_leaves_a_note_that_says_nothing_wrong(broken: float | None, samples: int) -> None:
    sets = make_sets("values")
    constant = fit_constant("mse", sets.targets)
    assert constant is not None
    seen = result(sets.targets, sets.targets, "mse")
    losses = np.full(samples, 0.0 if broken is None else broken)
    unseen = ProbeResult(losses, sets.new_targets[:samples])
    targets = sets.new_targets[:samples]
    comparer = Comparer(constant, (sets.inputs, sets.targets), sets.targets, targets, np.random.default_rng(0))
    note = comparer.compare(0, seen, unseen, sets.new_inputs[:samples])
    assert note.score == (pytest.approx(-10.0) if broken else pytest.approx(note.score))
    assert is_gap(note) == (broken is not None)
    assert math.isinf(note.score_se) == (samples == 1)


def test_classes_whose_answers_nobody_scores_are_compared_by_their_loss_and_with_no_simple_model() -> None:
    sets = make_sets("classes")
    constant = fit_constant("cross_entropy", sets.targets)
    assert constant is not None
    rng = np.random.default_rng(0)
    comparer = Comparer(constant, (sets.inputs, sets.targets), sets.targets, sets.new_targets, rng)
    seen, unseen = ProbeResult(np.zeros(300), sets.targets), ProbeResult(np.full(200, 9.0), sets.new_targets)
    note = comparer.compare(0, seen, unseen, sets.new_inputs)
    assert is_gap(note)
    assert note.simple_excess == 0.0
    assert note.shortfall is not None
    assert note.shortfall > 0.0


@pytest.mark.parametrize(
    ("wrong", "memorising"), [(0.0, False), (0.06, False), (0.5, True)], ids=["none", "6 %", "half"]
)
@pytest.mark.parametrize("confidence", [3.0, 50.0, 1e6], ids=str)
def test_a_confident_classifier_that_is_mostly_right_on_new_samples_has_not_memorised(
    wrong: float, confidence: float, *, memorising: bool
) -> None:
    """It goes by the last of six columns, which is as good as the others on its own samples alone."""
    sign = np.where(np.arange(400) % 2 == 0, 1.0, -1.0)[:, None]
    targets = np.eye(2)[(sign[:, 0] > 0).astype(int)]
    inputs = np.repeat(sign, 6, axis=1)
    new = inputs.copy()
    new[np.arange(400) % 100 < 100 * wrong, 5] *= -1.0
    weights = np.zeros((6, 2))
    weights[5] = -confidence, confidence
    network = perceptron(
        [6, 2], [], "cross_entropy", initializers=[lambda *_: weights], generator=np.random.default_rng(0)
    )
    look = Prober(network, WatchedData(inputs, targets, new, targets)).take(500)
    (note,) = (note for note in look.notes if isinstance(note, Generalisation))
    assert look.probe.loss_ratio is not None
    assert look.probe.loss_ratio < 0.01
    assert is_memorising(look.probe, note) == memorising


@pytest.mark.parametrize("without", ["validation", "a constant", "loss"])
def test_there_is_nothing_to_compare_without(without: str) -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(100, 3)), np.eye(2)[rng.integers(0, 2, 100)]
    if without == "loss":
        targets[:] = [1.0, 0.0]
    network = perceptron([3, 2], [], "cross_entropy", initializers=[lambda *_: np.ones((3, 2))], generator=rng)
    if without == "a constant":
        targets = targets * 2.0
    data = WatchedData(inputs, targets) if without == "validation" else WatchedData(inputs, targets, inputs, targets)
    look = Prober(network, data).take(0)
    assert not [note for note in look.notes if isinstance(note, Generalisation)]


def test_at_the_end_more_new_samples_are_compared(train_watched: Train, digits: WatchedData) -> None:
    few = replace(digits, inputs=digits.inputs[:300], targets=digits.targets[:300])
    watched = train_watched(few, optimizer=Adam(3e-3), activation="tanh", init=normal(0.6), epochs=60)
    *_, small, large = watched.monitor.record.notes(Generalisation)
    assert (small.step, small.samples, large.step, large.samples) == (300, 256, 300, 497)
    assert (large.training_score, large.training_score_se) == (small.training_score, small.training_score_se)
    inputs, targets = digits.validation_inputs, digits.validation_targets
    assert inputs is not None
    assert targets is not None
    labels = targets.argmax(axis=1)
    right = watched.network.probe(inputs, targets).outputs.argmax(axis=1) == labels
    scaled = StandardScaler().fit(few.inputs)
    x, new = scaled.transform(few.inputs), scaled.transform(inputs)
    models = (Ridge(alpha=RIDGE * len(x)), KNeighborsRegressor(NEIGHBOURS))
    simple = [model.fit(x, few.targets).predict(new).argmax(axis=1) == labels for model in models]
    best = max(simple, key=lambda answers: answers.mean())
    assert large.score == pytest.approx(right.mean())
    assert large.shortfall == pytest.approx(best.mean() - right.mean())
    assert large.shortfall_se == pytest.approx((best * 1.0 - right).std(ddof=1) / math.sqrt(497), rel=1e-6)


def test_what_does_as_well_on_new_samples_is_compared_once(train_watched: Train, digits: WatchedData) -> None:
    notes = train_watched(digits).monitor.record.notes(Generalisation)
    assert len({note.step for note in notes}) == len(notes)
