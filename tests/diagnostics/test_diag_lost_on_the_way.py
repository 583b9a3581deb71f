"""What scales and rates cost on the way: time that was lost, units that died, a layer that was thrown out."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.diagnoses.unscaled_inputs import UnscaledInputs
from gradvitals.diagnostics.diagnoses.unscaled_targets import UnscaledTargets
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe, Scan
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
Noted = Callable[..., Record]

SGD = {"training.optimizer.kind": "sgd", "training.optimizer.learning_rate": 0.1}
LIKELY, OPEN = (0.12, 0.04), (0.12, 0.043)
"""Lags of 256 answers and their errors: t is 2.9 and 2.7, where 2.8 is likely."""

SMALL_AND_SURE, SMALL = (0.04, 0.008), (0.04, 0.0095)
"""Lags that are not clear: t is 4.5 and 3.8, where 4.2 is sure."""

FALLING = (1.1, 0.8, 0.7, 0.6, 0.45)


@pytest.fixture
def noted(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Noted:
    """Record a run with these loss ratios, one update of some size, and a lag at its end."""

    def make(
        *ratios: float,
        steps: int = 500,
        first: float = 0.01,
        at: int = 1,
        lag: tuple[float, float] | None = None,
        config: dict[str, Any] = SGD,
        done: bool = True,
        regression: bool = False,
    ) -> Record:
        context = make_context(config=config, total_steps=steps)
        record = Record(replace(context, loss="mse", classes=None) if regression else context)
        for place, ratio in enumerate(ratios):
            step = steps * place // (len(ratios) - 1)
            record.add(make_probe(step, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01))
        for step in (1, *range(21, steps)):
            record.add_scalars(step, {"update_ratio/hidden_1": first if step == at else 0.01})
        if lag is not None:
            record.add(Shortfall(steps, 256, 0.5, 0.5 + lag[0], *lag))
        record.add(Ending(steps, "completed" if done else "interrupted"))
        return record

    return make


def add_start(record: Record, facts: dict[str, Any] | None = None, **start: Any) -> Record:
    plain: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    plain |= {"step": 0, "not_finite": {}, "constant_columns": (), "constant_count": 0, "rows": 9, "columns": 2}
    plain |= {"target_means": (0.0,), "target_deviations": (1.0,)}
    record.add(DataFacts(**plain | {"rms": 1.0, "widest": 1.0, "narrowest": 1.0} | (facts or {})))
    nothing: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
    usual = {"hidden_1": 1.0, "output": 1.0}
    nothing |= {"step": 0, "samples": 9, "loss": 1.1, "deviations": usual, "standardised_deviations": usual}
    nothing |= {"output_means": (0.0,), "output_deviations": (1.0,), "standardised_loss": 1.1}
    record.add(Propagation(**nothing | {"curvature": 1.0, "standardised_curvature": 1.0} | start))
    return record


def said(rule: Diagnosis, record: Record) -> list[tuple[str, bool]]:
    return [(str(finding.severity), finding.cleared) for finding in rule.judge(record, judge_gate(record)).findings]


def regression_data(*, mean: float, deviation: float) -> WatchedData:
    """Give 600 rows that a linear model explains up to noise."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(600, 20))
    signal = inputs @ rng.normal(size=(20, 1))
    targets = signal / signal.std() + 0.5 * np.random.default_rng(0).normal(size=(600, 1))
    scaled = mean + deviation * targets / targets.std()
    return WatchedData(inputs.astype(np.float32), scaled.astype(np.float32))


# inputs

LARGE = {"rms": 50.0}


