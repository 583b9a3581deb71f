"""Diagnosis 9: a training that has hardly begun is told from one that is done, and from one that is held up."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.datasets import load_diabetes

from gradvitals.diagnostics.decline import fall, lasting_error
from gradvitals.diagnostics.diagnoses.learning_rate_too_low import LASTING, LearningRateTooLow
from gradvitals.diagnostics.error_budget import LEVEL, student_tail
from gradvitals.diagnostics.findings import Finding, Judgement
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Incident, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.optimizers import Adam, Optimizer, Sgd

Train = Callable[..., Any]
MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]

SLOW = (1.1, 1.09, 1.08, 1.07, 1.06)
DONE = (1.1, 0.6, 0.52, 0.505, 0.5)


def judgement(record: Record) -> Judgement:
    return LearningRateTooLow().judge(record, judge_gate(record))


def said(record: Record) -> list[Finding]:
    return [finding for finding in judgement(record).findings if finding.standing]


@pytest.fixture
def recorded(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., Record]:
    """Record a run that ended after 1,000 steps, with these loss ratios and one size of updates."""

    def record(*ratios: float, size: float = 2e-4, reason: str = "done", steps: int = 1000) -> Record:
        made = Record(make_context(("relu",), config={"training.optimizer.learning_rate": 1e-4}, total_steps=steps))
        for place, ratio in enumerate(ratios):
            step = steps * place // (len(ratios) - 1)
            made.add(make_probe(step, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01))
        for step in range(10, steps, 10):
            made.add_scalars(step, {"update_ratio/hidden_1": size, "update_ratio/output": 0.5 * size})
        made.add(Ending(steps, reason))
        return made

    return record


Recorded = Callable[..., Record]


@pytest.mark.parametrize(
    ("ratios", "size", "speaks"),
    [
        (SLOW, 2e-4, True),
        (SLOW, 1e-3, False),
        (DONE, 2e-4, False),
        ((1.1, 0.9, 0.7, 0.5, 0.35), 2e-4, False),
        ((1.1, 1.09, 1.1, 1.08, 1.09), 2e-4, False),
        ((1.1, 1.11, 1.12, 1.13, 1.14), 2e-4, False),
        (tuple(0.19 - 0.001 * n for n in range(5)), 2e-4, False),
        ((1.1, 1.1001, 1.1, 1.0999, 1.1001), 4e-5, True),
        ((0.6, 0.6001, 0.6, 0.5999, 0.6001), 4e-5, False),
        ((1.1, 1.1, 1.1, 1.1, 1.1), 0.0, False),
        (SLOW, 3.5e-4, True),
        (SLOW, 3.7e-4, False),
        (tuple(1.1 * math.exp(-0.057 * n) for n in range(5)), 2e-4, True),
        (tuple(1.1 * math.exp(-0.059 * n) for n in range(5)), 2e-4, False),
        (tuple(1.1 * math.exp(-0.01 * fall) for fall in (0.0, 1.0, 2.06, 3.06, 4.12)), 2e-4, True),
        (tuple(1.1 * math.exp(-0.01 * fall) for fall in (0.0, 1.0, 2.066, 3.066, 4.132)), 2e-4, False),
        ((0.9, 0.9001, 0.9, 0.8999, 0.9001), 4.9e-5, True),
        ((0.9, 0.9001, 0.9, 0.8999, 0.9001), 5.1e-5, False),
        ((1.1, 1.1001, 1.1, 1.0999, 1.1001), 1.19e-4, True),
        ((1.1, 1.1001, 1.1, 1.0999, 1.1001), 1.21e-4, False),
        ((0.81, 0.8101, 0.81, 0.8099, 0.8101), 4e-5, True),
        ((0.79, 0.7901, 0.79, 0.7899, 0.7901), 4e-5, False),
    ],
    ids=[
        "slow",
        "usual updates",
        "done",
        "fast enough",
        "noise",
        "rising",
        "little left",
        "not moved",
        "begun well and not moved",
        "no update at all",
        "just small updates",
        "just usual updates",
        "just too slow",
        "just fast enough",
        "just even, t 24 of 23",
        "just uneven, t 22 of 23",
        "just not moved",
        "just moved",
        "nothing learned by tiny updates",
        "nothing learned by small updates",
        "just not begun",
        "just begun",
    ],
)
def test_it_speaks_of_what_has_hardly_begun(
    ratios: tuple[float, ...], size: float, *, speaks: bool, recorded: Recorded
) -> None:
    found = said(recorded(*ratios, size=size))
    assert bool(found) is speaks
    assert all(str(finding.severity) == "warning" and finding.layer is None for finding in found)


@pytest.mark.parametrize(
    ("first", "speaks"), [(1.1, True), (1.4, True), (1.5, False)], ids=["even", "less so", "slowed"]
)
def test_a_loss_that_fell_far_faster_before_is_done_however_evenly_it_falls(
    first: float, *, speaks: bool, recorded: Recorded
) -> None:
    late = [0.6 * 0.9895**n for n in range(9)]
    assert bool(said(recorded(first, *late, steps=900))) is speaks


def test_least_squares_that_are_solved_are_not_slow(train_watched: Train) -> None:
    inputs, targets = load_diabetes(return_X_y=True)
    inputs, targets = inputs / inputs.std(axis=0), (targets - targets.mean()) / targets.std()
    data = WatchedData(inputs.astype(np.float32), targets[:, np.newaxis].astype(np.float32))
    watched = train_watched(data, optimizer=Sgd(0.1), epochs=2000, batch_size=442, loss="mse", hidden=[])
    last = watched.monitor.record.notes(Probe)[-1]
    assert last.loss_ratio is not None
    assert 0.45 < last.loss_ratio < 0.55  # least squares leave 48 % of the variance
    assert watched.monitor.verdict.outcome == "healthy"
    assert watched.monitor.verdict.standing == ()


def test_t_is_students_of_falls_that_may_follow_each_other(recorded: Recorded) -> None:
    record = recorded(1.1, 1.08, 1.05, 1.04, 1.0)
    falls = [math.log(a / b) / 250 for a, b in ((1.1, 1.08), (1.08, 1.05), (1.05, 1.04), (1.04, 1.0))]
    pace, t = fall(record.notes(Probe))
    assert pace == pytest.approx(falls[-1])
    assert t == pytest.approx(ttest_1samp(falls, 0.0).statistic)
    _, lasting = fall(record.notes(Probe), 0.7)
    assert lasting == pytest.approx(t / (math.sqrt(4) * lasting_error(4, 0.7)))


@pytest.mark.parametrize("count", [4, 6, 8])
def test_the_error_is_that_of_falls_of_which_each_follows_the_one_before(count: int) -> None:
    rng, correlation = np.random.default_rng(0), 0.7
    falls = rng.standard_normal((40_000, count))
    for place in range(1, count):
        falls[:, place] = correlation * falls[:, place - 1] + math.sqrt(1.0 - correlation**2) * falls[:, place]
    of_means, of_falls = falls.mean(axis=1).std(), math.sqrt(falls.var(axis=1, ddof=1).mean())
    assert lasting_error(count, correlation) == pytest.approx(of_means / of_falls, rel=0.02)


def test_a_walk_that_keeps_its_way_for_a_while_is_seldom_taken_for_a_slow_fall(make_probe: MakeProbe) -> None:
    rng, spoken, taken_as_independent = np.random.default_rng(1), 0, 0
    for _ in range(4000):
        steps = rng.standard_normal(8)
        for place in range(1, 8):
            steps[place] = 0.5 * steps[place - 1] + math.sqrt(0.75) * steps[place]
        ratios = np.exp(-0.02 * np.append(0.0, steps.cumsum()))
        probes = [make_probe(125 * place, loss_ratio=float(ratio)) for place, ratio in enumerate(ratios)]
        spoken += student_tail(fall(probes, LASTING)[1], 7) < LEVEL
        taken_as_independent += student_tail(fall(probes)[1], 7) < LEVEL
    assert spoken == 0
    assert taken_as_independent > 4


def test_the_pace_is_that_of_updates_however_far_apart_the_probes_are(make_probe: MakeProbe) -> None:
    probes = [make_probe(step, loss_ratio=math.exp(-1e-4 * step)) for step in (0, 100, 300, 600, 1000)]
    pace, t = fall(probes)
    assert pace == pytest.approx(1e-4)
    assert t > 1e6


def test_a_symptom_that_explains_it_silences_it(recorded: Recorded) -> None:
    record = recorded(*SLOW)
    for step in (0, 500, 1000):
        record.add(Scan(step, 100, {"hidden_1": tuple(range(6))}))
    assert judgement(record).reason == "dead_units@hidden_1 stands, and may be the reason"


@pytest.mark.parametrize(
    ("kind", "size", "speaks"),
    [("adam", 1e-4, True), ("sgd", 1e-4, False), ("adam", 1.3e-4, False), (None, 1e-4, False)],
    ids=["adam", "sgd", "larger updates", "not known"],
)
def test_no_mild_symptom_makes_steps_tiny_that_do_not_depend_on_the_gradient(
    kind: str | None, size: float, recorded: Recorded, *, speaks: bool
) -> None:
    record = recorded(0.95, 0.93, 0.91, 0.89, 0.87, size=size)
    assert record.context is not None
    record.context = replace(record.context, config={"training.optimizer.kind": kind})
    for step in (0, 500, 1000):
        record.add(Scan(step, 100, {"hidden_1": (0, 1)}))
    answers: dict[str, Any] = {"majority_accuracy": 0.1, "accuracy_excess": 0.4, "accuracy_excess_se": 0.03}
    record.notes(Probe)[:] = [replace(probe, **answers) for probe in record.notes(Probe)]
    record.add(Shortfall(1000, 256, 0.5, 0.9, 0.4, 0.03))
    assert (judgement(record).status == "fired") is speaks


@pytest.mark.parametrize(
    ("mean", "deviation", "size", "speaks"),
    [(3.0, 1.0, 1e-4, True), (3.0, 1.0, 1.3e-4, False), (0.0, 0.1, 1e-4, False)],
    ids=["far targets", "larger updates", "narrow targets"],
)
def test_what_makes_errors_large_makes_no_steps_tiny(
    mean: float, deviation: float, size: float, recorded: Recorded, *, speaks: bool
) -> None:
    record = recorded(9.0, 8.9, 8.8, 8.7, 8.6, size=size)
    assert record.context is not None
    record.context = replace(record.context, loss="mse", classes=None)
    facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    facts |= {"step": 0, "not_finite": {}, "constant_columns": (), "constant_count": 0, "rows": 9, "columns": 2}
    record.add(DataFacts(**facts | {"target_means": (mean,), "target_deviations": (deviation,)}))
    start: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
    start |= {"step": 0, "samples": 9, "loss": 9.0, "deviations": {}}
    record.add(Propagation(**start | {"output_means": (0.0,), "output_deviations": (1.0,)}))
    assert (judgement(record).status == "fired") is speaks


def test_data_without_signal_are_no_fault_of_the_rate(recorded: Recorded) -> None:
    record = recorded(*SLOW)
    record.add(Signal(1000, 0.0, 0.1))
    assert judgement(record).status == "not_judged"


@pytest.mark.parametrize(
    ("ratios", "run", "reason"),
    [
        (SLOW, {"reason": "interrupted"}, "the training is not done"),
        (SLOW[:4], {}, "4 of 5 checks"),
        (SLOW, {"steps": 60}, "60 updates made; judged from update 100 on, or at the end of 100 and more"),
        (SLOW, {"steps": 20}, "20 updates made; judged by those after the first 20"),
    ],
    ids=["interrupted", "four probes", "a smoke run", "none but the first updates"],
)
def test_what_cannot_be_judged_says_why(
    ratios: tuple[float, ...], run: dict[str, Any], reason: str, recorded: Recorded
) -> None:
    judged = judgement(recorded(*ratios, **run))
    assert (judged.status, judged.reason) == ("not_judged", reason)


def test_what_learned_within_a_few_updates_was_not_too_slow(recorded: Recorded) -> None:
    assert judgement(recorded(1.1, 0.5, 0.3, 0.2, 0.1, steps=20)).status == "clear"


def test_numbers_that_are_not_finite_are_another_matter(recorded: Recorded) -> None:
    record = recorded(*SLOW, reason="non_finite")
    record.add(Incident(999, 998, "loss", None))
    assert judgement(record).status == "clear"
    assert fall(recorded(1.0, 0.9, math.nan, 0.8, 0.7).notes(Probe)) == (0.0, 0.0)


@pytest.mark.parametrize(("size", "rate"), [(1.2e-5, 0.01), (1.2e-7, 1.0), (3e-4, 0.001)])
def test_the_prescribed_rate_makes_updates_of_a_usual_size(size: float, rate: float, recorded: Recorded) -> None:
    (found,) = said(recorded(*SLOW, size=size))
    assert found.prescriptions[0].set == {"training.optimizer.learning_rate": pytest.approx(rate)}


@pytest.mark.parametrize(
    ("limit", "norm", "clipped"),
    [(0.1, 1.01, True), (0.1, 0.99, False), (None, 1.0, False), (0.1, math.inf, False), (0.1, None, False)],
    ids=["ten times", "less", "no limit", "infinite", "not seen"],
)
def test_where_most_of_every_gradient_is_clipped_away_clipping_less_comes_first(
    limit: float | None, norm: float | None, *, clipped: bool, recorded: Recorded
) -> None:
    record = recorded(*SLOW)
    assert record.context is not None
    config = {**(record.context.config or {}), "training.clip_norm": limit}
    record.context = replace(record.context, config=config)
    if norm is not None:
        for step in range(10, 1000, 10):
            record.add_scalars(step, {"gradient_norm/global": norm})
    (found,) = said(record)
    rate = {"training.optimizer.learning_rate": pytest.approx(1e-3)}
    assert [cure.set for cure in found.prescriptions] == [*([{"training.clip_norm": 1.0}] if clipped else []), rate]


@pytest.mark.parametrize(
    ("optimizer", "healthy"), [(Sgd(1e-4), Sgd(0.1)), (Adam(1e-7), Adam(3e-3))], ids=["sgd", "adam"]
)
def test_a_rate_too_low_is_found_and_explains_that_nothing_is_learned(
    optimizer: Optimizer, healthy: Optimizer, digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(digits, optimizer=optimizer).monitor.verdict
    explained = {finding.id: finding.explained_by for finding in verdict.standing}
    assert explained["learning_rate_too_low"] is None
    assert explained["no_learning"] == "learning_rate_too_low"
    assert train_watched(digits, optimizer=healthy).monitor.verdict.outcome == "healthy"
