"""Diagnosis 7: huge updates are blamed for what they ruin, and for nothing that was ruined before, or learns anyway."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.findings import Finding, Judgement, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Incident, Probe, Scan, Signal
from gradvitals.diagnostics.start_notes import Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import he_normal, normal, zeros
from gradvitals.engine.optimizers import Adam, Optimizer, Sgd

Train = Callable[..., Any]
MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]

ALL = tuple(range(8))


def judgement(record: Record) -> Judgement:
    return LearningRateTooHigh().judge(record, judge_gate(record))


def said(record: Record) -> list[Finding]:
    return [finding for finding in judgement(record).findings if finding.standing]


@pytest.fixture
def recorded(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., Record]:
    """Record a run of 1,000 steps: loss ratios at evenly spaced probes, and update ratios from step 1 on."""

    def record(*ratios: float, updates: tuple[float, ...] = (1.0, 0.01), **first: Any) -> Record:
        made = Record(make_context(("relu",), config={"training.optimizer.learning_rate": 1.0}))
        for place, ratio in enumerate(ratios):
            own = first if place == 0 else {}
            step = 1000 * place // max(len(ratios) - 1, 1)
            made.add(make_probe(step, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01, **own))
        for step, update in enumerate(updates, start=1):
            made.add_scalars(step, {"update_ratio/hidden_1": update, "weight_norm/hidden_1": 4.0})
        return made

    return record


Recorded = Callable[..., Record]


@pytest.mark.parametrize(
    ("ratios", "severity"),
    [
        ([1.0, 1.0, 1.0, 1.0, 1.0], "error"),
        ([1.0, 30.0, 20.0, 20.0, 20.0], "error"),
        ([1.0, 0.6, 0.8, 0.8, 0.8], "warning"),
        ([1.0, 0.6, 0.8, 0.6, 0.8], None),
        ([1.0, 0.1, 0.2, 0.3, 0.4], None),
        ([1.0, 0.8, 0.7, 0.65, 0.6], None),
        ([1.0, 30.0, 1.0, 0.3, 0.1], None),
        ([1.0, 0.45, 0.51, 0.51, 0.51], "warning"),
        ([1.0, 0.42, 0.49, 0.49, 0.49], None),
        ([1.0, 0.6, 0.64, 0.64, 0.64], None),
        ([0.1, 0.3, 0.3, 0.3, 0.3], None),
    ],
    ids=[
        "stuck",
        "blown up",
        "risen",
        "risen and fallen",
        "little lost",
        "slow",
        "blown up and recovered",
        "just enough lost",
        "just too little lost",
        "just not risen",
        "well on its way from the start",
    ],
)
def test_it_speaks_only_of_a_network_that_does_not_learn(
    ratios: list[float], severity: str | None, recorded: Recorded
) -> None:
    found = said(recorded(*ratios))
    assert [str(finding.severity) for finding in found] == ([] if severity is None else [severity])
    if found:
        assert (found[0].first_step, found[0].value, found[0].layer) == (1, 1.0, None)


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.0, 9.0, 9.0, 9.0], ["warning"]),
        ([2.2, 2.1, 2.1, 2.1], []),
        ([1.2, 2.5, 2.5, 2.5], ["warning"]),
        ([3.0, 3.0, 2.8, 2.8], []),
    ],
    ids=["far", "never low", "just enough", "high from the start"],
)
def test_a_loss_that_is_blown_up_warns_where_most_answers_are_right(
    ratios: list[float], expected: list[str], make_probe: MakeProbe, recorded: Recorded
) -> None:
    record = Record(recorded(1.0).context)
    for step, ratio in enumerate(ratios):
        right = {"accuracy_excess": 0.8, "accuracy_excess_se": 0.01, "majority_accuracy": 0.1}
        record.add(make_probe(step * 300, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01, **right))
    record.add_scalars(1, {"update_ratio/hidden_1": 1.0})
    assert [str(finding.severity) for finding in said(record)] == expected


def test_small_updates_are_not_blamed(recorded: Recorded) -> None:
    assert judgement(recorded(*[1.0] * 5, updates=(0.1, 0.149))).status == "clear"
    assert said(recorded(*[1.0] * 5, updates=(0.1, 0.151)))[0].first_step == 2


def test_what_happened_before_the_update_is_not_its_doing(recorded: Recorded) -> None:
    record = recorded(*[1.0] * 5, updates=(0.1,))
    record.add_scalars(900, {"update_ratio/hidden_1": 1.0})
    assert judgement(record).findings == ()


def test_a_loss_may_be_high_during_the_warm_up(recorded: Recorded, make_probe: MakeProbe) -> None:
    record = Record(recorded(1.0).context)
    for step, ratio in ((0, 1.0), (50, 9.0), (150, 9.0), (400, 0.5), (1000, 0.1)):
        record.add(make_probe(step, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01))
    record.add_scalars(1, {"update_ratio/hidden_1": 1.0})
    assert judgement(record).findings == ()


def test_the_updates_of_a_diverged_network_that_are_no_numbers_are_passed_over(recorded: Recorded) -> None:
    assert judgement(recorded(*[1.0] * 5, updates=(0.1, math.nan))).status == "clear"
    assert said(recorded(*[1.0] * 5, updates=(0.1, math.inf)))[0].value == math.inf


@pytest.mark.parametrize(
    "first",
    [
        {"relative_slopes": {"hidden_1": 0.1}},
        {"preactivation_gradients": {"hidden_1": 1.0, "output": 1e-2}},
        {"preactivation_gradients": {"hidden_1": 1e-5, "output": 1.0}},
    ],
    ids=["saturated", "exploding", "vanishing"],
)
def test_what_was_broken_before_the_first_update_is_not_the_rates_fault(
    first: dict[str, Any], recorded: Recorded
) -> None:
    judged = judgement(recorded(*[1.0] * 5, **first))
    assert judged.status == "not_judged"
    assert judged.reason.startswith("before the first update ")
    assert judgement(recorded(1.0, 0.5, 0.3, 0.2, 0.1, **first)).status == "clear"


def test_a_zero_initialised_output_layer_is_not_broken(recorded: Recorded) -> None:
    assert said(recorded(*[1.0] * 5, preactivation_gradients={"hidden_1": 0.0, "output": 1.0}))


@pytest.mark.parametrize(
    ("deviations", "blamed"),
    [((1.0, 0.0), True), ((0.0, 0.0), False), ((1.0, 1e-3), False)],
    ids=["outputs of zero", "zeros throughout", "a head far too small"],
)
def test_outputs_may_start_at_zero(deviations: tuple[float, float], *, blamed: bool, recorded: Recorded) -> None:
    record = recorded(*[1.0] * 5)
    start: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
    start |= {"step": 0, "samples": 9, "loss": 1.0, "output_means": (0.0,), "output_deviations": (0.0,)}
    record.add(Propagation(**start | {"deviations": dict(zip(("hidden_1", "output"), deviations, strict=True))}))
    assert bool(said(record)) is blamed


@pytest.mark.parametrize(
    ("size", "dead", "at", "blamed"),
    [
        (0.031, ALL, 500, True),
        (0.029, ALL, 500, False),
        (0.031, ALL[1:], 500, False),
        (0.031, ALL, 0, False),
        (0.031, ALL, 1, False),
    ],
    ids=["all units", "by usual updates", "all but one", "at the start", "before the update"],
)
def test_a_whole_layer_dies_of_updates_that_are_just_not_usual(
    size: float, dead: tuple[int, ...], at: int, *, blamed: bool, recorded: Recorded
) -> None:
    record = recorded(*[1.0] * 5, updates=(0.01, size))
    for step in (0, 1, 500, 1000):
        record.add(Scan(step, 100, {"hidden_1": dead if step == at or step >= at >= 500 else ()}))
    found = said(record)
    assert [(str(finding.severity), finding.first_step) for finding in found] == [("error", 2)] * blamed
    assert all("all units of hidden_1 have died since" in finding.evidence for finding in found)


@pytest.mark.parametrize(("born", "blamed"), [((), True), ((0,), True), (ALL, False)], ids=["none", "one", "all"])
def test_a_layer_that_died_is_blamed_on_the_update_and_one_born_dead_is_not(
    born: tuple[int, ...], *, blamed: bool, recorded: Recorded
) -> None:
    record = recorded(*[1.0] * 5)
    record.add(Scan(0, 100, {"hidden_1": born}))
    record.add(Scan(1000, 100, {"hidden_1": ALL}))
    found = said(record)
    assert bool(found) is blamed
    assert all(finding.evidence.endswith("all units of hidden_1 have died since") for finding in found)
    first, *_ = judge(record).standing
    assert first.id == ("learning_rate_too_high" if blamed else "dead_units")


def test_of_an_unknown_loss_no_number_is_told(make_probe: MakeProbe, make_context: MakeContext) -> None:
    record = Record(make_context(("relu",)))
    record.add_scalars(1, {"update_ratio/hidden_1": 1.0, "weight_norm/hidden_1": 4.0})
    for step in range(0, 1001, 200):
        record.add(make_probe(step))
        record.add(Scan(step, 100, {"hidden_1": ALL if step in {200, 400, 600} else ()}))
    (finding,) = judgement(record).findings
    assert finding.cleared
    assert finding.evidence.endswith("; what a constant output would lose is not known")


def test_data_without_signal_are_no_fault_of_the_rate(recorded: Recorded) -> None:
    record = recorded(*[1.0] * 5)
    record.add(Signal(1000, 0.0, 0.1))
    assert said(record) == []
    record.add(Incident(900, 899, "loss", None))
    assert [str(finding.severity) for finding in said(record)] == ["error"]


def test_too_little_to_judge_is_said(make_probe: MakeProbe, make_context: MakeContext, recorded: Recorded) -> None:
    assert judgement(Record()).reason == "not recorded"
    short = Record(make_context(total_steps=50))
    short.add(make_probe(0))
    short.add(make_probe(50))
    assert judgement(short).reason == "not recorded"
    short.add_scalars(1, {"update_ratio/hidden_1": 1.0})
    assert (judgement(short).status, judgement(short).reason[:2]) == ("not_judged", "no")
    late = Record(recorded(1.0).context)
    for step in (500, 800, 1000):
        late.add(make_probe(step, loss_ratio=1.0, gain=0.0, gain_se=0.01))
    late.add_scalars(501, {"update_ratio/hidden_1": 1.0})
    assert judgement(late).reason == "before the first update nobody looked"


@pytest.mark.parametrize(
    ("optimizer", "healthy"), [(Sgd(30.0), Sgd(0.1)), (Adam(1.0), Adam(3e-3))], ids=["sgd", "adam"]
)
@pytest.mark.parametrize("seed", range(2))
def test_a_network_thrown_out_is_found_and_its_twin_is_not(
    optimizer: Optimizer, healthy: Optimizer, seed: int, digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(digits, optimizer=optimizer, seed=seed).monitor.verdict
    assert (verdict.standing[0].key, str(verdict.standing[0].severity)) == ("learning_rate_too_high", "error")
    errors = [finding for finding in verdict.standing[1:] if finding.severity is Severity.ERROR]
    assert errors
    assert all(finding.explained_by == "learning_rate_too_high" for finding in errors)
    assert train_watched(digits, optimizer=healthy, seed=seed).monitor.verdict.outcome == "healthy"


def test_a_network_whose_outputs_start_at_zero_is_found_thrown_out_and_its_twin_is_not(
    digits: WatchedData, train_watched: Train
) -> None:
    start = {"init": [he_normal, he_normal, zeros], "epochs": 6}
    verdict = train_watched(digits, optimizer=Adam(1.0), **start).monitor.verdict
    assert (verdict.standing[0].key, str(verdict.standing[0].severity)) == ("learning_rate_too_high", "error")
    assert train_watched(digits, optimizer=Adam(3e-3), **start).monitor.verdict.outcome == "healthy"


def test_huge_weights_at_the_start_stay_the_root(digits: WatchedData, train_watched: Train) -> None:
    verdict = train_watched(digits, optimizer=Sgd(0.1), init=normal(5.0), epochs=6).monitor.verdict
    assert "learning_rate_too_high" not in {finding.id for finding in verdict.standing}


def test_the_evidence_tells_what_had_been_reached(recorded: Recorded) -> None:
    (risen,), (stuck,) = said(recorded(1.0, 0.6, 0.8, 0.8, 0.8)), said(recorded(*[1.0] * 5))
    assert risen.evidence.endswith("the loss is 0.8 times that of the best constant output, and was 0.6 times it")
    assert stuck.evidence.endswith("the loss is 1 times that of the best constant output")


@pytest.mark.parametrize("updates", [(0.01, 1.0), (math.inf,)], ids=["small at first", "beyond all numbers"])
def test_a_rate_is_lowered_tenfold_at_least(updates: tuple[float, ...], recorded: Recorded) -> None:
    (found,) = said(recorded(*[1.0] * 5, updates=updates))
    assert found.prescriptions[0].set == {"training.optimizer.learning_rate": pytest.approx(0.1)}


def test_the_prescribed_rate_undoes_the_factor(recorded: Recorded) -> None:
    (found,) = said(recorded(*[1.0] * 5, updates=(1.0,)))
    assert found.prescriptions[0].set == {"training.optimizer.learning_rate": pytest.approx(0.01)}
    assert np.log10(found.prescriptions[0].set["training.optimizer.learning_rate"]) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("slopes", "ratios", "updates", "speaks"),
    [
        ((0.9, 0.05, 0.05, 0.05, 0.05), (0.4,) * 4, (1.0, 0.01), True),
        ((0.9, 0.3, 0.3, 0.3, 0.3), (0.4,) * 4, (1.0, 0.01), False),
        ((0.15, 0.05, 0.05, 0.05, 0.05), (0.4,) * 4, (1.0, 0.01), False),
        ((0.9, 0.05, 0.05, 0.05, 0.05), (0.4, 0.4, 0.4, 0.19), (1.0, 0.01), True),
        ((0.9, 0.05, 0.05, 0.05, 0.05), (0.19,) * 4, (1.0, 0.01), False),
        ((0.9, 0.05, 0.05, 0.05, 0.05), (0.4,) * 4, (0.14, 0.01), False),
    ],
    ids=["since then", "not saturated", "saturated before", "learned since", "learned", "small updates"],
)
def test_units_that_a_large_update_saturated_are_its_doing(
    slopes: tuple[float, ...],
    ratios: tuple[float, ...],
    updates: tuple[float, ...],
    make_probe: MakeProbe,
    make_context: MakeContext,
    *,
    speaks: bool,
) -> None:
    record = Record(make_context(("tanh",)))
    for place, slope in enumerate(slopes):
        loss = 1.0 if place == 0 else ratios[place - 1]
        known = {"loss": loss, "loss_ratio": loss, "gain": 1.0 - loss, "gain_se": 0.01}
        record.add(make_probe(250 * place, relative_slopes={"hidden_1": slope}, **known))
    for step in range(1, 1001):
        size = updates[0] if step == 1 else updates[1]
        moves = {"update_ratio/hidden_1": 0.0 if step > 1 else size, "update_ratio/output": size}
        record.add_scalars(step, {**moves, "sigmoid_slope/hidden_1": 0.25 * slopes[1], "weight_norm/hidden_1": 4.0})
    found = said(record)
    assert [str(finding.severity) for finding in found] == ["warning"] * speaks
    if speaks:
        assert "the activations of hidden_1 pass on 5 % of their steepest slope" in found[0].evidence
        verdict = judge(record)
        causes = {finding.key: finding.explained_by for finding in verdict.standing}
        assert causes["saturated_units@hidden_1"] == "learning_rate_too_high"


@pytest.mark.parametrize(
    ("slope", "fading", "speaks"),
    [(0.05, 2e3, True), (0.3, 2e3, False), (0.05, 1 / 40.0, False), (0.3, 5e2, True)],
    ids=["saturated since", "not saturated", "gradients grew", "hardly fading"],
)
def test_gradients_that_fade_do_not_explain_what_an_update_saturated(
    slope: float, fading: float, make_probe: MakeProbe, make_context: MakeContext, *, speaks: bool
) -> None:
    record = Record(make_context(("tanh", "tanh")))
    gradients = {"hidden_1": 1.0 / fading, "hidden_2": 0.1, "output": 1.0}
    for step in (0, 250, 500, 750, 1000):
        slopes = {"hidden_1": 0.9, "hidden_2": 0.9 if step == 0 else slope}
        known = {"loss": 1.0, "loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.01}
        record.add(make_probe(step, relative_slopes=slopes, preactivation_gradients=gradients, **known))
    for step in range(1, 1001, 10):
        moves = {f"update_ratio/{name}": 0.5 if step == 1 else 1e-3 for name in gradients}
        record.add_scalars(step, {**moves, "weight_norm/hidden_1": 4.0})
    assert bool(said(record)) is speaks