@pytest.mark.parametrize(
    ("curvature", "lag", "expected"),
    [(22.0, LIKELY, [("warning", False)]), (22.0, OPEN, []), (140.0, OPEN, [("info", True)]), (18.0, LIKELY, [])],
    ids=["long steps", "perhaps behind", "far too long, and half done", "stable steps"],
)
def test_where_simple_models_are_likely_ahead_steps_beyond_the_stable_ones_count(
    curvature: float, lag: tuple[float, float], expected: list[tuple[str, bool]], noted: Noted
) -> None:
    record = add_start(noted(*FALLING, lag=lag), curvature=curvature)
    assert said(UnscaledInputs(), record) == expected


@pytest.mark.parametrize(
    ("changes", "facts", "standardised", "expected"),
    [
        ({}, LARGE, 19.0, "warning"),
        ({"first": 0.14}, LARGE, 19.0, "info"),
        ({}, LARGE, 21.0, "info"),
        ({"lag": OPEN}, LARGE, 19.0, "info"),
        ({"done": False}, LARGE, 19.0, "info"),
        ({"config": {"training.optimizer.kind": "adam"}}, LARGE, 19.0, "info"),
        ({}, {}, 19.0, None),
    ],
    ids=["thrown", "usual updates", "unstable either way", "perhaps behind", "cut short", "adam", "usual inputs"],
)
def test_inputs_out_of_scale_that_threw_a_layer_out_count_where_the_network_is_likely_behind(
    changes: dict[str, Any], facts: dict[str, Any], standardised: float, expected: str | None, noted: Noted
) -> None:
    record = noted(*FALLING, **({"first": 0.16, "lag": LIKELY} | changes))
    add_start(record, facts, standardised_curvature=standardised)
    assert said(UnscaledInputs(), record) == ([] if expected is None else [(expected, False)])


@pytest.mark.parametrize(
    ("ratios", "changes", "standardised", "expected"),
    [
        ((50.0, 1.3, 0.9, 0.8, 0.7), {}, 1.2, "warning"),
        ((50.0, 1.1, 0.9, 0.8, 0.7), {}, 1.2, "info"),
        ((50.0, 4.0, 0.9, 0.8, 0.7), {}, 3.1, "info"),
        ((50.0, 1.3, 0.9, 0.8, 0.7), {"steps": 99}, 1.2, "info"),
        ((50.0, 1.3, 0.9, 0.8, 0.7), {"lag": LIKELY}, 1.2, "info"),
    ],
    ids=["late", "soon", "not mended", "a smoke run", "likely behind"],
)
def test_few_updates_are_no_excuse_where_they_went_into_what_standardised_inputs_begin_with(
    ratios: tuple[float, ...], changes: dict[str, Any], standardised: float, expected: str, noted: Noted
) -> None:
    record = noted(*ratios, **({"steps": 150, "lag": (0.4, 0.03)} | changes))
    add_start(record, loss=50.0, standardised_loss=standardised)
    assert said(UnscaledInputs(), record) == [(expected, False)]


@pytest.mark.parametrize("seed", range(2))
def test_a_short_training_that_came_down_from_raw_inputs_is_found_and_its_twin_is_not(
    seed: int, train_watched: Train
) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(600, 20)).astype(np.float32)
    labels = np.eye(3, dtype=np.float32)[(inputs @ rng.normal(size=(20, 3))).argmax(axis=1)]
    config = SGD | {"training.optimizer.learning_rate": 0.003, "training.clip_norm": 1.0}
    short: dict[str, Any] = {"epochs": 15, "hidden": [24] * 3, "activation": "elu", "seed": seed}
    outcomes = []
    for scale in (30.0, 1.0):
        data = WatchedData(inputs * np.float32(scale), labels)
        clipped = {"training": {"clip": clip_norm(1.0)}, "watching": {"config": config}}
        monitor = train_watched(data, optimizer=Sgd(0.003, momentum=0.9), **short, **clipped).monitor
        outcomes.append((monitor.verdict.outcome, [finding.id for finding in monitor.verdict.standing][:1]))
    assert outcomes[0] == ("warning", ["unscaled_inputs"])
    assert outcomes[1][0] == "healthy"


