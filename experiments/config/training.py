"""The [training] table: loss, optimizer and length of a training run."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import Count, Flag, Model, NonNegative, Positive, fault, word_or_number
from gradvitals.experiments.config.optimizer import Adam, Optimizer, Sgd
from gradvitals.experiments.config.schedule import Schedule

Loss: TypeAlias = Literal[
    "cross_entropy", "binary_cross_entropy", "hinge", "binary_hinge", "mse", "mae", "huber", "clipped_delta", "nll"
]


def _some_above_zero(weights: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse factors that leave no loss at all."""
    if not any(weights):
        text = "all are 0, which leaves no loss to learn from — give at least one above 0"
        raise fault(text)
    return weights


ClassWeight = Annotated[
    Annotated[Literal["balanced"], Tag("word")]
    | Annotated[tuple[NonNegative, ...], Field(min_length=1), AfterValidator(_some_above_zero), Tag("number")],
    Discriminator(word_or_number),
]


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
        loss: By default what the task wants: cross_entropy, binary_cross_entropy (multilabel) or mse (regression). What
            is never right here, nll and clipped_delta, goes with `model.output`.
        from_logits: Whether a cross-entropy takes the outputs for logits; goes with `model.output`. Unset: unless the
            output is a softmax or a sigmoid.
        reduction: Whether a batch's loss is the mean over its examples or, often by mistake, the sum.
        class_weight: A factor for each class, in the order of the labels; `balanced` for one over its share.
        optimizer: The update rule and its settings.
        batch_size: Examples per update; more than the training set holds means full batches.
        epochs: Passes over the training set.
        dtype: Precision of the training.
        clip_norm: Largest global norm of the gradient.
        clip_value: Largest absolute value of a gradient's element.
        l2: Strength of the penalty on the weights, ½ · l2 · Σ w²; the reported loss is that of the data alone.
        schedule: How the learning rate changes; constant where unset.
        gradient: How it is found where to step; all but backprop are for comparison, and slow.
        early_stopping: When to stop before the last epoch.
        frozen: Layers, such as `hidden_1`, whose parameters the optimizer is not given, often by mistake.
    """

    loss: Loss | None = None
    from_logits: Flag | None = None
    reduction: Literal["mean", "sum"] = "mean"
    class_weight: ClassWeight | None = None
    optimizer: Optimizer = Field(default_factory=Adam)
    batch_size: Count = 64
    epochs: Count = 20
    dtype: Literal["float32", "float64"] = "float32"
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    l2: NonNegative = 0.0
    schedule: Schedule | None = None
    gradient: Literal["backprop", "numeric", "random_search"] = "backprop"
    early_stopping: EarlyStopping | None = None
    frozen: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _random_search_has_no_gradient(self) -> "TrainingConfig":
        if self.gradient != "random_search":
            return self
        if not isinstance(self.optimizer, Sgd) or self.optimizer.momentum:
            text = "'random_search' takes its steps itself — set optimizer = {kind = \"sgd\", learning_rate = …}, plain"
            raise fault(text, "gradient")
        if self.clip_norm is not None or self.clip_value is not None:
            text = "'random_search' has no gradient to clip — remove clip_norm and clip_value"
            raise fault(text, "gradient")
        if self.frozen:
            text = "'random_search' steps with all parameters at once — remove frozen"
            raise fault(text, "gradient")
        return self
