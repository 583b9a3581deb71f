"""What a training lacks while something is wrong with it, as far as its own record can tell."""

import math

from gradvitals.diagnostics.findings import Harm
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.wording import times

ROUNDING = 1e-6
"""Relative difference of losses recorded in double precision that is no more than rounding."""

BEST_CONSTANT = "the best constant output's"


def measure_harm(probe: Probe, constant_loss: float | None, lag: Lag | None = None) -> Harm | None:
    """Compare with the best constant output; `gain` is floored, so a monstrous loss is given as it is.

    Args:
        probe: What was measured.
        constant_loss: H; the probe's ratios leave out the part of it that soft targets cost any output.
        lag: What simple models do better, if they surely do.
    """
    if probe.gain is None or probe.gain_se is None or probe.loss_ratio is None:
        return None
    share, error_of_share = 1.0 - probe.gain, probe.gain_se
    if not probe.loss_ratio <= 2.0 * share:
        share, error_of_share = probe.loss_ratio, math.nan
    if math.isnan(share):
        text = "the loss is no number"
    elif math.isnan(error_of_share):
        text = f"the loss is {times(probe.loss_ratio, BEST_CONSTANT)}"
    else:
        text = f"the loss is {100 * share:.3g} ± {100 * probe.gain_se:.2g} % of {BEST_CONSTANT}"
    if constant_loss is not None and not math.isclose(probe.loss, probe.loss_ratio * constant_loss, rel_tol=ROUNDING):
        text += "" if not math.isfinite(share) else ", both without what soft targets cost any output"
    excess, error, majority = probe.accuracy_excess, probe.accuracy_excess_se, probe.majority_accuracy
    if excess is not None and error is not None and majority is not None:
        text += (
            f"; {100 * (majority + excess):.3g} % of the answers are right,"
            f" {100 * abs(excess):.2g} ± {100 * error:.2g} {'more' if excess >= 0.0 else 'fewer'} than by naming the"
            " commonest class"
        )
    if lag is not None:
        fitted = "" if lag.new else ", fitted to others,"
        text += f"; a linear fit or nearest neighbours{fitted} {_beside(lag, by_answers=majority is not None)}"
    return Harm(share, error_of_share, text)


def _beside(lag: Lag, *, by_answers: bool) -> str:
    """Say what simple models do on samples that they were not fitted to, and the network on the same."""
    which = f"{lag.samples} new samples" if lag.new else f"the same {lag.samples}"
    if by_answers:
        return f"get {100 * lag.simple_score:.3g} % of {which} right, the network {100 * lag.score:.3g} %"
    lost, simply = (100.0 * max(1.0 - score, 0.0) for score in (lag.score, lag.simple_score))
    return f"lose {simply:.3g} % on {which}, the network {lost:.3g} %"
