"""Diagnosis 15: units that are one, for ever; what breaks the symmetry, or never had any, stays silent."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.symmetric_units import SymmetricUnits
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import Arm, Gate, GateCheck
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Ending, Scan, Symmetry
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.adaptive_optimizers import AdamW
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import LayerInfo
from gradvitals.engine.initializers import constant, he_normal, identity, zeros
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, RmsProp, Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.q_network import q_network
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.training import Samples, train

Train = Callable[..., Any]
MakeContext = Callable[..., Context]
Groups = Sequence[Sequence[int]]


def said(record: Record) -> list[Finding]:
    return list(SymmetricUnits().judge(record, Gate(())).findings)


def noted(make_context: MakeContext, *looks: Groups, activation: str = "tanh", **groups: Groups) -> Record:
    """Record, of a layer of eight units, groups of equal units at 0, 100, 200 … and what is merely alike."""
    record = Record(make_context((activation,), config={"model.init.kind": "zeros"}))
    for number, found in enumerate(looks):
        same = {"hidden_1": tuple(map(tuple, found))} if found else {}
        alike = {"hidden_1": tuple(map(tuple, groups["alike"]))} if "alike" in groups else same
        record.add(Symmetry(100 * number, same, alike))
    record.add(Ending(100 * len(looks), "completed"))
    return record


@pytest.mark.parametrize(
    ("groups", "severity", "share"),
    [
        ([range(8)], "error", 7 / 8),
        ([range(5)], "error", 0.5),
        ([range(4)], "warning", 3 / 8),
        ([(0, 1), (2, 3), (4, 5), (6, 7)], "error", 0.5),
        ([(2, 7)], "warning", 1 / 8),
        ([(0, 1, 2), (5, 6)], "warning", 3 / 8),
    ],
    ids=["all", "a group of five", "a group of four", "four pairs", "a pair", "two groups"],
)
def test_it_goes_by_the_share_of_units_that_only_repeat_another(
    make_context: MakeContext, groups: Groups, severity: str, share: float
) -> None:
    (finding,) = said(noted(make_context, groups, groups))
    assert (str(finding.severity), finding.value) == (severity, share)
    assert (finding.layer, finding.first_step, finding.last_step) == ("hidden_1", 0, 100)
    assert f"{max(map(len, groups))} of 8 units of hidden_1" in finding.evidence
    assert [cure.set for cure in finding.prescriptions] == [{"model.init": "glorot_uniform"}]


def test_units_no_longer_equal_stand_as_long_as_they_are_alike_and_then_clear(make_context: MakeContext) -> None:
    record = noted(make_context, [range(8)], [range(8)], [])
    record.notes(Symmetry)[-1] = Symmetry(200, {}, {"hidden_1": (tuple(range(8)),)})
    (finding,) = said(record)
    assert (finding.severity, finding.last_step, finding.cleared) == (Severity.ERROR, 200, False)
    assert "up to a hundredth" in finding.evidence
    record.add(Symmetry(300, {}, {}))
    (finding,) = said(record)
    assert (finding.severity, finding.last_step, finding.cleared) == (Severity.INFO, 200, True)


def test_units_merely_alike_after_20_updates_are_no_symmetry(make_context: MakeContext) -> None:
    assert said(noted(make_context, [range(8)], [], alike=[range(8)])) == []


@pytest.mark.parametrize(
    ("groups", "check", "expected"),
    [
        (range(8), {"behind": True}, "warning"),
        (range(8), {"arms": frozenset({Arm.NOT_LEARNING})}, "error"),
        (range(8), {}, None),
        (range(5), {"behind": True}, "warning"),
        (range(4), {"behind": True}, None),
    ],
    ids=["behind", "impaired", "as good", "just half of them", "less than half of them"],
)
@pytest.mark.parametrize("rest", [[], [(0, 1)]], ids=["all differ", "two are left"])
def test_units_that_began_equal_count_where_it_has_cost_something(
    groups: Sequence[int],
    check: dict[str, Any],
    expected: str | None,
    rest: list[tuple[int, ...]],
    make_context: MakeContext,
) -> None:
    """Two units that are left are a warning by themselves."""
    record = noted(make_context, [groups], rest, rest)
    gate = Gate((GateCheck(300, judged=True, last=True, **{"arms": frozenset(), **check}),))
    found = [each for each in SymmetricUnits().judge(record, gate).findings if each.standing]
    least = "warning" if rest else None
    assert [str(each.severity) for each in found] == [each for each in [expected or least] if each]
    if expected == "error" or (expected and not rest):
        assert found[0].evidence.startswith(f"{len(groups)} of 8 units of hidden_1")
        assert found[0].evidence.endswith("at the start; they differ after 300 updates, by rounding or by chance")
        assert (found[0].first_step, found[0].value) == (0, (len(groups) - 1) / 8)


@pytest.mark.parametrize(
    ("dead", "expected"),
    [([[]], 8), ([range(8)], 0), ([range(6)], 2), ([range(7)], 0), ([range(8), []], 8), ([[], range(8)], 8)],
    ids=["none", "all", "six", "all but one", "revived", "died later"],
)
def test_relu_units_that_never_fired_are_left_to_dead_units(
    make_context: MakeContext, dead: list[Sequence[int]], expected: int
) -> None:
    record = noted(make_context, [range(8)], [range(8)], activation="relu")
    for number, units in enumerate(dead):
        record.add(Scan(100 * number, 50, {"hidden_1": tuple(units)}))
    assert [round(8 * finding.value) + 1 for finding in said(record)] == ([expected] if expected else [])


def test_equal_units_are_judged_after_20_updates(make_context: MakeContext) -> None:
    record = Record(make_context(("tanh",)))
    groups = {"hidden_1": ((0, 1),)}
    for step in (0, 19):
        record.add(Symmetry(step, groups, groups))
    judgement = SymmetricUnits().judge(record, Gate(()))
    assert (judgement.status, judgement.reason) == ("not_judged", "19 updates made; equal units are judged after 20")
    record.add(Symmetry(20, groups, groups))
    assert len(said(record)) == 1


def test_without_a_layer_of_two_units_it_does_not_apply(make_context: MakeContext) -> None:
    context = make_context(("tanh",), width=1)
    assert SymmetricUnits().judge(Record(context), Gate(())).status == "not_applicable"
    alone = replace(context, layers=(LayerInfo("output", "linear", 4, 3),))
    assert SymmetricUnits().judge(Record(alone), Gate(())).status == "not_applicable"
    assert SymmetricUnits().judge(Record(make_context()), Gate(())).status == "not_judged"
    assert SymmetricUnits().judge(Record(), Gate(())).status == "not_judged"


def test_its_note_survives_json(make_context: MakeContext) -> None:
    note = noted(make_context, [range(8)]).notes(Symmetry)[0]
    as_read = {**note_to_json(note), "same": {"hidden_1": [list(range(8))]}}
    assert note_from_json("symmetry", as_read) == note


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: Sgd(0.1),
    "momentum": lambda: Sgd(0.05, momentum=0.9),
    "adam": lambda: Adam(1e-3),
    "adamw": lambda: AdamW(1e-3),
    "rmsprop": lambda: RmsProp(1e-3),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("activation", "init"),
    [("tanh", zeros), ("sigmoid", zeros), ("tanh", constant(0.05)), ("relu", constant(0.05)), ("leaky_relu", zeros)],
    ids=["tanh, zeros", "sigmoid, zeros", "tanh", "relu", "leaky relu, zeros"],
)
def test_weights_that_start_equal_stay_equal_in_every_layer(
    activation: str, init: Any, optimizer: str, digits: WatchedData, train_watched: Train, *, dtype: Any
) -> None:
    """Widths that divide into no tile of a matrix product, so that its columns differ by rounding."""
    model = {"activation": activation, "init": init, "hidden": [33, 17], "dtype": dtype}
    record = train_watched(digits, optimizer=OPTIMIZERS[optimizer](), epochs=5, **model).monitor.record
    findings = {finding.layer: finding for finding in said(record) if finding.standing}
    assert set(findings) == {"hidden_1", "hidden_2"}
    assert {finding.severity for finding in findings.values()} == {Severity.ERROR}
    causes = [finding for finding in judge(record).standing if finding.id == "symmetric_units"]
    assert [finding.explained_by for finding in causes] == [None, "symmetric_units@hidden_1"]


@pytest.mark.parametrize(
    ("hidden", "init", "layers"),
    [
        ([16, 8], [he_normal, zeros, zeros], ["hidden_2"]),
        ([16, 8], [he_normal, he_normal, zeros], []),
        ([16, 8], [zeros, he_normal, he_normal], []),
        ([16], [he_normal, zeros], []),
        ([16], [zeros, he_normal], []),
        ([1], constant(0.05), []),
        ([16, 1], constant(0.05), ["hidden_1"]),
        ([], zeros, []),
    ],
    ids=[
        "the last two layers zero",
        "a zero head",
        "a zero first layer",
        "a zero head behind one layer",
        "a zero first of two layers",
        "one unit",
        "one unit behind many",
        "no hidden layer",
    ],
)
def test_only_layers_that_nothing_random_touches_are_symmetric(
    hidden: list[int], init: Any, layers: list[str], digits: WatchedData, train_watched: Train
) -> None:
    record = train_watched(digits, hidden=hidden, activation="tanh", init=init, epochs=4).monitor.record
    assert [finding.layer for finding in said(record)] == layers


def test_zero_weights_under_relu_are_why_the_units_are_dead(digits: WatchedData, train_watched: Train) -> None:
    verdict = train_watched(digits, init=zeros, hidden=[16, 8], epochs=5).monitor.verdict
    causes = {finding.key: finding.explained_by for finding in verdict.standing}
    assert causes["symmetric_units@hidden_1"] is None
    assert causes["dead_units@hidden_1"] == causes["dead_units@hidden_2"] == "symmetric_units@hidden_1"
    assert verdict.standing[0].prescriptions[0].why.endswith("he_normal")


def test_equal_weights_under_relu_that_biases_silence_are_dead_units(digits: WatchedData, train_watched: Train) -> None:
    network = perceptron(
        [digits.inputs.shape[1], 16, digits.targets.shape[1]],
        ["relu"],
        "cross_entropy",
        initializers=[constant(0.01), constant(0.01)],
        generator=np.random.default_rng(0),
        biases=[-20.0, 0.0],
    )
    verdict = train_watched(digits, network, epochs=5).monitor.verdict
    assert "dead_units@hidden_1" in {finding.key for finding in verdict.standing}
    assert "symmetric_units@hidden_1" not in {finding.key for finding in verdict.findings}


def test_dropout_breaks_the_symmetry(digits: WatchedData, train_watched: Train) -> None:
    network = perceptron(
        [64, 16, 10],
        ["tanh"],
        "cross_entropy",
        initializers=[constant(0.05)] * 2,
        generator=np.random.default_rng(0),
        dropout=[Dropout(0.5, [np.random.default_rng(1)])],
    )
    record = train_watched(digits, network, epochs=10).monitor.record
    assert record.notes(Symmetry)[0].same == {"hidden_1": (tuple(range(16)),)}
    assert [finding for finding in said(record) if finding.standing] == []


@pytest.mark.parametrize(("recurrent_init", "count"), [(identity(1.0), 1), (he_normal, 0)], ids=["identity", "random"])
def test_recurrent_weights_count_as_incoming_and_outgoing(recurrent_init: Any, count: int) -> None:
    rng = np.random.default_rng(0)
    network = recurrent(
        [2, 7, 3],
        "tanh",
        "cross_entropy",
        sequence_length=5,
        initializers=[constant(0.1), constant(0.1)],
        recurrent_initializers=[recurrent_init],
        generator=rng,
    )
    data = WatchedData(rng.normal(size=(300, 10)), np.eye(3)[rng.integers(0, 3, 300)])
    with Monitor(network, data) as monitor:
        train(network, Samples(data.inputs, data.targets), Sgd(0.1), epochs=8, batch_size=30, generator=rng)
    assert len(said(monitor.record)) == count


def test_where_the_layers_wiring_is_not_known_nothing_is_said() -> None:
    network = q_network([3, 4, 2], ["tanh"], "mse", initializers=[zeros, zeros], generator=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    samples = Samples(rng.normal(size=(100, 5)), rng.normal(size=(100, 1)))
    with Monitor(network, WatchedData(samples.inputs, samples.targets)) as monitor:
        train(network, samples, Sgd(0.1), epochs=30, batch_size=50, generator=rng)
    assert SymmetricUnits().judge(monitor.record, Gate(())).status == "not_judged"


def test_without_data_the_weights_are_compared_at_the_start_and_the_end(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits, [16], "tanh", constant(0.05))
    with Monitor(network) as monitor:
        samples = Samples(digits.inputs, digits.targets)
        train(network, samples, Sgd(0.1), epochs=2, batch_size=64, generator=np.random.default_rng(0))
    assert [note.step for note in monitor.record.notes(Symmetry)] == [0, 42]
    assert len(said(monitor.record)) == 1