@pytest.mark.parametrize(("first", "expected"), [(0.16, "error"), (0.14, "info")])
def test_a_rate_is_not_too_low_for_any_scale_where_an_update_threw_a_layer_out(
    first: float, expected: str, noted: Noted
) -> None:
    """Large inputs may saturate the softmax, and there is no curvature then."""
    record = noted(*[50.0] * 5, first=first)
    add_start(record, loss=50.0, standardised_loss=1.2, curvature=0.19, standardised_curvature=0.019)
    assert said(UnscaledInputs(), record) == [(expected, False)]


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        ((0, 4, 4, 4), ("warning", False)),
        ((0, 1, 1, 1), ("info", True)),
        ((0, 0, 0, 4), ("info", True)),
        ((4, 4, 4, 4), ("info", True)),
        ((0, 4, 4, 0), ("info", True)),
    ],
    ids=["died before", "few", "died after", "dead from the start", "revived"],
)
@pytest.mark.parametrize("scale", ["inputs", "targets"])
def test_a_scale_is_not_history_where_units_died_of_it(
    scale: str, dead: tuple[int, ...], expected: tuple[str, bool], noted: Noted
) -> None:
    """Of eight units, half are a warning while more than a fifth of the loss is there."""
    record = noted(1.1, 1.05, 0.45, 0.4, steps=300, regression=scale == "targets")
    for place, count in enumerate(dead):
        record.add(Scan(100 * place, 100, {"hidden_1": tuple(range(count))}))
    if scale == "inputs":
        rule: Diagnosis = UnscaledInputs()
        add_start(record, curvature=140.0)
    else:
        rule = UnscaledTargets()
        add_start(record, {"target_means": (3.0,)})
    assert said(rule, record) == [expected]
    if expected == ("warning", False):
        first, second = judge(record).standing
        assert (first.id, second.id, second.explained_by) == (f"unscaled_{scale}", "dead_units", first.key)
        assert first.evidence.endswith("units of hidden_1 died on the way")


def test_units_that_died_are_not_put_down_to_columns_that_are_large(noted: Noted) -> None:
    record = add_start(noted(1.1, 1.05, 0.45, 0.4, steps=300), LARGE)
    for place, count in enumerate((0, 4, 4, 4)):
        record.add(Scan(100 * place, 100, {"hidden_1": tuple(range(count))}))
    (finding,) = UnscaledInputs().judge(record, judge_gate(record)).findings
    assert "died" not in finding.evidence


# targets


@pytest.mark.parametrize(
    ("targets", "first", "lag", "expected"),
    [
        ((3.0, 1.0), 0.16, LIKELY, ("warning", False)),
        ((3.0, 1.0), 0.14, LIKELY, ("info", True)),
        ((3.0, 1.0), 0.16, OPEN, ("info", True)),
        ((0.0, 70.0), 0.16, LIKELY, ("info", False)),
    ],
    ids=["thrown", "usual updates", "perhaps behind", "wide alone"],
)
def test_targets_off_centre_that_threw_a_layer_out_count_where_the_network_is_likely_behind(
    targets: tuple[float, float], first: float, lag: tuple[float, float], expected: tuple[str, bool], noted: Noted
) -> None:
    record = noted(4.0, 0.8, 0.7, 0.6, 0.5, first=first, lag=lag, regression=True)
    add_start(record, {"target_means": targets[:1], "target_deviations": targets[1:]})
    assert said(UnscaledTargets(), record) == [expected]


