"""Diagnosis 19: what is wrong with a program, by itself and where the network is impaired, from the notes alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.loss_mismatch import LossMismatch
from gradvitals.diagnostics.findings import Finding, Judgement, Severity
from gradvitals.diagnostics.gate import Arm, Gate, GateCheck, judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending, Outputs, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import AcrossSamples, LossFit, MixedRows, TargetFacts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.losses import Loss
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.regression_losses import MeanSquaredError
from gradvitals.engine.training import Samples, train

MakeContext = Callable[..., Context]
MakeProbe = Callable[..., Probe]

FIT = LossFit(0, "logits", "mean", False, "linear", 3, True, 0.0, 0.0)  # noqa: FBT003 - as the note has them
ONE_HOT = TargetFacts(0, 3, 0.0, 1.0, 2, True, 0.0, 0.0, 0)  # noqa: FBT003
SIGNAL, NOISE = Signal(1000, 0.5, 0.02), Signal(1000, 0.01, 0.02)


@pytest.fixture
def record(make_context: MakeContext, make_probe: MakeProbe) -> Callable[..., Record]:
    """Make a record of five probes with this gain."""

    def make(
        fit: LossFit | None = FIT,
        targets: TargetFacts | None = ONE_HOT,
        *,
        loss: str = "cross_entropy",
        gain: float = 0.5,
        outputs: Any = (),
        notes: Any = (SIGNAL,),
        config: Any = None,
        constant_loss: float | None = 1.0,
    ) -> Record:
        context = replace(make_context(config=config or {}), loss=loss, constant_loss=constant_loss)
        made = Record(context)
        for number in range(5):
            made.add(make_probe(250 * number, gain=gain, gain_se=0.001, loss_ratio=1.0 - gain))
        for note in (fit, targets, *outputs, *notes):
            if note is not None:
                made.add(note)
        return made

    return make


def judged(record: Record) -> Judgement:
    return LossMismatch().judge(record, judge_gate(record))


def said(record: Record) -> Finding | None:
    found = judged(record).findings
    assert len(found) <= 1
    return found[0] if found else None


def severity(record: Record) -> str:
    finding = said(record)
    return "clear" if finding is None else str(finding.severity)


def bounded(fit: LossFit, activation: str, cost: float, entropy: float = 0.0) -> LossFit:
    """Make outputs that an activation keeps from the least loss there is, which is that of the targets' entropy."""
    return replace(fit, activation=activation, floor=entropy + cost, forced=cost)


