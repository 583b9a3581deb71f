"""Rates that are told because the network ended behind simple models: after few updates, or by small ones."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.diagnoses.learning_rate_too_low import LearningRateTooLow
from gradvitals.diagnostics.diagnoses.unscaled_inputs import UnscaledInputs
from gradvitals.diagnostics.diagnoses.update_sizes import longest_path
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import he_normal, zeros
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
Noted = Callable[..., Record]

SURE, LIKELY, OPEN = (0.4, 0.03), (0.12, 0.04), (0.12, 0.043)
"""Lags of 256 answers and their errors: t is 13, 2.9 and 2.7, where 2.8 is likely."""


@pytest.fixture
def noted(make_probe: Callable[..., Probe], make_context: Callable[..., Context]) -> Noted:
    """Record a run with these loss ratios, one size of updates after the first, and a lag at its end."""

    def make(
        *ratios: float, steps: int, first: float, size: float, lag: tuple[float, float] | None, done: bool = True
    ) -> Record:
        record = Record(make_context(config={"training.optimizer.learning_rate": 1e-3}, total_steps=steps))
        answers = {"majority_accuracy": 0.1, "accuracy_excess": 0.4, "accuracy_excess_se": 0.03}
        for place, ratio in enumerate(ratios):
            step = steps * place // (len(ratios) - 1)
            record.add(make_probe(step, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01, **answers))
        for step in (1, *range(21, steps)):
            record.add_scalars(step, {"update_ratio/hidden_1": first if step == 1 else size})
        if lag is not None:
            record.add(Shortfall(steps, 256, 0.5, 0.5 + lag[0], *lag))
        record.add(Ending(steps, "completed" if done else "interrupted"))
        return record

    return make


@pytest.fixture
def linear() -> WatchedData:
    """Give 600 rows that a linear model explains."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(600, 20))
    targets = inputs @ rng.normal(size=(20, 1))
    return WatchedData(inputs.astype(np.float32), (targets / targets.std()).astype(np.float32))


def warned(rule: Diagnosis, record: Record) -> bool:
    found = [finding for finding in rule.judge(record, judge_gate(record)).findings if finding.standing]
    assert all(str(finding.severity) == "warning" for finding in found)
    return bool(found)


# too high


@pytest.mark.parametrize(
    ("slopes", "size", "lag", "speaks"),
    [
        ((0.9, 0.05), 0.04, SURE, True),
        ((0.9, 0.05), 0.02, SURE, False),
        ((0.9, 0.05), 0.04, LIKELY, False),
        ((0.9, 0.15), 0.04, SURE, False),
        ((0.15, 0.05), 0.04, SURE, False),
    ],
    ids=["saturated since", "usual updates", "likely behind", "not saturated", "saturated before"],
)
def test_a_layer_that_saturated_under_updates_of_no_usual_size_is_told(
    slopes: tuple[float, float],
    size: float,
    lag: tuple[float, float],
    noted: Noted,
    make_context: Callable[..., Context],
    *,
    speaks: bool,
) -> None:
    record = noted(1.0, 0.8, 0.7, 0.6, 0.6, steps=500, first=size, size=size, lag=lag)
    record.context = replace(make_context(("tanh",)), total_steps=500)
    probes = record.notes(Probe)
    for place, probe in enumerate(probes):
        probes[place] = replace(probe, relative_slopes={"hidden_1": slopes[min(place, 1)]})
    assert warned(LearningRateTooHigh(), record) is speaks


