"""The monitor: memory. It listens to a training in three rhythms, records measurements, and has them judged.

*Step*: cheap scalars from arrays that are there anyway. *Probe*: a frozen look at a fixed sample. *Exact*: dead units
over the whole training set. It never changes the training: parameters, gradients and generators stay as they are.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from gradvitals.diagnostics.batch_labels import BatchWatcher
from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.drawing import LIVE_WORK, Drawer
from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.health import require_healthy
from gradvitals.diagnostics.hindsight import Hindsight
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.live_pace import SHARE_OF_LOOPS, LivePace
from gradvitals.diagnostics.looker import Looker
from gradvitals.diagnostics.loss_fit import loss_notes
from gradvitals.diagnostics.lost_updates import LostUpdates
from gradvitals.diagnostics.movement import MovementWatcher
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.observed_silence import SilenceWatcher
from gradvitals.diagnostics.probing import PROBE_ROWS
from gradvitals.diagnostics.recorder import Recorder
from gradvitals.diagnostics.reporting import Reporter
from gradvitals.diagnostics.requirements import OnUnjudged, Requirements
from gradvitals.diagnostics.schedule import SHORT, Every, Exact, Looks, StepRhythm, choose_looks, next_early
from gradvitals.diagnostics.sink import Sink
from gradvitals.diagnostics.step_metrics import StepMetrics
from gradvitals.diagnostics.training_context import context_of, with_data
from gradvitals.diagnostics.unit_symmetry import SymmetryWatcher
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import (
    Array,
    EpochEnded,
    GradientsReady,
    LayerForward,
    Observable,
    Observer,
    Removable,
    Rhythm,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)


class Monitor:
    """Watches one training. Use it in a `with` block, or call `detach` when done.

    Attributes:
        record: The measurements so far.
        requirements: What `assert_healthy` demands where its arguments do not say.
        asserted: Whether `assert_healthy` was called.
        call_site: The line of the user's that watches, where there is one.
    """

    def __init__(
        self,
        network: Observable,
        data: WatchedData | None = None,
        *,
        total_steps: int | None = None,
        every: Every = "auto",
        exact: Exact = "auto",
        sinks: Sequence[Sink] = (),
        config: Mapping[str, Any] | None = None,
        diagnoses: Sequence[Diagnosis] = CATALOGUE,
        pace: LivePace | None = None,
        guarded: bool = True,
    ) -> None:
        """Subscribe to a network's hooks.

        Args:
            network: What to watch.
            data: Training and validation set, for probes and exact scans; without it neither is taken.
            total_steps: Planned updates, where the training itself does not say.
            every: Rhythm of the step scalars, "auto" or every n steps.
            exact: Rhythm of the exact scans between start and end: "auto", "epoch" or every n steps.
            sinks: Receive everything that is recorded.
            config: The resolved config by dotted keys, so that prescriptions can name keys and values.
            diagnoses: The rules, with their thresholds.
            pace: How often the sinks get a verdict while it runs; one for all trainings that take their steps together.
                By default as seldom as a loop of the user's own can afford.
            guarded: Whether an error of ours after the start ends the watching with a `WatchingFailed` warning; else it
                ends the training.
        """
        self._recorder = Recorder(sinks)
        self.record = self._recorder.record
        self.requirements, self.asserted = Requirements(), False
        self.call_site: CallSite | None = None
        self._validation_accuracy: float | None = None
        self._network, self._diagnoses = network, diagnoses
        self._hindsight: Hindsight | None = None
        self._total_steps, self._every, self._exact = total_steps, every, exact
        self._sinks, self._config = sinks, config
        self._drawer = Drawer(network, sinks)
        self._looker: Looker | None = None
        self._silence: SilenceWatcher | None = SilenceWatcher()
        self._step_metrics, self._lost_updates = StepMetrics(network, self._silence), LostUpdates()
        self._symmetry, self._movement = SymmetryWatcher(network), MovementWatcher(network)
        self._batches = BatchWatcher(None)
        if data is not None:
            self._take_data(data)
        self._live_step = 0
        self._reporter = Reporter(sinks, pace or LivePace(share=SHARE_OF_LOOPS))
        self._final: Verdict | None = None
        self._guard, self._guarded = Guard(self._stop), guarded
        self._handles: list[Removable] = [network.hooks.on(TrainingStarted, self._started)]
        self._hear(EpochEnded, self._epoch_ended)
        self._hear(TrainingEnded, self._ended)

    @property
    def verdict(self) -> Verdict:
        """What the diagnoses say of everything recorded so far."""
        return self._final or judge(self.record, self._diagnoses)

    def _repr_html_(self) -> str:
        from gradvitals.diagnostics.notebook import verdict_html

        endings = self.record.notes(Ending)
        seen = "so far" if self.record.context is not None else "no training was seen yet"
        return verdict_html(self.verdict, f"after {endings[-1].step:,} updates" if endings else seen)

    def detach(self) -> None:
        """End every subscription and close the sinks."""
        self._unsubscribe()
        with self._guard:
            self._recorder.close()

    def assert_healthy(
        self,
        *,
        fail_on: str | Sequence[str] | None = None,
        max_dead: float | None = None,
        max_saturated: float | None = None,
        max_update_ratio: float | None = None,
        max_loss_ratio: float | None = None,
        min_accuracy: float | None = None,
        unjudged: OnUnjudged | None = None,
    ) -> None:
        """Raise unless the training was healthy; call it after the training.

        What is not given is as the monitor's `requirements` say.

        Args:
            fail_on: The least severity that fails ("error" unless something else is required), or ids of diagnoses.
            max_dead: Largest share of dead units in any layer, in [0, 1]; 1 permits all.
            max_saturated: Largest share of saturated units in any layer, in [0, 1]; 1 permits all.
            max_update_ratio: Largest median ratio of an update's norm to its weights'.
            max_loss_ratio: Largest loss relative to the best constant output's.
            min_accuracy: Least accuracy on the validation set, in [0, 1].
            unjudged: What becomes of diagnoses that could not be judged: "warn", "fail" or "ignore".

        Raises:
            UnhealthyTraining: If a finding stands that fails, or a limit is exceeded; it is an AssertionError.
            NotJudged: If there was no training or it did not reach its end, or if a limit or a diagnosis that is named
                could not be judged.
            ValueError: If an argument makes no sense.
        """
        __tracebackhide__ = True  # pytest's traceback ends at the caller's line
        self.asserted = True
        given = {
            "fail_on": fail_on,
            "max_dead": max_dead,
            "max_saturated": max_saturated,
            "max_update_ratio": max_update_ratio,
            "max_loss_ratio": max_loss_ratio,
            "min_accuracy": min_accuracy,
            "unjudged": unjudged,
        }
        wanted = self.requirements.replacing(given)
        require_healthy(self.record, self._diagnoses, wanted, self._validation_accuracy, stacklevel=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.detach()

    def _unsubscribe(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _started(self, event: TrainingStarted) -> None:
        """Record the context, look at the network as it was born, and subscribe to its steps.

        Raises:
            RuntimeError: At the start of a second training: the record is that of one.
        """
        if self.record.context is not None:
            msg = "a monitor watches one training: detach it, and make another for the next"
            raise RuntimeError(msg)
        self._reporter.begin()
        total = event.total_steps if self._total_steps is None else self._total_steps
        self._work_per_step = event.batch_size * sum(3 * info.fan_in * info.fan_out for info in self._network.layers)
        self._live_steps = LIVE_WORK / max(self._work_per_step, 1)
        self._looks = self._plan_looks(total, event.batch_size)
        self._next_early = next_early(event.step) if total is None else math.inf
        self._drawer.plan(total, self._live_steps)
        context = context_of(
            self._network, event, self._looker, total_steps=total, config=self._config, call_site=self.call_site
        )
        self._recorder.begin(context)
        self._look_at_weights(event.step)
        if self._looker is not None:
            self._looker.start(event.step, self._looks)
        elif self._hindsight is None:
            self._note_bare_loss(event.step)
        else:
            self._hindsight.keep(event.step)
        self._lost_updates.leave_out(event.unheld)
        rhythm = StepRhythm(self._every, total)
        self._hear(LayerForward, self._step_metrics, every=rhythm)
        self._hear(GradientsReady, self._step_metrics, every=rhythm)
        self._hear(GradientsReady, self._movement.gradients, every=rhythm)
        self._hear(GradientsReady, self._lost_updates.gradients, every=self._looks)
        self._hear(StepEnded, self._step_metrics, every=rhythm)
        self._hear(StepEnded, self._step_ended, every=rhythm)
        self._hear(StepEnded, self._look_due, every=self._looks)
        self._hear(StepEnded, self._verdict_due, every=rhythm)
        self._guard.arm()

    def _take_data(self, data: WatchedData) -> Looker:
        """Look at these data from now on."""
        self._looker = Looker(self._network, data, self._recorder, self._drawer)
        self._silence = self._step_metrics.silence = None  # the scan says it exactly
        self._batches = BatchWatcher(data.targets)
        return self._looker

    def _plan_looks(self, total_steps: int | None, batch_size: int) -> Looks:
        """Plan looks at data that there are, or that may become known."""
        if self._looker is None:
            return Looks.plan(self._exact, total_steps, batch_size, int(self._hindsight is not None), PROBE_ROWS)
        data, cost = self._looker.data, self._looker.prober.cost
        return Looks.plan(self._exact, total_steps, batch_size, data.total or len(data.inputs), cost)

    def _hear(self, event_type: type, observer: Observer, *, every: int | Rhythm = 1) -> None:
        heard = self._guard.around(observer) if self._guarded else observer
        self._handles.append(self._network.hooks.on(event_type, heard, every=every))

    def _stop(self, why: str) -> None:
        """End the watching in the midst of a training, with a note of why; the sinks may be what fails."""
        self._unsubscribe()
        with suppress(Exception):
            if not self.record.notes(Ending):
                self._recorder.add(Ending(self.record.last_step, "unwatched", why))
        with suppress(Exception):
            self._recorder.close()

    def _step_ended(self, event: StepEnded) -> None:
        self._movement.ended(event)
        if self._looker is not None:
            self._looker.scans.keep(event.step, event.step * self._work_per_step)
        self._batches.see(event.targets, event.step)
        self._recorder.add_once(self._batches.take())
        scalars, fault = self._step_metrics.take()
        self._recorder.add_scalars(event.step, scalars)
        self._recorder.settle_fault(event.step, fault)
        if event.step >= self._next_early and event.step not in self._looks.steps:
            self._leaves_it_for_later(event.step)

    def _look_due(self, event: StepEnded) -> None:
        """Look between start and end; the last look belongs to the end of the training."""
        if (rounding := self._lost_updates.ended(event)) is not None:
            self._recorder.add(rounding)
        asked_for = self._looks.next_after(event.step - 1) == event.step  # and not another optimizer's, shown with it
        if not asked_for or event.step == self._looks.total_steps or self._leaves_it_for_later(event.step):
            return
        self._look_back(event.step)
        silent = None
        if event.step in self._looks.steps:
            live = event.step - self._live_step >= self._live_steps
            silent = self._look(event.step, closely=live, draw=self._drawer.wants(event.step))
            if live:
                self._live_step = event.step
                self._report(event.step)
        if self._looker is not None:
            self._looker.scans.scan_if_wanted(event.step, silent, self._looks, event.step * self._work_per_step)

    def _epoch_ended(self, event: EpochEnded) -> None:
        self._validation_accuracy = None if event.validation is None else event.validation.accuracy
        self._recorder.tell_epoch(event)

    def _ended(self, event: TrainingEnded) -> None:
        """Take the last look, ask what simple models make of the data if little was learned, and judge."""
        if self.record.context is None:
            return  # it ended before it started
        self._take_what_was_shown(event.step)
        self._look_back(event.step)
        silent, ending = self._look(event.step, ended=True), Ending(event.step, event.reason)
        if self._looker is not None:
            self._looker.scans.scan(event.step, silent, self._looks, event.step * self._work_per_step)
            self._looker.end(ending)
        self._recorder.add_once(self._batches.take(ended=True))
        self._recorder.add_once(None if self._silence is None else self._silence.take(event.step))
        self._recorder.add(ending)
        self._final = self.verdict  # nothing is recorded any more
        self._report(event.step, ended=True)

    def _look(
        self, step: int, *, closely: bool = True, draw: bool = True, ended: bool = False
    ) -> Mapping[str, Array] | None:
        """Take a probe; give the units of every ReLU layer that were silent on it, None without data."""
        self._look_at_weights(step)
        if self._looker is not None:
            return self._looker.look(step, closely=closely, draw=draw, ended=ended)
        return None

    def _look_at_weights(self, step: int) -> None:
        """Look at what can be seen without data."""
        self._recorder.add_once(self._symmetry.look(step))
        self._recorder.add_once(self._movement.look(step))
        if self._looker is None:
            self._drawer.draw_weights(step)

    def _leaves_it_for_later(self, step: int) -> bool:
        """Keep the state in place of a look: without data, and where the training may end before there are enough."""
        if self._hindsight is None or not self._hindsight.keeps:
            return False
        if self._looker is not None and (step >= SHORT or self._looks.total_steps is not None):
            return False
        self._look_at_weights(step)
        self._hindsight.keep(step)
        self._next_early = next_early(step)
        return True

    def _note_bare_loss(self, step: int) -> None:
        """Take note of the loss as far as it is known without data."""
        for note in loss_notes(self._network, None, None, step=step):
            self._recorder.add(note)

    def _take_what_was_shown(self, step: int) -> None:
        """Take for data, where there are none, what the loop has shown."""
        if self._hindsight is None or self.record.context is None or self._looker is not None:
            return
        data, notes = self._hindsight.tell(step)
        for note in notes:
            self._recorder.add(note)
        if data is None:
            self._note_bare_loss(0)
            return
        looker = self._take_data(data)
        self._recorder.begin(with_data(self.record.context, self._network, looker.prober.constant))

    def _look_back(self, step: int) -> None:
        """Take the looks at the states that were kept in their place."""
        if self._hindsight is not None and self._looker is not None:
            wanted = choose_looks(self._hindsight.steps, step, self._looks.steps)
            self._looker.look_back(self._hindsight.take_states(wanted), self._looks, self._work_per_step)

    def _verdict_due(self, event: StepEnded) -> None:
        self._reporter.tell_meanwhile(event.step, self._looks.total_steps, lambda: self.verdict)

    def _report(self, step: int, *, ended: bool = False) -> None:
        shares = None if self._looker is None else self._looker.scans.shares
        self._reporter.report(step, lambda: self.verdict, shares, ended=ended)