VALUES = replace(FIT, takes="values")
SQUARED = replace(VALUES, activation="softmax")
PROBS = replace(FIT, takes="probabilities")
ONE = replace(ONE_HOT, columns=1, levels=400, highest=7.0, whole=False)
MIXED = MixedRows(0, 8, 0.3, 2.0)
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "all in order": ({}, "clear", "clear"),
    "every output meets all targets": (
        {"fit": replace(VALUES, across_samples=True, outputs=1), "targets": replace(ONE_HOT, columns=1), "loss": "mse"},
        "error",
        "error",
    ),
    "one output for three targets": ({"fit": replace(VALUES, outputs=1), "loss": "mse"}, "error", "error"),
    "three outputs for one target": (
        {"fit": VALUES, "targets": replace(ONE_HOT, columns=1), "loss": "mse"},
        "warning",
        "error",
    ),
    "labels beyond": ({"targets": replace(ONE_HOT, columns=5, beyond=0.2)}, "error", "error"),
    "several labels": ({"targets": replace(ONE_HOT, unshared=0.3)}, "warning", "error"),
    "several labels under a loss of each": (
        {"targets": replace(ONE_HOT, unshared=0.3), "loss": "binary_cross_entropy"},
        "clear",
        "clear",
    ),
    "shares of classes": ({"targets": replace(ONE_HOT, levels=50, whole=False)}, "clear", "clear"),
    "negative shares": ({"targets": replace(ONE_HOT, lowest=-0.1)}, "error", "error"),
    "signs for labels": (
        {"targets": replace(ONE_HOT, lowest=-1.0, columns=1), "fit": replace(FIT, outputs=1), "loss": "binary_hinge"},
        "error",
        "error",
    ),
    "labels cut to whole numbers": ({"fit": replace(FIT, cut_labels=0.9)}, "error", "error"),
    "outputs that depend on the other samples": ({"notes": (SIGNAL, MIXED)}, "warning", "error"),
    "the same under an unknown loss": (
        {"notes": (SIGNAL, MIXED), "fit": replace(FIT, takes=None), "loss": "custom"},
        "warning",
        "error",
    ),
    "outputs pulled to one number": (
        {"notes": (SIGNAL, AcrossSamples(3, 32)), "fit": replace(VALUES, outputs=1), "targets": ONE, "loss": "mse"},
        "error",
        "error",
    ),
    "a softmax over one unit at three positions": (
        {"fit": replace(PROBS, activation="softmax", width=1), "loss": "binary_cross_entropy"},
        "error",
        "error",
    ),
    "a sigmoid for each of three classes": ({"fit": replace(PROBS, activation="sigmoid")}, "info", "warning"),
    "a sigmoid for each of several labels": (
        {"fit": replace(PROBS, activation="sigmoid"), "loss": "binary_cross_entropy"},
        "clear",
        "clear",
    ),
    "a softmax twice": ({"fit": replace(FIT, activation="softmax")}, "error", "error"),
    "a softmax twice, of unknown targets": (
        {"fit": replace(FIT, activation="softmax"), "targets": None},
        "error",
        "error",
    ),
    "4 % out of reach": ({"fit": bounded(VALUES, "tanh", 0.04), "loss": "mse"}, "info", "info"),
    "6 % out of reach": ({"fit": bounded(VALUES, "tanh", 0.06), "loss": "mse"}, "warning", "error"),
    "26 % out of reach": ({"fit": bounded(VALUES, "tanh", 0.26), "loss": "mse"}, "error", "error"),
    "the last digit out of reach": (
        {"fit": bounded(VALUES, "tanh", 1e-9), "loss": "mse"},
        "clear",
        "clear",
    ),
    "26 % of certainty out of reach": ({"fit": bounded(FIT, "tanh", 0.26)}, "warning", "error"),
    "a tenth of soft labels out of reach": (
        {"fit": bounded(FIT, "tanh", 0.006, 0.63), "loss": "binary_cross_entropy", "constant_loss": 0.69},
        "warning",
        "error",
    ),
    "a twentieth of what soft labels cost anyway": (
        {"fit": bounded(FIT, "tanh", 0.002, 0.63), "loss": "binary_cross_entropy", "constant_loss": 0.69},
        "info",
        "info",
    ),
    "soft labels that leave nothing to learn": (
        {"fit": bounded(FIT, "tanh", 0.06, 0.63), "loss": "binary_cross_entropy", "constant_loss": 0.63},
        "clear",
        "clear",
    ),
    "margins out of reach": (
        {"fit": bounded(replace(FIT, takes="scores"), "sigmoid", 0.5), "loss": "binary_hinge"},
        "error",
        "error",
    ),
    "margins out of reach, right answers not": (
        {"fit": bounded(replace(FIT, takes="scores"), "relu", 0.5), "loss": "binary_hinge"},
        "warning",
        "error",
    ),
    "out of reach, of an unknown constant": (
        {"fit": bounded(VALUES, "tanh", 0.5), "loss": "mse", "constant_loss": None},
        "clear",
        "clear",
    ),
    "a squared error of a softmax": ({"fit": replace(VALUES, activation="softmax"), "loss": "mse"}, "info", "error"),
    "a squared error of shares": (
        {
            "fit": replace(VALUES, activation="sigmoid"),
            "loss": "mse",
            "targets": replace(ONE_HOT, levels=90, whole=False),
        },
        "clear",
        "clear",
    ),
    "a sum": ({"fit": replace(FIT, reduction="sum")}, "info", "error"),
    "a sum under adam": (
        {"fit": replace(FIT, reduction="sum"), "config": {"training.optimizer.kind": "adam"}},
        "info",
        "info",
    ),
    "class numbers": (
        {
            "fit": replace(VALUES, outputs=1),
            "loss": "mse",
            "targets": replace(ONE_HOT, columns=1, highest=4.0, levels=5),
        },
        "info",
        "info",
    ),
    "a ruled-out half of the logits": ({"fit": replace(FIT, activation="relu")}, "info", "info"),
    "a silenced class": (
        {"fit": replace(FIT, activation="relu"), "notes": (SIGNAL, Scan(1000, 100, {"output": (1,)}))},
        "warning",
        "error",
    ),
    "a silenced output that is no class": (
        {
            "fit": replace(FIT, activation="relu"),
            "targets": replace(ONE_HOT, unused=1),
            "notes": (SIGNAL, Scan(1000, 100, {"output": (2,)})),
        },
        "info",
        "info",
    ),
    "spare outputs": ({"targets": replace(ONE_HOT, unused=1)}, "info", "info"),
}


