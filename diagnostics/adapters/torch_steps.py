"""Training steps read from the user's own PyTorch loop, which calls nothing of ours.

A step is an `optimizer.step()` of an optimizer that holds parameters of the watched module: whatever is accumulated
before it, and however many backward passes that takes. One that a `GradScaler` skips is none. Hooks on all optimizers
see it, and look no further than at its number unless it is wanted. For a wanted step, the module is hooked too, for
one forward pass. A wanted step lasts until every optimizer has taken one (see `torch_optimizers`); the forward pass
watched is that of the first.

What a user's loop does not tell: its loss (but where the optimizer is given a closure, which returns it), its targets,
and by how much it clipped its gradients: they are seen as the optimizer gets them.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradvitals.diagnostics.adapters.torch_batches import BatchFinder
from gradvitals.diagnostics.adapters.torch_forward import ForwardWatch
from gradvitals.diagnostics.adapters.torch_hand_steps import HandSteps
from gradvitals.diagnostics.adapters.torch_layers import layer_arrays
from gradvitals.diagnostics.adapters.torch_loop_notes import LoopNotes
from gradvitals.diagnostics.adapters.torch_network import UNWARNED, TorchNetwork
from gradvitals.diagnostics.adapters.torch_optimizers import Optimizers, Share
from gradvitals.diagnostics.adapters.torch_pull import PullWatch
from gradvitals.diagnostics.adapters.torch_updates import UpdateMeter
from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.notes import Note
from gradvitals.engine.events import GradientsReady, LayerForward, StepEnded, TrainingEnded, TrainingStarted
from gradvitals.engine.hooks import Due

Reason = Literal["completed", "interrupted", "failed"]


class TorchSteps:
    """Sends the events of a user's loop to the subscribers of a network.

    Attributes:
        steps: Taken so far.
    """

    def __init__(
        self,
        network: TorchNetwork,
        module: nn.Module,
        *,
        guard: Guard,
        optimizers: Sequence[Optimizer] = (),
        total_steps: int | None = None,
        note: Callable[[Note], None] | None = None,
        measured: Container[str] | None = None,
        known: Sequence[Note] = (),
        pull: PullWatch | None = None,
        finder: BatchFinder | None = None,
    ) -> None:
        """Hook all optimizers, and the module for its first forward.

        Args:
            network: Whose subscribers get the events.
            module: What the user calls: the network's module, or what `torch.compile` made of it.
            guard: Is around everything that hooks call.
            optimizers: Whose steps count; without any, those of all that hold parameters of the module.
            total_steps: Planned steps; None where nobody knows.
            note: Receives notes of what the loop does with gradients, as of `LoopNotes`; without it, nobody asks.
            measured: Activations whose training outputs anybody measures, as of `ForwardWatch`.
            known: Notes of what was known before, sent when the training starts.
            pull: Is asked to listen to the gradient on the outputs.
            finder: Is asked which examples a batch holds.
        """
        self.steps = 0
        self._network, self._hooks, self._total_steps, self._guard = network, network.hooks, total_steps, guard
        self._optimizers = Optimizers(network, tuple(optimizers))
        self._started = self._ended = False
        self._present: _Step | None = None
        self._wanted: Due | None = None
        self._unwatched: Callable[[], Optimizer | None] = _nobody
        self._updates = UpdateMeter()
        self._finder = finder
        self._notes = None
        if note is not None:
            self._notes = LoopNotes(
                network, self._optimizers, lambda: self.steps, note, guard=guard, known=known, pull=pull
            )
        read = finder.read if finder is not None and finder.is_curious else None
        self._forward = ForwardWatch(
            network, module, self._seen_forward, measured, guard=guard, listen=self._listen, read=read
        )
        self._times_armed = self._forward.times_armed
        self._by_hand = HandSteps(
            module,
            guard,
            before=lambda optimizer: self._before_step(optimizer, (), {}),
            after=lambda optimizer: self._after_step(optimizer, None, None),
            begin=self._begin_forward,
        )
        self._handles = [  # until the end: to unhook in between fails whatever other thread is in a step just then
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]

    @UNWARNED
    def end(self, reason: Reason) -> None:
        """Unhook everything and, if a training has started, say that it ended; a second call does nothing.

        One of which a scaler skipped every step has started, and taken none.
        """
        for handle in self._handles:
            handle.remove()
        if self._ended:
            return
        with self._guard:
            self._by_hand.settle()
        self.stop()
        with self._guard:
            began = self._started
            if not began and self._notes is not None and self._notes.never_began:
                self._start(self._notes.waiting)
            if self._started:
                if self._notes is not None:
                    self._notes.end(self.steps, self._network.never_called, began=began)
                self._hooks.emit(TrainingEnded(self.steps, reason))
            elif self._notes is not None:
                self._notes.end_unseen()

    def stop(self) -> None:
        """Look at nothing any more; the hooks of optimizers stay until the end, as they may be what is running."""
        self._ended = True
        self._by_hand.stop()
        self._forward.stop()
        if self._notes is not None:
            self._notes.stop()
        self._present = self._wanted = None

    def _seen_forward(self) -> None:
        if self._started:
            self._send_forward()
            self._forward.disarm()

    def _begin_forward(self, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - whatever a module takes
        """Watch the forward that a step by hand was found out in, if it is wanted."""
        if self._forward.times_armed > self._times_armed:
            self._times_armed = self._forward.times_armed
            self._forward.begin(args, kwargs)

    def _listen(self, outputs: Any) -> bool:  # noqa: ANN401 - whatever a module returns
        """Hand on what a training forward returned; tell whether anybody wants the next."""
        return self._notes is not None and self._notes.listen(outputs, self.steps + 1)

    def _send_forward(self) -> None:
        """Send the forward of the step to come, and let its tensors go."""
        due, calls = self._hooks.due(self.steps + 1), self._forward.calls
        if calls and due is not None and due.wants(LayerForward):
            self._network.emit_forward(calls, due.emit, self.steps + 1, "training")
        self._forward.calls = {}

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - torch's own
        """Show the gradients of a wanted step; where a closure computes them, once it has."""
        if self._unwatched() is optimizer and self.steps + 1 < self._hooks.wanted:
            return None
        with self._guard:
            if not self._is_looked_at(optimizer):
                return None
            closure = args[1] if len(args) > 1 else kwargs.get("closure")
            if closure is not None:
                shown = self._showing_afterwards(optimizer, closure)
                return ((args[0], shown), {}) if len(args) > 1 else (args, kwargs | {"closure": shown})
            self._show_gradients(optimizer)
        return None

    def _is_looked_at(self, optimizer: Optimizer) -> bool:
        """Tell whether a step that is about to be taken is wanted, or still owed to a wanted one."""
        if self._ended:
            return False
        if self._started and self.steps + 1 != self._hooks.wanted:
            return self._wanted is not None and self._optimizers.is_owed_a_look(optimizer)
        return self._optimizers.counts(optimizer)

    def _showing_afterwards(self, optimizer: Optimizer, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Give a closure that shows the gradients that it has computed."""

        def show_afterwards() -> Any:  # noqa: ANN401 - whatever the closure gives
            loss = closure()
            with self._guard:
                if self._present is None and not self._ended:
                    self._show_gradients(optimizer)
                    if self._present is not None:
                        self._present.loss = _as_number(loss)
            return loss

        return show_afterwards

    @UNWARNED
    def _show_gradients(self, optimizer: Optimizer) -> None:
        """Start the training if this is its first step; keep the parameters to tell the update afterwards."""
        if not self._started:
            self._start(optimizer)
        if _skips(optimizer):
            return
        wanted = self._hooks.due(self.steps + 1)
        due = wanted or self._wanted
        if self._notes is not None:
            self._notes.settle(optimizer, self.steps + 1)
        if due is None:
            return
        self._wanted = due
        self._optimizers.look(optimizer, anew=wanted is not None)
        if self._notes is not None:
            self._notes.look(optimizer, self.steps + 1)
        share = self._optimizers.share_of(optimizer)
        if due.wants(GradientsReady):
            scale = getattr(optimizer, "grad_scale", None)
            gradients = {name: _gradient(each, scale) for name, each in share.parameters.items()}
            due.emit(GradientsReady(self.steps + 1, layer_arrays(share.layers, gradients)))
        self._present = _Step(due, share)
        if due.wants(StepEnded):
            self._updates.before(share)

    def _after_step(self, optimizer: Optimizer, _: Any, __: Any) -> None:  # noqa: ANN401 - torch's own
        """Count a step; show the update of a wanted one, and get ready if the next is wanted too."""
        if self._unwatched() is optimizer and self.steps + 2 < self._hooks.wanted and not _may_skip(optimizer):
            self.steps += 1
            return
        with self._guard:
            if not self._ended:
                self._count(optimizer)

    def _count(self, optimizer: Optimizer) -> None:
        if not self._optimizers.counts(optimizer) or _skips(optimizer):
            if not self._started and self._notes is not None:
                self._notes.pass_over()
                self._by_hand.stop()
            return
        present, self._present = self._present, None
        self.steps += 1
        if present is not None and present.due.wants(StepEnded):
            self._show_update(present, optimizer)
        if self.steps >= self._hooks.wanted:
            self._hooks.passed(self.steps)
        self._forward.calls = None
        is_next = self._hooks.wanted == self.steps + 1
        self._unwatched = _nobody if is_next else self._optimizers.settled(optimizer) or _nobody
        if is_next and self._wants_forward():
            self._forward.arm()
        else:
            self._forward.disarm()
        if is_next and self._notes is not None and self._notes.is_curious and not self._forward.is_compiled:
            self._notes.arm(optimizer)

    def _wants_forward(self) -> bool:
        """Tell whether anybody wants to see the forward pass of the next step."""
        due = self._hooks.due(self.steps + 1)
        return due is not None and due.wants(LayerForward)

    @UNWARNED
    def _show_update(self, present: "_Step", optimizer: Optimizer) -> None:
        """Send what the parameters are, and by how much they moved."""
        updates, parameters = self._updates.after(present.share)
        present.due.emit(
            StepEnded(
                step=self.steps,
                loss=present.loss,
                clip_factor=1.0,
                learning_rate=self._optimizers.learning_rate(optimizer),
                updates=updates,
                parameters=parameters,
                targets=None if self._finder is None else self._finder.take(),
            )
        )

    def _start(self, optimizer: Optimizer | None) -> None:
        """Say that a training starts: before its first update, when batch size and optimizer are known."""
        self._started, self._forward.is_first = True, False
        if not self._by_hand.is_one_of_them(optimizer):
            self._by_hand.stop()
        self._network.learn_from_modules()
        self._hooks.emit(
            TrainingStarted(
                0,
                self._total_steps,
                max(self._forward.samples, 1),
                unheld=self._optimizers.unheld(optimizer),
                never_called=self._network.never_called,
                optimizer=self._optimizers.describe(optimizer),
            )
        )
        if self._notes is not None:
            self._notes.begin()
        self._send_forward()


