"""Diagnosis 17: probabilities that have run out of digits, and steps below the spacing of floats."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.numerics import Numerics
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Outputs, Probe, Rounding
from gradvitals.diagnostics.start_notes import LossFit
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.schedules import Cosine, WarmUp

MakeContext = Callable[..., Context]
MakeProbe = Callable[..., Probe]
Train = Callable[..., Any]
FIT = LossFit(0, "probabilities", "mean", False, "softmax", 3, True, None, None)  # noqa: FBT003 - as the note has them


@pytest.fixture
def record(make_context: MakeContext, make_probe: MakeProbe) -> Callable[..., Record]:
    """Make a record of looks at 0, 250, 500 …: impossible samples, and the updates lost with their rates."""

    def make(
        impossible: Any = (None,) * 5,
        rounding: Any = (),
        *,
        gain: float = 0.5,
        config: Any = None,
    ) -> Record:
        made = Record(make_context(config=config or {"training.optimizer.learning_rate": 0.1}))
        made.add(FIT)
        for number, share in enumerate(impossible):
            made.add(make_probe(250 * number, gain=gain, gain_se=0.001, loss_ratio=1.0 - gain))
            made.add(Outputs(250 * number, impossible=share))
        for number, (lost, lost_gradient, rate) in enumerate(rounding, start=1):
            made.add(Rounding(250 * number, rate, lost, lost_gradient))
        return made

    return make


def said(record: Record) -> list[Finding]:
    return list(Numerics().judge(record, judge_gate(record)).findings)


@pytest.mark.parametrize(
    ("shares", "gain", "severity"),
    [
        ((0.3,) * 5, 0.5, "warning"),
        ((0.3,) * 5, 0.0, "error"),
        ((0.01,) * 5, 0.0, "error"),
        ((0.0, 0.0, 0.01, 0.01, 0.01), 0.5, "warning"),
    ],
    ids=["many", "many, impaired", "one in a hundred, impaired", "one in a hundred, of late"],
)
def test_impossible_answers_warn_from_1_percent(
    shares: tuple[float, ...], gain: float, severity: str, record: Callable[..., Record]
) -> None:
    (finding,) = said(record(shares, gain=gain))
    assert (str(finding.severity), finding.layer, finding.value) == (severity, "output", shares[-1])
    assert finding.prescriptions[0].set == {"model.output": "linear"}


def test_probabilities_that_a_config_insists_on_are_given_up_too(record: Callable[..., Record]) -> None:
    (finding,) = said(record((0.3,) * 5, config={"training.from_logits": False}))
    assert finding.prescriptions[0].set == {"model.output": "linear", "training.from_logits": True}


@pytest.mark.parametrize("shares", [(0.0,) * 5, (0.009,) * 5, (0.5, 0.5, 0.0, 0.0, 0.0)], ids=str)
def test_a_few_impossible_answers_are_silent(shares: tuple[float, ...], record: Callable[..., Record]) -> None:
    assert said(record(shares)) == []


@pytest.mark.parametrize(
    ("rounding", "gain", "fires"),
    [
        ([(0.9, 0.8, 0.1)] * 4, 0.5, True),
        ([(0.9, 0.8, 0.1)] * 4, 0.97, False),
        ([(0.9, 0.4, 0.1)] * 4, 0.5, False),
        ([(0.4, 0.9, 0.1)] * 4, 0.5, False),
        ([(0.9, 0.9, 0.1)] * 2, 0.5, False),
        ([(0.0, 0.0, 0.1)] + [(0.9, 0.9, 0.001)] * 3, 0.5, False),
        ([(0.0, 0.0, 0.1)] + [(0.9, 0.9, 0.02)] * 3, 0.5, True),
        ([(0.9, 0.9, 0.1)] * 3 + [(0.2, 0.1, 0.1)], 0.5, False),
        ([(1.0, 1.0, 0.0)] * 4, 0.5, False),
    ],
    ids=[
        "most of it",
        "at a loss that is done",
        "most parameters, not most of the gradient",
        "most of the gradient, not most parameters",
        "two looks",
        "at the end of a schedule",
        "at a fifth of the rate",
        "no more",
        "at a rate of 0, which rounds nothing away",
    ],
)
def test_lost_updates_warn_where_most_of_the_step_is_rounded_away(
    rounding: Any,
    gain: float,
    fires: bool,  # noqa: FBT001
    record: Callable[..., Record],
) -> None:
    standing = [finding for finding in said(record(rounding=rounding, gain=gain)) if finding.standing]
    assert [str(finding.severity) for finding in standing] == ["warning"] * fires
    if fires:
        (finding,) = standing
        assert finding.layer is None
        assert finding.value == pytest.approx(min(rounding[-1][:2]))
        assert {"training.optimizer.learning_rate": 10.0} in [cure.set for cure in finding.prescriptions]


def test_lost_updates_are_never_more_than_a_warning(record: Callable[..., Record]) -> None:
    (finding,) = said(record(rounding=[(1.0, 1.0, 0.1)] * 4, gain=0.0))
    assert finding.severity is Severity.WARNING


def test_both_can_be_said_at_once(record: Callable[..., Record]) -> None:
    assert {finding.key for finding in said(record((0.5,) * 5, [(1.0, 1.0, 0.1)] * 4))} == {
        "numerics@output",
        "numerics",
    }


def test_too_few_looks_are_counted(record: Callable[..., Record]) -> None:
    made = record((0.5, 0.5), [(1.0, 1.0, 0.1)])
    judgement = Numerics().judge(made, judge_gate(made))
    assert (judgement.status, judgement.reason) == ("not_judged", "2 of 3 checks")


def test_an_older_record_is_not_judged(make_context: MakeContext, make_probe: MakeProbe) -> None:
    made = Record(make_context())
    made.add(make_probe(0))
    assert Numerics().judge(made, judge_gate(made)).reason == "not recorded"


@pytest.mark.parametrize(
    ("optimizer", "dtype", "fires"),
    [
        (lambda: Sgd(1e-8), np.float32, True),
        (lambda: Sgd(1e-8), np.float64, False),
        (lambda: Sgd(1e-17), np.float64, True),
        (lambda: Sgd(0.1), np.float32, False),
        (lambda: Adam(1e-3), np.float32, False),
    ],
    ids=["float32", "float64", "below float64 too", "a usual rate", "adam"],
)
def test_steps_below_the_spacing_of_floats_are_found_live(
    optimizer: Callable[[], Any],
    dtype: Any,
    fires: bool,  # noqa: FBT001
    digits: WatchedData,
    train_watched: Train,
) -> None:
    verdict = train_watched(digits, optimizer=optimizer(), dtype=dtype, hidden=[16]).monitor.verdict
    found = [finding for finding in verdict.standing if finding.id == "numerics"]
    assert [finding.layer for finding in found] == [None] * fires
    assert all(finding.explained_by == "learning_rate_too_low" for finding in found)


@pytest.mark.parametrize("schedule", [Cosine(), WarmUp(150, Cosine())], ids=["cosine", "warm-up and cosine"])
def test_a_rate_that_is_meant_to_end_at_0_is_clear(schedule: Any, digits: WatchedData, train_watched: Train) -> None:
    noisy = WatchedData(digits.inputs, np.random.default_rng(0).permutation(digits.targets))  # the loss stays high
    monitor = train_watched(noisy, optimizer=Sgd(0.01), hidden=[], epochs=20, training={"schedule": schedule}).monitor
    assert monitor.record.notes(Probe)[-1].loss_ratio > 0.5
    assert said(monitor.record) == []
