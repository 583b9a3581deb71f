"""One of PyTorch's own losses as our diagnostics need it: by name, and sample by sample."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_arrays import to_tensor
from gradvitals.diagnostics.adapters.torch_loss_kinds import KnownLoss, to_numbers
from gradvitals.diagnostics.adapters.torch_meeting import Form, Meeting
from gradvitals.diagnostics.adapters.torch_outputs import (
    Outputs,
    are_logarithms,
    main_tensor,
    squashed_by,
    wide,
    with_all_axes,
)
from gradvitals.engine.events import Array, LossInfo


class KnownTorchLoss:
    """One of PyTorch's own losses.

    Attributes:
        name: As in configs, where it is one of those.
        info: What it takes; None where targets are of positions, which no rule compares with outputs.
        coding: How targets are written as rows.
        ignores: Whether it is the same whatever the outputs are; asked where nobody knows what it takes.
        guard: Is around what the user's own calls of it are listened to with.
    """

    def __init__(self, loss: Callable[..., Any], known: KnownLoss, meeting: Meeting, shape: tuple[int, ...]) -> None:
        self.known, self.meeting, self.coding = known, meeting, meeting.coding
        by_position = meeting.form is Form.POSITIONS or (meeting.form is Form.SHARES and len(shape) > 2)
        self.name = f"{known.title} of every position" if by_position else known.title
        reduction = "sum" if known.setting("reduction") == "sum" else "mean"
        self.info = None if by_position else LossInfo(known.kind.takes, reduction)  # type: ignore[arg-type]
        self._across = self.ignores = False
        self.guard: AbstractContextManager[Any] = nullcontext()
        self._met: tuple[Array, tuple[Any, ...], torch.Tensor] | None = None
        self._counted: tuple[torch.Tensor, int, bool] | None = None
        self._row_shape = shape[1:]
        self._ear = None
        self._given_logarithms = True
        may_be_squeezed = meeting.form is Form.ALIKE and {shape[1:], meeting.coding.shape} == {(), (1,)}
        if isinstance(loss, nn.Module) and (may_be_squeezed or known.kind.takes in {"log_probabilities", "logits"}):
            self._ear = loss.register_forward_pre_hook(self._listen, with_kwargs=True)

    @property
    def class_weight(self) -> Array | None:
        """Its factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)` or `(2, outputs)`."""
        weight, of_yes = to_numbers(self.known.setting("weight")), to_numbers(self.known.setting("pos_weight"))
        if self.known.kind.of_one_class:
            return None if weight is None else np.asarray(weight, np.float64)
        if of_yes is None:
            return None
        factors = of_yes.reshape(()) if of_yes.size == 1 else np.broadcast_to(of_yes, self._row_shape).reshape(-1)
        return np.stack([np.ones_like(factors), factors])

    @property
    def ignored(self) -> int | None:
        """The class index that means: no label here."""
        index = self.known.setting("ignore_index")
        return None if index is None or not self.known.kind.of_one_class else int(index)

    def labelled(self, targets: Array) -> Array:
        """Tell which samples have a label at all, `(samples,)`, of targets as the data give them."""
        if self.ignored is None or self.meeting.form not in {Form.CLASSES, Form.POSITIONS}:
            return np.ones(len(targets), np.bool_)
        return np.asarray((targets != self.ignored).reshape(len(targets), -1).any(axis=1))

    def try_out(self, outputs: Outputs, targets: Array) -> None:
        """Compute the loss once; whatever is wrong with it is then raised."""
        kept = self.labelled(targets)
        main = main_tensor(outputs)
        if not kept.any():
            return
        if not kept.all():
            main = main.reshape(len(targets), -1, *main.shape[1:])[torch.from_numpy(kept)].flatten(0, 1)
        self._given_logarithms = are_logarithms(main)
        with torch.no_grad():
            self.sample_losses(main, self.coding.encode(targets[kept]))

    def sample_losses(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Give the loss of every sample, `(samples,)`: the mean over all that it consists of.

        A sample of positions is averaged over those that have a label.
        """
        ours, theirs = self._side_by_side(outputs, targets)
        if self.known.kind.of_one_class and self.meeting.form is not Form.SHARES:
            if theirs.shape == (len(targets),) and self._all_count(theirs, ours.shape[1]):
                return self.known.unreduced(ours, theirs)
            known = self._in_range(theirs, ours.shape[1])
            losses = self.known.unreduced(ours, torch.where(known, theirs, 0)).reshape(len(targets), -1)
            labels = torch.ones_like(theirs, dtype=torch.bool) if self.ignored is None else theirs != self.ignored
            losses = torch.where(known.reshape(losses.shape), losses, math.nan)
            labels = labels.reshape(losses.shape)
            return torch.where(labels, losses, 0.0).sum(dim=1) / labels.sum(dim=1)
        losses = self.known.unreduced(ours, theirs)
        if self._across and ours.ndim < theirs.ndim:
            losses = losses.T  # a row for every output
        return losses.reshape(len(targets), -1).mean(dim=1)

    def mean(self, outputs: Outputs, targets: Array) -> torch.Tensor:
        """Give the loss as the user gets it; the mean where that is left to the user."""
        ours, theirs = self._side_by_side(outputs, targets)
        of_one_class = self.known.kind.of_one_class and self.meeting.form is not Form.SHARES
        if of_one_class and not self._all_count(theirs, ours.shape[1]):
            known = self._in_range(theirs, ours.shape[1])
            if not bool(known.all()):  # PyTorch would raise, on a GPU for good
                return self.known.compute(ours, torch.where(known, theirs, 0)).mean() * math.nan
        return self.known.compute(ours, theirs).mean()

    def rows(self, outputs: Outputs) -> torch.Tensor:
        """Give the tensor that the loss reads as `(samples, outputs)`."""
        return main_tensor(outputs).reshape(-1, self.meeting.positions * math.prod(self._row_shape))

    def scores(self, outputs: Outputs, targets: Array) -> Array | None:
        """Give the share of each sample's answers that are right, `(samples,)`; None for a regression."""
        ours, theirs = self._side_by_side(outputs, targets)
        kind = self.known.kind
        if kind.of_one_class:
            said = ours.argmax(dim=1)
            if self.meeting.form is Form.SHARES:
                theirs = theirs.argmax(dim=1)
            elif theirs.shape == (len(targets),) and self._all_count(theirs, ours.shape[1]):
                return np.asarray(to_numbers((said == theirs).to(torch.get_default_dtype())))
            labels = torch.ones_like(theirs, dtype=torch.bool) if self.ignored is None else theirs != self.ignored
            right, labels = (said == theirs).reshape(len(targets), -1), labels.reshape(len(targets), -1)
            return np.asarray(to_numbers((right & labels).sum(dim=1) / labels.sum(dim=1)))
        if kind.family != "binary_cross_entropy":
            return None
        yes = ours > (0.5 if kind.takes == "probabilities" else 0.0)
        return np.asarray(to_numbers((yes == (theirs > 0.5)).reshape(len(targets), -1).double().mean(dim=1)))

    def hear(self, outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
        """Learn in what shapes the two meet, be it that every output meets the targets of all samples."""
        shapes, batch = {outputs, targets}, outputs[:1]
        if batch > (1,) and shapes == {batch, (*batch, 1)} and not self.known.kind.of_one_class:
            self._across = True
            self.info = None if self.info is None else replace(self.info, across_samples=True)

    def close(self) -> None:
        """Stop listening to the user's calls of the loss."""
        if self._ear is not None:
            self._ear.remove()

    def _side_by_side(self, outputs: Outputs, targets: Array) -> tuple[Any, Any]:
        main = with_all_axes(wide(main_tensor(outputs)), len(targets) * self.meeting.positions, self._row_shape)
        ours = self.meeting.outputs(main)
        if self._across:
            return ours, to_tensor(self.coding.decode(targets), ours).to(ours.dtype)
        return ours, self._targets(targets, ours)

    def _targets(self, rows: Array, ours: torch.Tensor) -> torch.Tensor:
        """Give the targets beside these outputs; rows met last, as those of a probe, are not decoded again."""
        key = rows.dtype, ours.shape, ours.dtype, ours.device
        met = self._met
        if met is None or met[1] != key or not np.array_equal(met[0], rows) or met[2].is_inference():
            own = rows.copy()  # which the tensor may share
            met = self._met = own, key, self.meeting.targets(own, ours)
        return met[2]

    def _all_count(self, labels: torch.Tensor, classes: int) -> bool:
        """Tell whether every label is a class and none is ignored; those asked for last, as a probe's, are known."""
        known = self._counted
        if known is None or known[0] is not labels or known[1] != classes:
            counts = (labels >= 0) & (labels < classes)
            if self.ignored is not None:
                counts &= labels != self.ignored
            known = self._counted = labels, classes, bool(counts.all())
        return known[2]

    def _in_range(self, labels: torch.Tensor, classes: int) -> torch.Tensor:
        inside = (labels >= 0) & (labels < classes)
        return inside if self.ignored is None else inside | (labels == self.ignored)

    def _listen(self, _module: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        with self.guard:
            self._heard(args, kwargs)

    def _heard(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """See in what shapes outputs and targets meet in the user's own loop, which may have squeezed them.

        Only there is it sure that (batch, 1) meets (batch,), so that every output meets the targets of all samples,
        and that a softmax comes between the module and a loss that applies its own.
        Nor need it hand over what the module gives: where it takes the logarithms itself, as skorch does, it is no
        fault of the module that it gives none, and nothing is known of what the loss takes.
        """
        given = [*args, *kwargs.values()]
        if len(given) != 2 or not all(isinstance(each, torch.Tensor) for each in given):
            return
        if self.known.kind.takes == "log_probabilities" and not self._given_logarithms and are_logarithms(given[0]):
            self.info = None
        if self.info is not None and self.info.takes == "logits" and given[0].grad_fn is not None:
            self.info = replace(self.info, squashed=squashed_by(given[0]))
        self.hear(*(tuple(each.shape) for each in given))
        if given[0].shape[:1] > (1,) and (given[0].requires_grad or self.known.kind.takes != "logits"):
            self.close()
