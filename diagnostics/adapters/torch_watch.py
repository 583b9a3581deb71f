"""Watching a PyTorch module: what `watch` makes of one, and the monitor that it gives."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.adapters.random_states import kept_states
from gradvitals.diagnostics.adapters.torch_batches import BatchFinder
from gradvitals.diagnostics.adapters.torch_hindsight import TorchHindsight
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_module_hooks import is_compiled
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.diagnostics.adapters.torch_pull import PullWatch
from gradvitals.diagnostics.adapters.torch_steps import TorchSteps
from gradvitals.diagnostics.adapters.torch_told_data import ToldData
from gradvitals.diagnostics.adapters.torch_watched import FEW, prepare
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.schedule import Every
from gradvitals.diagnostics.sink import Sink
from gradvitals.diagnostics.start_notes import ExchangedTargets, OddLoss
from gradvitals.diagnostics.step_metrics import MEASURED
from gradvitals.diagnostics.validation_set import of_validation_set
from gradvitals.diagnostics.watched_data import WatchedData


class TorchMonitor(Monitor):
    """Watches the training of a module in the user's own loop; that ends with the `with` block, or with `detach`."""

    def __init__(
        self,
        network: TorchNetwork,
        module: nn.Module,
        data: WatchedData | None = None,
        *,
        optimizers: Sequence[Optimizer] = (),
        total_steps: int | None = None,
        every: Every = "auto",
        sinks: Sequence[Sink] = (),
        close: Callable[[], None] | None = None,
    ) -> None:
        """Subscribe to the network, and hook the module and all optimizers.

        Args:
            network: The module as the diagnostics see it.
            module: What the user calls.
            data: As of `Monitor`.
            optimizers: As of `TorchSteps`.
            total_steps: Planned steps; None where nobody knows.
            every: Rhythm of the step scalars.
            sinks: As of `Monitor`.
            close: Called at the end.
        """
        super().__init__(network, data, total_steps=total_steps, every=every, sinks=sinks, guarded=False)
        self._close, self._seen = close, network
        if isinstance(network.loss, KnownTorchLoss):
            network.loss.guard = self._guard
        known: list[Note] = []
        if data is not None and (mixing := network.mixing(data.inputs)) is not None:
            known.append(mixing)
        if getattr(network.loss, "exchanges", False):
            known.append(ExchangedTargets(0, FEW))
        odd = OddLoss(
            0,
            getattr(network.loss, "ignores", False),
            getattr(network.loss, "prefers_wrong", False),
            getattr(network.loss, "not_logarithms", None),
        )
        if odd.ignores_outputs or odd.prefers_wrong or odd.not_logarithms is not None:
            known.append(odd)
        pull = None
        if data is not None and network.loss_name == "mse" and data.targets.shape[1:] == (1,):
            pull = PullWatch(data.targets, self._guard)
        self._told = None if data is not None or is_compiled(module) else ToldData(module, self._guard)
        if not is_compiled(module):
            self._hindsight = TorchHindsight(network, self._told)
        finder = None if data is None else BatchFinder(data.inputs, data.targets)
        self._steps = TorchSteps(
            network,
            module,
            guard=self._guard,
            optimizers=optimizers,
            total_steps=total_steps,
            note=self._recorder.add,
            measured=MEASURED,
            known=known,
            pull=pull,
            finder=finder,
        )

    @property
    def never_called(self) -> tuple[str, ...]:
        """Paths of modules with parameters that no forward pass looked at has come by."""
        return self._seen.never_called

    @property
    def unfollowed(self) -> tuple[str, ...]:
        """Names of weights that are in no layer, as only `einsum` or `bmm` takes them: nothing is said of them."""
        return self._seen.unfollowed

    def _stop(self, why: str) -> None:
        self._steps.stop()
        self._unlisten()
        super()._stop(why)

    def detach(self) -> None:
        """End the training, as far as it is watched, every subscription and every hook, and close the sinks."""
        try:
            self._steps.end("completed")
        finally:
            self._unlisten()
            super().detach()

    def _unlisten(self) -> None:
        """Unhook what listens to the loop's data and loss."""
        if self._told is not None:
            self._told.stop()
        if self._close is not None:
            self._close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._steps.end("failed" if issubclass(kind, Exception) else "interrupted")
        super().__exit__(kind, error, at)


