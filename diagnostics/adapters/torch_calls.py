"""What is remembered of a forward pass: the calls of its operations with parameters, and the tensors around them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import GradientEdge


@dataclass(slots=True, eq=False)
class Seen:
    """A tensor as it was when seen; a copy, should something overwrite it.

    Attributes:
        tensor: Of any shape.
        axis: That of the units, from behind.
        edge: Where its gradient arrives; None where none does.
    """

    tensor: torch.Tensor
    axis: int
    edge: GradientEdge | None = None
    version: int = 0

    def __post_init__(self) -> None:
        self.version = self.tensor._version  # noqa: SLF001 - the only way to know of writing in place

    @property
    def intact(self) -> bool:
        """Whether it is as it was."""
        return bool(self.tensor._version == self.version)  # noqa: SLF001 - as above

    def keep(self) -> None:
        """Take a copy: the tensor is about to be overwritten."""
        self.tensor = self.tensor.detach().clone()
        self.version = self.tensor._version  # noqa: SLF001 - as above


@dataclass(slots=True, eq=False)
class Call:
    """One call of an operation with parameters.

    Attributes:
        parameters: Those it was given, by identity, the weight first.
        weight: The weight as it was used.
        layout: As of `torch_arrays.as_layer_array`; `fused` for an operation of which only the outputs are seen.
        groups: Of a convolution.
        inputs: What it read.
        result: What it gave: the pre-activations.
        activation: The one that consumes the result; `linear` if none does.
        outputs: The activation's.
        apply: The activation, to be applied to other pre-activations.
        altered: Whether there is anything between the result and the activation that changes it.
        normalised: Whether there is a normalisation between the result and the activation.
        forked: Whether some of the result goes another way than through one activation.
    """

    parameters: list[torch.nn.Parameter]
    weight: torch.Tensor
    layout: str
    groups: int
    inputs: Seen
    result: Seen
    activation: str = "linear"
    outputs: Seen | None = None
    apply: Callable[[torch.Tensor], Any] | None = None
    altered: bool = False
    normalised: bool = False
    forked: bool = False

    @property
    def units(self) -> int:
        """How many the result has."""
        return int(self.result.tensor.shape[self.result.axis])

    @property
    def shows_pre_activations(self) -> bool:
        """Whether the result is what comes before the activation: not where both are inside one operation."""
        return self.layout != "fused" or self.activation == "linear"
