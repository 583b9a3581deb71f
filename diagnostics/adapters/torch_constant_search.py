"""The best constant output under any differentiable loss, by minimising its mean over the training targets."""

import functools
import math
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_loss import TorchLoss
from gradvitals.diagnostics.adapters.torch_outputs import Change, Outputs, are_logarithms, are_one, main_tensor, wide
from gradvitals.diagnostics.constant_predictor import ConstantPredictor
from gradvitals.engine.events import Array

SEED = 20100
STARTS = 4
"""Points to search from: all 0, and random ones; the first two searches that converge must end in one minimum."""

ITERATIONS, EVALUATIONS = 100, 150

PRECISIONS = ((torch.float64, 1e-6, 1e-4), (torch.float32, 1e-3, 1e-2))
"""Precisions tried, as a loss with weights of its own may take no other than theirs.

With each, how near to each other, relative to the loss, two minima must be, and the gradient times the size of the
constant to 0; the loss itself is nearer by the square of that.
"""

MOST_NUMBERS = 2**22
"""Outputs, of all samples together, that a constant is fitted on; of more, a sample."""

FEWEST_SAMPLES, MOST_SAMPLES = 64, 4096

MEASURED_SAMPLES = 1024
"""Samples whose losses make H: a loss that is not known is computed one by one."""


