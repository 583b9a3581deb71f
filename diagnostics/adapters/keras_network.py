"""A Keras model as an `Observable`: its layers, its parameters, and frozen passes through it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from gradvitals.diagnostics.adapters import keras_kinds as kinds
from gradvitals.diagnostics.adapters.keras_backend import Tensor, as_array, as_rows, frozen
from gradvitals.diagnostics.adapters.keras_loss import KerasLoss
from gradvitals.diagnostics.adapters.keras_passes import FrozenPasses, Look, Pass
from gradvitals.diagnostics.adapters.keras_trace import Call, Trace, layer_names, operations_of
from gradvitals.diagnostics.adapters.keras_unused import is_trained_by_keras, unused_parts
from gradvitals.diagnostics.adapters.row_mixing import find_mixing
from gradvitals.diagnostics.adapters.step_hooks import StepHooks
from gradvitals.diagnostics.start_notes import MixedRows
from gradvitals.diagnostics.wording import telling_line
from gradvitals.engine.events import (
    Array,
    LayerArrays,
    LayerBackward,
    LayerForward,
    LayerInfo,
    LossInfo,
    Observer,
    ProbeResult,
)

ELEMENTWISE = frozenset({"linear", "relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu"})
"""Activations by which a unit's output can be computed from its own pre-activation alone, and ours has a name for."""

MIXED, UNKNOWN = "mixed", "unknown"
"""The activation of a layer called with several; of one whose outputs something unseen turns into the model's."""


