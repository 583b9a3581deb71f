"""Notes: what is recorded and is no scalar, as plain data that survives JSON. Each kind is a frozen dataclass.

Their fields are numbers, text, None, and tuples and mappings of these; every note has the `step` it was taken at.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar


class Note(Protocol):
    """What all notes have."""

    @property
    def step(self) -> int:
        """Updates made before it was taken."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """A frozen look at a fixed sample of the training set; the note `probe`.

    Attributes:
        step: Updates made so far.
        samples: Rows of the sample.
        whole_set: Whether the sample is the whole training set.
        loss: Mean loss.
        loss_ratio: Loss / H; None without H.
        gain: Mean of (constant's loss − network's loss, floored at −10 H) / H, paired by sample; None without H.
        gain_se: Its standard error.
        accuracy_excess: Accuracy minus that of the majority class, paired by sample; None for a regression.
        accuracy_excess_se: Its standard error.
        majority_accuracy: That of the majority class; None for a regression.
        validation_gain: As `gain`, on a sample of the validation set; None without one.
        validation_gain_se: Its standard error.
        preactivation_gradients: q of every layer: rms of the gradient on its pre-activations.
        relative_slopes: S of every sigmoid and tanh layer: mean of φ′/φ′max.
    """

    step: int
    samples: int
    whole_set: bool
    loss: float
    loss_ratio: float | None
    gain: float | None
    gain_se: float | None
    accuracy_excess: float | None
    accuracy_excess_se: float | None
    majority_accuracy: float | None
    validation_gain: float | None
    validation_gain_se: float | None
    preactivation_gradients: Mapping[str, float]
    relative_slopes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scan:
    """An exact scan of the training set; the note `scan`: dead ReLU units by layer, as indices."""

    step: int
    rows: int
    dead: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Incident:
    """The first number that was not finite; the note `incident`.

    Attributes:
        step: The step it was seen at.
        last_finite_step: The last step at which everything looked at was finite.
        what: `inputs` (the data), `parameters`, `outputs`, `loss`, `gradients` or `update`.
        layer: Where; None for the data and the loss.
    """

    step: int
    last_finite_step: int
    what: str
    layer: str | None


@dataclass(frozen=True, slots=True)
class Signal:
    """Whether simple models find any signal in the data; the note `signal`, taken when a network learned nothing.

    Attributes:
        step: When it was taken.
        gain: Out-of-sample gain of the better model over the best constant, in squared error, relative.
        gain_se: Its standard error.
    """

    step: int
    gain: float
    gain_se: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How the training ended; the note `ending`."""

    step: int
    reason: str


NOTES: dict[str, type[Any]] = {
    "probe": Probe,
    "scan": Scan,
    "incident": Incident,
    "signal": Signal,
    "ending": Ending,
}
"""Every kind of note, by its name in a record."""

_KINDS = {cls: kind for kind, cls in NOTES.items()}
N = TypeVar("N", bound=Note)


def kind_of(note: type[Note]) -> str:
    """Name a kind of note."""
    return _KINDS[note]


def note_to_json(note: Any) -> dict[str, Any]:  # noqa: ANN401 - any note dataclass, and the context
    """Give a note as plain data."""
    return asdict(note)


def note_from_json(kind: str, data: Mapping[str, Any]) -> Note:
    """Make a note from plain data; keys that this version does not know are passed over.

    Raises:
        KeyError: If the kind is unknown.
        TypeError: If a field is missing.
    """
    cls = NOTES[kind]
    note: Note = cls(**{name: _with_tuples(data[name]) for name in cls.__dataclass_fields__ if name in data})
    return note


def _with_tuples(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Turn the lists that JSON makes of tuples into tuples again."""
    if isinstance(value, list):
        return tuple(map(_with_tuples, value))
    return {key: _with_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value