@pytest.mark.parametrize(("given", "by_itself", "_"), CASES.values(), ids=CASES)
def test_a_program_is_judged_by_itself(
    given: dict[str, Any], by_itself: str, _: str, record: Callable[..., Record]
) -> None:
    assert severity(record(**given)) == by_itself


@pytest.mark.parametrize(("given", "_", "impaired"), CASES.values(), ids=CASES)
def test_and_more_severely_where_the_network_learns_nothing(
    given: dict[str, Any], _: str, impaired: str, record: Callable[..., Record]
) -> None:
    assert severity(record(gain=0.0, **given)) == impaired


@pytest.mark.parametrize(("given", "by_itself", "_"), CASES.values(), ids=CASES)
def test_but_not_where_the_data_hold_no_signal(
    given: dict[str, Any], by_itself: str, _: str, record: Callable[..., Record]
) -> None:
    notes = (NOISE, *given.get("notes", ())[1:])
    assert severity(record(gain=0.0, **(given | {"notes": notes}))) == by_itself


@pytest.mark.parametrize(("gain", "expected"), [(0.05, "info"), (0.07, "error")], ids=["2.5 errors", "3.5 errors"])
def test_a_signal_is_what_simple_models_find_by_3_standard_errors(
    gain: float, expected: str, record: Callable[..., Record]
) -> None:
    summed = replace(FIT, reduction="sum")
    assert severity(record(summed, gain=0.0, notes=(Signal(1000, gain, 0.02),))) == expected


@pytest.mark.parametrize(
    ("lag", "ending", "expected"),
    [
        ((0.2, 0.02), "completed", "warning"),
        ((0.2, 0.15), "completed", "info"),
        ((0.03, 0.002), "completed", "info"),
        ((0.2, 0.02), "interrupted", "info"),
        (None, "completed", "info"),
    ],
    ids=["behind", "perhaps behind", "hardly behind", "under way", "not asked"],
)
def test_logits_cut_off_are_more_than_a_remark_behind_simple_models(
    lag: tuple[float, float] | None, ending: Any, expected: str, record: Callable[..., Record]
) -> None:
    made = record(replace(FIT, activation="relu"))
    last = made.notes(Probe).pop()
    made.add(replace(last, majority_accuracy=0.3, accuracy_excess=0.4, accuracy_excess_se=0.03))
    if lag is not None:
        made.add(Shortfall(last.step, 256, 0.7, 0.7 + lag[0], *lag))
    made.add(Ending(last.step, ending))
    assert severity(made) == expected


