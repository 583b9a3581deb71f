"""What a network lacks beside simple models: on samples it was trained on, and they were not."""

from dataclasses import dataclass

from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.scoring import Scorer
from gradvitals.engine.events import Array, ProbeResult


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How the network and simple models do on the same samples; the note `shortfall`, taken at the end.

    The samples are drawn from the training set: the network was trained on them, the simple models were fitted to
    others only. A score is the share of answers that are right, weighted as the loss weights classes; for a regression
    the gain over the best constant output, 1 − L/H, every sample's floored at −10.

    Attributes:
        step: Of the last probe.
        samples: Rows that were compared.
        score: Of the network.
        simple_score: Of a ridge regression or of nearest neighbours, whichever is more surely better than the constant.
        value: Score of the simple model less the network's, paired by sample.
        error: Its standard error.
        excess: Score of the simple model less the best constant's; None in records that do not have it.
        excess_se: Its standard error.
    """

    step: int
    samples: int
    score: float
    simple_score: float
    value: float
    error: float
    excess: float | None = None
    excess_se: float | None = None


def measure_shortfall(
    scorer: Scorer, result: ProbeResult, predictions: tuple[Array, ...], *, step: int
) -> Shortfall | None:
    """Compare a network with simple models, sample by sample; None where none could be fitted, or scored.

    Args:
        scorer: Of the sample.
        result: What the network gave on it.
        predictions: What simple models predict, `(samples, outputs)` each.
        step: That the note carries.
    """
    if not (predictions and scorer.can_score_others(result)):
        return None
    own, simple = scorer.of(result), scorer.best_of(predictions, result)
    lag, excess = mean_and_error(simple - own), mean_and_error(simple - scorer.of_constant(result))
    return Shortfall(step, len(own), float(own.mean()), float(simple.mean()), *lag, *excess)
