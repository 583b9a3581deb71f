"""A PyTorch module as an `Observable`: its layers, its parameters, and frozen passes through it."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._pytree import tree_map_only

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.row_mixing import find_mixing
from gradvitals.diagnostics.adapters.step_hooks import StepHooks
from gradvitals.diagnostics.adapters.torch_arrays import as_array, to_tensor
from gradvitals.diagnostics.adapters.torch_backward import run_backward
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_chain import Chain, are_plain
from gradvitals.diagnostics.adapters.torch_events import emit_forward
from gradvitals.diagnostics.adapters.torch_frozen import Tables, attributes_of, changed_since, frozen, untouched
from gradvitals.diagnostics.adapters.torch_given import Given, InputForm
from gradvitals.diagnostics.adapters.torch_layers import (
    MIXED,
    Layer,
    LayerViews,
    ParameterNames,
    calls_by_layer,
    layers_of,
    layers_of_modules,
    uncalled_modules,
    unfollowed_weights,
)
from gradvitals.diagnostics.adapters.torch_loss_protocol import LossAdapter
from gradvitals.diagnostics.adapters.torch_outputs import is_behind_one, main_tensor
from gradvitals.diagnostics.adapters.torch_trace import Trace
from gradvitals.diagnostics.start_notes import MixedRows
from gradvitals.engine.events import (
    Array,
    LayerArrays,
    LayerInfo,
    LossInfo,
    Observer,
    ProbeResult,
    Source,
)

UNWARNED = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Observers measure what overflows."""


