"""A run read back is judged as it was live."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboardX import SummaryWriter

from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import LATER, Record, context_from_json
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Ending, Probe, Scan
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS, MEASUREMENTS, RunWriter
from gradvitals.diagnostics.tensorboard.strict_json import Json, encode_json
from gradvitals.diagnostics.tensorboard.summaries import json_tensor
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.history import EarlyStopping
from gradvitals.engine.initializers import glorot_uniform, normal, zeros
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.training import Samples

Train = Callable[..., Any]


@dataclass(frozen=True)
class Run:
    """A training, and a diagnosis to expect; None for a healthy one and where it may be one or another."""

    name: str
    expected: str | None = None
    rate: float = 0.1
    model: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: Any = None


RUNS = [
    Run("healthy"),
    Run("adam", optimizer=lambda: Adam(1e-3)),
    Run("tanh", model={"activation": "tanh"}),
    Run("linear model", model={"hidden": []}),
    Run("double precision", model={"dtype": np.float64}),
    Run("born dead", "dead_units", model={"bias": -50.0}),
    Run("half dead", "no_learning", model={"bias": -2.0}),
    Run(
        "saturated",
        "saturated_units",
        rate=0.01,
        model={"hidden": [64] * 4, "activation": "sigmoid", "init": normal(10.0)},
    ),
    Run("vanishing", "vanishing_gradient", model={"hidden": [32] * 6, "activation": "sigmoid"}),
    Run("exploding", "exploding_gradient", rate=0.01, model={"hidden": [64] * 8, "init": normal(0.5)}),
    Run("huge weights", "non_finite", model={"activation": "leaky_relu", "init": normal(1e20)}),
    Run("zeros", "no_learning", model={"activation": "tanh", "init": zeros}),
    Run("too fast", rate=30.0),
    Run("diverging", "non_finite", rate=1e4),
    Run("diverging sigmoid", "non_finite", rate=1e38, model={"activation": "sigmoid", "init": glorot_uniform}),
    Run("every step", options={"watching": {"every": 1, "exact": "epoch"}}),
    Run("cut short", rate=1e-9, options={"training": {"early_stopping": EarlyStopping(3)}}),
    Run("a few steps", options={"epochs": 1, "batch_size": 200}),
    Run(
        "with a config",
        "dead_units",
        model={"bias": -50.0},
        options={"watching": {"config": {"training.optimizer.learning_rate": 0.1}}},
    ),
]


@pytest.mark.parametrize("run", RUNS, ids=[run.name for run in RUNS])
def test_the_replayed_verdict_is_the_live_one(
    run: Run, digits: WatchedData, train_watched: Train, tmp_path: Path
) -> None:
    optimizer = run.optimizer() if run.optimizer else Sgd(run.rate)
    watched = train_watched(digits, optimizer=optimizer, sinks=[RunWriter(tmp_path)], **run.model, **run.options)
    live = encode_json(watched.monitor.verdict.to_json())
    assert run.expected is None or run.expected in {finding.id for finding in watched.monitor.verdict.standing}
    read = read_record(tmp_path)
    assert read.recorded
    assert read.record.notes(Ending)
    assert read.damage == ()
    assert encode_json(judge(read.record).to_json()) == live
    assert read_run(tmp_path).tensors[FINDINGS][-1][1] == live


def test_scores_of_every_epoch_are_read_from_their_folders(
    digits: WatchedData, train_watched: Train, tmp_path: Path
) -> None:
    assert digits.validation_inputs is not None
    assert digits.validation_targets is not None
    validation = Samples(digits.validation_inputs, digits.validation_targets)
    train_watched(digits, sinks=[RunWriter(tmp_path)], epochs=3, training={"validation": validation})
    read = read_record(tmp_path)
    assert set(read.training) == {"epoch_loss", "epoch_accuracy", "learning_rate"}
    assert set(read.validation) == {"epoch_loss", "epoch_accuracy"}
    assert read.training["epoch_loss"].steps.tolist() == [21, 42, 63]


@pytest.fixture(scope="module")
def born_dead(
    digits: WatchedData, train_watched: Train, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, bytes, Record]:
    """A run's folder, the bytes of its event file, and its record."""
    folder = tmp_path_factory.mktemp("born_dead")
    watched = train_watched(digits, bias=-50.0, sinks=[RunWriter(folder)])
    (file,) = folder.glob("events.out.tfevents.*")
    return file, file.read_bytes(), watched.monitor.record


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5])
def test_a_torn_tail_is_reported_and_what_was_kept_is_judged(
    kept: float, born_dead: tuple[Path, bytes, Record], tmp_path: Path
) -> None:
    file, content, whole = born_dead
    (tmp_path / file.name).write_bytes(content[: int(kept * len(content))])
    read = read_record(tmp_path)
    assert [damage.kind for damage in read.damage] == ["truncated"]
    assert read.recorded
    assert 0 < len(read.record.notes(Probe)) <= len(whole.notes(Probe))
    assert judge(read.record).standing[0].key == "dead_units@hidden_1"


