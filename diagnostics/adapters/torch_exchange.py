"""Whether a loss is the same however targets are exchanged among samples, as one broadcast over a batch is.

Of such a loss no output can learn which target is its own. Drawn outputs are asked, as those of a network just made may
all be alike; and the targets must matter: a loss that does not read them is no worse for it. Two samples are given one
target, as a loss of pairs, which reads only whose targets are equal, is the same in every order of distinct ones.
"""

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, each_tensor
from gradvitals.engine.events import Array

ROUNDING, NOTICEABLE = 1e-5, 1e-3
"""Relative change of a loss that is no more than the order of its terms, and one that surely is more."""

DRAWS = 3
"""Drawn outputs, each with an order of the targets of its own."""

LEAST = 4
"""Samples that there must be."""


def exchanges_targets(loss: CustomTorchLoss, outputs: Outputs, targets: Array) -> bool:
    """Ask a loss, tried out, of the outputs and targets of some samples."""
    rows = loss.coding.encode(targets)
    if len(rows) < LEAST or len(np.unique(rows, axis=0)) < LEAST - 1:
        return False
    rows = np.concatenate([rows[:1], rows[:1], rows[2:]])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return all(_exchanges(loss, outputs, rows, generator) for _ in range(DRAWS))


def _exchanges(loss: CustomTorchLoss, outputs: Outputs, rows: Array, generator: torch.Generator) -> bool:
    """Ask of drawn outputs: between 0 and 1, which logarithms and roots can take, and as far apart as the targets.

    Of outputs that are all on one side of all targets, sums of distances are the same in every order.
    """
    order = torch.randperm(len(rows), generator=generator).numpy()
    low, width = float(rows.min()), float(np.ptp(rows))

    def drawn(tensor: torch.Tensor) -> torch.Tensor:
        return torch.rand(tensor.shape, generator=generator).to(tensor) if tensor.is_floating_point() else tensor

    def apart(tensor: torch.Tensor) -> torch.Tensor:
        return low + width * tensor if tensor.is_floating_point() else tensor

    near = each_tensor(outputs, drawn)
    far = each_tensor(near, apart)
    try:
        as_given, exchanged, others = (
            float(loss.mean(near, each)) for each in (rows, rows[order], np.repeat(rows[:1], len(rows), axis=0))
        )
        far_given, far_exchanged = (float(loss.mean(far, each)) for each in (rows, rows[order]))
    except Exception:  # noqa: BLE001 - what a loss cannot take, it is not asked of
        return False
    size = max(abs(as_given), abs(others))
    if not abs(exchanged - as_given) <= ROUNDING * size or not abs(others - as_given) > NOTICEABLE * size:
        return False
    return not abs(far_exchanged - far_given) > ROUNDING * abs(far_given)  # nor is a NaN a difference
