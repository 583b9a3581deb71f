"""Whether a loss of no name makes sense: whether it depends on the outputs, and is less where they are right.

Both are asked of drawn outputs of many sizes, and of the targets themselves, so that no network need have got there.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, each_tensor, main_tensor
from gradvitals.engine.events import Array

DRAWS = 3
SIZES = (0.1, 1.0, 10.0)
"""Of the drawn outputs."""

OFF = 0.1
"""Of the targets' standard deviation: what outputs nearby differ by."""

ROUNDING = 1e-4
"""Share of a loss that adding up a batch in 32 bits, or in 16, may cost."""

LEAST = 4
"""Samples that there must be."""


def ignores_outputs(loss: CustomTorchLoss | KnownTorchLoss, outputs: Outputs, targets: Array) -> bool:
    """Ask a loss, tried out, whether it is the same to the bit whatever the outputs are.

    Args:
        loss: The loss.
        outputs: What the model gives for some samples.
        targets: Theirs, as the data give them.
    """
    generator, rows = torch.Generator().manual_seed(0), loss.coding.encode(targets)

    def drawn(size: float, *, signed: bool) -> Callable[[torch.Tensor], torch.Tensor]:
        def draw(tensor: torch.Tensor) -> torch.Tensor:
            if not tensor.is_floating_point():
                return tensor
            numbers = torch.randn if signed else torch.rand  # which logarithms and roots can take, too
            return (size * numbers(tensor.shape, generator=generator)).to(tensor)

        return draw

    def right(tensor: torch.Tensor) -> torch.Tensor:
        fits = tensor.is_floating_point() and tensor.numel() == targets.size  # a clipped residual is felt only here
        return torch.as_tensor(targets).to(tensor).reshape(tensor.shape) if fits else tensor

    drawings = [right, *(drawn(size, signed=signed) for signed in (False, True) for size in SIZES)]
    values = [_value(loss, each_tensor(outputs, draw), rows) for draw in drawings]
    finite = [value for value in values if value is not None]
    return len(finite) >= LEAST and len(set(finite)) == 1


def prefers_wrong(loss: CustomTorchLoss, outputs: Outputs, targets: Array) -> bool:
    """Ask a loss, tried out, whether it is larger of right outputs than of wrong ones, at every draw.

    Of classes the right one has the largest output or the least, of otherwise the same drawn ones; of quantities the
    outputs are the targets themselves, or those of other samples, and where these are no shares nothing nearby may be
    worse: decisions times what they cost are no distance from the targets. For the same reason nothing is asked of a
    loss that is linear in the outputs, nor of anything else.
    """
    rows, main = loss.coding.encode(targets), main_tensor(outputs)
    if not isinstance(outputs, torch.Tensor) or len(rows) < LEAST or len(np.unique(rows, axis=0)) < 2:
        return False
    is_class = targets.ndim == 1 and targets.dtype.kind in "iu" and main.ndim == 2
    if is_class and targets.min() >= 0 and targets.max() < main.shape[1]:
        pairs = [*_answers(main, targets)]
    elif targets.dtype.kind == "f" and tuple(main.shape) == targets.shape and not _is_linear(loss, main, rows):
        pairs = [*_values(main, targets)]
        if targets.min() < 0.0 or targets.max() > 1.0:
            pairs += _nearby(main, targets)
    else:
        return False
    losses = [(_value(loss, right, rows), _value(loss, wrong, rows)) for right, wrong in pairs]
    return all(right is not None and wrong is not None and right > wrong for right, wrong in losses)


def _answers(main: torch.Tensor, targets: Array) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Give outputs of which the class's own is the largest, and such of which it is the least."""
    generator, classes = torch.Generator().manual_seed(0), torch.as_tensor(targets, dtype=torch.int64)
    for _ in range(DRAWS):
        rising = _of_kind(torch.randn(main.shape, generator=generator).sort(dim=1).values, main)
        yield _with_first(rising.flip(1), classes).to(main), _with_first(rising, classes).to(main)


def _of_kind(scores: torch.Tensor, main: torch.Tensor) -> torch.Tensor:
    """Make scores what the outputs are: probabilities, their logarithms, or scores."""
    own = main.detach()
    if bool(((own >= 0.0) & (own <= 1.0)).all()):
        return scores.softmax(dim=1)
    return scores.log_softmax(dim=1) if bool((own <= 0.0).all()) else scores


def _with_first(sorted_rows: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Exchange the first of every row with that of its class."""
    found, each = sorted_rows.clone(), torch.arange(len(sorted_rows))
    found[each, classes], found[:, 0] = sorted_rows[:, 0], sorted_rows[each, classes]
    return found


def _values(main: torch.Tensor, targets: Array) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Give the targets as outputs, and the same in other orders, of which none is right but by accident."""
    right = torch.as_tensor(targets).to(main)
    for shift in range(1, DRAWS + 1):
        yield right, right.roll(shift, dims=0)


def _nearby(main: torch.Tensor, targets: Array) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Give the targets as outputs, and such as are a bit off, to either side."""
    generator, right = torch.Generator().manual_seed(0), torch.as_tensor(targets).to(main)
    for _ in range(DRAWS):
        off = OFF * right.std() * torch.randn(right.shape, generator=generator).to(main)
        yield from ((right, right + off), (right, right - off))


def _is_linear(loss: CustomTorchLoss | KnownTorchLoss, main: torch.Tensor, rows: Array) -> bool:
    """Tell whether halfway between drawn outputs the loss is the mean of theirs, but for rounding, and not the same."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(main.shape, generator=generator).to(main) for _ in range(2))
    ends = [_value(loss, outputs, rows) for outputs in (first, second)]
    halfway = _value(loss, (first + second) / 2.0, rows)
    if halfway is None or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
        return False
    return abs(halfway - (ends[0] + ends[1]) / 2.0) <= ROUNDING * max(abs(ends[0]), abs(ends[1]))


def _value(loss: CustomTorchLoss | KnownTorchLoss, outputs: Outputs, rows: Array) -> float | None:
    """Compute the loss; None where it cannot be, or is not finite."""
    with torch.no_grad():
        try:
            value = float(loss.mean(outputs, rows))
        except Exception:  # noqa: BLE001 - what a loss cannot take, it is not asked of
            return None
    return value if np.isfinite(value) else None
