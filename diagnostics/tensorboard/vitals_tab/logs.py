"""What a request reads: series from TensorBoard's data provider, whichever loader is behind it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tensorboard.data.provider import RunTagFilter

from gradvitals.diagnostics.tensorboard.summaries import PLUGIN_NAME

EVERY = 10**9
"""Points: the provider would otherwise give a random choice of them."""

ByTag: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By run, then by tag."""


@dataclass(frozen=True, slots=True)
class Points:
    """A scalar series as TensorBoard keeps it: `steps` and `values`, `(points,)` each, in order of the steps."""

    steps: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs, for one request.

    Attributes:
        provider: TensorBoard's.
        context: Of the request.
        experiment: Its id, usually empty.
    """

    provider: Any
    context: Any
    experiment: str

    def list_series(self, plugin: str) -> ByTag:
        """List the tensor series of a plugin, with their metadata."""
        listed: ByTag = self.provider.list_tensors(self.context, experiment_id=self.experiment, plugin_name=plugin)
        return listed

    def list_scalars(self, run: str) -> Collection[str]:
        """Name the scalars of a run."""
        listed: ByTag = self.provider.list_scalars(
            self.context,
            experiment_id=self.experiment,
            plugin_name="scalars",
            run_tag_filter=RunTagFilter(runs=[run], tags=None),
        )
        return listed.get(run, {}).keys()

    def read_notes(self, runs: Collection[str], tag: str, most: int = EVERY) -> dict[str, list[bytes]]:
        """Read one of our own series, of many runs: by run, the contents in order, the last one always among them."""
        read = self.provider.read_tensors(
            self.context,
            experiment_id=self.experiment,
            plugin_name=PLUGIN_NAME,
            downsample=most,
            run_tag_filter=RunTagFilter(runs=sorted(runs), tags=[tag]),
        )
        return {run: _contents(tags.get(tag, ())) for run, tags in read.items()}

    def read_scalars(self, runs: Collection[str], tags: Collection[str] | None) -> dict[str, dict[str, Points]]:
        """Read scalars of some runs, all or those of some tags."""
        read = self._read_scalars(runs, tags, EVERY)
        return {run: {tag: _points(series) for tag, series in of_run.items()} for run, of_run in read.items()}

    def read_last(self, runs: Collection[str], tags: Collection[str]) -> dict[str, dict[str, float]]:
        """Read the last value of some scalars."""
        read = self._read_scalars(runs, tags, 1)
        return {
            run: {tag: float(series[-1].value) for tag, series in of_run.items() if series}
            for run, of_run in read.items()
        }

    def read_histograms(self, run: str, tag: str) -> list[tuple[int, NDArray[np.float64]]]:
        """Read a histogram series: step and bins `(bins, 3)`, of left edge, right edge and count each."""
        read = self.provider.read_tensors(
            self.context,
            experiment_id=self.experiment,
            plugin_name="histograms",
            downsample=EVERY,
            run_tag_filter=RunTagFilter(runs=[run], tags=[tag]),
        )
        found = ((datum.step, np.asarray(datum.numpy)) for datum in read.get(run, {}).get(tag, ()))
        return [
            (step, bins.astype(np.float64))
            for step, bins in found
            if bins.ndim == 2 and bins.shape[1] == 3 and bins.dtype.kind in "fiu"
        ]

    def _read_scalars(self, runs: Collection[str], tags: Collection[str] | None, most: int) -> ByTag:
        read: ByTag = self.provider.read_scalars(
            self.context,
            experiment_id=self.experiment,
            plugin_name="scalars",
            downsample=most,
            run_tag_filter=RunTagFilter(runs=sorted(runs), tags=None if tags is None else sorted(tags)),
        )
        return read


def _contents(series: Sequence[Any]) -> list[bytes]:
    """Give the strings of a series of tensors, leaving out whatever else somebody wrote there."""
    values = (datum.numpy for datum in series)
    items = (value.item() for value in values if isinstance(value, np.ndarray | np.generic) and value.size == 1)
    return [item.encode() if isinstance(item, str) else item for item in items if isinstance(item, str | bytes)]


def _points(series: Sequence[Any]) -> Points:
    steps = np.array([datum.step for datum in series], np.int64)
    values = np.array([datum.value for datum in series], np.float32)
    order = np.argsort(steps, kind="stable")
    return Points(steps[order], values[order])
