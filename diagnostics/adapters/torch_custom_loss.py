"""Any other function of outputs and targets as our diagnostics need it: sample by sample."""

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from gradvitals.diagnostics.adapters.target_coding import TargetCoding
from gradvitals.diagnostics.adapters.torch_arrays import to_tensor
from gradvitals.diagnostics.adapters.torch_loss_kinds import without_reduction
from gradvitals.diagnostics.adapters.torch_outputs import (
    Outputs,
    each_tensor,
    main_tensor,
    one_sample,
    repeated,
    wide,
    with_all_axes,
)
from gradvitals.engine.events import Array

CUSTOM = "custom"

AGREEMENT = 1e-3
"""Relative distance up to which a loss of a batch is what its samples' losses say."""

CASTS = ("as they are", "float", "long")
"""What a user's loop may do to targets before the loss gets them."""


class CustomTorchLoss:
    """Any other function of outputs and targets.

    Attributes:
        name: `custom`.
        info: None: nothing is known of what it takes.
        class_weight: None.
        coding: How targets are written as rows.
        separable: Whether a batch's loss is made of its samples' losses, as a mean, weighted or not, or as a sum.
        exchanges: Whether it is the same however targets are exchanged among samples.
        ignores: Whether it is the same whatever the outputs are.
        prefers_wrong: Whether it is larger where outputs are right than where they are wrong.
        not_logarithms: Range of the probabilities that a divergence in it takes for their logarithms; else None.
    """

    def __init__(
        self, loss: Callable[..., Any], coding: TargetCoding, shape: tuple[int, ...], positions: int = 1
    ) -> None:
        self.name, self.info, self.class_weight = CUSTOM, None, None
        self.coding, self.separable, self.exchanges = coding, True, False
        self.ignores = self.prefers_wrong = False
        self.not_logarithms: tuple[float, float] | None = None
        self._loss, self._row_shape, self._positions = loss, shape[1:], max(positions, 1)
        self._cast, self._widen = CASTS[0], True
        self._by_sample: Any = None
        self._copies, self._share = 1, 1.0

    def labelled(self, targets: Array) -> Array:
        """Take every sample for one with a label."""
        return np.ones(len(targets), np.bool_)

    def try_out(self, outputs: Outputs, targets: Array) -> None:
        """Find out what the loss wants targets to be, and whether it is made of its samples' losses."""
        with torch.no_grad():
            whole = self._first_that_works(outputs, targets)
            if whole.ndim:
                self._by_sample = self._run
                self.separable = len(whole) == len(targets)
                return
            self._by_sample = self._unreduced_if_alike(outputs, targets)
            self.separable = self._is_separable(float(whole), outputs, targets)
            if not self.separable:
                self._share = 1.0

    def sample_losses(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Give the loss of every sample as a batch of its own, `(samples,)`; the batch's where it is not separable."""
        count = len(targets)
        outputs = self._with_all_axes(outputs, count)
        theirs = self._targets(targets, outputs)
        if not self.separable:
            return self._of_batch(outputs, theirs, count).expand(count)
        if self._by_sample is not None:
            if count == 1:  # which a squeeze would leave no axis
                outputs, theirs = repeated(outputs, 2), torch.cat([theirs, theirs])
            return self._by_sample(outputs, theirs).reshape(len(theirs), -1).mean(dim=1)[:count]
        return torch.stack([self._alone(outputs, theirs, row, count) for row in range(count)])

    def mean(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Give the loss as the user gets it; the mean where it is one number per sample."""
        outputs = self._with_all_axes(outputs, len(targets))
        return self._of_batch(outputs, self._targets(targets, outputs), len(targets))

    def rows(self, outputs: Outputs) -> torch.Tensor:
        """Give the first tensor among the outputs as `(samples, outputs)`."""
        return main_tensor(outputs).reshape(-1, self._positions * math.prod(self._row_shape))

    def scores(self, _outputs: Outputs, _targets: Array) -> Array | None:
        """Give None: nobody says which answers are right."""
        return None

    def close(self) -> None:
        """Do nothing: it listens to nothing."""

    def _first_that_works(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Compute the loss with targets as they are, as floats, or as whole numbers; in full precision if it may."""
        first: Exception | None = None
        for self._widen, self._cast in itertools.product((True, False), CASTS):
            try:
                return self._run(outputs, self._targets(targets, outputs))
            except Exception as error:  # noqa: BLE001 - what a loss raises for a wrong type is its own business
                first = first or error
        raise first or ValueError

    def _is_separable(self, whole: float, outputs: Outputs, targets: Array) -> bool:
        """Find out whether the loss can be computed of single samples, or of one twice, and what share is of one.

        A squeeze in it, written for batches, leaves a single sample no axis; of the same sample twice a mean is what
        it is of one, and a sum is twice that.
        """
        try:
            losses = self.sample_losses(outputs, targets)
        except Exception:  # noqa: BLE001 - anything may be raised by a loss that needs a whole batch
            try:
                self._share = self._share_of_one(outputs, targets)
                self._copies = 2
                losses = self.sample_losses(outputs, targets)
            except Exception:  # noqa: BLE001 - as above
                return False
            total = float(losses.sum())  # no more than an average is taken on trust where no sample was seen alone
            return any(math.isclose(whole, each, rel_tol=AGREEMENT) for each in (total, total / len(losses)))
        return _is_made_of(whole, losses)

    def _share_of_one(self, outputs: Outputs, targets: Array) -> float:
        """Give what share of the loss of a sample taken twice is that of one: all of a mean, half of a sum, or NaN."""
        outputs = self._with_all_axes(outputs, len(targets))
        theirs, count = self._targets(targets, outputs), len(targets)
        twice, thrice = (
            float(self._run(repeated(one_sample(outputs, 0, count), copies), torch.cat([theirs[:1]] * copies)))
            for copies in (2, 3)
        )
        shares = {1.0: twice, 0.5: 1.5 * twice}
        return next(
            (share for share, is_thrice in shares.items() if math.isclose(thrice, is_thrice, rel_tol=AGREEMENT)),
            math.nan,
        )

    def _alone(self, outputs: Outputs, targets: torch.Tensor, row: int, count: int) -> torch.Tensor:
        """Give the loss of one of so many samples, computed of as many copies of it as the loss needs."""
        one, target = one_sample(outputs, row, count), targets[row : row + 1]
        if self._copies > 1:
            one, target = repeated(one, self._copies), torch.cat([target] * self._copies)
        return self._share * self._run(one, target).mean()

    def _of_batch(self, outputs: Outputs, targets: torch.Tensor, count: int) -> torch.Tensor:
        """Give the loss of a batch; of a single sample as that of one alone."""
        return self._alone(outputs, targets, 0, count) if count == 1 else self._run(outputs, targets).mean()

    def _unreduced_if_alike(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Give the loss without its reduction, if it is a module that has one and then gives what single samples do."""
        if not isinstance(self._loss, nn.Module) or not isinstance(getattr(self._loss, "reduction", None), str):
            return None

        def compute(ours: Outputs, theirs: torch.Tensor) -> torch.Tensor:
            return without_reduction(_twin(self._loss))(each_tensor(ours, wide) if self._widen else ours, theirs)

        theirs, count = self._targets(targets, outputs), len(targets)
        try:
            losses = compute(outputs, theirs)
            means = losses.reshape(count, -1).mean(dim=1)
            single = self._run(one_sample(outputs, 0, count), theirs[:1])
        except Exception:  # noqa: BLE001 - then its samples are computed one by one
            return None
        alike = losses.ndim > 0 and len(losses) == count and torch.allclose(means[0], single, rtol=AGREEMENT)
        return compute if alike else None

    def _targets(self, rows: Array, outputs: Outputs) -> torch.Tensor:
        main = main_tensor(outputs)
        main = wide(main) if self._widen else main
        targets = to_tensor(self.coding.decode(rows), main)
        if self._cast == "float":
            return targets.to(main.dtype)
        return targets.long() if self._cast == "long" else targets

    def _with_all_axes(self, outputs: Outputs, count: int) -> Outputs:
        if not isinstance(outputs, torch.Tensor):
            return outputs
        return with_all_axes(outputs, count * self._positions, self._row_shape)

    def _run(self, outputs: Outputs, targets: torch.Tensor) -> torch.Tensor:
        """Call the loss, or a twin of it that keeps what it learns or counts to itself."""
        run = _twin(self._loss).forward if isinstance(self._loss, nn.Module) else self._loss
        result = run(each_tensor(outputs, wide) if self._widen else outputs, targets)
        if not isinstance(result, torch.Tensor):
            msg = f"it gives a {type(result).__name__}, not a tensor"
            raise TypeError(msg)
        return result


def _is_made_of(whole: float, losses: torch.Tensor) -> bool:
    """Tell whether a batch's loss lies among those of its samples, as any mean of them does, or is their sum."""
    if not bool(torch.isfinite(losses).all()) or not math.isfinite(whole):
        return False
    total = float(losses.sum())
    room = AGREEMENT * max(abs(whole), abs(total) / len(losses), 1e-12)
    is_mean = float(losses.min()) - room <= whole <= float(losses.max()) + room
    return is_mean or abs(whole - total) <= AGREEMENT * abs(total)


def _twin(loss: nn.Module) -> nn.Module:
    """Copy a loss module, but for its parameters, which may be large and are trained; itself if it cannot be copied."""
    shared = {id(parameter): parameter for parameter in loss.parameters()}
    try:
        return copy.deepcopy(loss, shared)
    except (TypeError, RuntimeError, AttributeError):
        return loss
