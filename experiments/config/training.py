"""The [training] table: loss, optimizer and length of a training run."""

from typing import Literal, TypeAlias

from pydantic import Field

from gradvitals.experiments.config.base import Count, Model, NonNegative, Positive
from gradvitals.experiments.config.optimizer import Adam, Optimizer

Loss: TypeAlias = Literal["cross_entropy", "binary_cross_entropy", "mse"]


class EarlyStopping(Model):
    """Stop when the validation loss has not improved for a while.

    Attributes:
        patience: Epochs without improvement before training stops.
        min_delta: The least fall of the loss that counts as an improvement.
    """

    patience: Count
    min_delta: NonNegative = 0.0


class TrainingConfig(Model):
    """How the network is trained.

    Attributes:
        loss: By default what the task wants: cross_entropy, binary_cross_entropy (multilabel) or mse (regression).
        optimizer: The update rule and its settings.
        batch_size: Examples per update; more than the training set holds means full batches.
        epochs: Passes over the training set.
        dtype: Precision of the training.
        clip_norm: Largest global norm of the gradient.
        clip_value: Largest absolute value of a gradient's element.
        early_stopping: When to stop before the last epoch.
    """

    loss: Loss | None = None
    optimizer: Optimizer = Field(default_factory=Adam)
    batch_size: Count = 64
    epochs: Count = 20
    dtype: Literal["float32", "float64"] = "float32"
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    early_stopping: EarlyStopping | None = None