@pytest.mark.parametrize(
    ("ratios", "changes", "speaks"),
    [
        ((1.0, 9.0, 9.0, 0.7, 0.4), {}, True),
        ((1.0, 0.6, 0.55, 0.7, 0.4), {}, True),
        ((1.0, 9.0, 1.0, 0.7, 0.4), {}, False),
        ((1.0, 0.9, 0.8, 0.7, 0.4), {}, False),
        ((1.0, 9.0, 9.0, 0.7, 0.4), {"lag": None}, False),
        ((1.0, 9.0, 9.0, 0.7, 0.4), {"lag": LIKELY}, False),
        ((1.0, 9.0, 9.0, 0.7, 0.4), {"first": 0.14}, False),
        ((1.0, 9.0, 9.0, 0.7, 0.4), {"steps": 99}, False),
    ],
    ids=["thrown out", "risen", "in the warm-up", "falling", "no lag", "a likely lag", "usual updates", "a smoke run"],
)
def test_few_updates_are_no_excuse_where_the_loss_had_been_thrown_up(
    ratios: tuple[float, ...], changes: dict[str, Any], *, speaks: bool, noted: Noted
) -> None:
    record = noted(*ratios, **({"steps": 132, "first": 0.9, "size": 0.01, "lag": SURE} | changes))
    assert warned(LearningRateTooHigh(), record) is speaks


@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_found_back_too_late_is_found_and_its_twin_is_not(
    seed: int, linear: WatchedData, train_watched: Train
) -> None:
    short: dict[str, Any] = {"epochs": 13, "hidden": [64], "loss": "mse", "seed": seed}
    sick = train_watched(linear, optimizer=Adam(1.0), **short).monitor
    probes = sick.record.notes(Probe)
    assert (sick.record.last_step, probes[-1].loss_ratio < 1.0) == (130, True)
    assert sick.verdict.standing[0].id == "learning_rate_too_high"
    assert train_watched(linear, optimizer=Adam(0.01), **short).monitor.verdict.outcome == "healthy"


@pytest.mark.parametrize(
    ("slopes", "changes", "speaks"),
    [
        ((0.9, 0.05), {"lag": SURE}, True),
        ((0.9, 0.3), {"lag": SURE}, False),
        ((0.9, 0.05), {"lag": OPEN}, False),
        ((0.9, 0.05), {"lag": SURE, "first": 0.14}, False),
        ((0.9, 0.05), {"lag": SURE, "steps": 99}, False),
    ],
    ids=["saturated since", "not saturated", "perhaps behind", "usual updates", "a smoke run"],
)
def test_few_updates_are_no_excuse_for_units_that_one_of_them_cost(
    slopes: tuple[float, float], changes: dict[str, Any], *, speaks: bool, noted: Noted
) -> None:
    record = noted(1.0, 0.8, 0.6, 0.5, 0.4, **({"steps": 132, "first": 0.9, "size": 0.01} | changes))
    probes = record.notes(Probe)
    probes[:] = [replace(probe, relative_slopes={"hidden_1": slopes[probe.step > 0]}) for probe in probes]
    assert warned(LearningRateTooHigh(), record) is speaks


@pytest.mark.parametrize(("dead", "speaks"), [(range(2), True), (range(1), False)], ids=["a quarter", "fewer"])
@pytest.mark.parametrize("shortfall", [0.15, 0.09], ids=["memorises", "does not"])
def test_units_that_a_network_lost_and_memorises_without_were_the_rates(
    dead: range, shortfall: float, *, speaks: bool, noted: Noted
) -> None:
    record = noted(1.0, 0.8, 0.6, 0.5, 0.4, steps=500, first=0.9, size=0.01, lag=None)
    for step, silent in ((0, ()), (500, tuple(dead))):
        record.add(Scan(step, 100, {"hidden_1": silent}))
    record.add(Generalisation(500, 53, 0.9, 0.03, 0.5, 0.07, 0.3, 0.06, shortfall, 0.049))
    assert warned(LearningRateTooHigh(), record) is (speaks and shortfall > 0.1)


# too low


@pytest.mark.parametrize(
    ("steps", "size", "lag", "speaks"),
    [
        (150, 3.2e-4, SURE, True),
        (150, 3.5e-4, SURE, False),
        (150, 3.2e-4, LIKELY, False),
        (150, 3.2e-4, None, False),
        (1000, 1.19e-4, SURE, True),
        (1000, 1.21e-4, SURE, False),
    ],
    ids=["not moved", "moved", "a likely lag", "no lag", "tiny", "not tiny"],
)
def test_few_updates_are_no_excuse_where_all_together_moved_nothing(
    steps: int, size: float, lag: tuple[float, float] | None, *, speaks: bool, noted: Noted
) -> None:
    record = noted(0.71, 0.7, 0.71, 0.7, 0.71, steps=steps, first=size, size=size, lag=lag)
    assert warned(LearningRateTooLow(), record) is speaks


