"""Subscriptions to the events of a loop that nobody of ours runs: they also tell which step is wanted next."""

import math

from gradvitals.engine.events import Event, Observer, Rhythm
from gradvitals.engine.hooks import STEP_EVENTS, Due, Handle, Hooks


class StepHooks:
    """The subscriptions to one module.

    Attributes:
        wanted: The next step that any rhythm wants, infinity where none does: all that an unwanted step must look at.
    """

    def __init__(self) -> None:
        self._hooks = Hooks()
        self._rhythms: list[Rhythm] = []
        self._step = 0
        self.wanted: float = math.inf

    def on(self, event_type: type, observer: Observer, *, every: int | Rhythm = 1) -> Handle:
        """Send events of this type, on the steps that `every` wants, to the observer; see `Hooks.on`."""
        handle = self._hooks.on(event_type, observer, every=every)
        if event_type in STEP_EVENTS:
            if not any(handle.rhythm is known for known in self._rhythms):
                self._rhythms.append(handle.rhythm)
            self.passed(self._step)
        return handle

    def emit(self, event: Event) -> None:
        """Send an event to everybody who subscribed to its type."""
        self._hooks.emit(event)

    def due(self, step: int) -> Due | None:
        """Ask who wants a step."""
        return self._hooks.due(step, 0.0)

    def passed(self, step: int) -> None:
        """Look for the next step wanted after this one."""
        self._step = step
        self.wanted = min((rhythm.next_after(step) for rhythm in self._rhythms), default=math.inf)
