"""What simple models make of the samples that a network was trained on, and they were not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from gradvitals.diagnostics.data_signal import NEIGHBOURS, RIDGE, predict_held_out
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.training_sample import MOST_ROWS, draw_rows, probe_in_parts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train

Train = Callable[..., Any]


def _sets(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(count, 3))
    return inputs, inputs[:, :1] + 0.3 * rng.normal(size=(count, 1))


@pytest.mark.parametrize(("rows", "folds"), [(40, 1), (100, 2), (300, 5)], ids=["few", "a third", "all"])
def test_every_row_is_predicted_by_models_fitted_to_others(rows: int, folds: int) -> None:
    inputs, targets = _sets(300)
    chosen = np.arange(rows)
    linear, near = predict_held_out(inputs, targets, chosen, np.random.default_rng(1))
    for fold in range(folds):
        test = chosen[chosen % folds == fold]
        train = np.setdiff1d(np.arange(300), test)
        scaled = StandardScaler().fit(inputs[train]).transform(inputs)
        ridge = Ridge(alpha=RIDGE * len(train)).fit(scaled[train], targets[train])
        neighbours = KNeighborsRegressor(NEIGHBOURS).fit(scaled[train], targets[train])
        np.testing.assert_allclose(linear[test], ridge.predict(scaled[test]).reshape(-1, 1), rtol=1e-9)
        np.testing.assert_allclose(near[test], neighbours.predict(scaled[test]).reshape(-1, 1), rtol=1e-9)


def test_a_copy_of_a_row_is_no_neighbour_of_it() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(200, 3)), rng.normal(size=(200, 1))  # no signal but the copies
    twice = np.tile(inputs, (6, 1)), np.tile(targets, (6, 1))
    _, near = predict_held_out(*twice, np.arange(100), rng)
    assert np.abs(near - targets[:100]).mean() > 0.5


def test_no_more_than_two_thousand_rows_are_fitted_to_and_fewer_than_ten_are_too_few() -> None:
    inputs, targets = _sets(3000)
    seen = np.arange(50)
    linear, _ = predict_held_out(inputs, targets, seen, np.random.default_rng(2))
    others = np.random.default_rng(2).permutation(np.arange(50, 3000))[: 2000 - 50]
    scaled = StandardScaler().fit(inputs[others]).transform(inputs)
    ridge = Ridge(alpha=RIDGE * len(others)).fit(scaled[others], targets[others])
    np.testing.assert_allclose(linear, ridge.predict(scaled[seen]).reshape(-1, 1), rtol=1e-9)
    assert predict_held_out(inputs[:9], targets[:9], np.arange(9), np.random.default_rng(0)) == ()
    inputs[0, 0] = np.nan
    assert predict_held_out(inputs, targets, seen, np.random.default_rng(0)) == ()


def test_a_network_that_learned_little_is_measured_at_its_end(train_watched: Train, digits: WatchedData) -> None:
    monitor = train_watched(digits, optimizer=Sgd(1e-3)).monitor
    (note,) = monitor.record.notes(Shortfall)
    probe = monitor.record.notes(Probe)[-1]
    assert (note.step, note.samples) == (probe.step, MOST_ROWS)
    assert note.score == pytest.approx(probe.accuracy_excess + probe.majority_accuracy, abs=0.1)
    assert note.simple_score > 0.9
    assert note.value == pytest.approx(note.simple_score - note.score)
    assert note.simple_score - note.excess == pytest.approx(probe.majority_accuracy, abs=0.05)
    right = note.simple_score * (1.0 - note.simple_score)
    assert note.excess_se == pytest.approx(((right + 0.1 * 0.9) / note.samples) ** 0.5, rel=0.3)
    (finding,) = [one for one in monitor.verdict.standing if one.id == "learning_rate_too_low"]
    assert f"get {100 * note.simple_score:.3g} % of the same 1024 right, the network" in finding.harm.text


def test_what_has_learned_or_hardly_begun_is_not_measured(train_watched: Train, digits: WatchedData) -> None:
    learned = train_watched(digits).monitor.record
    assert learned.notes(Probe)[-1].loss_ratio < 0.2
    begun = train_watched(digits, optimizer=Sgd(1e-3), epochs=2).monitor.record
    assert begun.notes(Probe)[-1].loss_ratio > 0.2
    assert learned.notes(Shortfall) == begun.notes(Shortfall) == []
    under_way = train_watched(digits, optimizer=Sgd(1e-3), epochs=5).monitor.record
    assert 100 <= under_way.last_step < 200
    assert len(under_way.notes(Shortfall)) == 1


def test_what_leaves_answers_wrong_is_measured_however_little_loss_is_left(
    train_watched: Train, digits: WatchedData
) -> None:
    record = train_watched(digits, optimizer=Sgd(0.02), epochs=10).monitor.record
    probe = record.notes(Probe)[-1]
    assert probe.loss_ratio < 0.2
    assert probe.accuracy_excess + probe.majority_accuracy < 0.95
    assert len(record.notes(Shortfall)) == 1


def test_what_is_cut_short_might_have_caught_up(make_network: Callable[..., Network], digits: WatchedData) -> None:
    def stop(event: StepEnded) -> None:
        if event.step == 150:
            raise KeyboardInterrupt

    network, samples = make_network(digits), Samples(digits.inputs, digits.targets)
    with Monitor(network, digits) as monitor, pytest.raises(KeyboardInterrupt), network.hooks.on(StepEnded, stop):
        train(network, samples, Sgd(1e-3), epochs=12, batch_size=64, generator=np.random.default_rng(0))
    probe = monitor.record.notes(Probe)[-1]
    assert probe.step == 150
    assert probe.loss_ratio is not None
    assert probe.loss_ratio > 0.2
    assert monitor.record.notes(Shortfall) == []


def test_a_thousand_rows_are_compared_and_fewer_of_long_ones() -> None:
    rows = draw_rows(np.zeros((5000, 4)), np.random.default_rng(0))
    assert len(set(rows.tolist())) == len(rows) == MOST_ROWS
    assert (np.diff(rows) > 0).all()
    assert len(draw_rows(np.zeros((300, 4)), np.random.default_rng(0))) == 300
    assert len(draw_rows(np.broadcast_to(0.0, (5000, 2**10)), np.random.default_rng(0))) == 512
    assert len(draw_rows(np.broadcast_to(0.0, (5000, 2**15)), np.random.default_rng(0))) == 256


def test_a_network_run_in_parts_says_what_it_says_of_all(
    make_network: Callable[..., Network], digits: WatchedData
) -> None:
    network = make_network(digits)
    inputs, targets = digits.inputs[:600], digits.targets[:600]
    parts, whole = probe_in_parts(network, inputs, targets, step=0), network.probe(inputs, targets)
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-4)
    np.testing.assert_allclose(parts.outputs, whole.outputs, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(parts.scores, whole.scores)
