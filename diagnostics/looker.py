"""What is looked at where there are data: probes of a fixed sample, exact scans, and what is asked at start and end."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from gradvitals.diagnostics.drawing import Drawer
from gradvitals.diagnostics.exact_scans import ExactScans
from gradvitals.diagnostics.loss_fit import loss_notes
from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.recorder import Recorder
from gradvitals.diagnostics.schedule import Looks
from gradvitals.diagnostics.simple_models import ask_simple_models
from gradvitals.diagnostics.starting_point import measure_start
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, Observable


class Looker:
    """Looks at one training on its data, and records what it sees.

    Attributes:
        data: The training set and perhaps the validation set.
        prober: Holds the fixed sample.
        scans: Of the training set.
    """

    def __init__(self, network: Observable, data: WatchedData, recorder: Recorder, drawer: Drawer) -> None:
        """Take what to look at.

        Args:
            network: What is trained.
            data: What it is trained on.
            recorder: Gets the notes.
            drawer: Gets what can be drawn.
        """
        self.data = data
        self.prober = Prober(network, data)
        self.scans = ExactScans(network, data.inputs, self.prober.sample[0], recorder)
        self._network, self._recorder, self._drawer = network, recorder, drawer
        if not data.several:
            drawer.paint_on(data.inputs, self.prober.sample)

    def start(self, step: int, looks: Looks) -> None:
        """Look at the network as it was born, and at the data.

        Args:
            step: Updates so far, mostly none.
            looks: Is told what the scan cost.
        """
        network, data = self._network, self.data
        for note in loss_notes(network, data.inputs, data.targets, step=step):
            self._recorder.add(note)
        self.scans.scan(step, self.look(step), looks, 0.0)
        for note in measure_start(network, data, self.prober.sample, step=step):
            self._recorder.add(note)

    def look(self, step: int, *, closely: bool = True, draw: bool = True, ended: bool = False) -> Mapping[str, Array]:
        """Take a probe; give the units of every ReLU layer that were silent on it.

        Args:
            step: Updates so far.
            closely: Whether to look at hidden units, too.
            draw: Whether to make histograms and pictures.
            ended: Whether it is the last look.
        """
        record = self._recorder.record
        look = self.prober.take(step, draw=draw and self._drawer.is_seen, closely=closely, also=self.scans.sampler)
        probes = record.notes(Probe)
        if not probes or probes[-1].step != step:  # a training cut short may end where it was just looked at
            for note in (look.probe, *look.notes):
                self._recorder.add(note)
            self._recorder.add_scalars(step, look.scalars)
            self._recorder.settle_fault(step, look.fault)
        if draw:
            self._drawer.draw(step, look.histograms, ended=ended)
        return look.silent

    def look_back(
        self, states: Iterable[tuple[int, AbstractContextManager[None]]], looks: Looks, work_per_step: float
    ) -> None:
        """Take the looks at past states that would have been taken then.

        Args:
            states: Steps in order, each with a context in which the network is as it was; 0 is the start.
            looks: Says what a scan may cost.
            work_per_step: Of a step, in multiplications.
        """
        for step, state in states:
            with state:
                if step == 0:
                    self.start(step, looks)
                else:
                    self.scans.scan_if_wanted(step, self.look(step, draw=False), looks, step * work_per_step)

    def end(self, ending: Ending) -> None:
        """Ask what simple models make of the data, after the last look."""
        ask_simple_models(self._recorder, self.data, self.prober, ending)
