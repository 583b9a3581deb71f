"""The optimizers of a module: whose steps count, what each of them moves, and whose turn it is to be looked at.

Of several, as of an encoder and a decoder, each has steps of its own. A rhythm over all steps may always meet the same
one, so a wanted step counts until everything that is moved has been looked at: the next step of an optimizer that moves
anything else is looked at too. That costs a plain step one lookup, and an optimizer that is no longer used nothing.
"""

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.adapters.torch_by_hand import ByHand
from gradvitals.diagnostics.adapters.torch_layers import Layer
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.engine.events import OptimizerInfo


@dataclass(frozen=True, slots=True)
class Share:
    """What a step of one optimizer is about.

    Attributes:
        layers: All but those of which only others move anything.
        parameters: Of these layers, by full name.
        moving: The same layers, with no parameter that only another optimizer moves.
        moved: The parameters of these.
    """

    layers: Sequence[Layer]
    parameters: Mapping[str, torch.nn.Parameter]
    moving: Sequence[Layer]
    moved: Mapping[str, torch.nn.Parameter]


@dataclass(frozen=True, slots=True)
class _Known:
    """An optimizer that has been met, how many groups it had then, and what it holds of the module, by identity."""

    optimizer: weakref.ref[Optimizer]
    groups: int
    held: frozenset[int]


