"""Diagnosis 24: parameters that should have moved and did not; what has a reason to stay is left alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.frozen_parameters import FrozenParameters
from gradvitals.diagnostics.findings import Finding, Judgement, Severity
from gradvitals.diagnostics.gate import Arm, Gate, GateCheck
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Movement, Signal
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.adaptive_optimizers import AdamW
from gradvitals.engine.events import Array
from gradvitals.engine.initializers import he_normal, normal, zeros
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.schedules import Cosine, WarmUp
from gradvitals.engine.strategies import NumericGradient, RandomSearch
from gradvitals.engine.training import Samples, train

Train = Callable[..., Any]
MakeNetwork = Callable[..., Network]
MakeContext = Callable[..., Context]


def judgement(record: Record) -> Judgement:
    return FrozenParameters().judge(record, Gate(()))


def said(record: Record) -> list[Finding]:
    return [finding for finding in judgement(record).findings if finding.standing]


class Forgetful(Sgd):
    """Plain descent of a program that writes the old values of some layers' arrays back."""

    def __init__(self, network: Network, arrays: Sequence[tuple[str, str]], *, steps: Sequence[int] = ()) -> None:
        super().__init__(0.1)
        self._network, self._forgotten, self._only, self._count = network, arrays, steps, 0

    def step(self, parameters: Array, gradients: Array) -> None:
        """Take the step, except for what is forgotten."""
        self._count += 1
        old = parameters.copy()
        super().step(parameters, gradients)
        if not self._only or self._count in self._only:
            for layer, name in self._forgotten:
                self._network.views(parameters)[layer][name][...] = self._network.views(old)[layer][name]


class Idle(Sgd):
    """An optimizer whose step is never taken."""

    def step(self, parameters: Array, gradients: Array) -> None:
        """Do nothing."""


WEIGHT_AND_BIAS = ("weight", "bias")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ([("hidden_1", "weight"), ("hidden_1", "bias")], {"hidden_1": "weight and bias"}),
        ([("hidden_2", "weight")], {"hidden_2": "weight"}),
        ([("output", "bias")], {"output": "bias"}),
        (
            [("hidden_1", "bias"), ("output", "weight"), ("output", "bias")],
            {"hidden_1": "bias", "output": "weight and bias"},
        ),
    ],
    ids=["a layer", "a weight", "a bias", "a bias and a layer"],
)
def test_what_an_optimizer_holds_and_does_not_move_is_an_error(
    arrays: list[tuple[str, str]],
    named: Mapping[str, str],
    digits: WatchedData,
    make_network: MakeNetwork,
    train_watched: Train,
    *,
    dtype: Any,
) -> None:
    network = make_network(digits, dtype=dtype)
    watched = train_watched(digits, network, optimizer=Forgetful(network, arrays), epochs=4)
    findings = said(watched.monitor.record)
    assert {finding.layer: finding.severity for finding in findings} == dict.fromkeys(named, Severity.ERROR)
    for finding in findings:
        assert f"the {named[str(finding.layer)]} of {finding.layer} ha" in finding.evidence
        assert "not changed by a bit in 83 updates" in finding.evidence
    assert watched.monitor.verdict.standing[0].key == findings[0].key


@pytest.mark.parametrize(
    "optimizer", [Sgd(0.1), Adam(1e-3), AdamW(1e-3, weight_decay=0.1)], ids=["sgd", "adam", "adamw"]
)
def test_what_no_optimizer_holds_is_a_warning(
    optimizer: Any, digits: WatchedData, make_network: MakeNetwork, train_watched: Train
) -> None:
    network = make_network(digits, activation="prelu")
    held = PartialOptimizer(optimizer, network, ["hidden_2"])
    record = train_watched(digits, network, optimizer=held, epochs=4).monitor.record
    assert record.context.unheld == ("hidden_2",)
    (finding,) = said(record)
    assert (finding.layer, finding.severity) == ("hidden_2", Severity.WARNING)
    assert "the weight, bias and slope of hidden_2 have not changed" in finding.evidence
    assert finding.prescriptions[0].set is None


def test_a_step_that_is_never_taken_freezes_every_layer(digits: WatchedData, train_watched: Train) -> None:
    verdict = train_watched(digits, optimizer=Idle(0.1), epochs=4).monitor.verdict
    frozen = [finding for finding in verdict.standing if finding.id == "frozen_parameters"]
    assert [finding.layer for finding in frozen] == ["hidden_1", "hidden_2", "output"]
    assert [finding.explained_by for finding in frozen] == [None, *["frozen_parameters@hidden_1"] * 2]
    assert all(finding.explained_by for finding in verdict.standing if finding.id == "no_learning")


