"""A network: a circuit that ends in a loss, over one flat parameter vector, with hooks to observe it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation, Linear
from gradvitals.engine.circuit import ConnectedCircuit, SeenCircuit, readonly
from gradvitals.engine.drawing import Drawing
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import (
    Array,
    LayerArrays,
    LayerBackward,
    LayerForward,
    LossInfo,
    Observer,
    ProbeResult,
    RecurrentBackward,
    Source,
)
from gradvitals.engine.hooks import Hooks
from gradvitals.engine.losses import Loss
from gradvitals.engine.parameter_vector import RECURRENT_WEIGHT, ParameterVector
from gradvitals.engine.recurrent_gains import gradient_norms, recurrent_gains

Purpose: TypeAlias = Literal["training", "probe", "evaluation"]
"""What a connected circuit is for: each has arrays of its own, so that watching cannot disturb training."""

EVALUATION_ROWS = 1024
"""Samples (each time step for one) per pass of an evaluation: large enough for BLAS, small enough for the cache."""


class Network:
    """A drawn network with its parameters.

    Attributes:
        parameters: All parameters, one contiguous vector `(P,)`, in the order in which they were drawn; in an affine
            layer the weight, row by row, then the bias.
        gradients: The gradient of the last training batch's loss, `(P,)`.
        layers: Name, activation and size of every layer.
        loss: The loss as drawn, without arrays.
        hooks: Where observers subscribe.
        evaluation_rows: Samples per pass of an evaluation.
    """

    def __init__(self, drawing: Drawing, *, dtype: DTypeLike = np.float32) -> None:
        """Allocate the parameters, all zero.

        Args:
            drawing: The circuit and its layers.
            dtype: float32 or float64.

        Raises:
            ValueError: If it is another dtype.
        """
        self.drawing, self.circuit = drawing, drawing.circuit
        self.layers = tuple(layer.info for layer in drawing.layers)
        loss = drawing.circuit.gates[-1].gate
        assert isinstance(loss, Loss)  # noqa: S101 - for the type checker: a drawing ends in one
        self.loss = loss
        self.hooks = Hooks()
        self.dtype = np.dtype(dtype)
        if self.dtype not in {np.dtype(np.float32), np.dtype(np.float64)}:
            msg = f"a network computes in float32 or float64, got {self.dtype}"
            raise ValueError(msg)
        self._layout = ParameterVector(self.circuit.parameters)
        self.parameters: Array = np.zeros(self._layout.size, self.dtype)
        self.gradients: Array = np.zeros_like(self.parameters)
        self.move_to(self.parameters, self.gradients)
        self.evaluation_rows = max(EVALUATION_ROWS // max(len(layer.outputs) for layer in drawing.layers), 1)

    def move_to(self, parameters: Array, gradients: Array) -> None:
        """Keep the parameters and the gradients, with the values they have, in these arrays `(P,)` from now on."""
        for array, old in ((parameters, self.parameters), (gradients, self.gradients)):
            if array is not old:
                array[...] = old
        self.parameters, self.gradients = parameters, gradients
        self._arrays = self.views(parameters)
        self._seen_parameters, self._seen_gradients = self.readonly_views(parameters), self.readonly_views(gradients)
        self._connected: dict[tuple[int, Purpose], ConnectedCircuit] = {}
        self._shown_before: WeakKeyDictionary[SeenCircuit, list[tuple[str, Array, Array, Array, str]]] = (
            WeakKeyDictionary()
        )

    @property
    def loss_name(self) -> str:
        """The loss, named as in configs; one that none of them can have is named with its settings."""
        return self.loss.title

    @property
    def loss_info(self) -> LossInfo | None:
        """What the loss takes; None for one that does not say."""
        return self.loss.info

    @property
    def class_weight(self) -> Array | None:
        """The loss's factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`; None where it has none."""
        return self.loss.class_weight

    @property
    def layerwise(self) -> bool:
        """Whether the first layer reads the inputs and every other the outputs of the one before, row by row."""
        first, *_ = layers = self.drawing.layers
        return first.inputs == ("inputs",) and all(len(layer.outputs) == 1 for layer in layers)

    def views(self, flat: Array) -> dict[str, dict[str, Array]]:
        """View a flat vector `(…, P)` as layer → weight `(…, fan_in, fan_out)`, bias `(…, fan_out)` and so on."""
        return self._layout.by_layer(flat)

    def circuit_parameters(self, flat: Array) -> dict[str, Array]:
        """View a flat vector `(…, P)` as the parameters of the circuit."""
        return self._layout.values(flat)

    def readonly_views(self, flat: Array) -> LayerArrays:
        """Give the same views, through which nothing can be written, nor put in their place."""
        views = self.views(readonly(flat))
        return MappingProxyType({layer: MappingProxyType(group) for layer, group in views.items()})

    def parameters_by_layer(self) -> LayerArrays:
        """Give read-only views of the parameters."""
        return self._seen_parameters

    def gradients_by_layer(self) -> LayerArrays:
        """Give read-only views of the gradients of the last training batch."""
        return self._seen_gradients

    def training_circuit(self, batch: int) -> ConnectedCircuit:
        """Give the circuit that trains on batches of this size; it writes into `gradients`."""
        return self._connect(batch, "training")

    def predict(self, inputs: Array) -> Array:
        """Compute the outputs (logits) `(samples, outputs)` of inputs `(samples, features)`."""
        inputs = np.asarray(inputs, self.dtype)
        outputs = np.empty((len(inputs), self.circuit.gates[-1].inputs[0].shape[-1] or 0), self.dtype)
        width = next(value.shape[-1] for value in self.circuit.inputs if value.name == "targets")
        targets = np.zeros((len(inputs), width or 0), self.dtype)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of a loss nobody asked for
            for start in range(0, len(inputs), self.evaluation_rows):
                rows = slice(start, start + self.evaluation_rows)
                outputs[rows] = self._forward(inputs[rows], targets[rows]).inputs[0]
        return outputs

    def evaluate(self, inputs: Array, targets: Array) -> tuple[Array, int | None]:
        """Give the loss of every sample, `(samples,)`, and the number classified rightly (None for a regression)."""
        losses = np.empty(len(inputs), self.dtype)
        counts: list[int | None] = []
        for start in range(0, max(len(inputs), 1), self.evaluation_rows):  # also none tell whether there are classes
            rows = slice(start, start + self.evaluation_rows)
            loss = self._forward(inputs[rows], targets[rows])
            losses[rows] = loss.sample_losses
            correct = loss.count_correct()
            counts.append(None if correct is None else int(correct))
        known = [count for count in counts if count is not None]
        return losses, sum(known) if len(known) == len(counts) else None

    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Run frozen on some samples; for an observer backward too, down to the first layer's pre-activations.

        Args:
            inputs: `(samples, features)`.
            targets: `(samples, outputs)`.
            observer: Receives a LayerForward per layer, then a LayerBackward per layer in reverse order, then a
                RecurrentBackward per layer unrolled through time.
            step: The step the events carry.

        Raises:
            ValueError: If inputs or targets are not as wide as the network's.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            loss = self._forward(inputs, targets, "probe" if observer else "evaluation")
            grad_outputs = None
            if observer is not None:
                circuit = self._connect(len(inputs), "probe")
                circuit.backward()
                grad_outputs = loss.grad_inputs[0]
                self.emit_forward(circuit, observer, step, "probe")
                self.emit_backward(circuit, observer, step, "probe")
                self.emit_recurrent_backward(circuit, observer, step, "probe")
        grad_outputs = None if grad_outputs is None else grad_outputs.copy()
        return ProbeResult(loss.sample_losses.copy(), loss.inputs[0].copy(), loss.score_samples(), grad_outputs)

    def observe(self, inputs: Array, observer: Observer, *, step: int = 0) -> None:
        """Run forward only, frozen: the observer receives a LayerForward per layer; no targets are needed.

        Raises:
            ValueError: If the inputs are not as wide as the network's.
        """
        circuit = self._connect(len(inputs), "evaluation")
        circuit.write("inputs", inputs)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            circuit.forward()  # its loss, of whatever targets were there last, is nobody's
            self.emit_forward(circuit, observer, step, "probe")

    def layer_outputs(self, index: int, inputs: Array, units: Array | None = None) -> Array:
        """Compute the outputs `(samples, units)` of one layer, or of some units only, from that layer's inputs.

        Raises:
            ValueError: If the network is not `layerwise`.
        """
        layer = self.drawing.layers[index]
        if not self.layerwise:
            msg = (
                f"{layer.info.name} cannot be run by itself in a network that takes its inputs apart: observe it whole"
            )
            raise ValueError(msg)
        arrays = self._arrays[layer.info.name]
        activation = self._activation_of(layer.outputs[0])
        weight, bias = arrays["weight"], arrays["bias"]
        learned = [arrays[parameter.name] for parameter in activation.parameters(layer.info.fan_out)]
        chosen = None if activation.unitwise else units
        if units is not None and activation.unitwise:
            columns = (units[:, np.newaxis] * activation.pieces + np.arange(activation.pieces)).reshape(-1)
            weight, bias = weight[:, columns], bias[columns]
            learned = [array[units] if len(array) == layer.info.fan_out else array for array in learned]
        pre_activations = inputs @ weight
        pre_activations += bias
        outputs = np.empty((len(inputs), pre_activations.shape[1] // activation.pieces), self.dtype)
        unwanted = (None,) * (1 + len(learned))
        activation.connect((pre_activations, *learned), outputs, outputs, unwanted).forward()
        return outputs if chosen is None else outputs[:, chosen]

    def emit_forward(self, circuit: SeenCircuit, observer: Observer, step: int, source: Source) -> None:
        """Send a LayerForward per layer, from the first to the last."""
        for name, inputs, pre_activations, outputs, activation in self._shown(circuit):
            observer(LayerForward(name, step, inputs, pre_activations, outputs, activation, source))

    def emit_backward(self, circuit: SeenCircuit, observer: Observer, step: int, source: Source) -> None:
        """Send a LayerBackward per layer, from the last to the first."""
        gradients = circuit.readonly_gradients
        for layer in reversed(self.drawing.layers):
            before, behind = _over_time(gradients, layer.pre_activations), _over_time(gradients, layer.outputs)
            observer(LayerBackward(layer.info.name, step, before, behind, source))

    def emit_recurrent_backward(self, circuit: SeenCircuit, observer: Observer, step: int, source: Source) -> None:
        """Send a RecurrentBackward per layer unrolled through time, from the last to the first."""
        gradients = circuit.readonly_gradients
        for layer in reversed(self.drawing.layers):
            if len(layer.outputs) > 1:
                before = [gradients[name] for name in layer.pre_activations]
                behind = [gradients[name] for name in layer.outputs]
                gains = recurrent_gains(before, behind, self._arrays[layer.info.name][RECURRENT_WEIGHT])
                norms = gradient_norms(behind)
                observer(RecurrentBackward(layer.info.name, step, readonly(gains), readonly(norms), source))

    def _shown(self, circuit: SeenCircuit) -> list[tuple[str, Array, Array, Array, str]]:
        """Give name, inputs, pre-activations, outputs and activation of every layer; views are made once."""
        if circuit in self._shown_before:
            return self._shown_before[circuit]
        values = circuit.readonly_values
        shown = [
            (
                layer.info.name,
                _over_time(values, layer.inputs),
                _over_time(values, layer.pre_activations),
                _over_time(values, layer.outputs),
                layer.info.activation,
            )
            for layer in self.drawing.layers
        ]
        if all(len(layer.inputs) == len(layer.outputs) == 1 for layer in self.drawing.layers):
            self._shown_before[circuit] = shown
        return shown

    def _activation_of(self, output: str) -> Activation:
        """Give the activation whose output has this name; a linear layer has no gate for it."""
        gates = [placed.gate for placed in self.circuit.gates if placed.output.name == output]
        return gates[0] if isinstance(gates[0], Activation) else Linear()

    def _connect(self, batch: int, purpose: Purpose) -> ConnectedCircuit:
        """Connect the circuit for a batch size and a purpose, once."""
        if (batch, purpose) not in self._connected:
            first, *_ = self.drawing.layers
            circuit = ConnectedCircuit(
                self.circuit,
                self.circuit_parameters(self.parameters),
                self.circuit_parameters(self.gradients) if purpose == "training" else {},
                batch=batch,
                dtype=self.dtype,
                back_to=first.pre_activations if purpose == "probe" else (),
            )
            for gate in circuit.gates.values():
                if isinstance(gate, Dropout):
                    gate.training = purpose == "training"
            self._connected[batch, purpose] = circuit
        return self._connected[batch, purpose]

    def _forward(self, inputs: Array, targets: Array, purpose: Purpose = "evaluation") -> Loss:
        circuit = self._connect(len(inputs), purpose)
        circuit.write("inputs", inputs)
        circuit.write("targets", targets)
        circuit.forward()
        return loss_gate(circuit)


def loss_gate(circuit: ConnectedCircuit) -> Loss:
    """Give the gate that ends a network's circuit."""
    gate = circuit.gates["loss"]
    assert isinstance(gate, Loss)  # noqa: S101 - for the type checker: a drawing ends in one
    return gate


def _over_time(arrays: Mapping[str, Array], names: Sequence[str]) -> Array:
    """Give a value `(samples, units)`, or all time steps of one behind each other, `(time · samples, units)`."""
    if len(names) == 1:
        return arrays[names[0]]
    return readonly(np.concatenate([arrays[name] for name in names], axis=-2))