@dataclass(slots=True)
class Optimizers:
    """What is known of a module's optimizers.

    Attributes:
        network: The module.
        named: The only ones that count; without any, all that hold parameters of the module do.
    """

    network: TorchNetwork
    named: tuple[Optimizer, ...] = ()
    _known: dict[int, _Known] = field(default_factory=dict)
    _ever_held: set[int] = field(default_factory=set)
    _ever_trained: set[str] = field(default_factory=set)
    _settled: set[int] = field(default_factory=set)
    _looked_at: set[int] = field(default_factory=set)
    _shares: dict[int, tuple[tuple[Any, ...], Share]] = field(default_factory=dict)

    def counts(self, optimizer: Optimizer) -> bool:
        """Tell whether a step of this optimizer is one of the module's."""
        if self.named:
            return any(optimizer is one for one in self.named)
        return bool(self._held(optimizer))

    @property
    def ever_held(self) -> frozenset[int]:
        """The parameters that any of those met holds, by identity."""
        return frozenset(self._ever_held)

    def is_owed_a_look(self, optimizer: Optimizer) -> bool:
        """Tell whether it moves anything that has not been looked at since the last wanted step."""
        if id(optimizer) in self._settled:
            return False
        self._settled.add(id(optimizer))
        return self.counts(optimizer) and not self._held(optimizer) <= self._looked_at

    def trained_by(self, optimizer: Optimizer) -> list[torch.Tensor]:
        """Give the parameters of the module that it holds and that are to have a gradient."""
        held = self._held(optimizer)
        return [each for each in _parameters_of(optimizer) if id(each) in held and each.requires_grad]

    def frozen_by(self, optimizer: Optimizer) -> list[torch.Tensor]:
        """Give the parameters of the module that it holds where all that it holds at all is frozen, and can not move.

        One that holds others besides, or a module that is frozen as a whole, may be meant so.
        """
        held, own = self._held(optimizer), _parameters_of(optimizer)
        if any(each.requires_grad for each in own):
            return []
        learns = any(each.requires_grad for each in self.network.module.parameters())
        return [each for each in own if id(each) in held] if learns else []

    def settled(self, optimizer: Optimizer) -> Callable[[], Optimizer | None] | None:
        """Give a reference to an optimizer that counts and is owed no look, to know it again by; None to any other."""
        known = self._known.get(id(optimizer))
        if known is None or id(optimizer) not in self._settled or known.optimizer() is not optimizer:
            return None
        return known.optimizer

    def look(self, optimizer: Optimizer, *, anew: bool) -> None:
        """Take note that a step of this one is looked at; anew where the rhythm wants it, and so all others' next."""
        if anew:
            self._settled.clear()
            self._looked_at.clear()
        self._settled.add(id(optimizer))
        self._looked_at |= self._held(optimizer)

    def unheld(self, first: Optimizer | None) -> tuple[str, ...]:
        """Name the layers that have gradients and none of whose parameters any optimizer holds; ask at the first step.

        Args:
            first: Whose step it is: without names, the only one that is known; None where there is none at all.
        """
        known = self.named or (() if first is None else (first,))
        held = {id(each) for one in known for each in _parameters_of(one)}
        free = self.network.layers_with(lambda each: each.requires_grad) - self.network.layers_with(
            lambda each: id(each) in held
        )
        return tuple(info.name for info in self.network.layers if info.name in free)

    def share_of(self, optimizer: Optimizer) -> Share:
        """Give what a step of this one is about: whatever has ever had a gradient to get, but for what others move."""
        names, others = self.network.names, tuple(map(self._held, self.named))
        key = names, others, self._held(optimizer), len(self._ever_held)
        known, share = self._shares.get(id(optimizer), (None, None))
        if share is not None and known == key:
            return share
        if any(other is not names for (other, *_), _ in self._shares.values()):
            self._shares.clear()  # nothing that was replaced is held on to
        share = self._share_anew(optimizer)
        if len(self._ever_trained) == len(self.network.layers):
            self._shares[id(optimizer)] = key, share
        return share

    def _share_anew(self, optimizer: Optimizer) -> Share:
        network = self.network
        if len(self._ever_trained) < len(network.layers):
            self._ever_trained |= network.layers_with(lambda each: each.requires_grad)
        own = self._held(optimizer)
        elsewhere = self._ever_held.union(*map(self._held, self.named)) - own
        names = self._ever_trained
        if elsewhere:
            names = names - (
                network.layers_with(lambda each: id(each) in elsewhere)
                - network.layers_with(lambda each: id(each) in own)
            )
        layers, parameters = network.chosen_layers(names), network.watched_parameters(names)
        if elsewhere.isdisjoint(map(id, parameters.values())):
            return Share(layers, parameters, layers, parameters)
        moved = {name: each for name, each in parameters.items() if id(each) not in elsewhere}
        return Share(layers, parameters, [only for layer in layers if (only := layer.with_only(moved))], moved)

    def learning_rate(self, optimizer: Optimizer) -> float:
        """Give the least rate of the groups that hold parameters of the module: no rule may take it for too large.

        It is not a number where the optimizer, as one of the user's own, knows none.
        """
        own = self.network.latest_names.by_identity
        groups = [group for group in optimizer.param_groups if any(id(each) in own for each in group["params"])]
        rates = [float(group["lr"]) for group in groups if "lr" in group]
        return min(rates, default=math.nan)

    def describe(self, optimizer: Optimizer | None) -> OptimizerInfo | None:
        """Give what is known of an optimizer: None where it does not train all, or has several rates or momenta."""
        if optimizer is None or isinstance(optimizer, ByHand) or "lr" not in optimizer.param_groups[0]:
            return None  # a first step by hand does not tell whether later ones have momentum
        trained = {id(each) for each in self.network.module.parameters() if each.requires_grad}
        if not trained <= self._held(optimizer):
            return None
        first = optimizer.param_groups[0]
        settings = {(float(group["lr"]), _momentum(group)) for group in optimizer.param_groups}
        if len(settings) > 1:
            return None
        kind = type(optimizer).__name__.lower()
        return OptimizerInfo(kind, float(first["lr"]), _momentum(first), bool(first.get("nesterov", False)))

    def _held(self, optimizer: Optimizer) -> frozenset[int]:
        """Give what it holds of the module; optimizers are not kept alive, nor is their state."""
        known = self._known.get(id(optimizer))
        groups = len(optimizer.param_groups)
        if known is None or known.groups != groups or known.optimizer() is not optimizer:
            own = {id(parameter) for parameter in self.network.module.parameters()}
            held = frozenset(id(each) for each in _parameters_of(optimizer) if id(each) in own)
            known = self._known[id(optimizer)] = _Known(weakref.ref(optimizer), groups, held)
            self._ever_held |= held
        return known.held


def _momentum(group: Mapping[str, Any]) -> float:
    return float(group.get("momentum") or 0.0)


def _parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
