"""Looks that are taken once a training is over, at states that were kept on the way.

Nobody gave data; the loop itself has shown examples, their targets and the loss. Whether these are the same from
beginning to end, so that a network can be judged by them, is known at the end. And nobody said how long a training
would be: of a short one too few looks would have been taken.
"""

from collections.abc import Container, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.watched_data import WatchedData


class Hindsight(Protocol):
    """What a watcher of somebody's loop remembers of it."""

    @property
    def keeps(self) -> bool:
        """Whether states are kept: not where there is no memory for them, and nothing to be told any more."""
        ...

    def keep(self, step: int) -> None:
        """Keep the network's state as it is after so many updates."""
        ...

    def tell(self, step: int) -> tuple[WatchedData | None, tuple[Note, ...]]:
        """Give what the loop has shown to be its data, if it has, and what else it has shown; ask at its end.

        From then on the network has the loss that was shown.
        """
        ...

    @property
    def steps(self) -> Sequence[int]:
        """The steps kept, in order."""
        ...

    def take_states(self, wanted: Container[int]) -> Iterable[tuple[int, AbstractContextManager[None]]]:
        """Give, once, those of the steps kept that are wanted, each with a context in which the network is as then."""
        ...
