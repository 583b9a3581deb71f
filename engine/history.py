"""What a training did, and when it should stop early."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gradvitals.engine.events import Scores

Reason: TypeAlias = Literal["completed", "early_stopping", "non_finite", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop when the validation loss (without validation: the training loss) has not fallen for `patience` epochs."""

    patience: int
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.patience < 1:
            msg = f"the patience of early stopping must be a positive number of epochs, got {self.patience}"
            raise ValueError(msg)


@dataclass(slots=True)
class History:
    """What a training did: scores after every epoch, the number of steps, and why it ended.

    `reason` is `failed` where an observer or a gate raised, `interrupted` after Ctrl-C or a signal to end;
    `forward_passes` are those over a batch that the steps needed (see `strategies`); `error` is what was raised, where
    `train_many` went on with other trainings.
    """

    training: list[Scores] = field(default_factory=list)
    validation: list[Scores] = field(default_factory=list)
    steps: int = 0
    forward_passes: int = 0
    reason: Reason = "completed"
    error: Exception | None = None

    def should_stop(self, rule: EarlyStopping | None) -> bool:
        """Tell whether the last `patience` epochs brought no improvement of at least `min_delta`."""
        known = self.validation or self.training
        if rule is None or len(known) <= rule.patience:
            return False
        losses = [scores.loss for scores in known]
        return not min(losses[-rule.patience :]) < min(losses[: -rule.patience]) - rule.min_delta
