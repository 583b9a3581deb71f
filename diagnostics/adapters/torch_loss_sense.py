"""A PyTorch user's loss asked whether it makes sense."""

import numpy as np
import torch
from torch.nn import functional

from gradvitals.diagnostics.adapters import loss_sense
from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, are_one, each_tensor
from gradvitals.diagnostics.adapters.torch_seen_loss import Listening
from gradvitals.engine.events import Array


def ignores_outputs(loss: CustomTorchLoss | KnownTorchLoss, outputs: Outputs, targets: Array) -> bool:
    """Ask a loss, tried out, whether it is the same to the bit whatever the outputs are.

    Args:
        loss: The loss.
        outputs: What the model gives for some samples.
        targets: Theirs, as the data give them.
    """
    rows = loss.coding.encode(targets)

    def value(draw: loss_sense.Draw) -> float | None:
        def changed(tensor: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(draw(_numbers(tensor))).to(tensor) if tensor.is_floating_point() else tensor

        return _value(loss, each_tensor(outputs, changed), rows)

    return loss_sense.ignores_outputs(value, targets)


def prefers_wrong(loss: CustomTorchLoss, outputs: Outputs, targets: Array) -> bool:
    """Ask a loss of a single tensor, tried out, whether it is larger of right outputs than of wrong ones."""
    if not isinstance(outputs, torch.Tensor):
        return False
    rows = loss.coding.encode(targets)
    numbers = _numbers(outputs if outputs.ndim else outputs.reshape(1))
    return loss_sense.prefers_wrong(
        lambda drawn: _value(loss, torch.as_tensor(drawn).to(outputs), rows), numbers, targets
    )


def not_logarithms(loss: CustomTorchLoss, outputs: Outputs, targets: Array) -> tuple[float, float] | None:
    """Ask a loss, tried out, whether it gives `kl_div` probabilities where that takes logarithms; give their range.

    Logarithms of densities, which may be positive, do not sum to 1.
    """
    with Listening([functional.kl_div]) as heard:
        _value(loss, outputs, loss.coding.encode(targets))
    for _, args, kwargs in heard.calls:
        given = args[0] if args else kwargs["input"]
        lowest, highest = given.min().item(), given.max().item()
        if lowest >= 0.0 and highest <= 1.0 and any(are_one(given.sum(axis)) for axis in range(given.ndim)):
            return lowest, highest
    return None


def _numbers(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().double().cpu().numpy())


def _value(loss: CustomTorchLoss | KnownTorchLoss, outputs: Outputs, rows: Array) -> float | None:
    """Compute the loss; None where it cannot be, or is not finite."""
    with torch.no_grad():
        try:
            value = float(loss.mean(outputs, rows))
        except Exception:  # noqa: BLE001 - what a loss cannot take, it is not asked of
            return None
    return value if np.isfinite(value) else None
