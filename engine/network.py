"""A network: a multilayer perceptron built as a circuit over one flat parameter vector, with hooks to observe it.

Layers are named `hidden_1 … hidden_n` and `output`. A layer is its affine gate and the activation that consumes it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.activations import ACTIVATIONS
from gradvitals.engine.circuit import Circuit, ConnectedCircuit, readonly
from gradvitals.engine.events import (
    Array,
    LayerArrays,
    LayerBackward,
    LayerForward,
    LayerInfo,
    Observer,
    ProbeResult,
    Source,
)
from gradvitals.engine.gates import Affine
from gradvitals.engine.hooks import Hooks
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.losses import LOSSES, Loss

Purpose: TypeAlias = Literal["training", "probe", "evaluation"]
"""What a connected circuit is for: each has arrays of its own, so that watching cannot disturb training."""

EVALUATION_ROWS = 1024
"""Samples per pass of an evaluation: large enough for BLAS, small enough for the cache."""


class Network:
    """A multilayer perceptron that ends in a loss on its logits.

    Attributes:
        parameters: All weights and biases, one contiguous vector `(P,)`, layer by layer, weight before bias.
        gradients: The gradient of the last training batch's loss, `(P,)`.
        layers: Name, activation and size of every layer.
        hooks: Where observers subscribe.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        loss: str,
        *,
        initializers: Sequence[Initializer],
        generator: np.random.Generator,
        biases: Sequence[float | Array] | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Build the circuit and draw the weights.

        Args:
            sizes: Units per layer from the inputs to the outputs, `(features, …, outputs)`.
            activations: One per hidden layer: a key of `ACTIVATIONS`.
            loss: A key of `LOSSES`.
            initializers: One per layer, output layer included.
            generator: Draws the weights, in float64 whatever the dtype.
            biases: One value or `(fan_out,)` array per layer; zeros by default.
            dtype: float32 or float64.

        Raises:
            ValueError: If the lists' lengths do not fit, or a name is unknown.
        """
        count = len(sizes) - 1
        if count < 1 or len(activations) != count - 1 or len(initializers) != count:
            msg = (
                f"{len(sizes)} sizes make {count} layers, which need {count - 1} activations and {count} initialisers;"
                f" got {len(activations)} and {len(initializers)}"
            )
            raise ValueError(msg)
        _require_known("loss", loss, LOSSES)
        for name in activations:
            _require_known("activation", name, ACTIVATIONS)

        names = [*(f"hidden_{i}" for i in range(1, count)), "output"]
        self.layers = tuple(
            LayerInfo(*layer) for layer in zip(names, [*activations, "linear"], sizes[:-1], sizes[1:], strict=True)
        )
        self.loss_name = loss
        self.hooks = Hooks()
        self.dtype = np.dtype(dtype)
        self.circuit = self._draw_circuit()
        self.parameters = np.zeros(sum((info.fan_in + 1) * info.fan_out for info in self.layers), self.dtype)
        self.gradients = np.zeros_like(self.parameters)
        self._arrays = self.views(self.parameters)
        self._seen_parameters = self.readonly_views(self.parameters)
        self._seen_gradients = self.readonly_views(self.gradients)
        self._connected: dict[tuple[int, Purpose], ConnectedCircuit] = {}

        for info, initialize, bias in zip(self.layers, initializers, biases or [0.0] * count, strict=True):
            arrays = self._arrays[info.name]
            arrays["weight"][...] = initialize(info.fan_in, info.fan_out, generator)
            arrays["bias"][...] = bias

    def views(self, flat: Array) -> dict[str, dict[str, Array]]:
        """View a flat vector `(…, P)` as layer → weight `(…, fan_in, fan_out)` and bias `(…, fan_out)`."""
        matrices = self.circuit_parameters(flat)
        return {
            info.name: {"weight": matrix[..., :-1, :], "bias": matrix[..., -1, :]}
            for info, matrix in zip(self.layers, matrices.values(), strict=True)
        }

    def readonly_views(self, flat: Array) -> LayerArrays:
        """Give the same views, through which nothing can be written."""
        return self.views(readonly(flat))

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
        hidden = np.asarray(inputs, self.dtype)
        for index in range(len(self.layers)):
            hidden = self.layer_outputs(index, hidden)
        return hidden

    def evaluate(self, inputs: Array, targets: Array) -> tuple[Array, int | None]:
        """Give the loss of every sample, `(samples,)`, and the number classified rightly (None for a regression)."""
        losses = np.empty(len(inputs), self.dtype)
        counts: list[int | None] = []
        for start in range(0, len(inputs), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            loss = self._forward(inputs[rows], targets[rows])
            losses[rows] = loss.sample_losses
            counts.append(loss.count_correct())
        known = [count for count in counts if count is not None]
        return losses, sum(known) if len(known) == len(counts) else None

    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Run frozen on some samples; for an observer backward too, into gradients of the probe's own.

        Args:
            inputs: `(samples, features)`.
            targets: `(samples, outputs)`.
            observer: Receives a LayerForward per layer, then a LayerBackward per layer in reverse order.
            step: The step the events carry.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            loss = self._forward(inputs, targets, "probe" if observer else "evaluation")
            if observer is not None:
                circuit = self._connect(len(inputs), "probe")
                circuit.backward()
                self.emit_forward(circuit, observer, step, "probe")
                self.emit_backward(circuit, observer, step, "probe")
        return ProbeResult(loss.sample_losses.copy(), loss.inputs[0].copy())

    def layer_outputs(self, index: int, inputs: Array, units: Array | None = None) -> Array:
        """Compute the outputs `(samples, units)` of one layer, or of some units only, from that layer's inputs."""
        info = self.layers[index]
        weight, bias = self._arrays[info.name]["weight"], self._arrays[info.name]["bias"]
        if units is not None:
            weight, bias = weight[:, units], bias[units]
        pre_activations = inputs @ weight
        pre_activations += bias
        outputs = np.empty_like(pre_activations)
        ACTIVATIONS[info.activation]().connect((pre_activations,), outputs, outputs, (outputs,)).forward()
        return outputs

    def emit_forward(self, circuit: ConnectedCircuit, observer: Observer, step: int, source: Source) -> None:
        """Send a LayerForward per layer, from the first to the last."""
        values = circuit.readonly_values
        inputs = values["inputs"]
        for info in self.layers:
            outputs = values[info.name]
            pre_activations = values[_pre_activations(info)]
            observer(LayerForward(info.name, step, inputs, pre_activations, outputs, info.activation, source))
            inputs = outputs

    def emit_backward(self, circuit: ConnectedCircuit, observer: Observer, step: int, source: Source) -> None:
        """Send a LayerBackward per layer, from the last to the first."""
        gradients = circuit.readonly_gradients
        for info in reversed(self.layers):
            observer(LayerBackward(info.name, step, gradients[_pre_activations(info)], gradients[info.name], source))

    def _draw_circuit(self) -> Circuit:
        circuit = Circuit()
        value = circuit.input("inputs", None, self.layers[0].fan_in)
        for info in self.layers:
            parameters = circuit.parameter(_parameters(info), info.fan_in + 1, info.fan_out)
            value = circuit.gate(_pre_activations(info), Affine(), value, parameters)
            if info.activation != "linear":
                value = circuit.gate(info.name, ACTIVATIONS[info.activation](), value)
        targets = circuit.input("targets", None, self.layers[-1].fan_out)
        circuit.gate("loss", LOSSES[self.loss_name](), value, targets)
        return circuit

    def circuit_parameters(self, flat: Array) -> dict[str, Array]:
        """View a flat vector `(…, P)` as the parameters of the circuit: weight and bias `(…, fan_in + 1, fan_out)`."""
        matrices: dict[str, Array] = {}
        start = 0
        for info in self.layers:
            end = start + (info.fan_in + 1) * info.fan_out
            matrices[_parameters(info)] = flat[..., start:end].reshape(*flat.shape[:-1], info.fan_in + 1, info.fan_out)
            start = end
        return matrices

    def _connect(self, batch: int, purpose: Purpose) -> ConnectedCircuit:
        """Connect the circuit for a batch size and a purpose, once."""
        if (batch, purpose) not in self._connected:
            gradients: dict[str, Array] = {}
            if purpose != "evaluation":
                gradients = self.circuit_parameters(self.gradients if purpose == "training" else self.gradients.copy())
            self._connected[batch, purpose] = ConnectedCircuit(
                self.circuit, self.circuit_parameters(self.parameters), gradients, batch=batch, dtype=self.dtype
            )
        return self._connected[batch, purpose]

    def _forward(self, inputs: Array, targets: Array, purpose: Purpose = "evaluation") -> Loss:
        circuit = self._connect(len(inputs), purpose)
        circuit.values["inputs"][...] = inputs
        circuit.values["targets"][...] = targets
        circuit.forward()
        return loss_gate(circuit)


def loss_gate(circuit: ConnectedCircuit) -> Loss:
    """Give the gate that ends a network's circuit."""
    gate = circuit.gates["loss"]
    assert isinstance(gate, Loss)  # noqa: S101 - for the type checker: `_draw_circuit` put it there
    return gate


def _require_known(kind: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        msg = f"{kind} {name!r} is not one of {', '.join(sorted(known))}"
        raise ValueError(msg)


def _pre_activations(info: LayerInfo) -> str:
    """Name the value that enters the layer's activation; a linear layer has no gate after its affine one."""
    return info.name if info.activation == "linear" else f"{info.name}/affine"


def _parameters(info: LayerInfo) -> str:
    """Name the layer's weight and bias in the circuit, where they are one value."""
    return f"{info.name}/weight_and_bias"