@pytest.mark.parametrize(("first", "speaks"), [(1.4e-3, True), (1.5e-3, False)])
def test_how_far_a_layer_moved_is_the_sum_of_its_updates(first: float, *, speaks: bool, noted: Noted) -> None:
    record = noted(0.71, 0.7, 0.71, 0.7, 0.71, steps=1000, first=first, size=2e-5, lag=SURE)
    assert longest_path(record, 1000) == pytest.approx(21 * first + 979 * 2e-5)
    assert warned(LearningRateTooLow(), record) is speaks


def test_a_path_is_the_longest_layers_and_goes_up_to_the_step_asked_for(noted: Noted) -> None:
    record = noted(0.7, 0.7, steps=100, first=0.2, size=0.1, lag=None)
    for step, ratio in ((10, 0.5), (60, 0.7)):
        record.add_scalars(step, {"update_ratio/output": ratio})
    assert longest_path(record, 100) == pytest.approx(10 * 0.5 + 50 * 0.7 + 40 * 0.7)
    assert longest_path(Record(record.context), 100) == 0.0
    record.add_scalars(99, {"update_ratio/output": math.nan})
    assert math.isnan(longest_path(record, 100))


@pytest.mark.parametrize(
    ("deviation", "size", "speaks"),
    [(0.02, 4.9e-5, True), (0.02, 5.1e-5, False), (0.009, 4.9e-5, False), (11.0, 4.9e-5, False)],
    ids=["a bit small", "moved", "far too small", "too large"],
)
def test_inputs_that_are_a_bit_small_make_no_network_stay(
    deviation: float, size: float, *, speaks: bool, noted: Noted
) -> None:
    record = noted(0.71, 0.7, 0.71, 0.7, 0.71, steps=1000, first=size, size=size, lag=SURE)
    _add_start(record, deviation, standardised=0.5)
    assert warned(UnscaledInputs(), record)
    assert warned(LearningRateTooLow(), record) is speaks
    first, *_ = judge(record).standing
    assert first.id == ("learning_rate_too_low" if speaks else "unscaled_inputs")


@pytest.mark.parametrize(
    ("ratio", "standardised", "other"),
    [(1.0, 0.5, "unscaled_inputs"), (0.7, 0.02, "initialization_scale@hidden_1")],
    ids=["where nothing is learned", "small by the weights"],
)
def test_a_network_may_stay_for_other_reasons(ratio: float, standardised: float, other: str, noted: Noted) -> None:
    record = noted(*[ratio] * 5, steps=1000, first=4.9e-5, size=4.9e-5, lag=SURE)
    if ratio == 1.0:
        record.notes(Probe)[:] = [replace(probe, accuracy_excess=0.0) for probe in record.notes(Probe)]
    _add_start(record, 0.02, standardised=standardised)
    assert LearningRateTooLow().judge(record, judge_gate(record)).reason == f"{other} stands, and may be the reason"


def _add_start(record: Record, deviation: float, *, standardised: float) -> None:
    facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    facts |= {"step": 0, "not_finite": {}, "constant_columns": (), "constant_count": 0, "rows": 9, "columns": 2}
    record.add(DataFacts(**facts | {"target_means": (0.3, 0.3), "target_deviations": (0.4, 0.4)}))
    start: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
    start |= {"step": 0, "samples": 9, "loss": 1.0, "deviations": {"hidden_1": deviation, "output": 1.0}}
    record.add(Propagation(**start | {"standardised_loss": 1.0, "standardised_deviations": {"hidden_1": standardised}}))


