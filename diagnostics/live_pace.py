"""How often trainings are judged while they run: as often as costs next to nothing, and never many at a time.

It goes by the clock, and so must nothing else: what is measured, how it is trained and what is said in the end are the
same however often somebody judged in between.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SHARE, SHARE_OF_LOOPS = 0.01, 0.001
"""Of the time that the trainings take, for judging them meanwhile; and that users' own loops take, who pay for it."""

ADVANCE = 0.6
"""Of what the whole training leaves for it, what everybody's first verdict may have at once."""

FIRST_AFTER, LEAST_BETWEEN = 0.5, 2.0
"""Seconds of steps before a first verdict, and from one verdict of a training to its next."""

SLACK = 1.1
"""How much longer than a round takes nobody is asked again, so that those who are asked last have their turn, too."""

LONGEST_PAUSE = 0.02
"""Seconds for judging between two steps."""

LIKELY_COST, WEIGHT_OF_LAST = 0.003, 0.25
"""Seconds that a verdict takes before any was timed, and how much the last one counts for what the next will take."""


class LivePace:
    """What trainings that take their steps together have in common: the time, and what of it was spent on verdicts.

    Attributes:
        clock: In seconds.
        share: Of the time that may be spent.
        members: Trainings that have begun and not ended.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter, *, share: float = SHARE) -> None:
        """Begin with no member, and nothing spent."""
        self.clock, self.share = clock, share
        self.members = 0
        self._began: float | None = None
        self._first: tuple[int, float] | None = None
        self._spent, self._cost = 0.0, LIKELY_COST
        self._paused: tuple[int, float] = (0, 0.0)

    def begin(self) -> None:
        """Note that a training has begun; the time counts from the first one on."""
        self._began = self.clock() if self._began is None else self._began
        self.members += 1

    def leave(self) -> None:
        """Note that a training has ended."""
        self.members -= 1

    @property
    def least_between(self) -> float:
        """Seconds from one verdict to the next in which everybody can have one, so that nobody is always first."""
        return max(LEAST_BETWEEN, SLACK * self.members * self._cost / self.share)

    def has_time(self, step: int, total_steps: int | None, *, first: bool) -> bool:
        """Tell whether there is time for one more verdict.

        Args:
            step: Updates so far.
            total_steps: Planned ones; None where nobody knows.
            first: Whether it is the training's first one.
        """
        now = self.clock() - self._spent  # what judging took must not make the training look longer
        self._first = self._first or (step, now)
        paused = self._paused[1] if self._paused[0] == step else 0.0
        if self._began is None or (paused and paused + self._cost > LONGEST_PAUSE):
            return False
        if first and now - self._first[1] < FIRST_AFTER:
            return False
        elapsed = now - self._began
        counted = max(elapsed, ADVANCE * self._expected(step, total_steps, now)) if first else elapsed
        return self._spent + self._cost <= self.share * counted

    def spend(self, step: int, seconds: float) -> None:
        """Note what a verdict took."""
        self._spent += seconds
        self._cost += WEIGHT_OF_LAST * (seconds - self._cost)
        self._paused = (step, seconds + (self._paused[1] if self._paused[0] == step else 0.0))

    def _expected(self, step: int, total_steps: int | None, now: float) -> float:
        """Estimate how long the whole training will take; 0 where nobody knows."""
        if self._began is None or self._first is None or total_steps is None or step <= self._first[0]:
            return 0.0
        per_step = (now - self._first[1]) / (step - self._first[0])
        return now - self._began + per_step * (total_steps - step)


@dataclass(slots=True)
class LiveTurn:
    """One training's place among those: when it was judged last."""

    pace: LivePace
    _last: float | None = None
    _ended: bool = False

    def begin(self) -> None:
        """Take part from now on."""
        self.pace.begin()

    def is_due(self, step: int, total_steps: int | None) -> bool:
        """Tell whether to judge it now; see `LivePace.has_time`."""
        if self._last is not None and self.pace.clock() - self._last < self.pace.least_between:
            return False
        return self.pace.has_time(step, total_steps, first=self._last is None)

    @contextmanager
    def taken(self, step: int) -> Iterator[None]:
        """Time the verdict that is given in the `with` block."""
        began = self.pace.clock()
        try:
            yield
        finally:
            self._last = self.pace.clock()
            self.pace.spend(step, self._last - began)

    def end(self) -> None:
        """Leave the time to the others."""
        if not self._ended:
            self._ended = True
            self.pace.leave()
