"""The sets of a stack's runs, of one size, and how batches are gathered from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.events import Array
from gradvitals.engine.training import Samples

MOST_JOINED = 2**20
"""Numbers of all sets together up to which they are joined: one gathering is faster than one per set."""


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Neighbouring runs whose samples are in one pair of arrays.

    Attributes:
        runs: Their places in the stack.
        samples: The arrays.
        starts: The row at which each run's own set starts, `(runs, 1)`.
        likeliest: The column of every row's largest target, of one-hot targets its class, `(rows,)`.
    """

    runs: slice
    samples: Samples
    starts: Array
    likeliest: Array


class StackSamples:
    """One set for each run of a stack; neighbours may share theirs."""

    def __init__(self, sets: Sequence[Samples]) -> None:
        """Group the runs by their arrays, or join these where they are small."""
        firsts = [run for run, one in enumerate(sets) if not run or not _same_arrays(one, sets[run - 1])]
        own = [sets[first] for first in firsts]
        count = np.diff([*firsts, len(sets)])
        self._length = len(sets[0])
        if sum(one.inputs.size + one.targets.size for one in own) <= MOST_JOINED:
            parts = zip(*((one.inputs, one.targets) for one in own), strict=True)
            joined = own[0] if len(own) == 1 else Samples(*map(np.concatenate, parts))
            starts = np.repeat(np.arange(len(own)) * self._length, count)[:, np.newaxis]
            self._groups = [_group(slice(0, len(sets)), joined, starts)]
        else:
            runs = [slice(first, first + many) for first, many in zip(firsts, count.tolist(), strict=True)]
            self._groups = [_group(some, one, np.zeros((1, 1), np.int64)) for some, one in zip(runs, own, strict=True)]

    def __len__(self) -> int:
        """Count the samples of one run."""
        return self._length

    def feed(self, circuit: ConnectedCircuit, rows: Array) -> Array:
        """Gather a batch, the rows `(R, batch)` of each run's set; give the column of its largest targets likewise."""
        likeliest = np.empty(rows.shape, np.intp)
        for group in self._groups:
            own = rows[group.runs] + group.starts
            circuit.feed("inputs", group.samples.inputs, own, group.runs)
            circuit.feed("targets", group.samples.targets, own, group.runs)
            group.likeliest.take(own, out=likeliest[group.runs], mode="clip")
        return likeliest


def _group(runs: slice, samples: Samples, starts: Array) -> _Group:
    return _Group(runs, samples, starts, samples.targets.argmax(axis=1))


def _same_arrays(one: Samples, other: Samples) -> bool:
    return one.inputs is other.inputs and one.targets is other.targets
