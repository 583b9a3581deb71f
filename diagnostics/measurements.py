"""Measurements: the recorded numbers from which alone diagnoses judge, live or replayed from an event file.

Scalars keep the precision of an event file (float32) from the start, so that a verdict is the same live and replayed;
what is no scalar is a note (see `notes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.diagnostics.call_site import CallSite, call_site_from_json
from gradvitals.diagnostics.note_kinds import kind_of
from gradvitals.diagnostics.notes import Note
from gradvitals.engine.events import Array, LayerInfo, OptimizerInfo

N = TypeVar("N", bound=Note)
LARGEST = float(np.finfo(np.float32).max)

LATER = frozenset({"unheld", "unobserved", "never_called", "call_site", "optimizer"})
"""Fields of the context that earlier records do not have."""


@dataclass(frozen=True, slots=True)
class Context:
    """What was known before the first step; the note `context`.

    Attributes:
        layers: Name, activation and sizes of every layer.
        loss: The loss's name.
        total_steps: Planned updates; None where nobody knew.
        batch_size: Samples per step.
        samples: Training examples the watcher holds; None without data.
        constant_loss: H, the loss of the best constant predictor; None without targets or for an unknown loss.
        classes: Number of classes; None for a regression.
        config: The resolved config, flattened to dotted keys; None where the training has no config.
        by_layer: Whether the training computes gradients layer by layer; numeric gradients and searches do not.
        unheld: Layers that have gradients, and whose parameters no optimizer holds.
        unobserved: Which of a step's events nobody could see (`gradients`), and why.
        never_called: Parts of the model with parameters that a forward pass on the data does not come by.
        call_site: The line that watches the training; None where it is none of a checkout's.
        optimizer: What took the steps; None where only the config tells, or nobody does.
    """

    layers: tuple[LayerInfo, ...]
    loss: str
    total_steps: int | None
    batch_size: int
    samples: int | None
    constant_loss: float | None
    classes: int | None
    config: Mapping[str, Any] | None
    by_layer: bool = True
    unheld: tuple[str, ...] = ()
    unobserved: Mapping[str, str] = field(default_factory=dict)
    never_called: tuple[str, ...] = ()
    call_site: CallSite | None = None
    optimizer: OptimizerInfo | None = None

    @property
    def steps_per_epoch(self) -> int | None:
        """Updates it takes to see every training example once; None without data."""
        return None if self.samples is None else -(-self.samples // max(self.batch_size, 1))

    def layer_names(self, activations: frozenset[str] | None = None) -> list[str]:
        """Name the layers, or those with one of these activations."""
        return [info.name for info in self.layers if activations is None or info.activation in activations]

    def depth(self, layer: str | None) -> int:
        """Give a layer's position from the inputs, 0 for the first; the whole network (None) comes before it."""
        names = self.layer_names()
        return names.index(layer) if layer in names else -1


@dataclass(frozen=True, slots=True)
class Series:
    """A scalar over time: `steps` `(n,)` ascending, `values` `(n,)` float32."""

    steps: Array
    values: Array

    def between(self, after: int, until: int) -> Array:
        """Give the values at steps in (after, until]."""
        return np.asarray(
            self.values[np.searchsorted(self.steps, after, "right") : np.searchsorted(self.steps, until, "right")]
        )


NOTHING = Series(np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(slots=True)
class Record:
    """All measurements of one run, in the order they were taken."""

    context: Context | None = None
    _rows: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    _notes: dict[str, list[Any]] = field(default_factory=dict)
    _series: dict[str, Series] = field(default_factory=dict)

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars under their tags; they are sorted into series when one is asked for."""
        self._rows.append((step, values))

    def add_series(self, tag: str, steps: Array, values: Array) -> None:
        """Add a whole series, as read back."""
        self._series[tag] = Series(steps, to_float32(values))

    def add(self, note: Note) -> None:
        """Add a note."""
        self._notes.setdefault(kind_of(type(note)), []).append(note)

    def series(self, tag: str) -> Series:
        """Give a scalar's series; empty where it was never recorded."""
        self._sort_rows()
        return self._series.get(tag, NOTHING)

    def tags(self) -> list[str]:
        """Name every recorded scalar."""
        self._sort_rows()
        return sorted(self._series)

    def notes(self, kind: type[N]) -> list[N]:
        """Give the notes of a kind, in order."""
        return self._notes.get(kind_of(kind), [])

    @property
    def last_step(self) -> int:
        """The last step that anything was recorded for."""
        self._sort_rows()
        noted = [note.step for notes in self._notes.values() for note in notes]
        logged = [int(series.steps[-1]) for series in self._series.values() if len(series.steps)]
        return max([*noted, *logged], default=0)

    def _sort_rows(self) -> None:
        """Move the rows added since the last time to their series."""
        fresh: dict[str, tuple[list[int], list[float]]] = {}
        rows, self._rows = self._rows, []
        for step, values in rows:
            for tag, value in values.items():
                steps, numbers = fresh.setdefault(tag, ([], []))
                steps.append(step)
                numbers.append(value)
        for tag, (steps, numbers) in fresh.items():
            known = self._series.get(tag, NOTHING)
            joined = np.concatenate([known.steps, np.array(steps, np.int64)])
            self._series[tag] = Series(joined, np.concatenate([known.values, to_float32(numbers)]))


def to_float32(values: ArrayLike) -> Array:
    """Round to float32, finite values beyond its range to its largest: what was finite never reads as infinite."""
    wide = np.array(values, np.float64)
    finite = np.isfinite(wide)
    wide[finite] = np.clip(wide[finite], -LARGEST, LARGEST)
    return wide.astype(np.float32)


def context_from_json(data: Mapping[str, Any]) -> Context:
    """Make the context from plain data.

    Raises:
        KeyError: If a field is missing.
    """
    fields = {name: data[name] for name in Context.__dataclass_fields__ if name not in LATER}
    fields["layers"] = tuple(LayerInfo(**layer) for layer in fields["layers"])
    fields["unheld"] = tuple(data.get("unheld", ()))  # of records before it was told, all are held
    fields["unobserved"] = data.get("unobserved", {})
    fields["never_called"] = tuple(data.get("never_called", ()))
    fields["call_site"] = call_site_from_json(data.get("call_site"))
    optimizer = data.get("optimizer")
    fields["optimizer"] = None if optimizer is None else OptimizerInfo(**optimizer)
    return Context(**fields)
