"""How much a network has learned of its own samples, at one probe."""

from gradvitals.diagnostics.notes import Probe

LEARNED = 0.2
"""Below this loss ratio the job is done: saturated or silent units are then no sign of trouble to come."""

OVERFITTED = 0.5
"""Training loss, in units of H, below which a network has learned its training set; or so much of the accuracy."""


def has_learned(probe: Probe) -> bool:
    """Tell whether most of the loss is gone."""
    return probe.loss_ratio is not None and probe.loss_ratio < LEARNED


def knows_its_samples(probe: Probe) -> bool:
    """Tell whether the training set is learned: a loss below H/2, or half of the accuracy that the majority leaves."""
    excess, majority = probe.accuracy_excess, probe.majority_accuracy
    is_right = excess is not None and majority is not None and excess >= OVERFITTED * (1.0 - majority)
    return is_right or (probe.loss_ratio is not None and probe.loss_ratio < OVERFITTED)
