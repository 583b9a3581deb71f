"""Diagnosis 27: faults of the data, each found where it is and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from gradvitals.diagnostics.diagnoses.data_faults import DataFaults
from gradvitals.diagnostics.findings import Finding
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Incident, Probe
from gradvitals.diagnostics.start_notes import BatchLabels, DataFacts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import TrainingEnded, TrainingStarted
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, Trainer

Train = Callable[..., Any]
Note = Callable[..., Record]


def findings_of(record: Record, rule: DataFaults | None = None) -> list[Finding]:
    return list((rule or DataFaults()).judge(record, judge_gate(record)).findings)


def said(record: Record) -> list[tuple[str, bool]]:
    return [(str(finding.severity), finding.cleared) for finding in findings_of(record)]


@pytest.fixture
def noted(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Note:
    """Record faultless facts with some replaced, perhaps a look at batches, and probes with these loss ratios."""

    def make(batches: BatchLabels | None = None, ratios: tuple[float, ...] = (1.1,), **changed: Any) -> Record:
        record = Record(make_context(config={"seed": 0}))
        for number, ratio in enumerate(ratios):
            record.add(make_probe(100 * number, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.001))
        facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
        facts |= {"step": 0, "rows": 200, "columns": 10, "validation_rows": 100, "not_finite": {}}
        facts |= {"constant_count": 0, "constant_columns": (), "target_means": (0.5,), "target_deviations": (0.5,)}
        facts |= {"runs": 100, "runs_expected": 101.0, "runs_deviation": 7.0}
        facts |= {"shared_rows": 0, "shared_expected": 0.0, "shared_chance": 1.0}
        record.add(DataFacts(**facts | changed))
        if batches is not None:
            record.add(batches)
        return record

    return make


def shared(rows: int, expected: float, chance: float) -> dict[str, Any]:
    return {"shared_rows": rows, "shared_expected": expected, "shared_chance": chance}


def unseen(rows: int, chance: float) -> dict[str, Any]:
    return {"unseen_rows": rows, "unseen_labels": (8, 9), "unseen_chance": chance}


@pytest.mark.parametrize(
    ("changed", "expected", "evidence"),
    [
        ({}, None, ""),
        (unseen(60, 1e-9), "warning", "60 of 100 validation examples (60 %) are of classes 8, 9, of which there is no"),
        (unseen(60, 1.1e-3), "info", "60 of 100"),
        (unseen(0, 1.0), None, ""),
        (shared(20, 5.0, 1e-9), "warning", "20 of 100 validation examples (20 %)"),
        (shared(100, 99.5, 1e-9), "info", "100 of 100"),
        (shared(7, 5.0, 9e-4), "warning", "7 of 100"),
        (shared(7, 5.0, 1.1e-3), "info", "7 of 100"),
        (shared(20, 19.0, 0.4), "info", "a random split of the same examples has 19"),
        (shared(1, 0.3, 0.3), "info", "1 of 100"),
        ({"shared_rows": None, "validation_rows": None}, None, ""),
        ({"constant_count": 1, "constant_columns": (4,)}, "info", "1 of 10 columns never changes (4)"),
        (
            {"constant_count": 10, "constant_columns": tuple(range(10))},
            "warning",
            "all 200 training examples have the same input, and different targets",
        ),
        (
            {"constant_count": 10, "constant_columns": tuple(range(10)), "target_means": (), "target_deviations": ()},
            "info",
            "10 of 10 columns never change (0, 1, 2, 3, 4, 5, 6, 7, …)",
        ),
        ({"runs": 3}, "info", "the labels come in 3 stretches, in a random order they would in 101"),
        ({"runs": 60}, None, ""),
        ({"runs": 3, "runs_expected": 6.7, "runs_deviation": 1.2}, None, ""),
        ({"runs": None, "runs_expected": None, "runs_deviation": None}, None, ""),
        ({"not_finite": {"training inputs": (2, 7, 3)}, "spoils": True}, "error", "first: row 7, column 3"),
        ({"not_finite": {"training inputs": (2, 7, 3)}, "spoils": False}, "info", "the loss is finite all the same"),
        ({"not_finite": {"training targets": (1, 7, 0)}, "spoils": True}, "error", "1 row holds NaN or infinity"),
        ({"not_finite": {"validation inputs": (2, 7, 3)}}, "warning", "in the validation inputs"),
        ({"target_means": (1.0, 0.0), "target_deviations": (0.0, 0.0)}, "warning", "all 200 training examples"),
        ({"target_means": (1.0, 0.0), "target_deviations": (0.0, 1e-3)}, None, ""),
        ({"target_means": (float("nan"),), "target_deviations": (float("nan"),)}, None, ""),
    ],
    ids=[
        "none",
        "classes of the validation set alone",
        "such classes by chance",
        "no such class",
        "a leak",
        "a leak below the limit",
        "a small leak beyond chance",
        "a small leak not beyond chance",
        "rows that repeat",
        "a single pair",
        "no validation set",
        "a constant column",
        "one input for all",
        "one input for all, no targets",
        "sorted labels",
        "some order",
        "few labels",
        "labels not finite",
        "gaps",
        "gaps that do no harm",
        "gaps in the targets",
        "gaps in the validation set",
        "one class",
        "one target of two",
        "targets not finite",
    ],
)
def test_facts_are_weighed(changed: dict[str, Any], expected: str | None, evidence: str, noted: Note) -> None:
    found = findings_of(noted(**changed))
    assert [str(finding.severity) for finding in found] == ([] if expected is None else [expected])
    for finding in found:
        assert evidence in finding.evidence
        assert bool(finding.defect) == bool(finding.prescriptions) == (expected != "info")


def test_several_faults_are_one_finding_as_bad_as_the_worst(noted: Note) -> None:
    gaps = {"not_finite": {"training inputs": (1, 0, 0), "validation inputs": (1, 0, 0)}, "spoils": True}
    (finding,) = findings_of(noted(**gaps, **shared(20, 5.0, 1e-9), constant_count=1, constant_columns=(4,)))
    assert str(finding.severity) == "error"
    assert finding.evidence.count(";") == 4
    assert len(finding.prescriptions) == 3


@pytest.mark.parametrize(
    ("batches", "ratios", "expected"),
    [
        (BatchLabels(20, 12, 12, 1e-9), (1.1,), ("warning", False)),
        (BatchLabels(20, 12, 10, 1e-9), (1.1,), ("warning", False)),
        (BatchLabels(20, 12, 9, 1e-9), (1.1,), None),
        (BatchLabels(20, 12, 12, 0.3), (1.1,), None),
        (BatchLabels(20, 12, 0, 1.0), (1.1,), None),
        (BatchLabels(20, 12, 12, 1e-9), (1.1, 1.0, 1.0, 1.0), ("error", False)),
        (BatchLabels(20, 12, 12, 1e-9), (1.1, 0.9, 0.8, 0.7), ("warning", False)),
        (BatchLabels(20, 12, 12, 1e-9), (1.1, 0.9, 0.5, 0.1), ("info", True)),
    ],
    ids=["all", "nearly all", "many", "by chance", "none", "nothing learned", "a little learned", "learned"],
)
def test_batches_of_one_class_are_weighed_by_what_they_cost(
    batches: BatchLabels, ratios: tuple[float, ...], expected: tuple[str, bool] | None, noted: Note
) -> None:
    assert said(noted(batches, ratios)) == ([] if expected is None else [expected])


def test_a_leak_does_not_clear_with_learning(noted: Note) -> None:
    assert said(noted(None, (1.1, 0.5, 0.1), **shared(20, 5.0, 1e-9))) == [("warning", False)]


def test_order_does_no_harm_where_batches_are_mixed(noted: Note) -> None:
    (finding,) = findings_of(noted(BatchLabels(20, 12, 0, 1.0), runs=3))
    assert "the batches looked at are mixed" in finding.evidence


def test_a_record_without_the_notes_is_not_judged(make_context: Callable[..., Context]) -> None:
    record = Record(make_context())
    assert DataFaults().judge(record, judge_gate(record)).status == "not_judged"


def test_a_threshold_of_its_own_changes_what_it_says(noted: Note) -> None:
    (finding,) = findings_of(noted(**shared(20, 5.0, 1e-9)), DataFaults(warn=0.2))
    assert str(finding.severity) == "info"


@pytest.mark.parametrize(("leaked", "expected"), [(0, "info"), (2, "info"), (40, "warning"), (497, "warning")], ids=str)
def test_leaked_digits_are_found(leaked: int, expected: str, digits: WatchedData, train_watched: Train) -> None:
    inputs, targets = np.array(digits.validation_inputs), np.array(digits.validation_targets)
    inputs[:leaked], targets[:leaked] = digits.inputs[:leaked], digits.targets[:leaked]
    data = replace(digits, validation_inputs=inputs, validation_targets=targets)
    assert said(train_watched(data, epochs=2).monitor.record) == [(expected, False)]


@pytest.mark.parametrize("seed", range(10))
def test_the_twins_of_iris_are_no_leak(seed: int, train_watched: Train) -> None:
    inputs, labels = load_iris(return_X_y=True)
    order = np.random.default_rng(seed).permutation(150)
    inputs, targets = inputs[order], np.eye(3)[labels[order]]
    data = WatchedData(inputs[:110], targets[:110], inputs[110:], targets[110:])
    assert all(severity == "info" for severity, _ in said(train_watched(data, epochs=1).monitor.record))


@pytest.mark.parametrize("seed", range(10))
def test_tables_of_few_values_are_no_leak(seed: int, train_watched: Train) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 2, (400, 6)).astype(np.float32)
    targets = np.eye(2)[(inputs.sum(axis=1) > 3.0).astype(int)]
    data = WatchedData(inputs[:300], targets[:300], inputs[300:], targets[300:])
    assert said(train_watched(data, epochs=1).monitor.record) == [("info", False)]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("of", ["inputs", "targets"])
def test_gaps_in_the_data_are_the_root_of_what_follows(
    of: str, value: float, digits: WatchedData, train_watched: Train
) -> None:
    array = getattr(digits, of).copy()
    array[700, 3] = value
    watched = train_watched(replace(digits, **{of: array}))
    assert watched.monitor.record.notes(Incident)
    verdict = watched.monitor.verdict
    assert verdict.findings[0].key == "data_faults"
    assert "row 700, column 3" in verdict.findings[0].evidence
    assert {finding.explained_by for finding in verdict.standing[1:] if finding.severity > 1} == {"data_faults"}


@pytest.mark.parametrize("taken", ["sorted", "shuffled"])
def test_batches_cut_from_sorted_examples_are_found(
    taken: str, digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    """A loop that takes the examples in the order they lie in."""
    network, rng, shuffled = make_network(digits), np.random.default_rng(0), taken == "shuffled"
    order = np.argsort(digits.targets.argmax(axis=1), kind="stable")
    with Monitor(network, digits) as monitor:
        network.hooks.emit(TrainingStarted(0, 400, 8))
        trainer = Trainer(network, Sgd(0.5))
        for step in range(400):
            rows = rng.permutation(1300)[:8] if shuffled else order[8 * step % 1300 :][:8]
            trainer.step(Samples(digits.inputs, digits.targets), rows)
        network.hooks.emit(TrainingEnded(400, "completed"))
    (note,) = monitor.record.notes(BatchLabels)
    assert (note.one_class >= 10, note.chance < 1e-9) == (not shuffled, not shuffled)
    (finding,) = findings_of(monitor.record)
    assert ("one class only" in finding.evidence) == (not shuffled)
    assert (finding.severity > 1) == (not shuffled)


def test_an_answer_among_the_inputs_is_a_warning_that_names_its_column(noted: Note) -> None:
    (finding,) = findings_of(noted(copied_column=3))
    assert str(finding.severity) == "warning"
    assert "in all 200 training examples column 3" in finding.evidence
    assert not findings_of(noted(copied_column=None))


@pytest.mark.parametrize("ratio", [255.0, 1 / 255.0])
def test_sets_of_two_scales_are_a_warning_in_either_direction(noted: Note, ratio: float) -> None:
    (finding,) = findings_of(noted(set_scale=ratio))
    large = "validation" if ratio > 1.0 else "training"
    assert str(finding.severity) == "warning"
    assert f"half of the {large} examples, or more, hold a number 255 times as large" in finding.evidence


@pytest.mark.parametrize("ratio", [None, 1.0, 9.9, 1 / 9.9])
def test_a_set_that_goes_somewhat_beyond_the_other_is_none(noted: Note, ratio: float | None) -> None:
    assert not findings_of(noted(set_scale=ratio))


def test_a_table_with_its_answer_and_a_validation_set_of_another_scale_are_told_of_a_training(
    make_network: Callable[..., Network],
) -> None:
    """Iris, whose petal width is to be told, once from a table that still holds it."""
    table = load_iris().data
    inputs, targets = (table - table.mean(axis=0)) / table.std(axis=0), table[:, 3:]
    for kept, scale, told in ((4, 1.0, True), (3, 1.0, False), (3, 1000.0, True)):
        x = inputs[:, :kept]
        data = WatchedData(x[::2], targets[::2], scale * x[1::2], targets[1::2])
        network = make_network(data, hidden=[8], loss="mse")
        with Monitor(network, data) as monitor:
            network.hooks.emit(TrainingStarted(0, 10, 8))
        (facts,) = monitor.record.notes(DataFacts)
        assert ((facts.copied_column, (facts.set_scale or 1.0) > 10.0) != (None, False)) is told


@pytest.mark.parametrize(("loss", "severity"), [("mse", "warning"), ("unknown", "warning"), ("custom", "info")])
def test_one_target_for_all_may_be_meant_under_a_loss_of_ones_own(loss: str, severity: str, noted: Note) -> None:
    record = noted(target_means=(0.0,), target_deviations=(0.0,))
    assert record.context is not None
    record.context = replace(record.context, loss=loss)
    assert said(record) == [(severity, False)]