@pytest.mark.parametrize(
    ("takes", "loss", "seen", "expected"),
    [
        ("probabilities", "cross_entropy", [(0.0, 1.0)], "clear"),
        ("probabilities", "cross_entropy", [(-1e-7, 1.0 + 1e-6)], "clear"),
        ("probabilities", "cross_entropy", [(0.0, 0.9), (-0.2, 0.9)], "error"),
        ("probabilities", "cross_entropy", [(0.0, 5.0)], "warning"),
        ("probabilities", "binary_cross_entropy", [(0.0, 5.0)], "error"),
        ("probabilities", "binary_cross_entropy", [(None, None)], "clear"),
        ("log_probabilities", "nll", [(-8.0, -1e-3)], "clear"),
        ("log_probabilities", "nll", [(-8.0, 2.0)], "error"),
        ("logits", "cross_entropy", [(-80.0, 90.0)], "clear"),
    ],
    ids=[
        "probabilities",
        "rounding",
        "below 0 later",
        "above 1",
        "above 1, each",
        "not finite",
        "log-probabilities",
        "none",
        "logits",
    ],
)
def test_outputs_are_what_the_loss_takes_them_for(
    takes: str, loss: str, seen: Any, expected: str, record: Callable[..., Record]
) -> None:
    outputs = [
        Outputs(250 * number, lowest=low, highest=high, sum_error=None if low is None else 1e-6)
        for number, (low, high) in enumerate(seen)
    ]
    made = record(replace(FIT, takes=takes, floor=None, forced=None), loss=loss, outputs=outputs)
    assert severity(made) == expected
    if (finding := said(made)) is not None:
        assert finding.first_step == 250 * (len(seen) - 1)


def test_numbers_below_0_whose_exponentials_do_not_sum_to_1_are_no_log_probabilities(
    record: Callable[..., Record],
) -> None:
    fit = replace(FIT, takes="log_probabilities", floor=None, forced=None)
    assert severity(record(fit, loss="nll", outputs=[Outputs(0, lowest=-8.0, highest=-2.0, sum_error=0.7)])) == "error"


def test_the_worst_is_said_first_and_the_rest_with_it(record: Callable[..., Record]) -> None:
    fit = replace(FIT, activation="softmax", reduction="sum")
    finding = said(record(fit, replace(ONE_HOT, unused=1), config={"model.output": "softmax"}))
    assert finding is not None
    assert finding.evidence.startswith("outputs of a softmax, between 0 and 1, taken for logits")
    assert "; also the losses of a batch" in finding.evidence
    assert [cure.set for cure in finding.prescriptions][:2] == [
        {"model.output": "linear"},
        {"training.reduction": "mean"},
    ]


@pytest.mark.parametrize(("unshared", "cure"), [(0.3, "binary_cross_entropy"), (0.0, "cross_entropy")])
def test_several_labels_under_a_softmax_are_sent_to_a_loss_of_each(
    unshared: float, cure: str, record: Callable[..., Record]
) -> None:
    targets = replace(ONE_HOT, unshared=unshared)
    finding = said(record(bounded(SQUARED, "softmax", 0.3), targets, loss="mse"))
    assert finding is not None
    assert any(each.why.startswith(f"use {cure}") for each in finding.prescriptions)
    assert ("a softmax chooses one" in finding.evidence) == (unshared > 0.0)


def test_cures_that_are_the_same_are_given_once(record: Callable[..., Record]) -> None:
    fit = replace(FIT, activation="softmax", outputs=1)
    finding = said(record(fit, replace(ONE_HOT, columns=1, lowest=3.0, highest=9.5, levels=80, whole=False)))
    assert finding is not None
    assert [cure.set for cure in finding.prescriptions] == [{"training.loss": "mse", "model.output": "linear"}]


def test_without_a_config_cures_are_words(make_context: MakeContext) -> None:
    made = Record(make_context())
    made.add(replace(FIT, activation="softmax"))
    finding = said(made)
    assert finding is not None
    assert [cure.set for cure in finding.prescriptions] == [None]


def test_logits_that_a_config_speaks_of_do_not_stand_in_the_way_of_a_cure(record: Callable[..., Record]) -> None:
    fit, quantities = replace(FIT, outputs=1), replace(ONE_HOT, columns=1, lowest=3.0, highest=9.5, whole=False)
    finding = said(record(fit, quantities, config={"training.from_logits": True}))
    assert finding is not None
    assert finding.prescriptions[0].set is None  # mse has no from_logits: it would be refused
    assert "leave training.from_logits out" in finding.prescriptions[0].why


@pytest.mark.parametrize(
    ("fit", "reason"),
    [(None, "not recorded"), (replace(FIT, takes=None), "what the loss takes is not known")],
    ids=["an older record", "an unknown loss"],
)
def test_what_cannot_be_judged_is_not(fit: LossFit | None, reason: str, record: Callable[..., Record]) -> None:
    judgement = judged(record(fit))
    assert (judgement.status, judgement.reason) == ("not_judged", reason)


