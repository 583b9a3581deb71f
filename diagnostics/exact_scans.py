"""The exact scans of one training: when suspicion calls for one, what it finds, and when each unit died."""

from collections.abc import Mapping

from gradvitals.diagnostics.dead_unit_scan import DeadUnitScanner
from gradvitals.diagnostics.death_watch import DeathWatcher
from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.notes import Scan
from gradvitals.diagnostics.recorder import Recorder
from gradvitals.diagnostics.schedule import Looks
from gradvitals.engine.events import Array, Observable, Observer

SUSPICIOUS, SUSPICIOUS_RISE = 0.5, 0.25
"""Shares of a layer silent on the probe, absolute or beyond those known dead, that call for an exact scan at once."""


class ExactScans:
    """Scans the training set for dead units, and records what it finds; without rectified units nothing is done."""

    def __init__(self, network: Observable, inputs: Array, sample: Array, recorder: Recorder) -> None:
        """Take what to scan.

        Args:
            network: Whose units.
            inputs: The training set's.
            sample: Those of the probe.
            recorder: Gets scans, deaths and shares.
        """
        self._units = {info.name: info.fan_out for info in network.layers}
        self._recorder = recorder
        rectified = any(info.activation in RECTIFIED for info in network.layers)
        self._scanner = DeadUnitScanner(network, inputs) if rectified else None
        self._deaths = DeathWatcher(network, inputs, sample) if rectified else None

    @property
    def sampler(self) -> Observer | None:
        """Is to be shown the events of every probe."""
        return None if self._deaths is None else self._deaths.sampler

    @property
    def shares(self) -> dict[str, float] | None:
        """Share of dead units by layer at the last scan; None before the first."""
        scans = self._recorder.record.notes(Scan)
        if not scans:
            return None
        return {layer: len(indices) / self._units[layer] for layer, indices in scans[-1].dead.items()}

    def keep(self, step: int, work_trained: float) -> None:
        """Keep the parameters as they are, if it is time: they tell later when a unit died."""
        if self._deaths is not None:
            self._deaths.keep(step, work_trained)

    def scan_if_wanted(self, step: int, silent: Mapping[str, Array] | None, looks: Looks, work_trained: float) -> None:
        """Scan, if a look has given reason to, or if it costs little; arguments are as of `scan`."""
        if (silent is not None and self._suspects(silent)) or looks.wants_scan(step):
            self.scan(step, silent, looks, work_trained)

    def _suspects(self, silent: Mapping[str, Array]) -> bool:
        """Tell whether so many units were silent on the probe that only an exact scan can say what they are."""
        known = self.shares or {}
        shares = {layer: float(units.mean()) for layer, units in silent.items() if units.size}
        return any(
            share >= SUSPICIOUS or share - known.get(layer, 0.0) >= SUSPICIOUS_RISE for layer, share in shares.items()
        )

    def scan(self, step: int, silent: Mapping[str, Array] | None, looks: Looks, work_trained: float) -> None:
        """Scan, unless this step was scanned already.

        Args:
            step: Updates so far.
            silent: Units silent on the probe, by layer, where it was just taken.
            looks: Is told what it cost.
            work_trained: Of the training so far, in multiplications.
        """
        scans = self._recorder.record.notes(Scan)
        if self._scanner is None or (scans and scans[-1].step == step):
            return
        result = self._scanner.scan(silent)
        looks.scanned(result.cost)
        scan = Scan(step, result.rows, result.dead)
        self._recorder.add(scan)
        for death in () if self._deaths is None else self._deaths.describe(scan, work_trained):
            self._recorder.add(death)
        shares = self.shares or {}
        self._recorder.add_scalars(step, {f"dead_fraction/{layer}": share for layer, share in shares.items()})
