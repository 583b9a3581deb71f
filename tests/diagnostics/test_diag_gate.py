"""The impairment gate: each arm, and what must not open it."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.gate import Arm, judge_gate, warm_up
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Generalisation, Incident, Probe, Scan

MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]

AT_CONSTANT = {"loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.001}
AT_MAJORITY = {"accuracy_excess": 0.0, "accuracy_excess_se": 0.01, "majority_accuracy": 0.1}


@pytest.fixture
def arms_of(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., frozenset[Arm]]:
    """Give the arms at step 900 of 1,000 for a probe with these values and these further notes."""

    def arms(*notes: Any, step: int = 900, total: int = 1000, **values: Any) -> frozenset[Arm]:
        record = Record(make_context(total_steps=total))
        record.add(make_probe(step, **values))
        record.add(make_probe(total, loss_ratio=0.01, gain=0.99, gain_se=0.001))
        for note in notes:
            record.add(note)
        return judge_gate(record).checks[0].arms

    return arms


@pytest.mark.parametrize(
    ("total", "step"),
    [
        (None, 100),
        (100_000, 20_000),
        (1000, 200),
        (500, 100),
        (440, 100),
        (200, 100),
        (150, 75),
        (100, 50),
        (99, 100),
        (20, 100),
        (0, 100),
    ],
    ids=str,
)
def test_warm_up_is_100_updates_or_a_fifth_of_the_plan_and_at_most_half_of_100_and_more(
    total: int | None, step: int
) -> None:
    assert warm_up(total) == step


@pytest.mark.parametrize(
    ("gain", "error", "impaired"),
    [
        (0.0, 0.01, True),
        (0.0, 0.0161, True),
        (0.0, 0.0163, False),
        (0.049, 1e-5, True),
        (0.051, 1e-5, False),
        (-0.5, 0.17, True),
        (-0.5, 0.18, False),
        (-5.0, math.inf, False),
    ],
)
def test_not_learning_is_a_gain_whose_upper_bound_is_below_5_percent(
    arms_of: Callable[..., frozenset[Arm]], gain: float, error: float, *, impaired: bool
) -> None:
    arms = arms_of(loss_ratio=1.0 - gain, gain=gain, gain_se=error)
    assert arms == ({Arm.NOT_LEARNING} if impaired else set())


@pytest.mark.parametrize(
    ("excess", "impaired"), [(-0.3, True), (0.0, True), (0.019, True), (0.021, False), (0.4, False)]
)
def test_a_classifier_that_beats_the_majority_is_learning(
    arms_of: Callable[..., frozenset[Arm]], excess: float, *, impaired: bool
) -> None:
    arms = arms_of(**AT_CONSTANT, **{**AT_MAJORITY, "accuracy_excess": excess})
    assert (Arm.NOT_LEARNING in arms) == impaired


@pytest.mark.parametrize(
    ("gain", "excess", "impaired"),
    [(-0.5, 0.2, True), (-0.5, 0.4, True), (-0.5, 0.42, False), (0.0, 0.2, False)],
    ids=["somewhat", "nearly half", "half of what the majority leaves", "with a loss that is no worse"],
)
def test_where_the_loss_is_surely_worse_than_the_constants_being_a_little_more_often_right_is_no_excuse(
    arms_of: Callable[..., frozenset[Arm]], gain: float, excess: float, *, impaired: bool
) -> None:
    accuracy = {"accuracy_excess": excess, "accuracy_excess_se": 0.02, "majority_accuracy": 0.1}
    arms = arms_of(loss_ratio=1.0 - gain, gain=gain, gain_se=0.01, **accuracy)
    assert (Arm.NOT_LEARNING in arms) == impaired


@pytest.mark.parametrize(
    ("ratio", "whole_set", "impaired"),
    [(0.97, True, False), (0.99, True, True), (50.0, True, True), (math.nan, True, True), (0.99, False, False)],
    ids=["below", "above", "far above", "NaN", "only a part of the set"],
)
def test_below_30_samples_the_whole_set_is_judged_by_its_mean(
    arms_of: Callable[..., frozenset[Arm]], ratio: float, *, whole_set: bool, impaired: bool
) -> None:
    arms = arms_of(samples=29, whole_set=whole_set, loss_ratio=ratio, gain=1.0 - ratio, gain_se=1e-9)
    assert (Arm.NOT_LEARNING in arms) == impaired


MEMORISED: dict[str, Any] = {
    "step": 900,
    "samples": 100,
    "training_score": 1.0,
    "training_score_se": 0.0,
    "score": 0.5,
    "score_se": 0.05,
    "simple_excess": 0.6,
    "simple_excess_se": 0.05,
    "shortfall": 0.2,
    "shortfall_se": 0.05,
}
"""Right on all of its own samples and half of the new ones, where simple models are right on seven in ten."""


@pytest.mark.parametrize(
    ("changes", "impaired"),
    [
        ({}, True),
        ({"training_score": 0.61, "training_score_se": 0.02}, False),
        ({"training_score": 0.71, "training_score_se": 0.02}, True),
        ({"score": 0.901, "score_se": 0.01}, False),
        ({"score": 0.899, "score_se": 0.01}, True),
        ({"score_se": 0.17}, False),
        ({"shortfall": 0.099, "shortfall_se": 0.001}, False),
        ({"shortfall": 0.1, "shortfall_se": 0.001}, True),
        ({"shortfall_se": 0.07}, False),
        ({"shortfall": -0.2}, False),
        ({"simple_excess": 0.14}, False),
        ({"simple_excess": 0.16}, True),
        ({"simple_excess": None, "simple_excess_se": None, "shortfall": None, "shortfall_se": None}, False),
        ({"samples": 29}, False),
        ({"samples": 30}, True),
        ({"score": math.nan}, False),
        ({"shortfall": math.inf, "shortfall_se": math.nan}, False),
        ({"training_score": 0.71, "training_score_se": 0.02, "shortfall": 0.41}, True),
        ({"training_score": 0.71, "training_score_se": 0.02, "shortfall": 0.43}, False),
        ({"step": 800}, False),
    ],
    ids=[
        "half of the new samples",
        "not surely worse on new ones",
        "surely worse on new ones",
        "hardly worse on new ones",
        "worse by a tenth",
        "new ones too few to tell",
        "simple models hardly better",
        "simple models better by a tenth",
        "simple models not surely better",
        "simple models worse",
        "no signal for simple models",
        "a signal for simple models",
        "simple models not asked",
        "29 new samples",
        "30 new samples",
        "a score of NaN",
        "an infinite shortfall",
        "behind on new ones mostly",
        "as much behind on its own",
        "another step",
    ],
)
def test_memorising_is_to_be_worse_on_new_samples_than_on_its_own_and_than_simple_models(
    arms_of: Callable[..., frozenset[Arm]], changes: dict[str, Any], *, impaired: bool
) -> None:
    note = Generalisation(**{**MEMORISED, **changes})
    assert arms_of(note, loss_ratio=0.01, gain=0.99, gain_se=0.01) == ({Arm.MEMORISING} if impaired else set())


@pytest.mark.parametrize(
    ("ratio", "excess", "impaired"),
    [
        (0.49, None, True),
        (0.51, None, False),
        (0.49, 0.1, True),
        (0.9, 0.46, True),
        (0.9, 0.44, False),
        (3.0, 0.8, True),
    ],
    ids=["loss below half", "loss above half", "below half, wrong", "half right", "less right", "confidently right"],
)
def test_what_was_not_learned_was_not_memorised(
    arms_of: Callable[..., frozenset[Arm]], ratio: float, excess: float | None, *, impaired: bool
) -> None:
    accuracy = {} if excess is None else {**AT_MAJORITY, "accuracy_excess": excess}
    arms = arms_of(Generalisation(**MEMORISED), loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01, **accuracy)
    assert (Arm.MEMORISING in arms) == impaired


def test_memorising_needs_new_samples(arms_of: Callable[..., frozenset[Arm]]) -> None:
    assert arms_of(loss_ratio=0.01, gain=0.99, gain_se=0.01) == set()


NO_GRADIENT = {"preactivation_gradients": {"hidden_1": 0.0, "output": 0.0}}


@pytest.mark.parametrize(
    ("notes", "values", "blocked"),
    [
        ([Incident(900, 890, "loss", None)], {}, True),
        ([Incident(901, 890, "loss", None)], {}, False),
        ([Scan(900, 100, {"hidden_1": tuple(range(8))})], {}, True),
        ([Scan(900, 100, {"hidden_1": tuple(range(7))})], {}, False),
        ([Scan(800, 100, {"hidden_1": tuple(range(8))}), Scan(850, 100, {"hidden_1": ()})], {}, False),
        ([Scan(901, 100, {"hidden_1": tuple(range(8))})], {}, False),
    ],
    ids=[
        "not finite",
        "not finite later",
        "a layer dead",
        "a layer but one unit dead",
        "a layer revived",
        "a layer dead later",
    ],
)
def test_blocked(
    arms_of: Callable[..., frozenset[Arm]], notes: list[Any], values: dict[str, Any], *, blocked: bool
) -> None:
    assert (Arm.BLOCKED in arms_of(*notes, **values)) == blocked


@pytest.mark.parametrize(
    ("values", "blocked"),
    [
        ({"loss_ratio": 0.8}, True),
        ({"loss_ratio": 0.19}, False),
        ({}, False),
        ({"loss_ratio": 0.8, "preactivation_gradients": {"hidden_1": 0.0, "output": 1e-30}}, False),
        ({"loss_ratio": 0.8, "preactivation_gradients": {"hidden_1": math.nan, "output": 0.0}}, False),
        ({"loss_ratio": 0.8, **AT_MAJORITY}, True),
        ({"loss_ratio": 0.8, **AT_MAJORITY, "accuracy_excess": 0.8}, False),
    ],
    ids=[
        "with loss left",
        "once learned",
        "with no constant known",
        "but in the output",
        "but NaN",
        "no oftener right than the majority",
        "mostly right",
    ],
)
def test_no_gradient_at_all(arms_of: Callable[..., frozenset[Arm]], values: dict[str, Any], *, blocked: bool) -> None:
    assert (Arm.NO_GRADIENT in arms_of(**{**NO_GRADIENT, **values})) == blocked


def test_what_else_blocks_says_more_than_that_there_is_no_gradient(arms_of: Callable[..., frozenset[Arm]]) -> None:
    arms = arms_of(Incident(900, 890, "loss", None), loss_ratio=0.8, **NO_GRADIENT)
    assert arms == {Arm.BLOCKED}


def test_blocked_is_judged_from_the_start_and_the_other_arms_after_the_warm_up(
    make_probe: MakeProbe, make_context: MakeContext
) -> None:
    record = Record(make_context(total_steps=1000))
    for step in (0, 100, 199, 200, 1000):
        record.add(make_probe(step, **AT_CONSTANT))
    gate = judge_gate(record)
    assert [check.impaired for check in gate.checks] == [False, False, False, True, True]
    assert [check.judged for check in gate.checks] == [False, False, False, True, True]
    record.add(Scan(0, 100, {"hidden_1": tuple(range(8))}))
    assert all(Arm.BLOCKED in check.arms for check in judge_gate(record).checks)


@pytest.mark.parametrize(("steps", "judged"), [(99, False), (100, True), (150, True)])
def test_a_run_cut_short_is_judged_at_its_end_after_100_updates(
    make_probe: MakeProbe, make_context: MakeContext, steps: int, *, judged: bool
) -> None:
    record = Record(make_context(total_steps=10_000))
    for step in (0, steps):
        record.add(make_probe(step, **AT_CONSTANT))
    gate = judge_gate(record)
    assert gate.checks[-1].impaired == judged
    assert (gate.reason == "") == judged
    if not judged:
        assert "99 updates" in gate.reason


def test_only_what_is_blocked_at_the_end_needs_no_persistence(make_probe: MakeProbe, make_context: MakeContext) -> None:
    record = Record(make_context(total_steps=1000))
    for step in (0, 500, 1000):
        record.add(make_probe(step, **AT_CONSTANT))
    assert not any(check.final for check in judge_gate(record).checks)
    record.add(Incident(400, 390, "loss", None))
    assert [check.final for check in judge_gate(record).checks] == [False, False, True]


def test_the_gate_at_a_step_is_that_of_the_last_check_before_it(
    make_probe: MakeProbe, make_context: MakeContext
) -> None:
    record = Record(make_context(total_steps=1000))
    record.add(make_probe(0, **AT_CONSTANT))
    record.add(make_probe(400, **AT_CONSTANT))
    record.add(make_probe(800, loss_ratio=0.1, gain=0.9, gain_se=0.01))
    gate = judge_gate(record)
    asked = (-1, 0, 399, 400, 799, 800, 5000)
    assert [gate.impaired_at(step) for step in asked] == [False, False, False, True, True, False, False]
    assert [gate.learned_at(step) for step in asked] == [False, False, False, False, False, True, True]


def test_without_targets_the_gate_gives_its_reason(make_probe: MakeProbe, make_context: MakeContext) -> None:
    record = Record(make_context())
    record.add(make_probe(1000))
    assert "no targets" in judge_gate(record).reason
    assert judge_gate(Record()).reason == "not recorded"


@pytest.mark.parametrize(
    ("first", "loss", "learned"),
    [(2.0, 0.3, True), (2.0, 0.5, False), (-1.0, -3.0, False), (2.0, -0.1, False), (math.nan, 0.1, False)],
)
def test_of_an_unknown_loss_most_is_gone_when_most_of_the_first_one_is(
    first: float, loss: float, make_probe: MakeProbe, make_context: MakeContext, *, learned: bool
) -> None:
    record = Record(make_context())
    record.add(make_probe(0, loss=first))
    record.add(make_probe(500, loss=loss))
    assert judge_gate(record).learned_at(500) is learned


def test_of_an_unknown_loss_nothing_is_known_to_be_gone_where_nobody_saw_the_first_one(
    make_probe: MakeProbe, make_context: MakeContext
) -> None:
    record = Record(make_context())
    record.add(make_probe(5, loss=2.0))
    record.add(make_probe(500, loss=0.1))
    assert not judge_gate(record).learned_at(500)


def test_of_a_known_loss_what_is_gone_of_the_first_one_tells_nothing(
    make_probe: MakeProbe, make_context: MakeContext
) -> None:
    record = Record(make_context())
    record.add(make_probe(0, loss=30.0, **(AT_CONSTANT | {"loss_ratio": 30.0})))
    record.add(make_probe(500, **AT_CONSTANT))
    assert not judge_gate(record).learned_at(500)
