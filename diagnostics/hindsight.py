"""Looks that are taken once a training is over, as only the training shows what it was trained on.

Nobody gave data; the loop itself has shown examples, their targets and the loss. Whether these are the same from
beginning to end, so that a network can be judged by them, is known at the end. States kept on the way are looked at
then.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.watched_data import WatchedData


class Hindsight(Protocol):
    """What a watcher of somebody's loop remembers of it."""

    def keep(self, step: int) -> None:
        """Keep the network's state as it is after so many updates."""
        ...

    def tell(self) -> tuple[WatchedData, tuple[Note, ...]] | None:
        """Give what the loop has shown to be its data, and what is known of them; None where it has not.

        From then on the network has the loss that was shown.
        """
        ...

    def states(self) -> Iterable[tuple[int, AbstractContextManager[None]]]:
        """Give the steps kept, in order, each with a context in which the network is as it was then."""
        ...
