"""Reading a run back: its event files as the record that diagnoses judge, with what was damaged."""

from dataclasses import dataclass
from pathlib import Path

from gradvitals.diagnostics.measurements import Record, context_from_json
from gradvitals.diagnostics.note_kinds import note_from_json
from gradvitals.diagnostics.tensorboard.reader import Damage, RunLog, read_run
from gradvitals.diagnostics.tensorboard.run_writer import MEASUREMENTS
from gradvitals.diagnostics.tensorboard.series import Series
from gradvitals.diagnostics.tensorboard.strict_json import decode_json


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run's folder holds.

    Attributes:
        record: The measurements; without context where the folder holds no record of ours.
        training: Scores of every epoch, by tag.
        validation: Scores of every epoch, by tag.
        damage: Where its event files stop being readable.
    """

    record: Record
    training: dict[str, Series]
    validation: dict[str, Series]
    damage: tuple[Damage, ...]

    @property
    def recorded(self) -> bool:
        """Whether there is a record to judge."""
        return self.record.context is not None

    @property
    def validation_accuracy(self) -> float | None:
        """The last accuracy on the validation set; None where there is none."""
        series = self.validation.get("epoch_accuracy")
        return None if series is None or not len(series.values) else float(series.values[-1])

    @property
    def last_scores(self) -> dict[str, dict[str, float]]:
        """The last loss and accuracy that were recorded, by `training` and `validation`."""
        parts = {"training": self.training, "validation": self.validation}
        return {
            part: {
                name: float(tags[f"epoch_{name}"].values[-1])
                for name in ("loss", "accuracy")
                if f"epoch_{name}" in tags and len(tags[f"epoch_{name}"].values)
            }
            for part, tags in parts.items()
        }


def read_record(folder: Path) -> RunRecord:
    """Read the event files of a run: those at the top of its folder, and those of `train/` and `validation/`."""
    logs = [read_run(part) if part.is_dir() else None for part in (folder, folder / "train", folder / "validation")]
    top, training, validation = logs
    record = Record() if top is None else _to_record(top)
    return RunRecord(
        record,
        {} if training is None else training.scalars,
        {} if validation is None else validation.scalars,
        tuple(damage for log in logs if log is not None for damage in log.damage),
    )


def _to_record(log: RunLog) -> Record:
    record = Record()
    for tag, series in log.scalars.items():
        record.add_series(tag, series.steps, series.values)
    for _, content in log.tensors.get(MEASUREMENTS, []):
        notes = decode_json(content)
        if not isinstance(notes, dict):
            continue
        for kind, fields in notes.items():
            if not isinstance(fields, dict):
                continue
            try:
                if kind == "context":
                    record.context = context_from_json(fields)
                else:
                    record.add(note_from_json(kind, fields))
            except (AttributeError, KeyError, TypeError):
                continue  # written by another version: what it would have told is not recorded
    return record
