"""The [model] table: the network's shape, activations and initialisation."""

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import MAX_LAYERS, MAX_PARAMETERS, MAX_UNITS, Model, fault, one_or_each
from gradvitals.experiments.config.initialization import BiasInitializer, Initializer, Initializers, Scheme, Zeros

Activation: TypeAlias = Literal["sigmoid", "tanh", "relu", "leaky_relu", "linear"]
Activations = Annotated[
    Annotated[Activation, Tag("one")] | Annotated[tuple[Activation, ...], Tag("each")],
    Discriminator(one_or_each),
]
Units = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]


class ModelConfig(Model):
    """A multilayer perceptron.

    Attributes:
        kind: The family of networks.
        hidden: Units of each hidden layer; empty for a single affine layer.
        activation: One for all hidden layers, or a list with one for each.
        init: Initial weights: one for all layers, or a list with one for each, the output layer included.
        bias_init: Initial biases of the hidden layers.
        output_bias: Initial biases of the output layer; `prior` makes the first prediction the best constant one.
        output: What the output layer ends in; `auto` is what the loss wants, fused with it.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Units, ...], Field(max_length=MAX_LAYERS)] = (64, 32)
    activation: Activations = "relu"
    init: Initializers = Field(default_factory=lambda: Scheme(kind="he_normal"))
    bias_init: BiasInitializer = Field(default_factory=Zeros)
    output_bias: Literal["zeros", "prior"] = "zeros"
    output: Literal["auto"] = "auto"

    @property
    def activation_per_layer(self) -> tuple[Activation, ...]:
        """The activation of each hidden layer, first to last."""
        return self.activation if isinstance(self.activation, tuple) else (self.activation,) * len(self.hidden)

    @property
    def init_per_layer(self) -> tuple[Initializer, ...]:
        """The initial weights of each layer, the output layer last."""
        return self.init if isinstance(self.init, tuple) else (self.init,) * (len(self.hidden) + 1)

    @model_validator(mode="after")
    def _lists_match_layers(self) -> "ModelConfig":
        hidden, layers = len(self.hidden), len(self.hidden) + 1
        if len(self.activation_per_layer) != hidden:
            text = f"a list of {len(self.activation)} for {hidden} hidden layers — give one, or one per hidden layer"
            raise fault(text, "activation")
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
        if weights > MAX_PARAMETERS:
            text = f"{weights:,} weights between hidden layers; at most {MAX_PARAMETERS:,} are supported"
            raise fault(text, "hidden")
        return self
