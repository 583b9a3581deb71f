"""What stands for the lines of a loop that step by hand, where others have an optimizer."""

from collections.abc import Sequence

import torch
from torch.optim.optimizer import Optimizer


class ByHand(Optimizer):  # type: ignore[misc]  # torch has no types for us
    """Stands for lines that step; its rate is theirs as long as they go along the gradient."""

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        """Hold the parameters that are moved."""
        super().__init__(parameters, {})

    def take_rate(self, rate: float | None) -> None:
        """Take the rate of the last step; None where it was no plain gradient descent."""
        group = self.param_groups[0]
        if rate is None:
            group.pop("lr", None)
        else:
            group["lr"] = rate
