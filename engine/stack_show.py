"""Shows what the steps of a stack compute: to those who can see all runs at once, and to every run's own observers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit, RunOfStack
from gradvitals.engine.events import (
    Array,
    GradientsReady,
    LayerBackward,
    LayerForward,
    RecurrentBackward,
    StackObserver,
    StepEnded,
)
from gradvitals.engine.hooks import Due
from gradvitals.engine.network import Network

AT_ONCE = (LayerForward, LayerBackward, GradientsReady, StepEnded)
"""The events that a whole stack has; a run's gains through time are computed run by run."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who sees a step of a stack.

    Attributes:
        together: By event, the observers of all runs that are shown it at once, `(R,)` each.
        alone: Who else wants it, by the run's place in the stack.
    """

    together: Mapping[type[Any], Sequence[Sequence[StackObserver]]]
    alone: Mapping[int, Due]

    def emit(self, event: object) -> None:
        """Show an event of all runs to those who see it at once."""
        for observers in self.together.get(type(event), ()):
            observers[0].see_stack(event, observers)


class StackShow:
    """Shows the steps of networks whose arrays are rows of a stack's.

    Attributes:
        errors: What an observer of a run raised at the last step, by its place; one that sees all fails them all.
    """

    def __init__(self, networks: Sequence[Network], parameters: Array, gradients: Array) -> None:
        """Take the networks and their arrays, `(R, P)`."""
        first = networks[0]
        self._networks, self._parameters = networks, parameters
        self._updates = np.zeros_like(parameters)
        self._seen_parameters, self._seen_gradients = first.readonly_views(parameters), first.readonly_views(gradients)
        self._seen_updates = first.readonly_views(self._updates)
        self._updates_of = [first.readonly_views(update) for update in self._updates]
        self._runs: dict[tuple[int, int], RunOfStack] = {}
        self._quiet_until = 0.0
        self._audiences: dict[tuple[int, ...], tuple[list[Due | None], Audience]] = {}
        self.errors: dict[int, Exception] = {}

    def ask_anew(self) -> None:
        """Ask everybody at the next step, whatever they answered last."""
        self._quiet_until = 0.0

    def audience(self, step: int, losses: Array, *, finite: bool) -> Audience | None:
        """Ask who wants this step; mostly nobody does, and where the losses are finite nobody need be asked."""
        if finite:
            if step >= self._quiet_until:
                self._quiet_until = min(network.hooks.next_wanted for network in self._networks)
            if step < self._quiet_until:
                return None
        dues = [network.hooks.due(step, loss) for network, loss in zip(self._networks, losses.tolist(), strict=True)]
        self._quiet_until = 0.0  # whoever is told something now may want something else from now on
        key = tuple(map(id, dues))
        if key not in self._audiences:  # who is due together recurs
            self._audiences[key] = dues, _seat(dues)  # kept with the dues, so that no other can have their ids
        return self._audiences[key][1]

    def before_update(self, step: int, audience: Audience, circuit: ConnectedCircuit) -> None:
        """Show what was computed, and keep the parameters to tell the update afterwards."""
        self.errors = {}
        first = self._networks[0]
        with self._kept(range(len(self._networks))):
            if LayerForward in audience.together:
                first.emit_forward(circuit, audience.emit, step, "training")
            if LayerBackward in audience.together:
                first.emit_backward(circuit, audience.emit, step, "training")
            if GradientsReady in audience.together:
                audience.emit(GradientsReady(step, self._seen_gradients))
        for run, due in audience.alone.items():
            with self._kept([run]):
                self._show_run(run, due, circuit, step)
        np.copyto(self._updates, self._parameters)

    def _show_run(self, run: int, due: Due, circuit: ConnectedCircuit, step: int) -> None:
        network, batch = self._networks[run], circuit.values["inputs"].shape[1]
        if (run, batch) not in self._runs:
            self._runs[run, batch] = circuit.run(run)
        seen = self._runs[run, batch]
        if due.wants(LayerForward):
            network.emit_forward(seen, due.emit, step, "training")
        if due.wants(LayerBackward):
            network.emit_backward(seen, due.emit, step, "training")
        if due.wants(RecurrentBackward):
            network.emit_recurrent_backward(seen, due.emit, step, "training")
        if due.wants(GradientsReady):
            due.emit(GradientsReady(step, network.gradients_by_layer()))

    def after_update(
        self, step: int, audience: Audience, targets: Array, *, losses: Array, clip_factors: Array, rates: Array
    ) -> None:
        """Show the updates really taken; targets `(R, batch, outputs)`, the others `(R,)`."""
        np.subtract(self._parameters, self._updates, out=self._updates)
        with self._kept(range(len(self._networks))):
            audience.emit(
                StepEnded(
                    step,
                    losses,  # type: ignore[arg-type]  # a stack's, as `StackObserver` has it
                    clip_factors,  # type: ignore[arg-type]
                    rates,  # type: ignore[arg-type]
                    self._seen_updates,
                    self._seen_parameters,
                    targets,
                )
            )
        for run, due in audience.alone.items():
            if due.wants(StepEnded) and run not in self.errors:
                with self._kept([run]):
                    numbers = losses[run].item(), clip_factors[run].item(), rates[run].item()
                    parameters = self._networks[run].parameters_by_layer()
                    due.emit(StepEnded(step, *numbers, self._updates_of[run], parameters, targets[run]))

    @contextmanager
    def _kept(self, runs: Iterable[int]) -> Iterator[None]:
        """Keep what observers of these runs raise in a `with` block: the other runs have nothing to do with it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of those runs
            self.errors |= dict.fromkeys(runs, error)


def _seat(dues: Sequence[Due | None]) -> Audience:
    """Find out who can see all runs at once: those of whom every run has one of the same type."""
    together: dict[type[Any], Sequence[Sequence[StackObserver]]] = {}
    own = {run: dict(due.observers) for run, due in enumerate(dues) if due is not None}
    for event_type in AT_ONCE if len(own) == len(dues) else ():
        able = [
            [one for one in by_type.get(event_type, ()) if isinstance(one, StackObserver)] for by_type in own.values()
        ]
        kinds = [list(map(type, observers)) for observers in able]
        if kinds[0] and all(kind == kinds[0] for kind in kinds):
            together[event_type] = list(zip(*able, strict=True))
            for by_type in own.values():
                rest = [one for one in by_type[event_type] if not isinstance(one, StackObserver)]
                by_type.pop(event_type)
                if rest:
                    by_type[event_type] = rest
    return Audience(together, {run: Due(by_type) for run, by_type in own.items() if by_type})