class KerasNetwork:
    """A model that can be watched.

    Attributes:
        model: The model.
        hooks: Where observers subscribe; `KerasMonitor` sends them the events of `fit`.
        never_called: Paths of parts with weights that a look at examples did not come by.
        is_masked: Whether a mask comes with the outputs, by which a loss leaves some positions out.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - Keras has no types for us
        """Take a model that is built; without examples to look at, its layers are in the order they were made in."""
        self.model = model
        self.hooks = StepHooks()
        self.never_called: tuple[str, ...] = ()
        self.is_masked = False
        self._names = layer_names(model)
        self._passes = FrozenPasses(model, self._names)
        by_name = {self._names[id(layer)]: layer for layer in operations_of(model) if id(layer) in self._names}
        found = {name: kinds.weighted(layer) for name, layer in by_name.items()}
        self._kinds = {name: kind for name, kind in found.items() if kind is not None}
        self._layers = {name: self._info(name, UNKNOWN) for name in self._kinds}
        self._activations: list[Callable[[Tensor], Tensor] | None] = []

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """The layers in the order of the forward pass."""
        return tuple(self._layers.values())

    @property
    def layerwise(self) -> bool:
        """Whether it is a plain chain of dense layers and activations that work on each unit."""
        return bool(self._activations)

    @property
    def reads_names(self) -> bool:
        """Whether it takes names, such as token ids, and no quantities: there is an embedding."""
        return any(isinstance(layer, keras.layers.Embedding) for layer in operations_of(self.model))

    @property
    def loss(self) -> KerasLoss | None:
        """What it is trained with; None where nobody says."""
        return self._passes.loss

    def take_loss(self, loss: KerasLoss | None) -> None:
        """Take the loss, or that there is none that can be computed."""
        self._passes.loss = loss

    @property
    def loss_name(self) -> str:
        """The loss, named as in configs; `unknown` without one."""
        return "unknown" if self.loss is None else self.loss.name

    @property
    def loss_info(self) -> LossInfo | None:
        """What the loss takes; None for one that is not known."""
        return None if self.loss is None else self.loss.info

    @property
    def class_weight(self) -> Array | None:
        """The loss's factor for each class; None where it has none."""
        return None if self.loss is None else self.loss.class_weight

    def parameters_by_layer(self) -> LayerArrays:
        """Give the parameters as they are now, weights as `(fan_in, fan_out)`."""
        return self._lay_out(self._layers)

    def trained_parameters(self) -> LayerArrays:
        """Give the parameters of the layers that are trained: all that may change."""
        return self._lay_out(
            [name for name in self._layers if any(each.trainable for each in self._kinds[name].variables.values())]
        )

    def look(self, examples: Array) -> tuple[int, ...]:
        """Run a few examples, frozen, to see which layers there are, in which order; give the shape of the outputs.

        Raises:
            TypeError: If the model gives several outputs.
            ValueError: If it cannot be run on them.
        """
        try:
            look = self._passes.look(examples)
        except Exception as error:
            what = f"{type(self.model).__name__} fails on the data's inputs, of shape {examples.shape}"
            fixed = " (made for batches of one size: watch it without data)" if self._has_fixed_batch() else ""
            msg = f"{what}: {telling_line(error)}{fixed}"
            raise ValueError(msg) from error
        if not keras.ops.is_tensor(look.outputs):
            msg = f"a model of several outputs cannot be probed: watch this {type(self.model).__name__} without data"
            raise TypeError(msg)
        self.is_masked = getattr(look.outputs, "_keras_mask", None) is not None
        self._learn_layers(look.trace, look.outputs)
        plain = len(look.trace.calls) == len(self._layers) and self._is_chain(look.trace, look.outputs)
        self._activations = [call.apply for call in look.trace.calls] if plain else []
        self.never_called = self._find_unused(look, examples)
        return tuple(look.outputs.shape)

    def mixing(self, inputs: Array) -> MixedRows | None:
        """Tell whether the output of a sample depends on the others in its batch; None where not, or not to be told."""

        def answer(samples: Array) -> Array:
            return as_array(self._passes.look(samples).outputs)

        try:
            return find_mixing(answer, inputs)
        except Exception:  # noqa: BLE001 - whatever a model raises that takes batches of one size only
            return None

    def _has_fixed_batch(self) -> bool:
        """Tell whether the model is made for batches of one size, as one with a stateful recurrent layer is."""
        shape = getattr(self.model, "input_shape", None)
        return isinstance(shape, tuple) and bool(shape) and isinstance(shape[0], int)

    def check(self, examples: Array, targets: Array) -> None:
        """Run a few examples with their targets, for the error where they or the loss do not fit."""
        self._passes.check(examples, targets)

    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Run frozen on some samples; for an observer backward too.

        Args:
            inputs: `(samples, …)`.
            targets: `(samples, columns)`.
            observer: Receives a LayerForward per layer, then a LayerBackward per layer in reverse order: none of layers
                that this pass did not come by, and no LayerBackward of those of which only the outputs are seen.
            step: The step the events carry.
        """
        seen = self._passes.take(inputs, targets, gradients=observer is not None)
        if observer is not None:
            self._emit(seen, observer, step)
        outputs = seen.outputs.reshape(len(inputs), -1)
        if self.loss is None or seen.losses is None:
            return ProbeResult(np.zeros(len(inputs), np.float32), outputs)
        grad_outputs = None if seen.grad_outputs is None else seen.grad_outputs.reshape(outputs.shape)
        return ProbeResult(seen.losses, outputs, self.loss.scores(seen.outputs, targets), grad_outputs)

    def observe(self, inputs: Array, observer: Observer, *, step: int = 0) -> None:
        """Run forward only, frozen: the observer receives a LayerForward per layer that the pass comes by."""
        self._emit(self._passes.take(inputs, None, gradients=False), observer, step)

    def layer_outputs(self, index: int, inputs: Array, units: Array | None = None) -> Array:
        """Compute the outputs `(samples, units)` of one layer, or of some units only, from that layer's inputs.

        Raises:
            ValueError: If the model is not `layerwise`.
        """
        name = list(self._layers)[index]
        if not self.layerwise:
            msg = f"{name} cannot be run by itself in a model that is no plain chain: observe it whole"
            raise ValueError(msg)
        arrays = self._lay_out([name])[name]
        ops, apply = keras.ops, self._activations[index]
        with frozen(self.model):
            outputs = ops.add(
                ops.matmul(ops.convert_to_tensor(np.array(inputs)), arrays["weight"].copy()), arrays["bias"].copy()
            )
            found = as_array(outputs if apply is None else apply(outputs))
        return found if units is None else found[:, units]  # other shapes would have to be compiled anew

    def _info(self, name: str, activation: str, units: int | None = None) -> LayerInfo:
        kind = self._kinds[name]
        shape = kind.variables["weight"].shape
        fan_in, fan_out = kind.lay_out("weight", np.broadcast_to(np.float32(0.0), tuple(shape))).shape
        return LayerInfo(name, activation, int(fan_in), int(fan_out) if units is None else units)

    def _learn_layers(self, trace: Trace, outputs: Tensor) -> None:
        """Take the layers that were called, in the order of their first calls; those that were not come to nothing."""
        layers: dict[str, LayerInfo] = {}
        for call in trace.calls:
            assert call.outputs is not None  # noqa: S101 - for the type checker
            shape = trace.tensors[call.outputs].shape
            info = self._info(call.layer, call.activation, _units(shape, call.kind))
            if call.layer in layers and layers[call.layer].activation != call.activation:
                info = self._info(call.layer, MIXED, info.fan_out)
            layers[call.layer] = info
        if trace.calls and trace.source(outputs) is None:
            last = list(layers)[-1]
            layers[last] = self._info(last, UNKNOWN, layers[last].fan_out)
        self._layers = layers

    def _is_chain(self, trace: Trace, outputs: Tensor) -> bool:
        """Tell whether each layer is dense, reads the one before, and has an activation of ours."""
        for before, call in zip([None, *trace.calls], trace.calls, strict=False):
            read = trace.tensors[call.inputs]
            if call.normalised or call.kind.fused or call.activation not in ELEMENTWISE or len(read.shape) != 2:
                return False
            if before is not None and trace.source(read) is not before:
                return False
            if set(call.kind.variables) != {"weight", "bias"} or len(call.kind.variables["weight"].shape) != 2:
                return False
        reads_inputs = bool(trace.calls) and trace.tensors[trace.calls[0].inputs] is trace.tensors[0]
        return reads_inputs and trace.source(outputs) is trace.calls[-1]

    def _find_unused(self, look: Look, examples: Array) -> tuple[str, ...]:
        """Name the parts that neither a look nor one in training mode comes by; none where the user's code calls some.

        A look in training mode is taken only where there is a doubt, as it may be made of other parts.
        """
        if not is_trained_by_keras(self.model) or not unused_parts(self.model, look.read):
            return ()
        try:
            in_training = self._passes.look(examples, training=True)
        except Exception:  # noqa: BLE001 - the user's code; what is not known is not told
            return ()
        return unused_parts(self.model, look.read | in_training.read)

    def _lay_out(self, layers: Sequence[str] | Mapping[str, Any]) -> LayerArrays:
        return {
            layer: {
                name: _read_only(self._kinds[layer].lay_out(name, as_array(variable)))
                for name, variable in self._kinds[layer].variables.items()
            }
            for layer in layers
        }

    def _emit(self, seen: Pass, observer: Observer, step: int) -> None:
        """Send the events of a pass; several calls of a layer are samples of one."""
        by_layer: dict[str, list[Call]] = {}
        for call in seen.calls:
            if call.layer in self._layers and self._layers[call.layer].activation in {call.activation, MIXED, UNKNOWN}:
                by_layer.setdefault(call.layer, []).append(call)
        infos = [info for info in self.layers if info.name in by_layer]
        for info in infos:
            own = by_layer[info.name]
            outputs = _joined(seen.arrays, own, "outputs")
            before = None if any(call.normalised for call in own) else _joined(seen.arrays, own, "before")
            inputs = [_input_rows(seen.arrays[call.inputs], call.kind) for call in own]
            read = inputs[0] if len({rows.shape[1] for rows in inputs}) > 1 else np.concatenate(inputs)
            if outputs is not None:
                observer(LayerForward(info.name, step, _read_only(read), before, outputs, info.activation, "probe"))
        for info in reversed(infos) if seen.gradients else ():
            own = by_layer[info.name]
            before, behind = (_joined(seen.gradients, own, side) for side in ("before", "outputs"))
            if before is not None and behind is not None:
                observer(LayerBackward(info.name, step, before, behind, "probe"))


def _units(shape: Sequence[int], kind: kinds.Weighted) -> int:
    if kind.layout == "einsum":
        return int(np.prod(tuple(shape)[kind.axis :]))
    return int(shape[kind.axis])


def _rows(array: Array, kind: kinds.Weighted) -> Array:
    """Give outputs as `(samples, units)`."""
    if kind.layout == "einsum":
        return _read_only(array.reshape(-1, _units(array.shape, kind)))
    return as_rows(array, kind.axis)


def _input_rows(array: Array, kind: kinds.Weighted) -> Array:
    """Give inputs as `(samples, …)`: of a convolution all that a sample has, of anything else what a unit reads."""
    is_convolution = len(kind.variables["weight"].shape) > 2 and kind.layout != "einsum"
    if array.ndim < 2:
        return array[:, np.newaxis]
    return array.reshape(len(array), -1) if is_convolution else array.reshape(-1, array.shape[-1])


def _joined(arrays: Any, calls: Sequence[Call], side: str) -> Array | None:  # noqa: ANN401 - a list, or a mapping
    """Give the arrays of several calls as rows of one; None where any has none."""
    places = [getattr(call, side) for call in calls]
    if any(place is None for place in places):
        return None
    blocks = [_rows(arrays[place], call.kind) for place, call in zip(places, calls, strict=True)]
    if len({block.shape[1] for block in blocks}) > 1:
        return None
    return blocks[0] if len(blocks) == 1 else _read_only(np.concatenate(blocks))


def _read_only(array: Array) -> Array:
    array = array.view()
    array.flags.writeable = False
    return array
