"""What was seen of a training's loss that tells of no epochs: at every look, on a sample of the training set."""

from collections.abc import Sequence
from dataclasses import dataclass

from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Probe

NO_LOSS = "unknown"
"""The loss of a training of which none was told: a look then has none to say."""

TELL_LOSS = "No loss was seen: `watch(model, data=…, loss=…)` has it computed at every look."


@dataclass(frozen=True, slots=True)
class SeenScores:
    """Losses and accuracies at the looks.

    Attributes:
        where: What they were computed on, in words.
        steps: Of the looks.
        losses: Mean losses.
        accuracies: Shares that were right; empty where nothing is classified.
    """

    where: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def last(self) -> dict[str, float]:
        """The last ones, by name."""
        return {"loss": self.losses[-1], **({"accuracy": self.accuracies[-1]} if self.accuracies else {})}


def seen_scores(context: Context | None, probes: Sequence[Probe]) -> SeenScores | None:
    """Give what the looks saw of the loss; None where there were none, or they had no loss to compute."""
    if context is None or context.loss == NO_LOSS or not probes:
        return None
    last = probes[-1]
    accuracies = [
        each.accuracy_excess + each.majority_accuracy
        for each in probes
        if each.accuracy_excess is not None and each.majority_accuracy is not None
    ]
    return SeenScores(
        "the training set" if last.whole_set else f"{last.samples:,} training samples",
        tuple(each.step for each in probes),
        tuple(each.loss for each in probes),
        tuple(accuracies) if len(accuracies) == len(probes) else (),
    )
