"""PyTorch's own losses, by what they compute: modules, functions of `torch.nn.functional`, and partials of these."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from gradvitals.diagnostics.adapters.torch_outputs import Outputs
from gradvitals.engine.events import Takes

Compute: TypeAlias = Callable[[Outputs, torch.Tensor], torch.Tensor]
"""A loss, of outputs and targets."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a loss computes.

    Attributes:
        family: Named as in configs, or by PyTorch where it has settings that are none of ours.
        takes: What it takes the outputs for.
        of_one_class: Whether it is of one class out of several, so that targets may be class indices.
    """

    family: str
    takes: Takes
    of_one_class: bool = False


CROSS_ENTROPY = Kind("cross_entropy", "logits", of_one_class=True)
NLL = Kind("nll", "log_probabilities", of_one_class=True)
MULTI_MARGIN = Kind("multi_margin", "scores", of_one_class=True)
BINARY = Kind("binary_cross_entropy", "logits")
BINARY_ON_PROBS = Kind("binary_cross_entropy", "probabilities")
MSE, MAE, HUBER = Kind("mse", "values"), Kind("mae", "values"), Kind("huber", "values")
SMOOTH_L1 = Kind("smooth_l1", "values")

MODULES: Mapping[Any, Kind] = MappingProxyType(
    {
        nn.CrossEntropyLoss: CROSS_ENTROPY,
        nn.NLLLoss: NLL,
        nn.MultiMarginLoss: MULTI_MARGIN,
        nn.BCEWithLogitsLoss: BINARY,
        nn.MultiLabelSoftMarginLoss: BINARY,
        nn.BCELoss: BINARY_ON_PROBS,
        nn.MSELoss: MSE,
        nn.L1Loss: MAE,
        nn.HuberLoss: HUBER,
        nn.SmoothL1Loss: SMOOTH_L1,
    }
)

FUNCTIONS: Mapping[Compute, Kind] = MappingProxyType(
    {
        functional.cross_entropy: CROSS_ENTROPY,
        functional.nll_loss: NLL,
        functional.multi_margin_loss: MULTI_MARGIN,
        functional.binary_cross_entropy_with_logits: BINARY,
        functional.multilabel_soft_margin_loss: BINARY,
        functional.binary_cross_entropy: BINARY_ON_PROBS,
        functional.mse_loss: MSE,
        functional.l1_loss: MAE,
        functional.huber_loss: HUBER,
        functional.smooth_l1_loss: SMOOTH_L1,
    }
)

OUTDATED = ("size_average", "reduce")
"""Settings that PyTorch itself has given up."""


@dataclass(frozen=True, slots=True)
class KnownLoss:
    """A loss of PyTorch's, with its settings.

    Attributes:
        kind: What it computes.
        compute: The loss as the user has it, past hooks on its module.
        unreduced: The same before anything is averaged or summed.
        settings: `reduction`, `weight`, `ignore_index` and so on, those that it has.
    """

    kind: Kind
    compute: Compute
    unreduced: Compute
    settings: Mapping[str, Any]

    def setting(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - a number, a tensor, text
        """Give a setting; the default where this loss has none of that name."""
        return self.settings.get(name, default)

    @property
    def title(self) -> str:
        """The name in configs, or one that no config knows where a setting makes it another function."""
        family, setting = self.kind.family, self.setting
        if family == "huber" and setting("delta", 1.0) != 1.0:
            return f"huber of delta {setting('delta'):g}"
        if family == "smooth_l1":
            beta = setting("beta", 1.0)
            return {1.0: "huber", 0.0: "mae"}.get(beta, f"smooth_l1 of beta {beta:g}")
        if setting("label_smoothing", 0.0):
            return f"{family} with label smoothing {setting('label_smoothing'):g}"
        if not self.kind.of_one_class and setting("weight") is not None:
            return f"weighted {family}"
        return family


def recognise(loss: Callable[..., Any]) -> KnownLoss | None:
    """Recognise a loss; None for one that is not PyTorch's own, also if it is made of them."""
    if isinstance(loss, nn.Module):
        return _recognise_module(loss)
    function: Any = loss
    keywords: dict[str, Any] = {}
    if isinstance(loss, functools.partial) and not loss.args:
        function, keywords = loss.func, dict(loss.keywords)
    kind = next((kind for known, kind in FUNCTIONS.items() if known is function), None)
    if kind is None or any(keywords.get(name) is not None for name in OUTDATED):
        return None
    settings = {name: each.default for name, each in inspect.signature(function).parameters.items()} | keywords

    def run(reduction: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        own = {name: _as_precise(value, outputs) for name, value in keywords.items()}
        result: torch.Tensor = function(outputs, targets, **own, reduction=reduction)
        return result

    keywords.pop("reduction", None)
    reduction = settings["reduction"]
    return KnownLoss(kind, functools.partial(run, reduction), functools.partial(run, "none"), settings)


def _recognise_module(loss: Any) -> KnownLoss | None:  # noqa: ANN401 - torch has no types for us
    for module, kind in MODULES.items():
        if isinstance(loss, module) and type(loss).forward is module.forward:
            settings = {**vars(loss), **dict(loss.named_buffers()), **dict(loss.named_parameters())}
            own = functools.partial(_run_module, loss, loss.reduction)
            return KnownLoss(kind, own, functools.partial(_run_module, loss, "none"), settings)
    return None


def _run_module(loss: Any, reduction: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Compute a loss module past its hooks, with its weights in the precision of the outputs."""
    kind: Any = type(loss)
    twin = kind.__new__(kind)
    vars(twin).update(vars(loss))  # what `copy.copy` does, in a third of the time
    twin.reduction = reduction
    twin._buffers = {name: _as_precise(value, outputs) for name, value in loss._buffers.items()}  # noqa: SLF001 - a copy's
    result: torch.Tensor = twin.forward(outputs, targets)
    return result


def _as_precise(value: Any, outputs: torch.Tensor) -> Any:  # noqa: ANN401 - a setting of any kind
    return value.to(outputs.dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def without_reduction(loss: Any) -> Compute:  # noqa: ANN401 - as above
    """Give a loss module's computation with `reduction = "none"`; it shares parameters and buffers with the module."""
    twin = copy.copy(loss)
    twin.reduction = "none"
    forward: Compute = twin.forward
    return forward


def to_numbers(weight: torch.Tensor | None) -> Any:  # noqa: ANN401 - an array, or None
    """Give a tensor of weights as float64 numbers."""
    return None if weight is None else torch.as_tensor(weight).detach().double().cpu().numpy()