@pytest.mark.parametrize(
    ("arms", "of_a_sum", "of_squares"),
    [
        ({Arm.NOT_LEARNING}, "error", "error"),
        ({Arm.NO_GRADIENT}, "error", "error"),
        ({Arm.BLOCKED}, "error", "info"),
        ({Arm.BLOCKED, Arm.NOT_LEARNING}, "error", "info"),
        ({Arm.MEMORISING}, "info", "info"),
        (set(), "info", "info"),
    ],
    ids=["not learning", "no gradient", "blocked", "blocked and not learning", "memorising", "not impaired"],
)
def test_only_an_impairment_that_it_explains_makes_it_an_error(
    arms: set[Arm], of_a_sum: str, of_squares: str, record: Callable[..., Record]
) -> None:
    """A layer that died, or a number that is not finite, is no squared error's doing."""
    checks = [GateCheck(step, judged=True, arms=frozenset(arms), last=step == 1000) for step in (250, 500, 750, 1000)]
    programs: list[tuple[dict[str, Any], str]] = [
        ({"fit": replace(FIT, reduction="sum")}, of_a_sum),
        ({"fit": SQUARED, "loss": "mse"}, of_squares),
    ]
    for given, expected in programs:
        (finding,) = LossMismatch().judge(record(**given), Gate(tuple(checks))).findings
        assert str(finding.severity) == expected


def test_an_impairment_must_last(record: Callable[..., Record]) -> None:
    impaired = frozenset({Arm.NOT_LEARNING})
    for arms, expected in (
        ([frozenset(), impaired, impaired], "info"),
        ([impaired] * 3, "error"),
        ([impaired] * 2, "info"),
    ):
        checks = [GateCheck(step, judged=True, arms=each, last=False) for step, each in enumerate(arms)]
        (finding,) = LossMismatch().judge(record(SQUARED, loss="mse"), Gate(tuple(checks))).findings
        assert str(finding.severity) == expected


def train_on(loss: str | Loss, outputs: int, targets: Any, output: str = "linear") -> Monitor:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(len(targets), 3))
    network = perceptron(
        [3, 8, outputs],
        ["tanh"],
        loss,
        initializers=[glorot_uniform] * 2,
        generator=rng,
        output=output,
        target_width=targets.shape[1],
    )
    with Monitor(network, WatchedData(inputs, targets)) as monitor:
        train(network, Samples(inputs, targets), Sgd(0.01), epochs=5, batch_size=16, generator=rng)
    return monitor


def test_targets_of_one_column_against_a_row_are_found_live() -> None:
    targets = np.random.default_rng(1).normal(size=(100, 1))
    finding = said(train_on(MeanSquaredError(broadcast="batch"), 1, targets).record)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "(batch, batch)" in finding.evidence


@pytest.mark.parametrize(
    ("outputs", "columns", "expected"), [(1, 3, "error"), (3, 1, "warning"), (3, 3, "clear")], ids=str
)
def test_outputs_and_targets_that_broadcast_are_found_live(outputs: int, columns: int, expected: str) -> None:
    targets = np.random.default_rng(1).normal(size=(100, columns))
    assert severity(train_on(MeanSquaredError(broadcast="outputs"), outputs, targets).record) == expected


def test_a_loss_that_does_not_say_what_it_takes_is_not_judged_live() -> None:
    class OwnSquaredError(MeanSquaredError):
        takes = None  # type: ignore[assignment]

    assert judged(train_on(OwnSquaredError(), 1, np.ones((100, 1))).record).status == "not_judged"


def test_without_data_a_program_is_judged_all_the_same() -> None:
    rng = np.random.default_rng(0)
    network = perceptron([3, 3], [], "cross_entropy", initializers=[glorot_uniform], generator=rng, output="softmax")
    samples = Samples(rng.normal(size=(60, 3)), np.eye(3)[rng.integers(0, 3, 60)])
    with Monitor(network) as monitor:
        train(network, samples, Sgd(0.1), epochs=3, batch_size=16, generator=rng)
    assert severity(monitor.record) == "error"
