"""Watches for the death of units: keeps what they were like, and describes those that a scan finds newly dead.

Of the first layers of a plain chain, as long as they are linear or ReLU, parameters are kept at some of the steps
between two scans, so that a death is narrowed down to two of them. Of any other layer nothing is known between scans,
and the pre-activations are those on a sample of the training set.
"""

from collections.abc import Iterator

import numpy as np

from gradvitals.diagnostics.death_replay import LEAST_LOOKS, PASSES, Replay
from gradvitals.diagnostics.death_sample import SampledLayer, Sampler
from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.notes import Scan
from gradvitals.diagnostics.past_parameters import PastParameters, replayable_layers, work_per_row
from gradvitals.diagnostics.unit_death import Found, UnitDeath, describe_death
from gradvitals.engine.events import Array, Observable

MOST_UNITS = 8
"""Units described per layer and scan."""

LEAST_WORK, SHARE = 4e8, 0.0075
"""Multiply-adds that describing a layer's deaths may always take, some 20 ms; beyond that, of those trained."""

FEWEST_ROWS = 256

FREE_COPIES, COPIED_SHARE = 2**21, 2e-5
"""Numbers that may always be copied between scans, two milliseconds; beyond that, a share of the multiply-adds trained.

It is .1 % of the time: a number copied costs some 50 multiply-adds.
"""

COPYING = 3000
"""What a copy costs however small it is, in numbers."""


class DeathWatcher:
    """Describes the units that a scan finds dead and that the scan before did not.

    Attributes:
        sampler: Wants the events of frozen passes over the sample; None where all is computed from past parameters.
    """

    def __init__(self, network: Observable, inputs: Array, sample: Array) -> None:
        """Take the training set, and a sample of it for layers that cannot be computed from past parameters."""
        self._network, self._inputs, self._sample = network, inputs, sample
        self._past = PastParameters(replayable_layers(network))
        replayed = {info.name for info in self._past.layers}
        sampled = [info for info in network.layers if info.activation in RECTIFIED and info.name not in replayed]
        self.sampler = Sampler(network, replayed) if sampled else None
        self._sampled: dict[str, SampledLayer] = {}
        self._last: Scan | None = None
        self._work, self._copied = 0.0, 0

    def keep(self, step: int, work_trained: float) -> None:
        """Keep parameters as they are after a step between two scans, as often as can be afforded.

        Args:
            step: Which.
            work_trained: Multiply-adds of all steps so far.
        """
        copied = self._copied + self._past.size + COPYING
        affordable = max(FREE_COPIES, COPIED_SHARE * work_trained)
        if self._last is not None and self._past.keeps_steps and copied <= affordable:
            self._copied = copied
            self._keep(step)

    def describe(self, scan: Scan, work_trained: float) -> Iterator[UnitDeath]:
        """Describe deaths; the network is as it was scanned.

        Args:
            scan: What was found.
            work_trained: Multiply-adds of all steps so far.
        """
        last, self._last = self._last, scan
        self._keep(scan.step)
        names = [info.name for info in self._past.layers]
        earlier, self._sampled = self._sampled, {}
        if self.sampler is not None:
            self._sampled = self.sampler.take(self._sample, scan.step)
        for layer, dead in scan.dead.items():
            known = () if last is None else last.dead.get(layer, ())
            units = np.setdiff1d(np.array(dead, np.intp), np.array(known, np.intp))
            if not units.size:
                continue
            if layer in names:
                yield from self._replay(names.index(layer), units, last, scan, work_trained)
            elif layer in self._sampled:
                yield from _compare(earlier.get(layer), self._sampled[layer], layer, units, (last, scan))
        self._past.begin_anew()

    def _keep(self, step: int) -> None:
        """Keep parameters; of a chain that is none any more, nothing that was kept is of use."""
        if self._past.layers and replayable_layers(self._network) != self._past.layers:
            self._past, self.sampler = PastParameters(()), Sampler(self._network, ())
        if self._past.layers:
            self._past.keep(step, self._network.parameters_by_layer())

    def _replay(
        self, index: int, units: Array, last: Scan | None, scan: Scan, work_trained: float
    ) -> Iterator[UnitDeath]:
        """Describe units by their pre-activations at kept parameters, on as many rows as can be afforded."""
        layers = self._past.layers[: index + 1]
        affordable = max(LEAST_WORK, SHARE * work_trained - self._work)
        look, choice = work_per_row(layers, MOST_UNITS), layers[-1].fan_in * len(units)
        inputs = _spread(self._inputs, max(int(affordable / (PASSES * look + choice)), FEWEST_ROWS))
        further = int((affordable / len(inputs) - choice) / look) - PASSES
        replay = Replay(layers, self._past.moments, inputs, LEAST_LOOKS + max(further, 0))
        found = replay.born_dead(units, MOST_UNITS) if last is None else replay.deaths(units, MOST_UNITS)
        self._work += replay.work
        for each in found:
            what = Found(scan.step, layers[-1].name, each.unit, len(units), _step_of(last), "pre_activations")
            certain = each.after.step == scan.step or (each.lasting and len(inputs) == len(self._inputs))
            yield describe_death(
                what, each.before, each.after, certain=certain, adds_bias=True, with_new_weights=each.with_new_weights
            )


def _compare(
    before: SampledLayer | None, after: SampledLayer, layer: str, units: Array, scans: tuple[Scan | None, Scan]
) -> Iterator[UnitDeath]:
    """Describe units by the sample, as it is and as it was at the scan before."""
    earlier = before if before is not None and after.can_follow(before) else None
    fired = after.values.max(axis=0) if earlier is None else (earlier.values > 0.0).sum(axis=0)
    for unit in units[np.argsort(-fired[units], kind="stable")[:MOST_UNITS]].tolist():
        what = Found(scans[1].step, layer, unit, len(units), _step_of(scans[0]), after.of)
        state = None if earlier is None else earlier.unit(unit)
        yield describe_death(what, state, after.unit(unit), certain=True, adds_bias=after.adds_bias)


def _step_of(scan: Scan | None) -> int | None:
    return None if scan is None else scan.step


def _spread(inputs: Array, rows: int) -> Array:
    """Give so many rows, evenly spread over all; all if they are not more."""
    if len(inputs) <= rows:
        return inputs
    return inputs[np.linspace(0, len(inputs) - 1, rows).astype(np.intp)]
