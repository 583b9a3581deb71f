"""Behind simple models: when it counts, and which symptoms it makes a warning of."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gradvitals.diagnostics.behind import find_lag
from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.diagnoses.learning_rate_too_low import LearningRateTooLow
from gradvitals.diagnostics.diagnoses.saturated_units import SaturatedUnits
from gradvitals.diagnostics.diagnoses.vanishing_gradient import VanishingGradient
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.harm import measure_harm
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall

MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]
Noted = Callable[..., Record]

LAG = Shortfall(1000, 256, 0.5, 0.9, 0.4, 0.03)
NEW = Generalisation(1000, 88, 0.9, 0.01, 0.3, 0.02, 0.8, 0.03, 0.6, 0.03)
ANSWERS = {"majority_accuracy": 0.1, "accuracy_excess": 0.4, "accuracy_excess_se": 0.03}


# when it counts


@pytest.fixture
def noted(make_probe: MakeProbe, make_context: MakeContext) -> Noted:
    """Record a run of 1,000 steps with these loss ratios, what simple models do, and sizes of updates by layer."""

    def make(
        *ratios: float,
        lag: Shortfall | None = LAG,
        updates: dict[str, float] | None = None,
        activation: str = "relu",
        **values: Any,
    ) -> Record:
        record = Record(make_context((activation, activation), config={"training.optimizer.learning_rate": 1e-3}))
        for place, ratio in enumerate(ratios):
            step, known = 1000 * place // (len(ratios) - 1), {"gain": 1.0 - ratio, "gain_se": 0.01}
            record.add(make_probe(step, loss=ratio, loss_ratio=ratio, **(known | ANSWERS | values)))
        for step in range(10, 1000, 10):
            sizes = updates or {"hidden_1": 1e-2, "output": 1e-2}
            record.add_scalars(step, {f"update_ratio/{layer}": size for layer, size in sizes.items()})
        if lag is not None:
            record.add(lag)
        record.add(Ending(1000, "completed"))
        return record

    return make


def behind(record: Record) -> bool:
    return judge_gate(record).behind_at(record.last_step)


@pytest.mark.parametrize(("steps", "expected"), [(199, False), (200, True)])
def test_a_short_training_has_had_no_time_to_catch_up(make_probe: MakeProbe, steps: int, *, expected: bool) -> None:
    record = Record()
    record.add(make_probe(steps, loss=0.8, loss_ratio=0.8, gain=0.2, gain_se=0.01, **ANSWERS))
    record.add(Shortfall(steps, 256, 0.5, 0.9, 0.4, 0.03))
    assert (find_lag(record.notes(Probe)[0], record) is not None) is expected


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        (LAG, True),
        (None, False),
        (Shortfall(900, 256, 0.5, 0.9, 0.4, 0.03), False),
        (Shortfall(1000, 256, 0.85, 0.901, 0.051, 0.0112), True),
        (Shortfall(1000, 256, 0.85, 0.901, 0.051, 0.0115), False),
        (Shortfall(1000, 256, 0.85, 0.899, 0.049, 0.001), False),
        (Shortfall(1000, 256, 0.5, 0.9, 0.4, 0.0), True),
        (Shortfall(1000, 30, 0.5, 0.9, 0.4, 0.1), False),
        (Shortfall(1000, 29, 0.5, 0.9, 0.4, 0.03), False),
    ],
    ids=[
        "clearly",
        "not measured",
        "before",
        "just surely",
        "not surely",
        "hardly",
        "always",
        "by few samples",
        "too few samples",
    ],
)
def test_behind_is_surely_and_clearly_worse(noted: Noted, lag: Shortfall | None, *, expected: bool) -> None:
    assert behind(noted(1.0, 0.9, 0.8, lag=lag)) is expected


def test_of_a_regression_a_tenth_of_the_gain_counts(noted: Noted) -> None:
    regression = dict.fromkeys(ANSWERS)
    assert behind(noted(1.0, 0.9, 0.8, lag=Shortfall(1000, 256, 0.2, 0.301, 0.101, 0.01), **regression))
    assert not behind(noted(1.0, 0.9, 0.8, lag=Shortfall(1000, 256, 0.2, 0.299, 0.099, 0.01), **regression))


@pytest.mark.parametrize(
    ("ratio", "values", "expected"),
    [
        (0.19, ANSWERS, True),
        (0.19, ANSWERS | {"accuracy_excess": 0.849}, True),
        (0.19, ANSWERS | {"accuracy_excess": 0.851}, False),
        (0.21, ANSWERS | {"accuracy_excess": 0.851}, True),
        (0.19, dict.fromkeys(ANSWERS), False),
        (0.21, dict.fromkeys(ANSWERS), True),
    ],
    ids=["wrong answers", "just enough", "too few", "much loss", "quantities with little loss", "with much"],
)
def test_behind_is_only_who_has_room_for_better(
    noted: Noted, ratio: float, values: dict[str, Any], *, expected: bool
) -> None:
    assert behind(noted(1.0, 0.3, ratio, **values)) is expected


def test_nothing_is_behind_before_its_end(noted: Noted) -> None:
    gate = judge_gate(noted(1.0, 0.9, 0.8))
    assert [check.behind for check in gate.checks] == [False, False, True]
    assert not any(check.arms for check in gate.checks)
    assert not gate.behind_at(999)


def test_its_harm_is_said_in_answers_or_in_loss(make_probe: MakeProbe) -> None:
    values = {"loss_ratio": 0.8, "gain": 0.2, "gain_se": 0.01}
    text = measure_harm(make_probe(1000, **values, **ANSWERS), 1.0, Lag.of_own(LAG))
    assert text is not None
    assert text.text.endswith("fitted to others, get 90 % of the same 256 right, the network 50 %")
    text = measure_harm(make_probe(1000, **values), 1.0, Lag.of_own(LAG))
    assert text is not None
    assert text.text.endswith("fitted to others, lose 10 % on the same 256, the network 50 %")
    text = measure_harm(make_probe(1000, **values), 1.0, Lag.of_new(NEW))
    assert text is not None
    assert text.text.endswith("a linear fit or nearest neighbours lose 10 % on 88 new samples, the network 70 %")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"shortfall": None, "shortfall_se": None}, False),
        ({"step": 900}, False),
        ({"shortfall": 0.049, "shortfall_se": 0.001}, False),
        ({"shortfall": 0.4, "shortfall_se": 0.09}, True),
        ({"shortfall": 0.4, "shortfall_se": 0.092}, False),
        ({"samples": 29}, False),
    ],
    ids=["clearly", "nobody asked", "before", "hardly", "just surely", "not surely", "too few samples"],
)
def test_behind_on_new_samples_counts_too(noted: Noted, changes: dict[str, Any], *, expected: bool) -> None:
    record = noted(1.0, 0.9, 0.8, lag=None)
    record.add(replace(NEW, **changes))
    assert behind(record) is expected


def test_what_has_learned_its_training_set_is_not_behind_on_new_samples_but_memorises(noted: Noted) -> None:
    record = noted(1.0, 0.3, 0.19, lag=None)
    record.add(NEW)
    assert not behind(record)


LIKELY = replace(NEW, samples=171, training_score=1.0, score=0.895, shortfall=0.07, shortfall_se=0.022)
"""Worse on new samples by 2.9 standard errors, an answer less: a chance of 2 in 1,000."""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"shortfall_se": 0.024}, False),
        ({"shortfall": 0.049, "shortfall_se": 0.001}, False),
        ({"training_score": 0.94}, False),
        ({"simple_excess": 0.08}, False),
        ({"samples": 29, "shortfall": 0.4}, False),
        ({"step": 900}, False),
        ({"shortfall": None, "shortfall_se": None}, False),
    ],
    ids=["likely", "hardly", "little", "as on its own", "no signal", "few samples", "before", "nobody asked"],
)
def test_behind_on_new_samples_may_be_likely(noted: Noted, changes: dict[str, Any], *, expected: bool) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, accuracy_excess=0.9)
    record.add(replace(LIKELY, **changes))
    assert judge_gate(record).likely_behind_at(1000) is expected
    assert not judge_gate(record).likely_behind_at(999)
    assert not behind(record)


@pytest.mark.parametrize(("error", "expected"), [(0.02, True), (0.03, False)])
def test_behind_on_its_own_samples_may_be_likely(noted: Noted, error: float, *, expected: bool) -> None:
    record = noted(1.0, 0.5, 0.4, lag=Shortfall(1000, 300, 0.5, 0.56, 0.06, error))
    assert judge_gate(record).likely_behind_at(1000) is expected
    assert not behind(record)


def test_what_is_not_done_may_catch_up(noted: Noted) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, accuracy_excess=0.9)
    record.add(LIKELY)
    record.notes(Ending)[:] = [Ending(1000, "interrupted")]
    assert not judge_gate(record).likely_behind_at(1000)


# what it makes a warning of


def said(rule: Diagnosis, record: Record) -> list[str]:
    findings = rule.judge(record, judge_gate(record)).findings
    return [str(finding.severity) for finding in findings if finding.standing]


NEAR = {"lag": Shortfall(1000, 256, 0.89, 0.9, 0.01, 0.03)}


@pytest.mark.parametrize(
    ("ratios", "size", "speaks"),
    [
        ((1.2, 1.0, 0.83, 0.69, 0.58), 2e-4, True),
        ((1.2, 1.0, 0.83, 0.69, 0.58), 1.1e-3, True),
        ((1.2, 1.0, 0.83, 0.69, 0.58), 1.3e-3, False),
        ((1.2, 0.6, 0.59, 0.585, 0.58), 2e-4, False),
        ((1.2, 0.7, 0.58, 0.6, 0.58), 2e-4, False),
        ((1.2, 1.21, 1.22, 1.23, 1.24), 2e-4, False),
    ],
    ids=["small", "below the usual", "usual", "slowed", "come to rest", "rising"],
)
def test_a_rate_is_too_low_where_the_loss_still_falls(
    noted: Noted, ratios: tuple[float, ...], size: float, *, speaks: bool
) -> None:
    updates = {"hidden_1": size, "output": size}
    assert said(LearningRateTooLow(), noted(*ratios, updates=updates)) == ["warning"] * speaks
    assert said(LearningRateTooLow(), noted(*ratios, updates=updates, **NEAR)) == []


@pytest.mark.parametrize(
    ("sizes", "speaks"),
    [((1.1e-4, 1.1e-4), True), ((1.3e-4, 1.3e-4), False), ((1.1e-4, 1.3e-4), False)],
    ids=["tiny", "small", "one layer's are larger"],
)
def test_a_rate_is_too_low_where_no_update_was_of_any_size_however_the_loss_ends(
    noted: Noted, sizes: tuple[float, float], *, speaks: bool
) -> None:
    updates = dict(zip(("hidden_1", "output"), sizes, strict=True))
    assert said(LearningRateTooLow(), noted(0.7, 0.5, 0.5, 0.5, 0.5, updates=updates)) == ["warning"] * speaks
    assert said(LearningRateTooLow(), noted(0.7, 0.5, 0.5, 0.5, 0.5, updates=updates, **NEAR)) == []
    idle = noted(2.0, 1.7, 1.5, 1.5, 1.5, updates=updates, accuracy_excess=0.0)
    assert said(LearningRateTooLow(), idle) == ["warning"] * speaks


def test_a_rate_is_too_high_where_an_update_was_large(noted: Noted) -> None:
    falling = (1.0, 0.8, 0.7, 0.6, 0.5)
    thrown = {"hidden_1": 1e-2, "output": 0.16}
    assert said(LearningRateTooHigh(), noted(*falling, updates={"output": 0.09})) == []
    assert said(LearningRateTooHigh(), noted(*falling, lag=None, updates={"hidden_1": 0.09})) == []
    (severity,) = said(LearningRateTooHigh(), noted(*falling, updates=thrown))
    assert severity == "warning"


@pytest.mark.parametrize(
    ("ratios", "steps", "speaks"),
    [
        ((1.0, 0.5, 0.45, 0.45, 0.45), 100, True),
        ((1.0, 0.5, 0.45, 0.45, 0.45), 99, False),
        ((1.0, 0.8, 0.7, 0.6, 0.45), 100, False),
    ],
    ids=["at rest", "a smoke run", "still falling"],
)
def test_a_short_training_that_a_large_update_brought_to_rest_had_its_time(
    ratios: tuple[float, ...], steps: int, make_probe: MakeProbe, make_context: MakeContext, *, speaks: bool
) -> None:
    record = Record(make_context(total_steps=steps))
    for place, ratio in enumerate(ratios):
        known = {"loss": ratio, "loss_ratio": ratio, "gain": 1.0 - ratio, "gain_se": 0.01}
        record.add(make_probe(steps * place // 4, **(known | ANSWERS)))
    for step in range(1, steps):
        record.add_scalars(step, {"update_ratio/hidden_1": 0.5 if step == 1 else 1e-3})
    record.add(replace(LAG, step=steps))
    record.add(Ending(steps, "completed"))
    assert said(LearningRateTooHigh(), record) == ["warning"] * speaks


@pytest.mark.parametrize(("size", "ratio", "speaks"), [(0.16, 0.6, True), (0.16, 0.4, False), (0.09, 0.6, False)])
def test_a_rate_is_too_high_where_most_updates_are_and_the_loss_is_left(
    noted: Noted, size: float, ratio: float, *, speaks: bool
) -> None:
    record = noted(1.0, *(ratio,) * 4, lag=None, updates={"output": size})
    assert said(LearningRateTooHigh(), record) == ["warning"] * speaks


def test_that_it_is_behind_makes_no_error_final(noted: Noted) -> None:
    stopped = {"accuracy_excess": 0.0}
    record = noted(1.0, 0.8, 0.8, 0.8, 1.0, updates={"output": 0.16}, activation="tanh", **stopped)
    record.notes(Probe)[:] = [
        Probe(**{**{name: getattr(probe, name) for name in Probe.__dataclass_fields__}, "relative_slopes": slopes})
        for probe, slopes in zip(record.notes(Probe), [{"hidden_1": 0.9}] + [{"hidden_1": 0.05}] * 4, strict=True)
    ]
    assert judge_gate(record).checks[-1].arms
    assert not judge_gate(record).checks[-2].arms
    assert said(LearningRateTooHigh(), record) == ["warning"]
    assert said(SaturatedUnits(), record) == ["warning"]


@pytest.mark.parametrize(("slope", "speaks"), [(0.19, True), (0.21, False)])
def test_saturation_counts_where_it_costs(noted: Noted, slope: float, *, speaks: bool) -> None:
    late = (1.0, 0.5, 0.45, 0.42, 0.4)
    flat = {"activation": "tanh", "relative_slopes": {"hidden_1": slope, "hidden_2": 0.8}}
    assert ("warning" in said(SaturatedUnits(), noted(*late, **flat))) is speaks
    assert "warning" not in said(SaturatedUnits(), noted(*late, **flat, **NEAR))


@pytest.mark.parametrize(
    ("slopes", "lag", "speaks"),
    [
        ((0.15, 0.12, 0.11), LIKELY, True),
        ((0.21, 0.12, 0.11), LIKELY, False),
        ((0.15, 0.12, 0.21), LIKELY, False),
        ((0.15, 0.12, 0.11), replace(LIKELY, shortfall=0.01), False),
    ],
    ids=["from the start on", "since then", "no longer", "harmless"],
)
def test_saturation_from_the_start_counts_where_it_is_likely_to_cost(
    noted: Noted, slopes: tuple[float, ...], lag: Generalisation, *, speaks: bool
) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, activation="tanh", accuracy_excess=0.9)
    record.notes(Probe)[:] = [
        replace(probe, relative_slopes={"hidden_1": slope, "hidden_2": 0.8})
        for probe, slope in zip(record.notes(Probe), slopes, strict=True)
    ]
    record.add(lag)
    assert ("warning" in said(SaturatedUnits(), record)) is speaks


@pytest.mark.parametrize(
    ("slopes", "dead", "size", "lag", "expected"),
    [
        ((0.9, 0.3, 0.09), (0, 0), 0.16, LIKELY, "pass on 9 % of their steepest slope, 90 % before the first update"),
        ((0.9, 0.3, 0.11), (0, 0), 0.16, LIKELY, None),
        ((0.9, 0.3, 0.09), (0, 0), 0.14, LIKELY, None),
        ((0.9, 0.3, 0.09), (0, 0), 0.16, replace(LIKELY, shortfall=0.01), None),
        ((0.9, 0.9, 0.9), (1, 3), 0.16, LIKELY, "2 of the 8 units of hidden_1 have died"),
        ((0.9, 0.9, 0.9), (1, 2), 0.16, LIKELY, None),
        ((0.9, 0.9, 0.9), (1, 3), 0.16, replace(LIKELY, shortfall=0.01), None),
    ],
    ids=["saturated", "less", "small updates", "harmless", "died", "fewer", "died, harmless"],
)
def test_units_that_a_training_of_large_updates_lost_count_where_it_is_likely_to_cost(
    slopes: tuple[float, ...],
    dead: tuple[int, int],
    size: float,
    lag: Generalisation,
    noted: Noted,
    *,
    expected: str | None,
) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, updates={"output": size}, accuracy_excess=0.9)
    record.notes(Probe)[:] = [
        replace(probe, relative_slopes={"hidden_1": slope, "output": 0.9 * slope})
        for probe, slope in zip(record.notes(Probe), slopes, strict=True)
    ]
    for step, count in zip((0, 1000), dead, strict=True):
        record.add(Scan(step, 100, {"hidden_1": tuple(range(count)), "hidden_2": ()}))
    record.add(lag)
    assert said(LearningRateTooHigh(), record) == ["warning"] * (expected is not None)
    found = LearningRateTooHigh().judge(record, judge_gate(record)).findings
    assert all(str(expected) in finding.evidence for finding in found)


def test_a_whole_layer_that_died_of_large_updates_is_told_once(noted: Noted) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, updates={"output": 0.16}, accuracy_excess=0.9)
    for step, count in ((0, 0), (1000, 8)):
        record.add(Scan(step, 100, {"hidden_1": tuple(range(count)), "hidden_2": ()}))
    record.add(LIKELY)
    (finding,) = LearningRateTooHigh().judge(record, judge_gate(record)).findings
    assert finding.evidence.endswith("all units of hidden_1 have died since")


@pytest.mark.parametrize(("dead", "speaks"), [(2, True), (1, False)])
def test_dead_units_count_from_a_quarter_of_a_layer(noted: Noted, dead: int, *, speaks: bool) -> None:
    for more, expected in (({}, speaks), (NEAR, False)):
        record = noted(1.0, 0.9, 0.8, **more)
        for step in (0, 1000):
            record.add(Scan(step, 100, {"hidden_1": tuple(range(dead)), "hidden_2": ()}))
        assert said(DeadUnits(), record) == ["warning" if expected else "info"]


@pytest.mark.parametrize(
    ("dead", "lag", "expected"),
    [
        (4, LIKELY, "warning"),
        (3, LIKELY, "info"),
        (4, replace(LIKELY, shortfall=0.01), "info"),
    ],
    ids=["half", "less", "harmless"],
)
def test_half_a_layer_counts_in_a_network_that_has_learned_where_it_is_likely_to_cost(
    dead: int, lag: Generalisation, expected: str, noted: Noted
) -> None:
    record = noted(1.0, 0.1, 0.01, lag=None, accuracy_excess=0.9)
    for step in (0, 500, 1000):
        record.add(Scan(step, 100, {"hidden_1": tuple(range(dead)), "hidden_2": ()}))
    record.add(lag)
    assert said(DeadUnits(), record) == [expected]


FADING = {"preactivation_gradients": {"hidden_1": 5e-3, "hidden_2": 1e-1, "output": 1.0}, "activation": "sigmoid"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["warning"]),
        (NEAR, []),
        ({"updates": {"hidden_1": 2.1e-3, "output": 1e-2}}, []),
        ({"updates": {"hidden_1": 0.0, "output": 1e-2}}, []),
        ({"preactivation_gradients": {"hidden_1": 1.1e-2, "hidden_2": 0.1, "output": 1.0}}, []),
        ({"accuracy_excess": 0.0}, ["error"]),
    ],
    ids=["stuck", "harmless", "moves", "frozen", "hardly smaller", "not learning"],
)
def test_gradients_that_fade_a_hundredfold_count(noted: Noted, changes: dict[str, Any], expected: list[str]) -> None:
    ratios = (1.0,) * 5 if "accuracy_excess" in changes else (1.0, 0.99, 0.97, 0.94, 0.9)
    moves = {"hidden_1": 1.9e-3, "output": 1e-2}
    assert said(VanishingGradient(), noted(*ratios, **({"updates": moves} | FADING | changes))) == expected


def test_where_there_is_no_signal_fading_gradients_are_not_to_blame(noted: Noted) -> None:
    moves = {"hidden_1": 1.9e-3, "output": 1e-2}
    record = noted(*(1.0,) * 5, lag=None, updates=moves, accuracy_excess=0.0, **FADING)
    record.add(Signal(1000, 0.001, 0.01))
    assert said(VanishingGradient(), record) == []
