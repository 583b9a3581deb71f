"""How one of PyTorch's losses meets what a model gives: which axis is of classes, and what shape targets must have."""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from gradvitals.diagnostics.adapters.target_coding import TargetCoding
from gradvitals.diagnostics.adapters.torch_arrays import to_tensor
from gradvitals.diagnostics.adapters.torch_loss_kinds import KnownLoss
from gradvitals.diagnostics.adapters.torch_outputs import Outputs
from gradvitals.engine.events import Array


class Form(Enum):
    """What targets are to their outputs."""

    CLASSES = "a class index per sample"
    POSITIONS = "a class index per position"
    SHARES = "a share for every class"
    ALIKE = "a target for every output"
    BROADCAST = "numbers of another shape"


@dataclass(frozen=True, slots=True)
class Meeting:
    """How outputs and targets are laid side by side.

    Attributes:
        coding: How targets are written as rows.
        form: What they are.
        class_axis: Of the outputs, counted after a folded batch is unfolded.
        positions: Of what an output `(samples · positions, classes)` was folded; 1 where it was not.
    """

    coding: TargetCoding
    form: Form
    class_axis: int = 1
    positions: int = 1

    def outputs(self, outputs: Outputs) -> torch.Tensor:
        """Give the outputs as the loss takes them."""
        if self.form is not Form.POSITIONS:
            return outputs
        if self.positions > 1:
            outputs = outputs.reshape(len(outputs) // self.positions, self.positions, -1)
        return outputs.movedim(self.class_axis, 1)

    def targets(self, rows: Array, outputs: Outputs) -> torch.Tensor:
        """Give the targets as the loss takes them beside these outputs."""
        targets = to_tensor(self.coding.decode(rows), outputs)
        match self.form:
            case Form.CLASSES:
                return targets.long()
            case Form.POSITIONS:
                return targets.long().reshape(len(outputs), *outputs.shape[2:])
            case Form.BROADCAST:
                return targets.to(outputs.dtype)
            case _:
                return targets.to(outputs.dtype).reshape(outputs.shape)


def meet(known: KnownLoss, outputs: tuple[int, ...], targets: Array) -> Meeting | None:
    """Find out how outputs of a shape and targets meet in a loss.

    Where a user's loop must have squeezed or turned something for the loss to work at all, that is done here too.

    Args:
        known: The loss.
        outputs: Shape of what the model gives for the samples.
        targets: Of the same samples, `(samples, …)`.

    Returns:
        None where they cannot.
    """
    samples, own = len(targets), targets.shape[1:]
    numbers = TargetCoding(own)
    if not known.kind.of_one_class:
        alike = math.prod(outputs) == targets.size and outputs[0] == samples
        return Meeting(numbers, Form.ALIKE if alike else Form.BROADCAST)
    whole = bool(np.isin(targets.dtype.kind, ["i", "u", "b"])) or bool((targets == np.rint(targets)).all())
    if whole and len(outputs) == 2 and outputs[0] == samples and own in {(), (1,)}:
        return Meeting(TargetCoding((), classes=outputs[1]), Form.CLASSES)
    if whole and len(outputs) > 2 and (outputs[0], *outputs[2:]) == targets.shape:
        return Meeting(numbers, Form.POSITIONS)
    if whole and len(outputs) > 2 and outputs[:-1] == targets.shape:
        return Meeting(numbers, Form.POSITIONS, class_axis=-1)
    if whole and len(outputs) == 2 and outputs[0] == targets.size > samples:
        return Meeting(numbers, Form.POSITIONS, class_axis=-1, positions=targets.size // samples)
    return Meeting(numbers, Form.SHARES) if outputs == targets.shape else None
