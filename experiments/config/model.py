"""The [model] table: the network's shape, activations and initialisation."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.activation import Activation, Activations, OutputActivation, Plain
from gradvitals.experiments.config.base import (
    MAX_LAYERS,
    MAX_PARAMETERS,
    MAX_UNITS,
    BelowOne,
    Model,
    fault,
    one_or_each,
)
from gradvitals.experiments.config.initialization import (
    BiasInitializer,
    Initializer,
    Initializers,
    RecurrentInitializer,
    Scheme,
    Zeros,
)

SequenceLength = Annotated[int, Field(strict=True, ge=1, le=1000)]
Dropouts = Annotated[
    Annotated[BelowOne, Tag("one")] | Annotated[tuple[BelowOne, ...], Tag("each")], Discriminator(one_or_each)
]
Units = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]


class ModelConfig(Model):
    """The network: a multilayer perceptron, or a recurrent network that reads a row as a sequence.

    Attributes:
        kind: The family of networks.
        cell: What a recurrent layer is made of; unset means tanh.
        sequence_length: Time steps that a row of inputs is cut into, or that a sequence task has.
        recurrent_init: Initial recurrent weights; unset means orthogonal.
        hidden: Units of each hidden layer, recurrent ones in a recurrent network; empty for a single affine layer.
        activation: One for all hidden layers, or a list with one for each.
        init: Initial weights: one for all layers, or a list with one for each, the output layer included.
        bias_init: Initial biases of the hidden layers.
        output_bias: Initial biases of the output layer; `prior` makes the first prediction the best constant one.
        dropout: Share of a hidden layer's outputs dropped in training: one, or a list with one for each hidden layer.
        output: What the output layer ends in; `auto` is what the loss wants, fused with it. Anything else is taken at
            its word, right or wrong.
        output_units: Units of the output layer, where they are not to be what the data and the loss want.
    """

    kind: Literal["mlp", "rnn"] = "mlp"
    cell: Literal["tanh", "relu"] | None = None
    sequence_length: SequenceLength | None = None
    recurrent_init: RecurrentInitializer | None = None
    hidden: Annotated[tuple[Units, ...], Field(max_length=MAX_LAYERS)] = (64, 32)
    activation: Activations = Field(default_factory=lambda: Plain(kind="relu"))
    init: Initializers = Field(default_factory=lambda: Scheme(kind="he_normal"))
    bias_init: BiasInitializer = Field(default_factory=Zeros)
    output_bias: Literal["zeros", "prior"] = "zeros"
    dropout: Dropouts = 0.0
    output: OutputActivation = "auto"
    output_units: Units | None = None

    @property
    def activation_per_layer(self) -> tuple[Activation, ...]:
        """The activation of each hidden layer, first to last."""
        return self.activation if isinstance(self.activation, tuple) else (self.activation,) * len(self.hidden)

    @property
    def dropout_per_layer(self) -> tuple[float, ...]:
        """The rate of dropout behind each hidden layer, first to last."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.hidden)

    @property
    def is_taken_at_its_word(self) -> bool:
        """Whether the output layer is spelt out, so that a wrong one is meant."""
        return self.output != "auto" or self.output_units is not None

    @property
    def init_per_layer(self) -> tuple[Initializer, ...]:
        """The initial weights of each layer, the output layer last."""
        return self.init if isinstance(self.init, tuple) else (self.init,) * (len(self.hidden) + 1)

    @model_validator(mode="after")
    def _keys_suit_the_kind(self) -> "ModelConfig":
        if self.kind == "mlp":
            for key, value in (("cell", self.cell), ("recurrent_init", self.recurrent_init)):
                if value is not None:
                    text = 'only a recurrent network has it — set kind = "rnn", or remove it'
                    raise fault(text, key)
            return self
        if self.sequence_length is None:
            text = "missing; a recurrent network needs the number of time steps that a row is cut into"
            raise fault(text, "sequence_length")
        if not self.hidden:
            text = "a recurrent network needs at least one layer of units, such as [32]"
            raise fault(text, "hidden")
        if self.activation != Plain(kind="relu"):
            text = 'a recurrent network has a cell instead — set cell = "tanh" or cell = "relu"'
            raise fault(text, "activation")
        if any(self.dropout_per_layer):
            text = "a recurrent network has none here — remove it"
            raise fault(text, "dropout")
        return self

    @model_validator(mode="after")
    def _lists_match_layers(self) -> "ModelConfig":
        hidden, layers = len(self.hidden), len(self.hidden) + 1
        for key, given in (("activation", self.activation_per_layer), ("dropout", self.dropout_per_layer)):
            if len(given) != hidden:
                text = f"a list of {len(given)} for {hidden} hidden layers — give one, or one per hidden layer"
                raise fault(text, key)
        if len(self.init_per_layer) != layers:
            text = (
                f"a list of {len(self.init_per_layer)} for {layers} layers"
                f" ({hidden} hidden and the output) — give one, or one per layer"
            )
            raise fault(text, "init")
        return self

    @model_validator(mode="after")
    def _fits_into_memory(self) -> "ModelConfig":
        weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.hidden))
        weights += sum(units * units for units in self.hidden) if self.kind == "rnn" else 0
        if weights > MAX_PARAMETERS:
            text = f"{weights:,} weights between hidden units; at most {MAX_PARAMETERS:,} are supported"
            raise fault(text, "hidden")
        return self