@pytest.mark.parametrize(
    ("late", "size", "lag", "speaks"),
    [
        ((0.34, 0.3), 3.5e-4, SURE, True),
        ((0.34, 0.3), 3.5e-4, LIKELY, True),
        ((0.34, 0.3), 3.5e-4, OPEN, False),
        ((0.34, 0.3), 3.5e-4, None, False),
        ((0.34, 0.3), 3.7e-4, SURE, False),
        ((0.395, 0.392), 3.5e-4, SURE, False),
    ],
    ids=["surely behind", "likely behind", "perhaps behind", "no lag", "usual updates", "at rest"],
)
def test_a_loss_that_fell_fast_at_first_and_falls_on_by_small_updates_is_slow(
    late: tuple[float, float], size: float, lag: tuple[float, float] | None, *, speaks: bool, noted: Noted
) -> None:
    record = noted(2.4, 0.6, 0.41, *late, steps=1000, first=1e-3, size=size, lag=lag)
    assert warned(LearningRateTooLow(), record) is speaks


def test_what_is_only_likely_is_not_said_of_a_training_that_was_cut_short(noted: Noted) -> None:
    record = noted(2.4, 0.6, 0.41, 0.34, 0.3, steps=1000, first=1e-3, size=3e-4, lag=LIKELY, done=False)
    assert not warned(LearningRateTooLow(), record)


def test_a_short_training_by_tiny_updates_is_found_and_its_twin_is_not(
    linear: WatchedData, train_watched: Train
) -> None:
    short: dict[str, Any] = {"epochs": 12, "hidden": [1024], "loss": "mse", "init": [he_normal, zeros]}
    sick = train_watched(linear, optimizer=Adam(1e-5), **short).monitor
    assert sick.record.last_step == 120
    assert sick.record.notes(Probe)[-1].loss_ratio < 0.78  # it has begun to learn
    assert sick.verdict.standing[0].id == "learning_rate_too_low"
    assert train_watched(linear, optimizer=Adam(1e-3), **short).monitor.verdict.outcome == "healthy"


# whether there is a signal


@pytest.mark.parametrize(
    ("excess", "error", "samples", "found"),
    [
        (0.3, 0.05, 125, True),
        (0.3, 0.08, 125, False),
        (0.3, 0.05, 29, False),
        (None, None, 125, False),
    ],
    ids=["surely", "perhaps", "too few", "not recorded"],
)
def test_answers_may_show_a_signal_that_squared_errors_do_not(
    excess: float | None, error: float | None, samples: int, *, found: bool, noted: Noted
) -> None:
    record = noted(1.0, 1.0, 1.0, 1.0, 1.0, steps=1000, first=1e-5, size=1e-5, lag=None)
    record.add(Signal(1000, 0.14, 0.08))
    record.add(Shortfall(1000, samples, 0.3, 0.67, 0.37, 0.06, excess, error))
    assert warned(LearningRateTooLow(), record) is found


def test_a_rate_too_low_is_told_though_half_of_the_labels_are_drawn_at_random(train_watched: Train) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 125)
    inputs = np.eye(4)[labels] @ rng.normal(size=(4, 12)) + 0.7 * rng.normal(size=(125, 12))
    told = np.where(rng.random(125) < 0.55, rng.integers(0, 4, 125), labels)
    data = WatchedData(inputs.astype(np.float32), np.eye(4, dtype=np.float32)[told])
    sick = train_watched(data, optimizer=Sgd(1e-4), epochs=250).monitor
    (signal,) = sick.record.notes(Signal)
    assert signal.gain < 3.0 * signal.gain_se  # squared errors do not show it
    assert sick.verdict.standing[0].id == "learning_rate_too_low"
    assert train_watched(data, optimizer=Sgd(0.03), epochs=250).monitor.verdict.outcome == "healthy"


def test_answers_drawn_at_random_show_no_signal(train_watched: Train) -> None:
    rng = np.random.default_rng(1)
    told = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 500)]
    data = WatchedData(rng.normal(size=(500, 12)).astype(np.float32), told)
    monitor = train_watched(data, optimizer=Sgd(1e-4), epochs=60).monitor
    (note,) = monitor.record.notes(Shortfall)
    assert note.excess is not None
    assert monitor.verdict.outcome != "error"
    assert "learning_rate_too_low" not in {finding.id for finding in monitor.verdict.standing}
