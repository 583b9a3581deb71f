"""Subscriptions: who wants which event, on which steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from types import TracebackType
from typing import Any, Self

from gradvitals.engine.events import (
    Event,
    GradientsReady,
    LayerBackward,
    LayerForward,
    Observer,
    RecurrentBackward,
    Rhythm,
    StepEnded,
)

STEP_EVENTS = frozenset({LayerForward, LayerBackward, RecurrentBackward, GradientsReady, StepEnded})
"""The events that a step may bring; the others come when they come."""

UNASKED = -2, 0.0
"""The step asked for last, and the next that is wanted, so that every rhythm is asked again."""


@dataclass(frozen=True, slots=True)
class EveryN:
    """Steps n, 2n, 3n and so on."""

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"every must be a positive number of steps, got {self.n}"
            raise ValueError(msg)

    def next_after(self, step: int) -> int:
        """Give the next multiple of n."""
        return (step // self.n + 1) * self.n


@dataclass(eq=False, slots=True)
class Handle:
    """A subscription; removes itself on request or at the end of a `with` block."""

    event_type: type[Any]
    observer: Observer
    rhythm: Rhythm
    _hooks: "Hooks | None"

    def remove(self) -> None:
        """End the subscription; a second call does nothing."""
        if self._hooks is not None:
            self._hooks.discard(self)
            self._hooks = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


@dataclass(slots=True)
class Hooks:
    """The subscriptions of one network, in the order they were made."""

    _handles: list[Handle] = field(default_factory=list)
    _rhythms: tuple[Rhythm, ...] = ()
    _wanted: list[float] = field(default_factory=list)
    _asked: int = 0
    _next: float = 0.0
    _answer: "Due | None" = None
    _dues: dict[tuple[bool, ...], "Due"] = field(default_factory=dict)

    def on(self, event_type: type[Any], observer: Observer, *, every: int | Rhythm = 1) -> Handle:
        """Send events of this type, on the steps that `every` wants, to the observer.

        Events without a rhythm of their own (the start and end of a training, the end of an epoch) always come.
        A step whose loss is not finite goes to everybody, wanted or not.

        Raises:
            ValueError: If `every` is a number below 1.
        """
        rhythm = EveryN(every) if isinstance(every, int) else every
        handle = Handle(event_type, observer, rhythm, self)
        self._handles = [*self._handles, handle]
        self._refresh()
        return handle

    def discard(self, handle: Handle) -> None:
        """Forget a subscription."""
        self._handles = [other for other in self._handles if other is not handle]
        self._refresh()

    def wants(self, event_type: type[Any]) -> bool:
        """Tell whether an event of this type is worth building."""
        return any(handle.event_type is event_type for handle in self._handles)

    def emit(self, event: Event) -> None:
        """Send an event to everybody who subscribed to its type."""
        for handle in self._handles:
            if handle.event_type is type(event):
                handle.observer(event)

    @property
    def next_wanted(self) -> float:
        """No step before this one is wanted, while losses are finite; 0 where nobody has been asked yet."""
        return self._next if self._rhythms else math.inf

    def due(self, step: int, loss: float) -> "Due | None":
        """Ask who wants a step; None if nobody does, so that no event need be built.

        The rhythms are asked only on a step that one of them wants, or where the steps do not go up one by one; a step
        asked for again has the same answer.
        """
        if not self._rhythms:
            return None
        finite = math.isfinite(loss)
        if self._asked < step < self._next and finite:
            self._asked, self._answer = step, None
            return None
        if step == self._asked and finite:
            return self._answer
        if not self._asked < step <= self._next:
            self._wanted = [rhythm.next_after(step - 1) for rhythm in self._rhythms]
        now = tuple([not finite or wanted == step for wanted in self._wanted])
        for index, wanted in enumerate(self._wanted):
            if wanted == step:
                self._wanted[index] = self._rhythms[index].next_after(step)
        self._asked, self._next = (step, min(self._wanted)) if finite else UNASKED
        self._answer = self._due_for(now) if any(now) else None
        return self._answer

    def _due_for(self, now: tuple[bool, ...]) -> "Due":
        """Give those whose rhythm wants the step; combinations recur, so each is put together once."""
        due = self._dues.get(now)
        if due is None:
            rhythms = list(compress(self._rhythms, now))
            observers: dict[type[Any], list[Observer]] = {}
            for handle in self._handles:
                if any(handle.rhythm is rhythm for rhythm in rhythms):
                    observers.setdefault(handle.event_type, []).append(handle.observer)
            due = self._dues[now] = Due(observers)
        return due

    def _refresh(self) -> None:
        unique: dict[int, Rhythm] = {}
        for handle in self._handles:
            if handle.event_type in STEP_EVENTS:
                unique.setdefault(id(handle.rhythm), handle.rhythm)
        self._rhythms = tuple(unique.values())
        self._dues = {}
        self._asked, self._next = UNASKED


@dataclass(frozen=True, slots=True)
class Due:
    """Those who want the present step, by the event they want."""

    observers: Mapping[type[Any], Sequence[Observer]]

    def wants(self, event_type: type[Any]) -> bool:
        """Tell whether an event of this type is worth building."""
        return event_type in self.observers

    def emit(self, event: Event) -> None:
        """Send the event to those who want it now."""
        for observer in self.observers.get(type(event), ()):
            observer(event)