def fit_numerically(loss: TorchLoss, rows: Array, outputs: Outputs) -> ConstantPredictor | None:
    """Minimise the mean loss of a constant by L-BFGS, from several starts.

    Where a model gives probabilities, their logarithms, or numbers between 0 and 1, so does the constant: a loss may
    fall for ever beyond. A constant is a number for every output of a sample; of outputs with several axes, a number
    for each place along the first or along the last, whichever has the lower loss, and the same along all others. A
    constant with fewer numbers loses more, which can only make a network look better.

    Args:
        loss: The loss.
        rows: Targets of the training set, as the loss's coding writes them.
        outputs: What the model gives for some samples.

    Returns:
        None where two searches do not end in the same minimum, where that is not above 0, and for several outputs.
    """
    if not isinstance(outputs, torch.Tensor) or not len(rows):
        return None
    main = main_tensor(outputs)
    generator = np.random.default_rng(SEED)
    numbers = max(math.prod(main.shape[1:]), 1)
    count = min(max(MOST_NUMBERS // numbers, FEWEST_SAMPLES), MOST_SAMPLES, len(rows))
    some = rows[np.sort(generator.choice(len(rows), count, replace=False))]
    axes = sorted({1, main.ndim - 1}) if main.ndim > 1 else [None]
    found = [_fit_along(_spread(loss, main, axis), some, generator) for axis in axes]
    return min((each for each in found if each is not None), key=lambda each: each.mean_loss, default=None)


@dataclass(slots=True)
class _Spread:
    """A constant as the outputs for some samples, and its losses.

    Attributes:
        loss: The loss.
        shape: Of outputs; their number of samples is passed over.
        axis: Along which the constant has its numbers; None for a single number per sample.
        like: A tensor in the precision, and on the device, in which the loss takes outputs.
        squash: What keeps the constant among outputs as the model gives them.
        known: Losses computed so far: the same few samples are asked for at every probe.
    """

    loss: TorchLoss
    shape: tuple[int, ...]
    axis: int | None
    like: torch.Tensor
    squash: Change
    known: list[tuple[Array, Array, Array]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many numbers the constant has."""
        return 1 if self.axis is None else self.shape[self.axis]

    def outputs(self, constant: torch.Tensor, samples: int) -> torch.Tensor:
        """Give the constant as outputs of so many samples."""
        folded = len(self.loss.rows(torch.empty(self.shape, device="meta")))
        places = [1] * len(self.shape)
        if self.axis is not None:
            places[self.axis] = self.size
        return self.squash(constant).reshape(places).expand(samples * self.shape[0] // folded, *self.shape[1:])

    def mean(self, constant: torch.Tensor, rows: Array) -> torch.Tensor:
        """Give the mean loss over some samples, or their sum where that is the loss."""
        outputs = self.outputs(constant, len(rows))
        known = isinstance(self.loss, KnownTorchLoss)
        return self.loss.sample_losses(outputs, rows).mean() if known else self.loss.mean(outputs, rows)

    def losses(self, best: Array, targets: Array) -> Array:
        """Give the loss of every sample."""
        for constant, rows, losses in self.known:
            if constant is best and rows is targets:
                return losses
        with torch.no_grad():
            outputs = self.outputs(torch.as_tensor(best).to(self.like), len(targets))
            computed = self.loss.sample_losses(outputs, targets).double().cpu().numpy()
        self.known[:] = [*self.known[-3:], (best, targets, computed)]
        return np.asarray(computed)


def _spread(loss: TorchLoss, outputs: Outputs, axis: int | None) -> _Spread:
    """Find out what the model's outputs are, along an axis, and keep a constant among them."""
    values = outputs.detach().double()
    squash = torch.positive
    if axis is not None and values.shape[axis] > 1:
        if are_logarithms(values, axis):
            squash = functools.partial(torch.log_softmax, dim=0)
        elif bool((values >= 0.0).all()) and are_one(values.sum(dim=axis)):
            squash = functools.partial(torch.softmax, dim=0)
    if squash is torch.positive and bool(((values > 0.0) & (values < 1.0)).all()):
        squash = torch.sigmoid
    return _Spread(loss, tuple(outputs.shape), axis, wide(outputs.new_empty(0)), squash)


def _fit_along(spread: _Spread, rows: Array, generator: np.random.Generator) -> ConstantPredictor | None:
    """Search from two starts, in the first precision that the loss takes."""
    starts = [np.zeros(spread.size), *generator.normal(size=(STARTS - 1, spread.size))]
    for precision, tolerance, flatness in PRECISIONS:
        try:
            with torch.no_grad():
                spread.mean(torch.zeros(spread.size, dtype=precision, device=spread.like.device), rows)
        except Exception:  # noqa: BLE001, S112 - what a loss raises for a wrong type is its own business
            continue
        first = _minimise(spread, rows, starts[0], precision, flatness)
        if first is None:
            return None  # it falls for ever, or has kinks: further searches are long, and end as this one
        others = (_minimise(spread, rows, start, precision, flatness) for start in starts[1:])
        second = next((end for end in others if end is not None), None)
        if second is None or abs(second[1] - first[1]) > tolerance * abs(first[1]):
            return None
        return _measured(spread, min(first, second, key=itemgetter(1))[0], rows)
    return None


def _measured(spread: _Spread, constant: Array, rows: Array) -> ConstantPredictor | None:
    mean_loss = float(spread.losses(constant, rows[:: -(-len(rows) // MEASURED_SAMPLES)]).mean())
    return ConstantPredictor(spread.loss.name, constant, mean_loss, None, spread.losses) if mean_loss > 0.0 else None


def _minimise(
    spread: _Spread, rows: Array, start: Array, precision: torch.dtype, flatness: float
) -> tuple[Array, float] | None:
    """Search from one start; None where the search does not converge."""
    constant = torch.as_tensor(start, dtype=precision, device=spread.like.device).requires_grad_()
    search = torch.optim.LBFGS(
        [constant],
        max_iter=ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    past_hooks = getattr(torch.optim.LBFGS.step, "__wrapped__", torch.optim.LBFGS.step)  # those of all optimizers
    evaluations = 0
    least, slope_there, best = math.inf, math.inf, start

    def slope() -> torch.Tensor:
        nonlocal evaluations, least, slope_there, best
        evaluations += 1
        loss = spread.mean(constant, rows)
        (constant.grad,) = torch.autograd.grad(loss, [constant])
        value = float(loss.detach())
        if value < least:
            least, slope_there = value, float(constant.grad.norm())
            best = constant.detach().double().cpu().numpy().copy()
        if evaluations > EVALUATIONS or not math.isfinite(value):
            raise ArithmeticError
        return loss

    with torch.enable_grad(), suppress(Exception):  # a loss may raise anything outside of what it is defined for
        past_hooks(search, slope)
    is_flat = slope_there * max(float(np.linalg.norm(best)), 1.0) <= flatness * abs(least)
    return (best, least) if is_flat else None
