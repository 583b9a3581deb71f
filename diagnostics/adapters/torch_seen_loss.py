"""A user's function of outputs and targets seen through: which of PyTorch's own losses it is, if it is one.

What it calls is listened to, and then believed only if the two give the same numbers: of the model's own outputs, of
drawn ones, and of other batches of samples.
"""

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_loss_kinds import FUNCTIONS, OUTDATED, Compute, recognise
from gradvitals.diagnostics.adapters.torch_meeting import meet
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, each_tensor, main_tensor, wide
from gradvitals.engine.events import Array

CLOSE = 1e-5
"""Relative distance of two losses, in floats of 32 bits, that is no more than rounding."""

DRAWS = 3
"""Drawn outputs of which the two must give the same."""

SQUASH: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"softmax": functools.partial(torch.softmax, dim=1), "sigmoid": torch.sigmoid}
)
"""What may be applied to outputs before a loss that applies it itself."""

_Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]

_Candidate: TypeAlias = tuple[Callable[..., Any], torch.Tensor, torch.Tensor, Mapping[str, Any]]


class Listening(TorchFunctionMode):  # type: ignore[misc]  # torch has no types for us
    """Keeps the calls of some functions, as of PyTorch's own losses; what these call themselves is not heard."""

    def __init__(self, functions: Collection[Callable[..., Any]]) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self._functions = functions

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - PyTorch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Run a function, and keep its arguments if it is one of those."""
        given = {} if kwargs is None else kwargs
        if any(func is each for each in self._functions):
            self.calls.append((func, args, given))
        return func(*args, **given)


def see_through(custom: CustomTorchLoss, outputs: Outputs, targets: Array) -> KnownTorchLoss | None:
    """Find the one loss of PyTorch's that a function is, with the settings that it hands over; None if it is no such.

    Args:
        custom: The function, tried out.
        outputs: What the model gives for some samples.
        targets: Of the same samples, as the data give them.
    """
    main = main_tensor(outputs)
    with Listening(FUNCTIONS) as heard, torch.no_grad():
        custom.mean(outputs, custom.coding.encode(targets))
    if len(heard.calls) > 1:
        return None
    for function, ours, theirs, settings in map(_parts, heard.calls) if heard.calls else _by_hand(main, targets):
        loss = functools.partial(function, **settings)
        known = recognise(loss)
        if known is None:
            continue
        squashed = _squashed(ours, main) if known.kind.takes == "logits" else None
        if squashed is not None:
            known = replace(
                known, compute=_behind(squashed, known.compute), unreduced=_behind(squashed, known.unreduced)
            )
        meeting = meet(known, tuple(main.shape), targets)
        if meeting is None:
            continue
        found = KnownTorchLoss(loss, known, meeting, tuple(main.shape))
        found.hear(tuple(ours.shape), tuple(theirs.shape))
        if found.info is not None:
            found.info = replace(found.info, squashed=squashed)
        if _are_one(found, custom, outputs, targets, within=known.kind.takes == "probabilities"):
            return found
    return None


def _parts(call: _Call) -> _Candidate:
    """Take a call apart: the function, what it takes for outputs and for targets, and its settings."""
    function, args, kwargs = call
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    ours, theirs, *_ = given.values()
    settings = {name: value for name, value in list(given.items())[2:] if name not in OUTDATED or value is not None}
    return function, ours, theirs, settings


def _by_hand(outputs: torch.Tensor, targets: Array) -> Iterator[_Candidate]:
    """Give what users write out: the mean, or the sum, of squares or of absolute values."""
    for function in (functional.mse_loss, functional.l1_loss):
        for reduction in ("mean", "sum"):
            yield function, outputs, torch.empty(targets.shape), {"reduction": reduction}


def _squashed(given: torch.Tensor, outputs: torch.Tensor) -> str | None:
    """Name the activation that makes of outputs what a loss was given, if it is a softmax over classes or a sigmoid."""
    if given.numel() != outputs.numel() or outputs.ndim < 2:
        return None
    flat, wanted = wide(given).reshape(-1), wide(outputs)
    for name, squash in SQUASH.items():
        if torch.allclose(flat, squash(wanted).reshape(-1), rtol=CLOSE, atol=0.0):
            return name
    return None


def _behind(squashed: str, loss: Compute) -> Compute:
    """Give a loss of what an activation makes of the outputs."""

    def compute(outputs: Outputs, targets: torch.Tensor) -> torch.Tensor:
        return loss(SQUASH[squashed](outputs), targets)

    return compute


def _are_one(found: KnownTorchLoss, custom: CustomTorchLoss, outputs: Outputs, targets: Array, *, within: bool) -> bool:
    """Tell whether two losses give the same, of outputs that may have to be probabilities."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shapes that only our guess brings together
            found.try_out(outputs, targets)
            return all(
                _is_close(
                    found.mean(ours, found.coding.encode(theirs)), custom.mean(ours, custom.coding.encode(theirs))
                )
                for ours, theirs in _batches(outputs, targets, within=within)
            )
    except Exception:  # noqa: BLE001 - whatever either cannot do with the other's data
        return False


def _batches(outputs: Outputs, targets: Array, *, within: bool) -> Iterator[tuple[Outputs, Array]]:
    """Give outputs and targets to compare two losses of: those of the model, then drawn outputs and fewer samples."""
    yield outputs, targets
    generator = torch.Generator().manual_seed(0)
    count = len(targets)

    def drawn(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        values = 2.0 * torch.randn(tensor.shape, generator=generator)
        return (torch.sigmoid(values) if within else values).to(tensor)

    for number in range(DRAWS):
        fewer = max(count - number, min(2, count))
        order = torch.randperm(count, generator=generator).numpy()[:fewer]
        ours = each_tensor(outputs, drawn)
        yield _first(ours, fewer, count), targets[order]


def _first(outputs: Outputs, fewer: int, count: int) -> Outputs:
    """Give the first samples of some outputs, which may be folded with their positions."""

    def cut(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[: len(tensor) // count * fewer] if tensor.ndim and not len(tensor) % count else tensor

    return each_tensor(outputs, cut)


def _is_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    ours, theirs = float(one), float(other)
    return bool(np.isfinite(ours)) and math.isclose(ours, theirs, rel_tol=CLOSE, abs_tol=CLOSE**2)