@pytest.mark.parametrize("position", [0.2, 0.5, 0.9])
def test_a_changed_byte_is_reported(position: float, born_dead: tuple[Path, bytes, Record], tmp_path: Path) -> None:
    file, content, _ = born_dead
    damaged = bytearray(content)
    damaged[int(position * len(content))] ^= 0xFF
    (tmp_path / file.name).write_bytes(damaged)
    read = read_record(tmp_path)
    assert len(read.damage) == 1
    judge(read.record)


def test_a_log_is_judged_again_by_other_thresholds(digits: WatchedData, train_watched: Train, tmp_path: Path) -> None:
    train_watched(digits, hidden=[64], bias=-5.0, sinks=[RunWriter(tmp_path)])
    record = read_record(tmp_path).record
    assert 6 < len(record.notes(Scan)[-1].dead["hidden_1"]) < 32
    findings = [judge(record, [rule]).standing[0] for rule in (DeadUnits(), DeadUnits(warn=0.1, error=0.9))]
    assert [str(finding.severity) for finding in findings] == ["info", "warning"]


def test_a_log_of_others_is_not_recorded(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.add_scalar("gradient_norm/global", float("nan"), 2)
    read = read_record(tmp_path)
    assert not read.recorded
    statuses = {judgement.id: judgement.status for judgement in judge(read.record).judgements}
    statuses.pop("non_finite")
    assert set(statuses.values()) == {"not_judged"}


def test_an_empty_folder_and_a_missing_one_hold_no_record(tmp_path: Path) -> None:
    assert not read_record(tmp_path).recorded
    assert judge(read_record(tmp_path).record).outcome == "not_judged"


def test_notes_of_another_version_are_passed_over(digits: WatchedData, train_watched: Train, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    strange: list[Json] = [
        {"novelty": {"step": 3}},
        {"probe": {"step": 3}},
        {"scan": {"step": 3, "rows": 5, "dead": 7}},
        {"context": {"layers": [{"name": "hidden_1"}]}},
        {"ending": 7},
        [1, 2],
        "x",
    ]
    for note in strange:
        writer.top.summary(0, json_tensor(MEASUREMENTS, note))
    live = train_watched(digits, sinks=[writer]).monitor.verdict
    assert judge(read_record(tmp_path).record).to_json() == live.to_json()


def test_notes_survive_json_to_the_last_bit(born_dead: tuple[Path, bytes, Record]) -> None:
    file, _, live = born_dead
    read = read_record(file.parent).record
    assert read.context == live.context
    assert read.notes(Probe) == live.notes(Probe)
    assert read.notes(Scan) == live.notes(Scan)
    assert read.notes(Ending) == live.notes(Ending)
    for tag in live.tags():
        np.testing.assert_array_equal(read.series(tag).values, live.series(tag).values)
        np.testing.assert_array_equal(read.series(tag).steps, live.series(tag).steps)


def test_a_context_of_before_fields_were_added_has_their_defaults(born_dead: tuple[Path, bytes, Record]) -> None:
    context = born_dead[2].context
    assert context is not None
    told = replace(context, never_called=("spare",), unheld=("output",), unobserved={"gradients": "nobody saw one"})
    data = note_to_json(told)
    assert context_from_json(data) == told
    early = {name: value for name, value in data.items() if name not in LATER}
    assert context_from_json(early) == replace(context, optimizer=None)
    assert context.optimizer is not None


def test_notes_say_what_they_lack() -> None:
    with pytest.raises(TypeError):
        note_from_json("ending", {"step": 3})
    with pytest.raises(KeyError):
        note_from_json("novelty", {})
    with pytest.raises(KeyError):
        context_from_json({"layers": []})