@dataclass(slots=True)
class _Step:
    """A step under way that is looked at: who wants it, what it moves, its loss where a closure told."""

    due: Due
    share: Share
    loss: float | None = None


def _nobody() -> None:
    """Give the optimizer whose next step need not be looked at: there is none."""


def _may_skip(optimizer: Optimizer) -> bool:
    return getattr(optimizer, "found_inf", None) is not None


def _skips(optimizer: Optimizer) -> bool:
    """Tell whether a step is one that a fused optimizer leaves out under a GradScaler; others are not even asked to."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and float(found_inf) > 0.0


def _gradient(parameter: torch.Tensor, scale: Any) -> torch.Tensor:  # noqa: ANN401 - a tensor or None
    """Give a parameter's gradient, without the factor that a GradScaler has left on it; zeros where it has none."""
    gradient = parameter.grad
    if gradient is None:
        return torch.zeros_like(parameter)
    gradient = gradient.to_dense() if gradient.is_sparse else gradient
    return gradient if scale is None else gradient / scale


def _as_number(loss: Any) -> float | None:  # noqa: ANN401 - whatever a closure gives
    """Give a closure's loss as a number; None if it is none."""
    if isinstance(loss, torch.Tensor):
        return float(loss.detach()) if loss.numel() == 1 else None
    return float(loss) if isinstance(loss, int | float) else None
