"""The [diagnostics] table: how often to look, and the limits of each diagnosis."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import Count, Flag, Model, NonNegative, fault, word_or_number

DiagnosisId: TypeAlias = Literal[
    "non_finite",
    "dead_units",
    "saturated_units",
    "saturated_output",
    "vanishing_gradient",
    "exploding_gradient",
    "no_learning",
    "memorising",
    "underfitting",
    "symmetric_units",
    "initialization_scale",
    "numerics",
    "unscaled_inputs",
    "loss_mismatch",
    "clipped_delta",
    "cannot_overfit",
    "gradient_check",
    "frozen_parameters",
    "collapsed_output",
    "unscaled_targets",
    "data_faults",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "overfitting",
    "update_ratio",
    "recurrent_gain",
]
DIAGNOSIS_IDS: tuple[str, ...] = get_args(DiagnosisId)

Every = Annotated[
    Annotated[Literal["auto"], Tag("word")] | Annotated[Count, Tag("number")],
    Discriminator(word_or_number),
]
Exact = Annotated[
    Annotated[Literal["auto", "epoch"], Tag("word")] | Annotated[Count, Tag("number")],
    Discriminator(word_or_number),
]


class Rule(Model):
    """What one diagnosis may say.

    Attributes:
        enabled: Whether it is judged at all.
        why: Why it is not; a rule is switched off only with a reason.
        warn: The value from which it warns, instead of its own.
        error: The value from which it is an error, instead of its own.
    """

    enabled: Flag = True
    why: Annotated[str, Field(min_length=1)] | None = None
    warn: NonNegative | None = None
    error: NonNegative | None = None

    @model_validator(mode="after")
    def _silence_has_a_reason(self) -> "Rule":
        if not self.enabled and not (self.why or "").strip():
            text = 'missing: enabled = false needs a reason, such as why = "sparse codes are intended"'
            raise fault(text, "why")
        return self


class DiagnosticsConfig(Model):
    """How often to look, and the limits of each diagnosis.

    Attributes:
        every: Steps between looks at what training computes anyway.
        exact: Steps between passes over the whole training set; "epoch" for one per epoch.
        non_finite: NaN or infinite values.
        dead_units: ReLU units silent on every training example.
        saturated_units: Units whose activation is flat.
        saturated_output: Outputs stuck at a flat end under a squared loss.
        vanishing_gradient: Gradients that fade towards the first layer.
        exploding_gradient: Gradients that grow towards the first layer, or over time.
        no_learning: A loss no better than the best constant's.
        memorising: A training set learned by heart, where simple models know more of new samples.
        underfitting: Training samples that simple models answer better.
        symmetric_units: Units with equal weights that do the same for ever.
        initialization_scale: Signals far too small or too large before the first update.
        numerics: Losses and updates that floats cannot resolve.
        unscaled_inputs: Inputs whose scale the learning rate does not suit.
        loss_mismatch: A loss that does not go with the outputs or the targets.
        clipped_delta: Residuals whose gradient is clipped to nothing.
        cannot_overfit: 20 examples that cannot be learned by heart.
        gradient_check: Gradients that are not those of the loss.
        frozen_parameters: Parameters that have gradients and do not move.
        collapsed_output: The same output whatever the input.
        unscaled_targets: Targets whose scale the initial outputs do not suit.
        data_faults: NaN, constant columns, one-class batches, overlapping sets.
        learning_rate_too_high: Updates so long that nothing is learned after them.
        learning_rate_too_low: Updates so small that the training ends long before it is done.
        overfitting: A validation loss that rises while the training loss falls.
        update_ratio: Updates far larger or smaller, for their weights, than is usual.
        recurrent_gain: Gradients that grow or fade on their way back through time.
    """

    every: Every = "auto"
    exact: Exact = "auto"
    non_finite: Rule | None = None
    dead_units: Rule | None = None
    saturated_units: Rule | None = None
    saturated_output: Rule | None = None
    vanishing_gradient: Rule | None = None
    exploding_gradient: Rule | None = None
    no_learning: Rule | None = None
    memorising: Rule | None = None
    underfitting: Rule | None = None
    symmetric_units: Rule | None = None
    initialization_scale: Rule | None = None
    numerics: Rule | None = None
    unscaled_inputs: Rule | None = None
    loss_mismatch: Rule | None = None
    clipped_delta: Rule | None = None
    cannot_overfit: Rule | None = None
    gradient_check: Rule | None = None
    frozen_parameters: Rule | None = None
    collapsed_output: Rule | None = None
    unscaled_targets: Rule | None = None
    data_faults: Rule | None = None
    learning_rate_too_high: Rule | None = None
    learning_rate_too_low: Rule | None = None
    overfitting: Rule | None = None
    update_ratio: Rule | None = None
    recurrent_gain: Rule | None = None

    @property
    def rules(self) -> dict[str, Rule]:
        """The tables given, by diagnosis."""
        tables = {name: getattr(self, name) for name in DIAGNOSIS_IDS}
        return {name: rule for name, rule in tables.items() if rule is not None}
