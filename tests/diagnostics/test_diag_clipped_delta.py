"""Diagnosis 20: samples that are wrong and teach nothing; those that are right, or far enough, stay out of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.clipped_delta import ClippedDelta
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Outputs, Probe
from gradvitals.diagnostics.start_notes import LossFit
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine import clipped_delta
from gradvitals.engine.events import Array
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.q_learning import Transitions, as_samples, learn_action_values
from gradvitals.engine.q_network import q_network
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError
from gradvitals.engine.training import Samples, train

MakeContext = Callable[..., Context]
MakeProbe = Callable[..., Probe]
FIT = LossFit(0, "values", "mean", False, "linear", 1, False, 0.0, 0.0)  # noqa: FBT003 - as the note has them


@pytest.fixture
def record(make_context: MakeContext, make_probe: MakeProbe) -> Callable[..., Record]:
    """Make a record with these shares of untaught samples at 0, 250, 500 …; `gain` is that of every probe."""

    def make(*shares: float | None, gain: float = 0.5, fit: LossFit | None = FIT) -> Record:
        made = Record(make_context(config={"training.loss": "clipped_delta"}))
        if fit is not None:
            made.add(fit)
        for number, share in enumerate(shares):
            made.add(make_probe(250 * number, gain=gain, gain_se=0.001, loss_ratio=1.0 - gain))
            made.add(Outputs(250 * number, untaught=share))
        return made

    return make


def said(record: Record) -> list[Finding]:
    return list(ClippedDelta().judge(record, judge_gate(record)).findings)


@pytest.mark.parametrize(
    ("shares", "gain", "severity"),
    [
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.5, "warning"),
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.0, "error"),
        ((0.01, 0.01, 0.01), 0.5, "warning"),
        ((0.01, 0.01, 0.01, 0.01, 0.01), 0.0, "error"),
        ((0.0, 0.0, 0.02, 0.02, 0.02), 0.5, "warning"),
    ],
    ids=["half", "half, impaired", "one in a hundred", "one in a hundred, impaired", "of late"],
)
def test_it_warns_from_1_percent_and_is_an_error_if_the_network_is_impaired(
    shares: tuple[float, ...], gain: float, severity: str, record: Callable[..., Record]
) -> None:
    (finding,) = said(record(*shares, gain=gain))
    assert (str(finding.severity), finding.layer, finding.cleared) == (severity, "output", False)
    assert finding.value == shares[-1]
    assert finding.prescriptions[0].set == {"training.loss": "huber"}
    assert finding.defect


@pytest.mark.parametrize(
    "shares",
    [(0.0,) * 5, (0.009,) * 5, (0.5, 0.5, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.5, 0.5)],
    ids=["none", "fewer than 1 %", "only at first", "not three in a row"],
)
def test_what_does_not_last_is_not_worth_a_word(shares: tuple[float, ...], record: Callable[..., Record]) -> None:
    assert said(record(*shares)) == []


def test_it_clears_a_third_of_the_way_back(record: Callable[..., Record]) -> None:
    (standing,) = said(record(0.5, 0.5, 0.5, 0.007))
    assert standing.standing
    (cleared,) = said(record(0.5, 0.5, 0.5, 0.006))
    assert (cleared.cleared, cleared.severity) == (True, Severity.INFO)


@pytest.mark.parametrize(
    ("shares", "fit", "status"),
    [
        ((0.5, 0.5), FIT, "not_judged"),
        ((None, None, None, None), FIT, "not_judged"),
        ((0.5,) * 5, None, "not_judged"),
        ((0.5,) * 5, LossFit(0, None, "mean", False, "linear", 1, False, None, None), "not_judged"),  # noqa: FBT003
        ((None,) * 5, LossFit(0, "logits", "mean", False, "linear", 1, False, None, None), "not_applicable"),  # noqa: FBT003
    ],
    ids=["two checks", "no gradient", "an older record", "an unknown loss", "logits"],
)
def test_what_cannot_be_judged_is_not(
    shares: Any, fit: LossFit | None, status: str, record: Callable[..., Record]
) -> None:
    made = record(*shares, fit=fit)
    judgement = ClippedDelta().judge(made, judge_gate(made))
    assert judgement.status == status
    assert judgement.reason


def regression(targets_std: float = 1.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 4))
    return inputs, targets_std * (inputs @ [[1.0], [0.5], [-0.5], [0.2]] + 0.3 * rng.normal(size=(400, 1)))


def watched(loss: Any, inputs: Array, targets: Array) -> Monitor:
    network = perceptron([4, 16, 1], ["relu"], loss, initializers=[he_normal] * 2, generator=np.random.default_rng(0))
    with Monitor(network, WatchedData(inputs, targets)) as monitor:
        train(
            network,
            Samples(inputs, targets),
            Adam(0.01),
            epochs=30,
            batch_size=32,
            generator=np.random.default_rng(0),
        )
    return monitor


@pytest.mark.parametrize(
    "loss", [MeanSquaredError(), MeanAbsoluteError(), Huber(), Huber(delta=0.1)], ids=lambda loss: loss.title
)
@pytest.mark.parametrize("scale", [1.0, 100.0], ids=str)
def test_losses_that_teach_everywhere_are_clear(loss: Any, scale: float) -> None:
    monitor = watched(loss, *regression(scale))
    assert {note.untaught for note in monitor.record.notes(Outputs)} == {0.0}
    assert said(monitor.record) == []


@pytest.mark.parametrize(("scale", "severity"), [(100.0, Severity.ERROR), (2.0, Severity.WARNING)], ids=str)
def test_a_clipped_residual_is_found_live(scale: float, severity: Severity) -> None:
    inputs, targets = regression(scale)
    targets[::10] *= 5.0  # what it cannot reach while the rest is learned
    (finding,) = said(watched(clipped_delta.ClippedDelta(), inputs, targets).record)
    assert finding.severity is severity


def test_actions_that_were_not_taken_are_not_untaught() -> None:
    """Of all actions' values the loss sees one; that the others have no gradient is as it should be."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(300, 3))
    actions = rng.integers(0, 4, 300)
    transitions = Transitions(states, actions, states[:, 0] * actions, states, np.ones(300, np.bool_))
    network = q_network([3, 16, 4], ["relu"], Huber(), initializers=[he_normal] * 2, generator=rng)
    samples = as_samples(network, transitions, 0.9)
    with Monitor(network, WatchedData(samples.inputs, samples.targets)) as monitor:
        learn_action_values(
            network, transitions, Adam(0.01), discount=0.9, rounds=1, steps_per_round=300, batch_size=32, generator=rng
        )
    assert {note.untaught for note in monitor.record.notes(Outputs)} == {0.0}
    assert [finding.id for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []
