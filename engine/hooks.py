"""Subscriptions: who wants which event, on which steps."""

import math
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from gradvitals.engine.events import (
    Event,
    GradientsReady,
    LayerBackward,
    LayerForward,
    Observer,
    Rhythm,
    StepEnded,
)

STEP_EVENTS = frozenset({LayerForward, LayerBackward, GradientsReady, StepEnded})
"""The events that a step may bring; the others come when they come."""


@dataclass(frozen=True, slots=True)
class EveryN:
    """Steps n, 2n, 3n and so on."""

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"every must be a positive number of steps, got {self.n}"
            raise ValueError(msg)

    def wants(self, step: int) -> bool:
        """Tell whether n divides the step."""
        return step % self.n == 0


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

    def due(self, step: int, loss: float) -> "Due | None":
        """Ask, once a step, who wants it; None if nobody does, so that no event need be built."""
        if not self._rhythms:
            return None
        if math.isfinite(loss):
            wanted = [rhythm for rhythm in self._rhythms if rhythm.wants(step)]
            if not wanted:
                return None
            handles = [handle for handle in self._handles if handle.rhythm in wanted]
        else:
            handles = self._handles
        return Due(handles)

    def _refresh(self) -> None:
        unique: list[Rhythm] = []
        for handle in self._handles:
            if handle.event_type in STEP_EVENTS and handle.rhythm not in unique:
                unique.append(handle.rhythm)
        self._rhythms = tuple(unique)


@dataclass(frozen=True, slots=True)
class Due:
    """The subscriptions that want the present step."""

    handles: list[Handle]

    def wants(self, event_type: type[Any]) -> bool:
        """Tell whether an event of this type is worth building."""
        return any(handle.event_type is event_type for handle in self.handles)

    def emit(self, event: Event) -> None:
        """Send the event to those who want it now."""
        for handle in self.handles:
            if handle.event_type is type(event):
                handle.observer(event)
