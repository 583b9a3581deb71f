"""What a training's looks are drawn as: histograms of every layer, and pictures where there is something to see."""

from collections.abc import Mapping, Sequence

from gradvitals.diagnostics.histogram import Histogram, reduce_histogram
from gradvitals.diagnostics.pictures.painter import Painter
from gradvitals.diagnostics.sink import Sink
from gradvitals.engine.events import Array, Observable

LIVE_WORK = 1.5e11
"""Multiply-adds trained between two live judgements and histograms: three to five seconds, of which they take .3 %."""

HISTOGRAM_PARTS, PICTURE_PARTS = 4, 9
"""Histograms are drawn about once a quarter of the training at least, pictures once a ninth at most.

TensorBoard keeps ten pictures of a series: the first, the last, and eight between.
"""


class Drawer:
    """Draws for the sinks: at start and end, and at some of the looks between."""

    def __init__(self, network: Observable, sinks: Sequence[Sink]) -> None:
        """Take a network and who wants to see it; without anyone nothing is drawn."""
        self._network, self._sinks = network, sinks
        self._painter: Painter | None = None
        self._total_steps: int | None = None
        self._steps_between = 0.0
        self._drawn = self._painted = -1

    @property
    def is_seen(self) -> bool:
        """Whether anybody wants to see what is drawn."""
        return bool(self._sinks)

    def plan(self, total_steps: int | None, steps_between: float) -> None:
        """Get ready for a training that is about to start.

        Args:
            total_steps: Planned updates; None where nobody knows.
            steps_between: After so many since the last one, drawing costs little.
        """
        self._total_steps, self._steps_between = total_steps, steps_between

    def paint_on(self, inputs: Array, sample: tuple[Array, Array]) -> None:
        """Take what pictures are painted of: inputs of the training set, and inputs and targets of the probe."""
        if self._sinks:
            self._painter = Painter(self._network, inputs, sample)

    def wants(self, step: int) -> bool:
        """Tell whether to draw at a look between start and end."""
        due = step - self._drawn >= self._steps_between
        late = self._has_passed(HISTOGRAM_PARTS, step + 1, self._drawn)  # the looks' steps are rounded
        return bool(self._sinks) and (due or late)

    def draw(self, step: int, histograms: Mapping[str, Histogram], *, ended: bool = False) -> None:
        """Hand the sinks what a look gave, and paint if it is time; nothing twice for one step.

        Args:
            step: Updates so far.
            histograms: Of the look.
            ended: Whether it is the last one.
        """
        if step != self._drawn and histograms:
            self._drawn = step
            for sink in self._sinks:
                sink.histograms(step, histograms)
        is_time = ended or self._painted < 0 or self._has_passed(PICTURE_PARTS, step, self._painted)
        if self._painter is not None and step != self._painted and is_time:
            self._painted = step
            if pictures := self._painter.paint():
                for sink in self._sinks:
                    sink.pictures(step, pictures)

    def draw_weights(self, step: int) -> None:
        """Draw what can be seen without data."""
        if self._sinks:
            layers = self._network.parameters_by_layer()
            weights = {f"weights/{layer}": group["weight"] for layer, group in layers.items() if "weight" in group}
            self.draw(step, {tag: reduce_histogram(weight) for tag, weight in weights.items()})

    def _has_passed(self, parts: int, step: int, last: int) -> bool:
        """Tell whether one of so many parts of the training has; of an open-ended one, as much as there was before."""
        return step - last >= (max(last, 1) if self._total_steps is None else self._total_steps / parts)