HEALTHY: dict[str, dict[str, Any]] = {
    "plain": {},
    "a zero head": {"init": [he_normal, he_normal, zeros]},
    "a warm-up from 0": {"training": {"schedule": WarmUp(40, Cosine(0.0))}},
    "double precision": {"dtype": np.float64},
    "a rate of 0": {"optimizer": Sgd(0.0)},
    "a rate that moves no bit": {"optimizer": Sgd(1e-12)},
    "adam at such a rate": {"optimizer": Adam(1e-12)},
    "clipped to nothing": {"training": {"clip": lambda gradients: float(gradients.fill(0.0) or 0.0)}},
    "dead from birth": {"bias": -50.0},
    "deep sigmoids": {"hidden": [16] * 8, "activation": "sigmoid", "optimizer": Sgd(1e-3)},
    "saturated": {"hidden": [16, 16], "activation": "tanh", "init": normal(100.0), "optimizer": Sgd(1e-4)},
    "diverging": {"optimizer": Sgd(1e6)},
    "no hidden layer": {"hidden": []},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", HEALTHY.values(), ids=HEALTHY.keys())
def test_what_has_a_reason_to_stay_is_not_frozen(
    settings: dict[str, Any], seed: int, digits: WatchedData, train_watched: Train
) -> None:
    assert judgement(train_watched(digits, epochs=6, seed=seed, **settings).monitor.record).findings == ()


def test_what_moves_late_has_moved(digits: WatchedData, make_network: MakeNetwork, train_watched: Train) -> None:
    network = make_network(digits)
    arrays = [("hidden_1", "weight"), ("hidden_1", "bias")]
    optimizer = Forgetful(network, arrays, steps=range(1, 100))
    record = train_watched(digits, network, optimizer=optimizer, epochs=8).monitor.record
    (finding,) = judgement(record).findings
    assert finding.cleared
    assert finding.severity is Severity.INFO
    assert finding.last_step < 100


def test_an_epoch_must_pass(digits: WatchedData, make_network: MakeNetwork, train_watched: Train) -> None:
    network = make_network(digits)
    optimizer = Forgetful(network, [("output", "bias")])
    record = train_watched(digits, network, optimizer=optimizer, epochs=1).monitor.record
    assert judgement(record).status == "not_judged"
    assert judgement(record).reason == "20 of 21 updates since the first look"


@pytest.mark.parametrize("strategy", ["numeric", "random search"])
def test_it_does_not_apply_where_gradients_do_not_come_layer_by_layer(
    strategy: str, digits: WatchedData, make_network: MakeNetwork, train_watched: Train
) -> None:
    small = replace(digits, inputs=digits.inputs[:60, 20:24], targets=digits.targets[:60], validation_inputs=None)
    network = make_network(small, [3])
    search = RandomSearch(1e-9, np.random.default_rng(0))
    way, optimizer = (NumericGradient(), Idle(0.1)) if strategy == "numeric" else (search, search)
    watched = train_watched(small, network, optimizer=optimizer, epochs=25, training={"strategy": way})
    assert judgement(watched.monitor.record).status == "not_applicable"


def test_without_data_twenty_updates_are_enough(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    optimizer = PartialOptimizer(Sgd(0.1), network, ["hidden_1"])
    with Monitor(network) as monitor:
        samples = Samples(digits.inputs, digits.targets)
        train(network, samples, optimizer, epochs=2, batch_size=64, generator=np.random.default_rng(0))
    assert [finding.layer for finding in said(monitor.record)] == ["hidden_1"]


@pytest.mark.parametrize(
    ("pushes", "step", "unheld", "severity"),
    [
        (3, 100, (), "error"),
        (2, 100, (), None),
        (3, 100, ("hidden_1",), "warning"),
        (3, 100, ("output",), "error"),
        (3, 20, (), None),
        (3, 21, (), "error"),
    ],
    ids=["held", "seen twice", "not held", "another not held", "19 updates", "20 updates"],
)
def test_its_thresholds(
    pushes: int, step: int, unheld: tuple[str, ...], severity: str | None, make_context: MakeContext
) -> None:
    record = Record(replace(make_context(config={"training.frozen": list(unheld)}), unheld=unheld, samples=100))
    record.add(Movement(step, 1, 50, {"hidden_1": {"weight": pushes, "bias": 0}}))
    assert [str(finding.severity) for finding in said(record)] == ([severity] if severity else [])
    if severity == "warning":
        assert said(record)[0].prescriptions[0].set == {"training.frozen": []}


@pytest.mark.parametrize(
    ("arms", "gain", "severity"),
    [
        ((Arm.NOT_LEARNING,) * 3, 0.3, "error"),
        ((Arm.NOT_LEARNING,) * 3, 0.0, "warning"),
        ((Arm.NOT_LEARNING,) * 2, 0.3, "warning"),
        ((Arm.MEMORISING,) * 3, 0.3, "warning"),
    ],
    ids=["nothing learned", "nothing to learn", "two looks", "learned by heart"],
)
def test_what_no_optimizer_holds_is_an_error_where_nothing_is_learned_of_what_there_is(
    arms: tuple[Arm, ...], gain: float, severity: str, make_context: MakeContext
) -> None:
    record = Record(replace(make_context(), unheld=("hidden_1",), samples=100))
    record.add(Movement(100, 1, 50, {"hidden_1": {"weight": 3, "bias": 0}}))
    record.add(Signal(100, gain, 0.01))
    checks = tuple(GateCheck(100 + n, True, frozenset({arm}), n == len(arms) - 1) for n, arm in enumerate(arms))  # noqa: FBT003
    (finding,) = FrozenParameters().judge(record, Gate(checks)).findings
    assert str(finding.severity) == severity


def test_an_epoch_longer_than_20_updates_is_waited_for(make_context: MakeContext) -> None:
    record = Record(replace(make_context(), samples=1001))
    for step, expected in ((101, []), (102, ["hidden_1"])):
        record.add(Movement(step, 1, 50, {"hidden_1": {"weight": 9}}))
        assert [finding.layer for finding in said(record)] == expected


def test_nothing_recorded_is_not_judged(make_context: MakeContext) -> None:
    assert judgement(Record()).status == "not_judged"
    assert judgement(Record(make_context())).status == "not_judged"
    assert judgement(Record(replace(make_context(), by_layer=False))).status == "not_applicable"
