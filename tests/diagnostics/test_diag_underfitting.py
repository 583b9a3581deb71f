"""Diagnosis 11c: training samples that simple models, which never saw them, answer better."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.underfitting import ADAM, Underfitting
from gradvitals.diagnostics.findings import Finding, Judgement, Severity
from gradvitals.diagnostics.gate import Arm, judge_gate
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Incident, Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.straightness import Straightness
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.optimizers import Adam

Train = Callable[..., Any]
Noted = Callable[..., Record]

LAG = Shortfall(1000, 256, 0.5, 0.9, 0.4, 0.03)
ANSWERS = {"majority_accuracy": 0.1, "accuracy_excess": 0.4, "accuracy_excess_se": 0.03}
KNOWN = {"training.epochs": 10, "training.optimizer.kind": "adam", "model.dropout": 0.0, "training.l2": 0.0}


def judgement(record: Record) -> Judgement:
    return Underfitting().judge(record, judge_gate(record))


def only(record: Record) -> Finding:
    (finding,) = judgement(record).findings
    return finding


@pytest.fixture
def noted(make_probe: Callable[..., Probe], make_context: Callable[..., Context]) -> Noted:
    """Record a run of as many steps with these loss ratios, and what simple models do on its samples."""

    def make(
        *ratios: float,
        lag: Shortfall | None = LAG,
        ending: str | None = "completed",
        hidden: tuple[str, ...] = ("relu",),
        config: dict[str, Any] | None = None,
        **values: Any,
    ) -> Record:
        last = 1000 if lag is None else lag.step
        record = Record(make_context(hidden, config=KNOWN | (config or {})))
        for place, ratio in enumerate(ratios):
            known = {"loss": ratio, "loss_ratio": ratio, "gain": 1.0 - ratio, "gain_se": 0.01}
            record.add(make_probe(last * place // (len(ratios) - 1), **(known | ANSWERS | values)))
        record.add(Straightness(last, straight=all(activation == "linear" for activation in hidden)))
        if lag is not None:
            record.add(lag)
        if ending is not None:
            record.add(Ending(last, ending))
        return record

    return make


@pytest.mark.parametrize(
    ("lag", "ending", "status"),
    [
        (LAG, "completed", "fired"),
        (LAG, "interrupted", "not_judged"),
        (LAG, None, "not_judged"),
        (None, "completed", "clear"),
        (replace(LAG, step=200), "completed", "fired"),
        (replace(LAG, step=199), "completed", "not_judged"),
        (replace(LAG, value=0.101, error=0.01), "completed", "fired"),
        (replace(LAG, value=0.049, error=0.001), "completed", "clear"),
        (replace(LAG, value=0.4, error=0.1), "completed", "clear"),
        (replace(LAG, samples=29), "completed", "clear"),
    ],
    ids=[
        "surely",
        "cut short",
        "under way",
        "not asked",
        "just long",
        "too short",
        "by a tenth",
        "hardly",
        "not surely",
        "few samples",
    ],
)
def test_it_warns_of_who_ended_surely_and_clearly_behind(
    lag: Shortfall | None, ending: str | None, status: str, noted: Noted
) -> None:
    found = judgement(noted(1.0, 0.8, 0.8, 0.8, 0.8, lag=lag, ending=ending))
    assert found.status == status
    assert [finding.severity for finding in found.findings] == [Severity.WARNING] * (status == "fired")


def test_an_impaired_network_is_told_by_other_findings(noted: Noted) -> None:
    assert judgement(noted(1.0, 1.0, 1.0, accuracy_excess=0.0)).status == "clear"
    blocked = noted(1.0, 0.9, 0.8)
    blocked.add(Incident(900, 890, "the loss", None))
    assert judgement(blocked).status == "clear"


def test_what_memorising_is_silent_on_is_told_here(noted: Noted) -> None:
    """A network as far behind on new samples as on its own, at its last look, and not yet sure to have memorised."""
    learned = {"majority_accuracy": 0.1, "accuracy_excess": 0.6, "accuracy_excess_se": 0.03}
    record = noted(1.0, 0.8, 0.8, 0.8, 0.8, lag=replace(LAG, value=0.2, error=0.01), **learned)
    unsure = Generalisation(1000, 100, 0.7, 0.03, 0.5, 0.05, 0.6, 0.05, 0.3, 0.09)
    record.add(unsure)
    assert judge_gate(record).checks[-1].arms == {Arm.MEMORISING}
    assert [one.id for one in judge(record).standing if one.severity > Severity.INFO] == ["underfitting"]
    record.add(replace(unsure, shortfall_se=0.02))
    assert [one.id for one in judge(record).standing if one.severity > Severity.INFO] == ["memorising"]


def test_a_short_training_is_not_judged_only_where_simple_models_are_ahead(noted: Noted) -> None:
    short = judgement(noted(1.0, 0.8, 0.8, 0.8, 0.8, lag=replace(LAG, step=150)))
    assert short.reason == "150 of 200 updates; simple models are ahead so far"
    assert judgement(noted(1.0, 0.8, 0.8, 0.8, 0.8, lag=replace(LAG, step=150, value=0.01))).status == "clear"
    assert judgement(noted(1.0, 0.8, 0.8, 0.8, 0.8, ending="interrupted")).reason == "the training is not done"


@pytest.mark.parametrize("ending", ["completed", "interrupted", None])
def test_there_is_nothing_to_judge_of_a_network_that_has_learned(ending: str | None, noted: Noted) -> None:
    record = noted(1.0, 0.3, 0.19, lag=None, ending=ending, accuracy_excess=0.88)
    assert judgement(record).status == "clear"


def test_what_was_never_judged_is_not_judged() -> None:
    assert judgement(Record()).status == "not_judged"


@pytest.mark.parametrize(
    ("ratios", "value", "severity"),
    [
        ((1.0, 0.8, 0.8, 0.8, 0.8), 0.101, "warning"),
        ((1.0, 0.8, 0.8, 0.8, 0.8), 0.099, "info"),
        ((1.0, 0.8, 0.8, 0.9, 0.761), 0.4, "warning"),
        ((1.0, 0.8, 0.8, 0.9, 0.759), 0.4, "info"),
        ((1.0, 0.8, 0.8, 0.759, 0.9), 0.4, "info"),
        ((1.0, 0.6, 0.8, 0.7, 0.6), 0.4, "warning"),
        ((1.0, 0.8, 0.8), 0.4, "info"),
    ],
    ids=["clearly", "a little", "at rest", "falling", "was lower", "was as low before", "too few looks"],
)
def test_it_warns_where_nothing_more_is_to_come(
    ratios: tuple[float, ...], value: float, severity: str, noted: Noted
) -> None:
    assert str(only(noted(*ratios, lag=replace(LAG, value=value, error=0.01))).severity) == severity


def test_of_a_regression_it_warns_from_a_fifth_of_the_gain(noted: Noted) -> None:
    for value, severity in ((0.201, "warning"), (0.199, "info")):
        record = noted(1.0, 0.8, 0.8, 0.8, 0.8, lag=replace(LAG, value=value, error=0.01), **dict.fromkeys(ANSWERS))
        assert str(only(record).severity) == severity


def test_the_evidence_is_in_answers_or_in_loss(noted: Noted) -> None:
    assert only(noted(1.0, 0.9, 0.9, 0.9, 0.9)).evidence == (
        "of 256 of its training examples the network gets 50 % right; a linear fit or nearest neighbours, fitted to"
        " others, get 90 % of the same right; the loss has come to rest"
    )
    assert only(noted(1.0, 0.9, 0.8, **dict.fromkeys(ANSWERS))).evidence == (
        "on 256 of its training examples the loss is 50 % of the best constant output's; a linear fit or nearest"
        " neighbours, fitted to others, lose 10 % there; the loss still falls"
    )


@pytest.mark.parametrize(
    ("hidden", "config", "expected"),
    [
        (("relu",), {}, [None, None]),
        (("linear", "linear"), {}, [{"model.activation": "relu"}, None, None]),
        (("linear", "relu"), {}, [None, None]),
        ((), {}, [{"model.hidden": [32]}, None]),
        (("relu",), {"model.dropout": 0.5}, [{"model.dropout": 0.0}, None, None]),
        (("relu",), {"training.l2": 0.1}, [{"training.l2": 0.0}, None, None]),
        (("relu",), {"training.schedule.kind": "step"}, [{"training.schedule": "constant"}, None, None]),
        (("relu",), {"training.schedule.kind": "constant"}, [None, None]),
        (("relu",), {"training.optimizer.kind": "sgd"}, [{"training.optimizer": ADAM}, None, None]),
    ],
    ids=["nothing else", "straight", "bent once", "no layer", "dropout", "l2", "step", "constant", "sgd"],
)
def test_it_prescribes_what_may_hold_the_network_back(
    hidden: tuple[str, ...], config: dict[str, Any], expected: list[Any], noted: Noted
) -> None:
    assert [
        cure.set for cure in only(noted(1.0, 0.8, 0.8, 0.8, 0.8, hidden=hidden, config=config)).prescriptions
    ] == expected


def test_a_loss_that_still_falls_wants_time(noted: Noted) -> None:
    assert [cure.set for cure in only(noted(1.0, 0.9, 0.8)).prescriptions] == [{"training.epochs": 30}, None, None]


def test_without_a_config_it_says_so_in_words(noted: Noted) -> None:
    record = noted(1.0, 0.9, 0.8)
    assert record.context is not None
    record.context = replace(record.context, config=None)
    assert [cure.why for cure in only(record).prescriptions] == [
        "train three times as long",
        "give the hidden layers more units",
        "try to overfit 20 examples, without dropout, weight decay and schedule",
    ]


def test_it_is_a_consequence_where_anything_else_stands(noted: Noted) -> None:
    record = noted(1.0, 0.8, 0.8, 0.8, 0.8, hidden=("tanh", "tanh"), relative_slopes={"hidden_1": 0.1, "hidden_2": 0.9})
    found = {finding.id: finding for finding in judge(record).standing if finding.severity > Severity.INFO}
    assert list(found) == ["saturated_units", "underfitting"]
    assert found["underfitting"].explained_by == "saturated_units@hidden_1"
    assert found["underfitting"].harm is not None
    assert "nearest neighbours" not in found["underfitting"].harm.text
    assert found["saturated_units"].harm is not None
    assert "nearest neighbours" in found["saturated_units"].harm.text


@pytest.mark.parametrize(("activation", "speaks"), [("linear", True), ("tanh", False)])
def test_a_straight_line_through_bent_classes_is_told(activation: str, train_watched: Train, *, speaks: bool) -> None:
    generator = np.random.default_rng(3)
    angles, labels = generator.uniform(0.0, np.pi, 400), np.arange(400) % 2
    sides = np.where(labels, -1.0, 1.0)
    inputs = np.stack([np.cos(angles) * sides + labels, np.sin(angles) * sides + 0.5 * labels], axis=1)
    data = WatchedData((inputs + generator.normal(0.0, 0.1, inputs.shape)).astype(np.float32), np.eye(2)[labels])
    model = {"hidden": (16,), "activation": activation, "init": glorot_uniform}
    watched = train_watched(data, optimizer=Adam(0.02), epochs=30, batch_size=32, **model)
    assert (judgement(watched.monitor.record).status == "fired") is speaks
