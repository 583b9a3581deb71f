"""Whether a network has learned most of its task, at one probe."""

from gradvitals.diagnostics.notes import Probe

LEARNED = 0.2
"""Below this loss ratio the job is done: saturated or silent units are then no sign of trouble to come."""


def has_learned(probe: Probe) -> bool:
    """Tell whether most of the loss is gone."""
    return probe.loss_ratio is not None and probe.loss_ratio < LEARNED