def watch_module(
    module: Any,  # noqa: ANN401 - whatever looks like a module
    *,
    data: object = None,
    validation: object = None,
    loss: Callable[..., Any] | None = None,
    optimizer: object = None,
    total_steps: int | None = None,
    every: Every = "auto",
    open_sinks: Callable[[], Sequence[Sink]] = tuple,
) -> TorchMonitor:
    """Watch a module; see `watch`.

    Args:
        module: The module.
        data: Its training set.
        validation: Its validation set.
        loss: What it is trained with.
        optimizer: One, or several.
        total_steps: Planned steps.
        every: Rhythm of the step scalars.
        open_sinks: Is called once everything has been found in order, so that no mistake leaves a file.

    Raises:
        TypeError: If the module or the optimizer is of a kind that cannot be watched.
        ValueError: If the module cannot be run on the data, or the loss on what it gives.
    """
    _require_watchable(module)
    optimizers = _optimizers(optimizer)
    network = TorchNetwork(module)
    watched, close = None, None
    if data is not None:
        watched, close = _look_at(network, data, validation, loss)
        if not network.layers:
            msg = (
                f"cannot watch this {type(module).__name__}: on the data, no linear, convolutional, recurrent or"
                " embedding operation reads a parameter of it"
                + (f"; {', '.join(network.unfollowed)} go another way, as through einsum" if network.unfollowed else "")
            )
            raise TypeError(msg)
    return TorchMonitor(
        network,
        module,
        watched,
        optimizers=optimizers,
        total_steps=total_steps,
        every=every,
        sinks=open_sinks(),
        close=close,
    )


def _look_at(
    network: TorchNetwork, data: object, validation: object, loss: Callable[..., Any] | None
) -> tuple[WatchedData, Callable[[], None] | None]:
    """Read the data, run the module on a few of them, and adapt the loss."""
    if isinstance(data, WatchedData):
        if data.validation_inputs is not None and data.validation_targets is not None:
            validation = data.validation_inputs, data.validation_targets
        data = data.inputs, data.targets
    watched, network.loss = prepare(data, loss, network.look, validation=validation)
    if watched.validation_inputs is not None and watched.validation_targets is not None:
        with of_validation_set(), kept_states():
            network.probe(watched.validation_inputs[:FEW], watched.validation_targets[:FEW])
    return watched, getattr(network.loss, "close", None)


def _require_watchable(module: Any) -> None:  # noqa: ANN401 - as above
    """Say now what would otherwise go wrong later.

    Raises:
        TypeError: If the module is of a kind whose inside cannot be seen, or has no parameters yet.
    """
    kind = type(module).__name__
    compiled = [path for path, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if compiled:
        what = f"this {kind} with its part {compiled[0]!r}" if compiled[0] else f"a {kind}"
        msg = f"cannot watch {what}: what torch.jit compiles cannot be seen into; watch the module it was made of"
        raise TypeError(msg)
    if any(is_lazy(parameter) for parameter in module.parameters()):
        msg = f"this {kind} has lazy parameters that do not exist yet: run a batch through it before watching"
        raise TypeError(msg)
    if not any(parameter.ndim > 1 for parameter in module.parameters()):
        msg = f"cannot watch this {kind}: it has no weights"
        raise TypeError(msg)


def _optimizers(optimizer: object) -> tuple[Optimizer, ...]:
    """Take one optimizer, several, or none.

    Raises:
        TypeError: If it is anything else.
    """
    several = tuple(optimizer) if isinstance(optimizer, tuple | list) else (optimizer,)
    optimizers = tuple(getattr(each, "optimizer", each) for each in several if each is not None)
    if not all(isinstance(each, Optimizer) for each in optimizers):
        msg = f"optimizer must be a torch.optim.Optimizer, or a list of them, got a {type(optimizer).__name__}"
        raise TypeError(msg)
    return optimizers
