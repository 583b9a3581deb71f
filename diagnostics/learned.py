"""Whether a network has learned most of its task, at one probe, and whether it learns on."""

from collections.abc import Sequence

from gradvitals.diagnostics.notes import Probe

LEARNED = 0.2
"""Below this loss ratio the job is done: saturated or silent units are then no sign of trouble to come."""

AT_REST, LEAST_LATE = 0.95, 2
"""What the last third of a training leaves of the least loss before, if it has come to rest; and probes to tell by."""


def has_learned(probe: Probe) -> bool:
    """Tell whether most of the loss is gone."""
    return probe.loss_ratio is not None and probe.loss_ratio < LEARNED


def has_lost_most(probe: Probe, first: Probe) -> bool:
    """Tell whether most of the loss is gone; where no constant's is known, of that before the first update."""
    if probe.loss_ratio is not None or first.loss_ratio is not None or first.step:
        return has_learned(probe)
    return 0.0 <= probe.loss < LEARNED * first.loss


def has_come_to_rest(probes: Sequence[Probe]) -> bool:
    """Tell whether the least loss of a training's last third is hardly below that of the rest; False if unknown."""
    losses = [(3 * probe.step > 2 * probes[-1].step, probe.loss_ratio) for probe in probes]
    before, after = ([loss for late, loss in losses if late is part and loss is not None] for part in (False, True))
    return bool(before) and len(after) >= LEAST_LATE and min(after) > AT_REST * min(before)
