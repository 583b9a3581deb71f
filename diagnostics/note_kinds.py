"""The kinds of notes by their names in a record, and notes as plain data and back."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gradvitals.diagnostics.gradient_notes import (
    ForeignSteps,
    MissingGradients,
    NewbornParameters,
    StaleGradients,
    StrayParameters,
    UnheldParameters,
    UnreachedParameters,
    UntakenGradients,
)
from gradvitals.diagnostics.notes import (
    Activity,
    Ending,
    Generalisation,
    Incident,
    Movement,
    Note,
    Outputs,
    Probe,
    Rounding,
    Scan,
    Signal,
    SkippedSteps,
    Symmetry,
)
from gradvitals.diagnostics.observed_silence import ObservedSilence
from gradvitals.diagnostics.recurrence import Recurrence
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import (
    AcrossSamples,
    BatchLabels,
    DataFacts,
    ExchangedTargets,
    LossFit,
    MixedRows,
    OddLoss,
    Propagation,
    TargetFacts,
)
from gradvitals.diagnostics.straightness import Straightness
from gradvitals.diagnostics.trial_notes import GradientComparison, OverfitTrial
from gradvitals.diagnostics.unit_death import UnitDeath
from gradvitals.diagnostics.validation_course import ValidationCourse

NOTES: dict[str, type[Any]] = {
    "probe": Probe,
    "scan": Scan,
    "incident": Incident,
    "signal": Signal,
    "shortfall": Shortfall,
    "straightness": Straightness,
    "data_facts": DataFacts,
    "batch_labels": BatchLabels,
    "propagation": Propagation,
    "loss_fit": LossFit,
    "targets": TargetFacts,
    "mixed_rows": MixedRows,
    "across_samples": AcrossSamples,
    "exchanged_targets": ExchangedTargets,
    "odd_loss": OddLoss,
    "outputs": Outputs,
    "rounding": Rounding,
    "activity": Activity,
    "generalisation": Generalisation,
    "validation_course": ValidationCourse,
    "recurrence": Recurrence,
    "symmetry": Symmetry,
    "movement": Movement,
    "observed_silence": ObservedSilence,
    "unit_death": UnitDeath,
    "stale_gradients": StaleGradients,
    "missing_gradients": MissingGradients,
    "foreign_steps": ForeignSteps,
    "untaken_gradients": UntakenGradients,
    "newborn_parameters": NewbornParameters,
    "stray_parameters": StrayParameters,
    "unheld_parameters": UnheldParameters,
    "unreached_parameters": UnreachedParameters,
    "skipped_steps": SkippedSteps,
    "ending": Ending,
    "gradient_comparison": GradientComparison,
    "overfit_trial": OverfitTrial,
}
"""Every kind of note, by its name in a record."""

_KINDS = {cls: kind for kind, cls in NOTES.items()}
_TYPES = {kind: get_type_hints(cls) for kind, cls in NOTES.items()}


def kind_of(note: type[Note]) -> str:
    """Name a kind of note."""
    return _KINDS[note]


def note_to_json(note: Any) -> dict[str, Any]:  # noqa: ANN401 - any note dataclass, and the context
    """Give a note as plain data."""
    return {name: _plain(getattr(note, name)) for name in note.__dataclass_fields__}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a note
    """Give a field as plain data: some of the context's are dataclasses, or tuples of them."""
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [note_to_json(item) for item in value]
    return note_to_json(value) if is_dataclass(value) else value


def note_from_json(kind: str, data: Mapping[str, Any]) -> Note:
    """Make a note from plain data; keys that this version does not know are passed over.

    Raises:
        KeyError: If the kind is unknown.
        TypeError: If a field is missing, or is not of its type.
    """
    types = _TYPES[kind]
    fields = {name: _with_tuples(data[name]) for name in types if name in data}
    for name, value in fields.items():
        if not _fits(value, types[name]):
            msg = f"{kind}.{name}: {value!r:.60} is not {types[name]}"
            raise TypeError(msg)
    note: Note = NOTES[kind](**fields)
    return note


def _fits(value: Any, kind: Any) -> bool:  # noqa: ANN401 - any plain data, and any of the types that notes have
    """Tell whether plain data are of a type: a number, text, None, or a tuple or mapping of these."""
    if isinstance(kind, type):
        return isinstance(value, (int, float) if kind is float else kind)
    origin, kinds = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, each) for each in kinds)
    if origin is tuple:
        count = len(value) if isinstance(value, tuple) else -1
        kinds = kinds[:1] * count if kinds[-1] is ... else kinds
        return count == len(kinds) and all(map(_fits, value, kinds))
    return isinstance(value, Mapping) and all(_fits(item, kinds[1]) for item in value.values())


def _with_tuples(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Turn the lists that JSON makes of tuples into tuples again."""
    if isinstance(value, list):
        return tuple(map(_with_tuples, value))
    return {key: _with_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value
