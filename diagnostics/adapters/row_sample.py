"""A sample of the rows that go by in batches, drawn while they do, and the same rows known again when they come back.

Of the first epoch every row has the same chance to be kept (Vitter 1985, algorithm R), in whatever order they come.
When the next one begins, rows that are kept come back, and no more are taken.

References:
    Vitter 1985, "Random sampling with a reservoir", ACM Transactions on Mathematical Software 11(1).
"""

from dataclasses import dataclass, field

import numpy as np

from gradvitals.engine.events import Array

MOST_ROWS, MOST_BYTES, FEWEST_ROWS = 1024, 2**26, 4
"""Rows kept, by number and by their memory; and so many however large they are."""

WINDOW, BACK = 16.0, 0.5
"""Rows kept that a new epoch would have brought back, after which it is asked whether one has begun: if so many of them
have come. Equal rows within an epoch are fewer."""

MOST_TWINS = 0.05
"""Share of rows that are equal to another of their batch, up to which equal ones are taken for one that came again."""

SPOTS = 32
"""Numbers of a row by which it is known again, of those that differ in the first batch; then it is compared whole."""

APPEND = -1
"""In place of the one whose place a row gets: there is room."""


@dataclass(slots=True, eq=False)
class KeptRow:
    """One row that is kept.

    Attributes:
        inputs: As it came.
        targets: By kind of loss, what the last look told.
        outputs: What the module gave of it at the last look; None where nobody needs it.
        gradient: On these.
        count: Outputs of that batch.
        looks: Taken so far.
        place: In the batch of the last of them.
    """

    inputs: Array
    targets: dict[str, Array] = field(default_factory=dict)
    outputs: Array | None = None
    gradient: Array | None = None
    count: int = 0
    looks: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that goes by.

    Attributes:
        keys: Of its rows.
        twins: Rows that are equal to another of it.
        known: Rows that are kept, by their places in the batch.
        drawn: Rows that are to be kept, by their places, with the index of the one whose place each gets.
    """

    keys: list[int]
    twins: int
    known: dict[int, KeptRow]
    drawn: dict[int, int]

    @property
    def places(self) -> list[int]:
        """The places of all rows that are wanted."""
        return [*self.known, *self.drawn]


class RowSample:
    """Draws the sample.

    Attributes:
        rows: Kept so far.
        gathers: Whether more are taken.
        is_whole: Whether no row has gone by that is not kept.
    """

    def __init__(self) -> None:
        self.rows: list[KeptRow] = []
        self.gathers = self.is_whole = True
        self._keys: list[int] = []
        self._by_key: dict[int, KeptRow] = {}
        self._generator = np.random.default_rng(0)
        self._spots, self._factors, self._width = np.empty(0, np.int64), np.empty(0, np.uint64), 0
        self._seen = self._twins = self._came = 0
        self._expected = 0.0

    @property
    def repeats_itself(self) -> bool:
        """Whether so many rows of a batch are equal that one that comes again cannot be told from its like."""
        return self._twins > max(MOST_TWINS * self._seen, 1.0)

    def meet(self, inputs: Array, besides: int = 0) -> Batch:
        """Look at a batch: which rows are known, and which would be kept.

        Args:
            inputs: `(samples, …)`.
            besides: Bytes that are kept with each row besides its inputs.
        """
        flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
        keys = self._keys_of(flat)
        places: dict[int, int] = {}
        twins = 0
        for place, key in enumerate(keys):
            first = places.setdefault(key, place)
            twins += first != place and np.array_equal(flat[first], flat[place])
        known = {place: self._by_key[key] for key, place in places.items() if key in self._by_key}
        known = {place: row for place, row in known.items() if np.array_equal(row.inputs, inputs[place])}
        if not self.gathers:
            return Batch(keys, twins, known, {})
        new = [place for key, place in places.items() if key not in self._by_key]
        most = max(min(MOST_ROWS, MOST_BYTES // max(flat[0].nbytes + besides, 1)), FEWEST_ROWS)
        return Batch(keys, twins, known, self._draw(new, most))

    def pass_by(self, batch: Batch) -> None:
        """Count a batch that was met, and see whether a new epoch has begun."""
        self._expected += len(batch.keys) * len(self.rows) / max(self._seen, 1)
        self._seen += len(batch.keys)
        self._twins += batch.twins
        self._came += len(batch.known)
        self.is_whole &= len(batch.places) == len(set(batch.keys))
        if self.gathers and self._expected >= WINDOW:
            self.gathers = self._came < BACK * self._expected
            self._expected, self._came = 0.0, 0

    def keep(self, batch: Batch, place: int, inputs: Array) -> KeptRow | None:
        """Keep a drawn row; None where another batch that was met before has had its turn.

        Args:
            batch: Of which it is.
            place: Its place in the batch.
            inputs: The row, a copy.
        """
        key, index, row = batch.keys[place], batch.drawn[place], KeptRow(inputs)
        if key in self._by_key or (index == APPEND and len(self.rows) >= MOST_ROWS):
            return None
        if index == APPEND:
            self.rows.append(row)
            self._keys.append(key)
        else:
            del self._by_key[self._keys[index]]
            self.rows[index], self._keys[index] = row, key
        self._by_key[key] = row
        return row

    def _draw(self, places: list[int], most: int) -> dict[int, int]:
        """Choose which of new rows to keep, and whose places they get."""
        room = max(most - len(self.rows), 0)
        drawn = dict.fromkeys(places[:room], APPEND)
        rest = np.array(places[room:], np.int64)
        indices = self._generator.integers(self._seen + rest + 1)
        return drawn | {int(place): int(index) for place, index in zip(rest, indices, strict=True) if index < most}

    def _keys_of(self, flat: Array) -> list[int]:
        """Give a number for every row of a batch, by the bits at some of its places."""
        bits = flat.view(np.uint8) if flat.dtype == np.bool_ else flat.view(f"u{flat.dtype.itemsize}")
        if self._width != bits.shape[1]:
            self._width, chosen = bits.shape[1], np.random.default_rng(0)
            differ = np.flatnonzero((bits != bits[0]).any(axis=0))
            spots = chosen.permutation(differ if len(differ) >= SPOTS else self._width)[:SPOTS]
            self._spots = np.sort(spots)
            self._factors = chosen.integers(1, 2**62, len(spots), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        keys: list[int] = (bits[:, self._spots].astype(np.uint64) * self._factors).sum(axis=1).tolist()
        return keys
