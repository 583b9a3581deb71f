"""Data sets that several blocks of runs need: loaded once, into files that every worker maps."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from gradvitals.experiments.blocks import Run
from gradvitals.experiments.data.mapped import write_mapped
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.runner import forget_datasets, load_dataset


class SharedData:
    """The files of the sets that are in use; what no further block needs is removed.

    A set that a single block needs has no file, as one worker alone holds it. The files are in a temporary folder of
    their own, which is there from the first of them on until `close`.
    """

    def __init__(self, blocks: Sequence[Sequence[Run]]) -> None:
        """Count who of all that will be `placed` needs what; nothing is loaded yet."""
        self._root: Path | None = None
        self._waiting = Counter(key for block in blocks for key in _keys(block))
        self._folders: dict[Hashable, Path | None] = {}
        self._numbers = count()  # never the same folder twice: a worker remembers what it has mapped

    def placed(self, block: Sequence[Run]) -> list[Run]:
        """Give the block with the folders of its data sets, which are written where they are not there."""
        return [(planned, replace(place, mapped=self._folder((planned, place)))) for planned, place in block]

    def release(self, block: Sequence[Run]) -> None:
        """Say that a block has ended."""
        for key in _keys(block):
            self._waiting[key] -= 1
            if not self._waiting[key]:
                folder = self._folders.pop(key, None)
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)  # where open files cannot be removed, they go at the end

    def close(self) -> None:
        """Remove all that is left, once no worker needs it."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)

    def _folder(self, run: Run) -> Path | None:
        key = _key(run)
        if key not in self._folders:
            self._folders[key] = self._write(run) if self._waiting[key] > 1 else None
            forget_datasets()  # the workers have it, and this process trains nothing
        return self._folders[key]

    def _write(self, run: Run) -> Path | None:
        """Write a run's data set; None where it cannot be loaded, or there is no room for it."""
        folder = None
        try:
            dataset = load_dataset(*run)
            self._root = self._root or Path(tempfile.mkdtemp(prefix="gradvitals-"))
            folder = self._root / str(next(self._numbers))
            folder.mkdir()
            write_mapped(dataset, folder)
        except (OSError, UserError):  # the worker that loads it says so, if need be
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            return None
        return folder


def by_data(blocks: Sequence[Sequence[Run]]) -> list[Sequence[Run]]:
    """Put blocks that begin with the same data set behind each other, so that few sets are in use at a time."""
    order: dict[Hashable, int] = {}
    for block in blocks:
        order.setdefault(_key(block[0]), len(order))
    return sorted(blocks, key=lambda block: order[_key(block[0])])


def _keys(block: Sequence[Run]) -> set[Hashable]:
    return {_key(run) for run in block}


def _key(run: Run) -> Hashable:
    """Give what a run's data set, in the dtype of its training, follows from."""
    planned, place = run
    config = planned.config
    return config.data, place.base_dir, config.model.sequence_length, config.seed, config.training.dtype
