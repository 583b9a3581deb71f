"""What a request reads: series from TensorBoard's data provider, whichever loader is behind it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tensorboard.data.provider import RunTagFilter

from gradvitals.diagnostics.tensorboard.reader import read_run
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
        logdir: Where the runs are; None where that is no folder of this machine.
    """

    provider: Any
    context: Any
    experiment: str
    logdir: Path | None = None

    def list_series(self, plugin: str, runs: Collection[str] | None = None) -> ByTag:
        """List the tensor series of a plugin, of all runs or some, with their metadata."""
        chosen = None if runs is None else RunTagFilter(runs=sorted(runs), tags=None)
        listed: ByTag = self.provider.list_tensors(
            self.context, experiment_id=self.experiment, plugin_name=plugin, run_tag_filter=chosen
        )
        return listed

    def list_ends(self, runs: Collection[str], tags: Collection[str]) -> dict[str, dict[str, tuple[int, float]]]:
        """Give the last step and time of some scalars, which says at little cost whether there are new points."""
        listed: ByTag = self.provider.list_scalars(
            self.context,
            experiment_id=self.experiment,
            plugin_name="scalars",
            run_tag_filter=RunTagFilter(runs=sorted(runs), tags=sorted(tags)),
        )
        return {
            run: {tag: (series.max_step, series.max_wall_time) for tag, series in of_run.items()}
            for run, of_run in listed.items()
        }

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

    def read_all_notes(self, run: str, tag: str) -> list[bytes]:
        """Read one of our own series of a run from its files, or else what the provider kept of it.

        TensorBoard's fast loader keeps only the last of several points at one step, and notes share their steps.
        """
        folder = self._folder_of(run)
        try:
            if folder is not None:
                return [content for _, content in read_run(folder).tensors.get(tag, [])]
        except OSError:
            pass  # gone, or not ours to read
        return self.read_notes([run], tag).get(run, [])

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

    def _folder_of(self, run: str) -> Path | None:
        """Give a run's folder if it is in the logs, and not somewhere else by a link or by its name."""
        if self.logdir is None:
            return None
        root = self.logdir.resolve()
        folder = (root / run).resolve()
        return folder if folder.is_relative_to(root) and folder.is_dir() else None

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