@pytest.mark.parametrize("seed", range(2))
def test_raw_targets_that_cost_units_on_the_way_to_the_mean_are_found_and_their_twin_is_not(
    seed: int, train_watched: Train
) -> None:
    deep: dict[str, Any] = {"epochs": 60, "hidden": [8] * 4, "loss": "mse", "seed": seed}
    sick = train_watched(regression_data(mean=-30.0, deviation=9.0), optimizer=Adam(1e-3), **deep).monitor
    assert sick.record.notes(Probe)[-1].loss_ratio < 0.6
    assert sick.verdict.standing[0].id == "unscaled_targets"
    assert "died on the way" in sick.verdict.standing[0].evidence
    healthy = train_watched(regression_data(mean=0.0, deviation=1.0), optimizer=Adam(1e-3), **deep).monitor
    assert healthy.verdict.outcome == "healthy"


# rates

HALF_LOST = (1.0, 9.0, 1.1, 0.7, 0.4)


@pytest.mark.parametrize(
    ("ratios", "changes", "speaks"),
    [
        (HALF_LOST, {}, True),
        ((4.0, 9.0, 1.1, 0.7, 0.4), {}, True),
        ((0.8, 9.0, 0.9, 0.7, 0.4), {}, True),
        ((1.0, 9.0, 1.0, 0.7, 0.4), {}, False),
        ((1.0, 0.9, 0.8, 0.7, 0.4), {}, False),
        (HALF_LOST, {"lag": SMALL}, False),
        (HALF_LOST, {"lag": None}, False),
        (HALF_LOST, {"first": 0.14}, False),
        (HALF_LOST, {"at": 67}, False),
        (HALF_LOST, {"steps": 96}, False),
        (HALF_LOST, {"done": False}, False),
    ],
    ids=[
        "half",
        "above the constant's",
        "above the start's",
        "a quarter",
        "nothing",
        "perhaps behind",
        "no lag",
        "usual updates",
        "thrown out later",
        "a smoke run",
        "cut short",
    ],
)
def test_a_rate_that_cost_half_of_the_time_counts_however_little_simple_models_are_ahead(
    ratios: tuple[float, ...], changes: dict[str, Any], *, speaks: bool, noted: Noted
) -> None:
    record = noted(*ratios, **({"steps": 132, "first": 0.9, "lag": SMALL_AND_SURE} | changes))
    assert said(LearningRateTooHigh(), record) == [("warning", False)] * speaks


@pytest.mark.parametrize("seed", [0, 2])
def test_a_network_that_spent_half_of_its_time_on_finding_back_is_found_and_its_twin_is_not(
    seed: int, train_watched: Train
) -> None:
    data = regression_data(mean=0.0, deviation=1.0)
    short: dict[str, Any] = {"epochs": 13, "hidden": [64], "loss": "mse", "seed": seed}
    sick = train_watched(data, optimizer=Adam(0.7), **short).monitor
    assert sick.record.notes(Probe)[-1].loss_ratio < 0.5
    assert sick.verdict.standing[0].id == "learning_rate_too_high"
    assert train_watched(data, optimizer=Adam(0.01), **short).monitor.verdict.outcome == "healthy"


def test_simple_models_may_be_ahead_on_new_samples_alone(noted: Noted) -> None:
    record = noted(1.0, 9.0, 1.1, 0.7, 0.15, steps=132, first=0.9)
    note = Generalisation(132, 256, 0.85, 0.02, 0.8, 0.02, 0.8, 0.02, *SMALL_AND_SURE)
    record.add(replace(note, step=131))
    record.add(Shortfall(131, 256, 0.5, 0.54, *SMALL_AND_SURE))
    assert said(LearningRateTooHigh(), record) == []  # earlier looks say nothing of the end
    record.add(note)
    assert said(LearningRateTooHigh(), record) == [("warning", False)]


def test_a_start_that_nobody_saw_tells_no_time_that_was_lost(noted: Noted) -> None:
    record = noted(*HALF_LOST, steps=132, first=0.9, lag=SMALL_AND_SURE)
    probes = record.notes(Probe)
    probes[0] = replace(probes[0], loss=math.nan, loss_ratio=None)
    assert said(LearningRateTooHigh(), record) == []
    del probes[0]
    assert said(LearningRateTooHigh(), record) == []
