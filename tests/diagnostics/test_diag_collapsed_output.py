"""Diagnosis 25: the same said of everything; heads that begin at zero, and data without signal, stay out of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.collapsed_output import CollapsedOutput
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Activity, Outputs, Probe, Scan, Signal
from gradvitals.diagnostics.start_notes import DataFacts, LossFit, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform, he_normal, normal, zeros
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.regularizers import L2, mark_weights

MakeContext = Callable[..., Context]
MakeProbe = Callable[..., Probe]
Train = Callable[..., Any]


@pytest.fixture
def record(make_context: MakeContext, make_probe: MakeProbe) -> Callable[..., Record]:
    """Make a record of outputs with these spreads at 0, 250, 500 …; `gain` is that of every probe."""

    def make(
        *spreads: float | None, gain: float = 0.0, takes: str | None = "logits", notes: Any = (), **outputs: Any
    ) -> Record:
        made = Record(make_context(config={}))
        made.add(LossFit(0, takes, "mean", False, "linear", 3, True, 0.0, 0.0))  # noqa: FBT003 - as the note has them
        for number, spread in enumerate(spreads):
            made.add(make_probe(250 * number, gain=gain, gain_se=0.001, loss_ratio=1.0 - gain))
            made.add(Outputs(250 * number, spread=spread, **outputs))
        for note in notes:
            made.add(note)
        return made

    return make


def said(record: Record) -> list[Finding]:
    return list(CollapsedOutput().judge(record, judge_gate(record)).findings)


def errors(record: Record) -> list[Finding]:
    return [finding for finding in said(record) if finding.severity is Severity.ERROR]


@pytest.mark.parametrize("spread", [0.0, 1e-9, 9e-7], ids=str)
def test_a_constant_output_of_an_impaired_network_is_an_error(spread: float, record: Callable[..., Record]) -> None:
    (finding,) = errors(record(*[spread] * 5))
    assert (finding.layer, finding.value, finding.first_step) == ("output", spread, 250)  # 0 is before the warm-up
    assert finding.defect


@pytest.mark.parametrize(
    ("spreads", "gain"),
    [((2e-6,) * 5, 0.0), ((0.0,) * 5, 0.5), ((0.0, 0.0, 0.0, 0.3, 0.5), 0.0), ((None,) * 5, 0.0)],
    ids=["it varies", "the network does its job", "only at first", "not known"],
)
def test_anything_less_is_none(spreads: tuple[float, ...], gain: float, record: Callable[..., Record]) -> None:
    assert errors(record(*spreads, gain=gain)) == []


def test_data_without_signal_are_not_laid_to_the_network(record: Callable[..., Record]) -> None:
    for first, later in ((0.3, 0.0), (0.0, 1e-9)):  # the second of a head that began at zero
        made = record(first, *[later] * 4, notes=[Signal(1000, 0.01, 0.02)])
        judgement = CollapsedOutput().judge(made, judge_gate(made))
        assert judgement.status == "not_judged"
        assert "no signal" in judgement.reason
    for gain, blamed in ((0.05, False), (0.07, True), (0.5, True)):  # at 3 standard errors it is a signal
        assert bool(errors(record(0.3, *[0.0] * 4, notes=[Signal(1000, gain, 0.02)]))) == blamed


def test_outputs_that_never_varied_at_all_are_the_program_s_whatever_the_data_hold(
    record: Callable[..., Record],
) -> None:
    made = record(*[0.0] * 5, notes=[Signal(1000, 0.01, 0.02)])
    assert [finding.layer for finding in errors(made)] == ["output"]


@pytest.mark.parametrize(
    ("config", "signals", "behind"),
    [(None, 1.0, True), ({}, 1.0, False), (None, 0.0, False)],
    ids=["a user's program", "our own", "no signals in the last layer"],
)
def test_outputs_that_never_varied_may_be_lost_behind_the_last_layer_of_a_users_program(
    config: dict[str, Any] | None,
    signals: float,
    record: Callable[..., Record],
    make_context: MakeContext,
    *,
    behind: bool,
) -> None:
    empty: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
    start = Propagation(**empty | {"step": 0, "deviations": {"hidden_1": 1.0, "output": signals}})
    made = record(*[0.0] * 5, notes=[start])
    made.context = make_context(config=config)
    (finding,) = errors(made)
    assert any("behind the last layer" in cure.why for cure in finding.prescriptions) is behind


@pytest.mark.parametrize(("constant", "blamed"), [(3, False), (2, True)])
def test_outputs_that_never_varied_are_not_blamed_where_the_inputs_do_not(
    constant: int, *, blamed: bool, record: Callable[..., Record]
) -> None:
    facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    known = DataFacts(**(facts | {"step": 0, "columns": 3, "constant_count": constant}))
    assert bool(errors(record(*[0.0] * 5, notes=[Signal(1000, 0.01, 0.02), known]))) is blamed


@pytest.mark.parametrize(
    ("notes", "reason"),
    [((), "not recorded"), ((LossFit(0, None, "mean", False, "linear", 3, True, None, None),), "not known")],  # noqa: FBT003
    ids=["an older record", "an unknown loss"],
)
def test_what_cannot_be_judged_is_not(
    notes: Any, reason: str, make_context: MakeContext, make_probe: MakeProbe
) -> None:
    made = Record(make_context())
    for note in (make_probe(0), *notes, *([Outputs(0)] if notes else [])):
        made.add(note)
    judgement = CollapsedOutput().judge(made, judge_gate(made))
    assert judgement.status == "not_judged"
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("favourite", "label", "fires"),
    [(1.0, 0.99, False), (0.9, 0.1, True), (0.36, 0.1, True), (0.35, 0.1, False)],
    ids=str,
)
def test_an_answer_that_is_given_far_too_often_is_worth_a_word(
    favourite: float,
    label: float,
    fires: bool,  # noqa: FBT001
    record: Callable[..., Record],
) -> None:
    found = said(record(*[0.3] * 5, gain=0.5, favourite=favourite, favourite_label=label))
    assert [str(finding.severity) for finding in found] == ["info"] * fires


@pytest.mark.parametrize(
    ("dormant", "dead", "fires"), [(0.75, 0, True), (0.4, 0, False), (0.75, 3, False), (0.75, 2, True)], ids=str
)
def test_dormant_units_are_worth_a_word_if_they_are_not_dead(
    dormant: float,
    dead: int,
    fires: bool,  # noqa: FBT001
    record: Callable[..., Record],
) -> None:
    notes = [
        Scan(1000, 100, {"hidden_1": tuple(range(dead))}),
        Activity(1000, {"hidden_1": dormant}, {"hidden_1": 0.2}),
    ]
    found = said(record(*[0.3] * 5, gain=0.5, notes=notes))
    assert [(str(finding.severity), finding.layer) for finding in found] == [("info", "hidden_1")] * fires


@pytest.mark.parametrize(("share", "fires"), [(1.0, True), (0.9, False)], ids=str)
def test_a_layer_that_never_switches_is_worth_a_word(
    share: float,
    fires: bool,  # noqa: FBT001
    record: Callable[..., Record],
) -> None:
    notes = [Activity(0, {}, {"hidden_1": 1.0 - share}), Activity(1000, {"hidden_1": 0.0}, {"hidden_1": share})]
    found = said(record(*[0.3] * 5, gain=0.5, notes=notes))
    assert ["linear" in finding.explanation for finding in found] == [True] * fires


SICK = {
    "zero weights": {"activation": "tanh", "init": zeros},
    "next to zero": {"activation": "tanh", "init": normal(1e-7), "hidden": [16, 16, 16]},
    "dead": {"bias": -50.0},
}


@pytest.mark.parametrize("sick", SICK.values(), ids=SICK)
def test_networks_that_lose_their_input_are_found_live(
    sick: dict[str, Any], digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(digits, optimizer=Sgd(0.1), **sick).monitor.verdict
    found = [finding for finding in verdict.standing if finding.id == "collapsed_output"]
    assert [finding.severity for finding in found] == [Severity.ERROR]


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "mse"])
@pytest.mark.parametrize("optimizer", [lambda: Sgd(0.1), lambda: Adam(0.003)], ids=["sgd", "adam"])
def test_a_head_that_begins_at_zero_is_healthy(
    optimizer: Callable[[], Any], loss: str, digits: WatchedData, train_watched: Train
) -> None:
    init = [he_normal, he_normal, zeros]
    monitor = train_watched(digits, optimizer=optimizer(), init=init, loss=loss).monitor
    assert monitor.record.notes(Outputs)[0].spread == 0.0
    assert errors(monitor.record) == []


def test_a_network_that_a_penalty_holds_at_the_mean_of_noise_is_not_blamed(
    make_network: Callable[..., Any], train_watched: Train
) -> None:
    rng = np.random.default_rng(0)
    data = WatchedData(rng.normal(size=(300, 4)), rng.normal(size=(300, 1)))
    network = make_network(data, [8], "tanh", glorot_uniform, loss="mse")
    monitor = train_watched(
        data, network, optimizer=Sgd(0.1), epochs=200, training={"penalty": L2(1.0, mark_weights(network))}
    ).monitor
    assert monitor.record.notes(Outputs)[-1].spread < 1e-6
    assert errors(monitor.record) == []
