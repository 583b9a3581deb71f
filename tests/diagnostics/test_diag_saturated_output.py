"""Diagnosis 4: surely wrong and flat, for long enough; and all that saturates because it has learned."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.saturated_output import SaturatedOutput
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending, Outputs, Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import LossFit, TargetFacts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform, normal
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train

MakeContext = Callable[..., Context]
MakeProbe = Callable[..., Probe]


def fit(takes: str | None = "values", activation: str = "sigmoid") -> LossFit:
    return LossFit(0, takes, "mean", False, activation, 1, True, 0.0, 0.0)  # noqa: FBT003 - as the note has them


@pytest.fixture
def record(make_context: MakeContext, make_probe: MakeProbe) -> Callable[..., Record]:
    """Make a record with these shares of stuck samples at 0, 250, 500 …; `gain` is that of every probe."""

    def make(*shares: float | None, gain: float = 0.5, note: LossFit | None = None, labels: bool = True) -> Record:
        made = Record(make_context(config={"training.loss": "mse", "model.output": "sigmoid"}))
        made.add(fit() if note is None else note)
        made.add(TargetFacts(0, 1, 0.0, 1.0 if labels else 0.9, 2, labels, 1.0, 0.0, 0))
        for number, share in enumerate(shares):
            made.add(make_probe(250 * number, gain=gain, gain_se=0.001, loss_ratio=1.0 - gain))
            made.add(Outputs(250 * number, stuck=share))
        return made

    return make


def said(record: Record) -> list[Finding]:
    return list(SaturatedOutput().judge(record, judge_gate(record)).findings)


@pytest.mark.parametrize(
    ("shares", "gain", "severity"),
    [
        ((0.4,) * 5, 0.5, "warning"),
        ((0.4,) * 5, 0.0, "error"),
        ((0.2,) * 3, 0.5, "warning"),
        ((0.0, 0.0, 0.3, 0.3, 0.3), 0.5, "warning"),
    ],
    ids=["many", "many, impaired", "one in five", "of late"],
)
def test_it_warns_from_a_fifth_and_is_an_error_if_the_network_is_impaired(
    shares: tuple[float, ...], gain: float, severity: str, record: Callable[..., Record]
) -> None:
    (finding,) = said(record(*shares, gain=gain))
    assert (str(finding.severity), finding.layer) == (severity, "output")
    assert finding.value == shares[-1]
    assert finding.defect


@pytest.mark.parametrize(("share", "speaks"), [(0.06, True), (0.04, False)])
def test_one_in_twenty_is_a_warning_where_the_network_ended_behind_simple_models(
    share: float, *, speaks: bool, record: Callable[..., Record]
) -> None:
    made = record(0.9, *(share,) * 4)
    assert said(made) == []
    made.add(Shortfall(1000, 256, 0.5, 0.9, 0.4, 0.03))
    assert [(str(finding.severity), finding.threshold) for finding in said(made)] == [("warning", 0.05)] * speaks


@pytest.mark.parametrize(
    ("shares", "gain", "ended", "speaks"),
    [
        ((0.21, 0.1, 0.06, 0.06, 0.06), 0.79, True, True),
        ((0.21, 0.1, 0.04, 0.04, 0.04), 0.79, True, False),
        ((0.19, 0.1, 0.06, 0.06, 0.06), 0.79, True, False),
        ((0.21, 0.1, 0.06, 0.06, 0.06), 0.81, True, False),
        ((0.21, 0.1, 0.06, 0.06, 0.06), 0.79, False, False),
    ],
    ids=["left", "hardly left", "few at first", "learned", "under way"],
)
def test_what_is_left_of_outputs_born_stuck_is_a_warning_where_loss_is_left(
    shares: tuple[float, ...], gain: float, record: Callable[..., Record], *, ended: bool, speaks: bool
) -> None:
    made = record(*shares, gain=gain)
    made.add(Ending(1000, "completed" if ended else "interrupted"))
    assert [(str(finding.severity), finding.threshold) for finding in said(made)] == [("warning", 0.05)] * speaks


@pytest.mark.parametrize(
    "shares", [(0.0,) * 5, (0.19,) * 5, (0.9, 0.9, 0.0, 0.0, 0.0)], ids=["none", "fewer", "only at first"]
)
def test_few_and_short_lived_ones_are_silent(shares: tuple[float, ...], record: Callable[..., Record]) -> None:
    assert said(record(*shares)) == []


def test_it_clears_a_third_of_the_way_back(record: Callable[..., Record]) -> None:
    assert said(record(0.5, 0.5, 0.5, 0.14))[0].standing
    assert said(record(0.5, 0.5, 0.5, 0.13))[0].cleared


@pytest.mark.parametrize(
    ("activation", "labels", "cure"),
    [
        ("sigmoid", True, {"training.loss": "binary_cross_entropy"}),
        ("softmax", True, {"training.loss": "cross_entropy"}),
        ("tanh", True, {"model.output": "linear"}),
        ("sigmoid", False, {"model.output": "linear"}),
    ],
    ids=["sigmoid", "softmax", "tanh", "quantities"],
)
def test_the_cure_is_the_matching_pair(
    activation: str,
    labels: bool,  # noqa: FBT001
    cure: dict[str, str],
    record: Callable[..., Record],
) -> None:
    (finding,) = said(record(*[0.5] * 5, note=fit(activation=activation), labels=labels))
    assert finding.prescriptions[0].set == cure


@pytest.mark.parametrize(
    ("shares", "note", "status"),
    [
        ((0.5, 0.5), fit(), "not_judged"),
        ((None,) * 5, fit(), "not_judged"),
        ((0.5,) * 5, fit(takes=None), "not_judged"),
        ((None,) * 5, fit(takes="probabilities"), "not_applicable"),
        ((None,) * 5, fit(activation="linear"), "not_applicable"),
    ],
    ids=["two checks", "not measured", "an unknown loss", "probabilities", "linear"],
)
def test_what_cannot_be_judged_is_not(shares: Any, note: LossFit, status: str, record: Callable[..., Record]) -> None:
    made = record(*shares, note=note)
    assert SaturatedOutput().judge(made, judge_gate(made)).status == status


def test_an_older_record_is_not_judged(make_context: MakeContext, make_probe: MakeProbe) -> None:
    made = Record(make_context())
    made.add(make_probe(0))
    judgement = SaturatedOutput().judge(made, judge_gate(made))
    assert (judgement.status, judgement.reason) == ("not_judged", "not recorded")


def watched(
    inputs: Any, targets: Any, optimizer: Any, init: Any, *, epochs: int = 60, output: str = "sigmoid"
) -> Monitor:
    network = perceptron(
        [inputs.shape[1], 16, targets.shape[1]],
        ["tanh"],
        "mse",
        initializers=[glorot_uniform, init],
        generator=np.random.default_rng(0),
        output=output,
    )
    with Monitor(network, WatchedData(inputs, targets)) as monitor:
        train(
            network,
            Samples(inputs, targets),
            optimizer,
            epochs=epochs,
            batch_size=32,
            generator=np.random.default_rng(0),
        )
    return monitor


def draw() -> Any:
    return np.random.default_rng(0).normal(size=(600, 5))


@pytest.mark.parametrize(("output", "low"), [("sigmoid", 0.0), ("tanh", -1.0)], ids=str)
def test_networks_that_saturate_because_they_are_right_are_clear(output: str, low: float) -> None:
    inputs = draw()
    targets = np.where(inputs[:, :1] > 0.0, 1.0, low)
    monitor = watched(inputs, targets, Adam(0.03), glorot_uniform, output=output)
    assert monitor.record.notes(Probe)[-1].loss_ratio < 0.1  # type: ignore[operator]
    assert said(monitor.record) == []


@pytest.mark.parametrize("share", [0.01, 0.1], ids=str)
def test_rare_labels_that_nobody_can_predict_are_not_stuck(share: float) -> None:
    targets = (np.random.default_rng(1).random((600, 1)) < share).astype(float)
    assert said(watched(draw(), targets, Adam(0.003), glorot_uniform, epochs=30).record) == []


@pytest.mark.parametrize("flipped", [0.1, 0.25], ids=str)
def test_flipped_labels_are_not_stuck(flipped: float) -> None:
    inputs = draw()
    targets = ((inputs[:, :1] > 0.0) != (np.random.default_rng(1).random((600, 1)) < flipped)).astype(float)
    assert said(watched(inputs, targets, Adam(0.01), glorot_uniform).record) == []


def test_large_weights_behind_a_squared_error_are_found_live() -> None:
    inputs = draw()
    targets = (inputs[:, :1] * inputs[:, 1:2] > 0.0).astype(float)
    (finding,) = said(watched(inputs, targets, Sgd(0.1), normal(50.0)).record)
    assert finding.severity is Severity.ERROR
    assert finding.first_step == 0