class TorchNetwork:
    """A module that can be watched.

    Attributes:
        module: The module; of a compiled one, the original.
        hooks: Where observers subscribe; `TorchSteps` sends them the events of the user's own loop.
        loss: What it is trained with; None where nobody says.
        never_called: Paths of modules with parameters that neither the first look nor a training forward came by.
        unfollowed: Parameters of two dimensions or more that the first look came by, and that are in no layer.
    """

    def __init__(self, module: nn.Module, loss: LossAdapter | None = None) -> None:
        """Take a module; its layers are known once it has been looked at, or from the first training forward on.

        Args:
            module: The module, or what `torch.compile` made of one.
            loss: What it is trained with; without one, no gradients are probed.
        """
        self.module: nn.Module = getattr(module, "_orig_mod", module)
        self.hooks = StepHooks()
        self.never_called: tuple[str, ...] = ()
        self.unfollowed: tuple[str, ...] = ()
        self._ends_otherwise = self._is_behind_one = False
        self.loss = loss
        self._form: InputForm | None = None
        self._layers: dict[str, Layer] = {}
        self._chain = Chain(self.module, [])
        self._start: Tables = ()
        self._names, self._views = ParameterNames(self.module), LayerViews()
        self._known: dict[str, nn.Parameter] = {}
        self._watched: dict[frozenset[str] | None, dict[str, nn.Parameter]] = {}
        self._like = next((each for each in self.module.parameters() if each.is_floating_point()), torch.empty(0))

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """The layers in the order of the forward pass."""
        return tuple(layer.info for layer in self._layers.values())

    @property
    def layerwise(self) -> bool:
        """Whether it is a plain chain of linear layers and activations that work on each unit, and is as it was."""
        return self._chain.holds(self.names)

    @property
    def loss_name(self) -> str:
        """The loss, named as in configs; `unknown` without one."""
        return "unknown" if self.loss is None else self.loss.name

    @property
    def loss_info(self) -> LossInfo | None:
        """What the loss takes; None for one that is not known, or that gets something else in training."""
        return None if self.loss is None or self._ends_otherwise else self.loss.info

    @property
    def class_weight(self) -> Array | None:
        """The loss's factor for each class; None where it has none."""
        return None if self.loss is None else self.loss.class_weight

    @property
    def names(self) -> ParameterNames:
        """The module's parameters as they are now."""
        if not self._names.are_current:
            self._names, self._watched = ParameterNames(self.module), {}
        return self._names

    @property
    def latest_names(self) -> ParameterNames:
        """The module's parameters as they were when last asked for."""
        return self._names

    def parameters_by_layer(self) -> LayerArrays:
        """Give read-only views of the parameters, weights as `(fan_in, fan_out)`; on the CPU without a copy."""
        return self._views.of(self.chosen_layers(), self.watched_parameters())

    def chosen_layers(self, names: AbstractSet[str] | None = None) -> list[Layer]:
        """Give the layers of these names, in order; all by default."""
        return [layer for name, layer in self._layers.items() if names is None or name in names]

    def watched_parameters(self, layers: AbstractSet[str] | None = None) -> dict[str, nn.Parameter]:
        """Give the parameters of layers as they are now, by full name; one that is gone is as it was last."""
        now, chosen = self.names.by_name, None if layers is None else frozenset(layers)
        if chosen not in self._watched:
            full_names = [full for layer in self.chosen_layers(layers) for full in layer.parameters.values()]
            self._known |= {full: now[full] for full in full_names if full in now}
            self._watched[chosen] = {full: self._known[full] for full in full_names}
        return self._watched[chosen]

    def layers_with(self, chosen: Callable[[nn.Parameter], bool]) -> frozenset[str]:
        """Name the layers of which any parameter is chosen."""
        parameters = self.watched_parameters()
        return frozenset(
            name
            for name, layer in self._layers.items()
            if any(chosen(parameters[full]) for full in layer.parameters.values())
        )

    def sort(self, calls: Sequence[Call], names: ParameterNames) -> dict[str, list[Call]]:
        """Sort calls by layer."""
        return calls_by_layer(calls, self._layers, names)

    def compare(self, calls: Sequence[Call], names: ParameterNames, used: AbstractSet[int]) -> None:
        """Hold a training forward against the first look, which was frozen.

        Auxiliary outputs may be called in training only. And what ends otherwise there, as in logits of which it makes
        probabilities when it is frozen, gives the loss something else in training than in probes.

        Args:
            calls: Of the training forward.
            names: The parameters as they were in it.
            used: The parameters that any function was given, by identity.
        """
        if self._layers:
            last = list(self._layers.values())[-1].info
            named = zip(calls, names.layers_of(calls), strict=True)
            ends = {call.activation for call, name in named if name == last.name}
            self._ends_otherwise = bool(ends) and last.activation not in {*ends, MIXED}
        if self.never_called:
            parts = dict(self.module.named_modules())
            self.never_called = tuple(
                path
                for path in self.never_called
                if path not in parts or used.isdisjoint(map(id, parts[path].parameters(recurse=False)))
            )

    def learn_layers(self, calls: Sequence[Call], names: ParameterNames) -> None:
        """Take the layers from a training forward, if there was no example to look at."""
        if not self._layers:
            self._layers, self._watched = layers_of(calls, names), {}

    def learn_from_modules(self) -> None:
        """Take the layers from the tree of modules, if no forward has shown them; nobody knows their activations."""
        if not self._layers:
            self._layers, self._watched = layers_of_modules(self.module), {}

    def look(self, examples: Array, form: InputForm | None = None) -> Any:  # noqa: ANN401 - whatever the module gives
        """Run a few examples, frozen, to see which layers there are, in which order; give the module's outputs.

        Args:
            examples: `(samples, …)`.
            form: Of inputs that are several; kept for all that is run from now on.

        Raises:
            ValueError: If the module cannot be run on them.
        """
        self._form = form
        called: set[int] = set()
        names, attributes = self.names, attributes_of(self.module.modules())
        handle = register_module_forward_pre_hook(lambda part, _: called.add(id(part)))
        try:
            with frozen(self.module, gradients=False):
                trace, outputs = self._trace(examples, names, gradients=False)
                self._start = changed_since(attributes)  # a state carried on is of another batch than a probe's
            self._is_behind_one = is_behind_one(outputs, len(examples))
        except Exception as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            what = (
                examples.shape
                if form is None
                else " and ".join(f"{each}: {form.fields[each].shape}" for each in form.names)
            )
            msg = (
                f"{type(self.module).__name__} fails on the data's inputs, of shape {what}: {first};"
                " data must give what your loop gives to the model: if it reshapes a batch first, give a list of such"
                " batches, as [(reshaped(inputs), targets) for inputs, targets in loader]"
            )
            raise ValueError(msg) from error
        finally:
            handle.remove()
        layers = layers_of(trace.calls, names)
        if self._layers:  # a training forward has shown them before
            self._hold_against_training(layers)
        self._layers, self._watched = layers, {}
        self.never_called = uncalled_modules(self.module, trace.used, called)
        self.unfollowed = unfollowed_weights(names, trace.used, self._layers.values())
        is_plain = form is None and trace.is_chain and len(trace.calls) == len(self._layers) and are_plain(trace.calls)
        self._chain = Chain(self.module, trace.calls if is_plain else [])
        return outputs

    def _hold_against_training(self, layers: Mapping[str, Layer]) -> None:
        """See whether a frozen look ends otherwise than in training.

        Raises:
            ValueError: If it goes through other layers.
        """
        if layers.keys() != self._layers.keys():
            msg = f"{type(self.module).__name__} runs through other layers in evaluation than in training"
            raise ValueError(msg)
        trained, now = (list(each.values())[-1].info.activation for each in (self._layers, layers))
        self._ends_otherwise = now not in {trained, MIXED}

    @UNWARNED
    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Run frozen on some samples; for an observer backward too, into gradients of the probe's own.

        Args:
            inputs: `(samples, …)`.
            targets: `(samples, columns)`.
            observer: Receives a LayerForward per layer, then a LayerBackward per layer in reverse order: none of layers
                that this pass did not come by, and no LayerBackward of those of which only the outputs are seen.
            step: The step the events carry.
        """
        loss = self.loss
        with frozen(self.module, gradients=observer is not None and loss is not None, start=self._start):
            calls, outputs = self._run(inputs, gradients=observer is not None)
            outputs = self._samples_first(outputs)
            if observer is not None:
                self.emit_forward(calls, observer, step, "probe")
            if loss is None:
                rows = ops.tensors_in(outputs)[0]
                return ProbeResult(np.zeros(len(inputs), np.float32), as_array(rows.reshape(len(inputs), -1)))
            losses = as_array(loss.sample_losses(outputs, targets)).copy()
            scores = loss.scores(outputs, targets)
            grad_outputs = None
            if observer is not None:
                grad_outputs = run_backward(
                    self._layers.values(), calls, outputs, targets, loss=loss, observer=observer, step=step
                )
            return ProbeResult(losses, as_array(loss.rows(outputs)).copy(), scores, grad_outputs)

    @UNWARNED
    def observe(self, inputs: Array, observer: Observer, *, step: int = 0) -> None:
        """Run forward only, frozen: the observer receives a LayerForward per layer that the pass comes by."""
        with frozen(self.module, gradients=False, start=self._start):
            calls, _ = self._run(inputs, gradients=False)
            self.emit_forward(calls, observer, step, "probe")

    @UNWARNED
    def mixing(self, inputs: Array) -> MixedRows | None:
        """Tell whether the output of a sample depends on the others in its batch; None where not, or not to be told.

        A batch norm without running statistics is made to.
        """
        norms = (part for part in self.module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))  # noqa: SLF001 - the base of all
        if any(norm.running_mean is None for norm in norms):
            return None

        def answer(samples: Array) -> Array:
            with frozen(self.module, gradients=False, start=self._start):
                return as_array(main_tensor(self._samples_first(self._call(self._given(samples)))))

        try:
            return find_mixing(answer, inputs)
        except Exception:  # noqa: BLE001 - whatever a module raises that takes batches of one size only
            return None

    def run_again(self, args: Any, kwargs: Any) -> dict[str, list[Call]]:  # noqa: ANN401 - whatever the module takes
        """Run on what a training forward was given, frozen but for the modes, and sort the calls by layer.

        Nothing that the gradients of that forward depend on is changed, nor what the user's hooks take note of.

        Raises:
            Exception: Whatever the module raises, or what went wrong while following it.
        """
        names = self.names
        trace = Trace(names.by_identity, names.buffers)
        with frozen(self.module, gradients=False, as_trained=True), untouched(self.module, args, kwargs) as given:
            with trace:
                outputs = self.module(*given[0], **given[1])
            if trace.failed is not None:
                raise trace.failed
        trace.finish((), outputs)
        return calls_by_layer(trace.calls, self._layers, names)

    def layer_outputs(self, index: int, inputs: Array, units: Array | None = None) -> Array:
        """Compute the outputs `(samples, units)` of one layer, or of some units only, from that layer's inputs.

        Raises:
            ValueError: If the module is not `layerwise`.
        """
        layer = list(self._layers.values())[index]
        if not self.layerwise:
            msg = f"{layer.info.name} cannot be run by itself in a module that is no plain chain: observe it whole"
            raise ValueError(msg)
        parameters = self.watched_parameters()
        weight, bias = (parameters[layer.parameters[what]] for what in ("weight", "bias"))
        if units is not None:
            chosen = torch.from_numpy(units).to(weight.device)
            weight, bias = weight.detach()[chosen], bias.detach()[chosen]
        return as_array(self._chain.outputs(index, self._tensor(inputs), weight, bias, self._like.device))

    @UNWARNED
    def emit_forward(self, calls: Mapping[str, Sequence[Call]], observer: Observer, step: int, source: Source) -> None:
        """Send a LayerForward per layer that was called."""
        emit_forward(self._layers.values(), calls, observer, step=step, source=source)

    def _run(self, inputs: Array, *, gradients: bool) -> tuple[dict[str, list[Call]], Any]:
        """Run the module, frozen already, and sort its calls by layer."""
        names = self.names
        trace, outputs = self._trace(inputs, names, gradients=gradients)
        return calls_by_layer(trace.calls, self._layers, names), outputs

    def _trace(self, inputs: Array, names: ParameterNames, *, gradients: bool) -> tuple[Trace, Any]:
        trace = Trace(names.by_identity, names.buffers, gradients=gradients)
        given = self._given(inputs, gradients=gradients)
        with trace:
            outputs = self._call(given)
        if trace.failed is not None:
            raise trace.failed
        trace.finish(given, outputs)
        return trace, outputs

    def _given(self, inputs: Array, *, gradients: bool = False) -> Given:
        """Give what the module is called with; copies, as it may write into them."""
        args, kwargs = ((self._tensor(inputs),), {}) if self._form is None else self._form.apart(inputs, self._like)
        if gradients:
            for tensor in ops.tensors_in((args, kwargs)):
                if tensor.is_floating_point():
                    tensor.requires_grad_()  # so that frozen layers get gradients too

        def copied(value: Any) -> Any:  # noqa: ANN401 - whatever a module takes
            return tree_map_only(torch.Tensor, torch.clone, value)

        return copied(args), copied(kwargs)

    def _call(self, given: Given) -> Any:  # noqa: ANN401 - whatever the module gives
        return self.module(*given[0], **given[1])

    def _samples_first(self, outputs: Any) -> Any:  # noqa: ANN401 - whatever the module gives
        return outputs[0] if self._is_behind_one else outputs

    def _tensor(self, inputs: Array) -> torch.Tensor:
        return to_tensor(np.asarray(inputs), self._like)
