"""The recurrent network: one or several layers unrolled through time, read at the last step by an output layer.

A recurrent layer computes h_t = φ(x_t W + b + h_{t−1} U), h_0 = 0, with the same W, b and U at every step: its
parameters fork over the steps of the circuit, and their gradients add up. A sample stays one row of inputs, the
features of its first time step, then those of its second, and so on.

References:
    Elman 1990, "Finding structure in time"; Werbos 1990, "Backpropagation through time"; `torch.nn.RNN`, whose second
    bias adds nothing and is left out here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation, Relu, Tanh
from gradvitals.engine.catalogue import find_activation, find_loss, known
from gradvitals.engine.circuit import Circuit, Value
from gradvitals.engine.columns import Columns
from gradvitals.engine.drawing import Drawing, DrawnLayer
from gradvitals.engine.events import Array, LayerInfo
from gradvitals.engine.gates import Affine
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.losses import Loss
from gradvitals.engine.matrix_gates import MatrixMultiply
from gradvitals.engine.network import Network
from gradvitals.engine.parameter_vector import RECURRENT_WEIGHT, WEIGHT_AND_BIAS
from gradvitals.engine.perceptron import draw_layer, initialize_layer
from gradvitals.engine.primitives import Add

CELLS: dict[str, type[Activation]] = {gate.name: gate for gate in (Tanh, Relu)}
"""φ of a recurrent layer, by the name of its cell."""


def recurrent(
    sizes: Sequence[int],
    cell: str,
    loss: str | Loss,
    *,
    sequence_length: int,
    initializers: Sequence[Initializer],
    recurrent_initializers: Sequence[Initializer],
    generator: np.random.Generator,
    biases: Sequence[float | Array] | None = None,
    output: str | Activation = "linear",
    target_width: int | None = None,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Draw the circuit, unrolled, and its initial weights.

    Args:
        sizes: Units per layer from the inputs to the outputs, `(features of one time step, units, …, outputs)`; the
            layers between are the recurrent ones, at least one.
        cell: A key of `CELLS`, for all recurrent layers.
        loss: A gate, or a key of `LOSSES`.
        sequence_length: Time steps T; inputs are `(samples, T · features)`, step by step.
        initializers: Of the weights W, one per layer, output layer included.
        recurrent_initializers: Of the recurrent weights U `(units, units)`, one per recurrent layer: `orthogonal`, or
            `identity(1.0)` for relu cells.
        generator: Draws the weights, layer by layer W before U, in float64 whatever the dtype.
        biases: One value or `(fan_out,)` array per layer; zeros by default.
        output: The activation of the output layer; a loss on logits wants none.
        target_width: Columns of the targets, where they are not one per output.
        dtype: float32 or float64.

    Returns:
        A network of the layers `hidden_1 … hidden_n` and `output`. A recurrent layer has the parameters `weight`
        `(features, units)`, `bias` and `recurrent_weight`; its fan-in is the features of one time step, and its events
        carry all time steps behind each other, `(T · samples, units)`.

    Raises:
        ValueError: If the lists' lengths do not fit, there is no recurrent layer or no time step, or a name is unknown.
    """
    count = len(sizes) - 1
    lengths = (len(initializers), count if biases is None else len(biases), len(recurrent_initializers))
    if count < 2 or lengths != (count, count, count - 1):
        msg = (
            "a recurrent network needs sizes (features, units, …, outputs), an initialiser (and bias) for each but the"
            " first, and one of a recurrent weight for each between first and last;"
            f" got {len(sizes)} sizes, {lengths[0]} ({lengths[1]}) and {lengths[2]}"
        )
        raise ValueError(msg)
    if sequence_length < 1:
        msg = f"the sequence length must be a positive number of time steps, got {sequence_length}"
        raise ValueError(msg)
    phi, last = known("cell", cell, CELLS)(), find_activation(output)
    drawing = draw_recurrent(
        sizes, phi, last, find_loss(loss), sequence_length=sequence_length, target_width=target_width or sizes[-1]
    )
    network = Network(drawing, dtype=dtype)
    views = network.views(network.parameters)
    for index, info in enumerate(network.layers):
        arrays, bias = views[info.name], 0.0 if biases is None else biases[index]
        gate = last if info.name == "output" else phi
        initialize_layer(arrays, info, gate, initializer=initializers[index], bias=bias, generator=generator)
        if RECURRENT_WEIGHT in arrays:
            arrays[RECURRENT_WEIGHT][...] = recurrent_initializers[index](info.fan_out, info.fan_out, generator)
    return network


def draw_recurrent(
    sizes: Sequence[int], cell: Activation, output: Activation, loss: Loss, *, sequence_length: int, target_width: int
) -> Drawing:
    """Draw the circuit, layer by layer, each through all its time steps; values of step t are named `…/t1 … /tT`."""
    features, *units, outputs = sizes
    circuit = Circuit()
    row = circuit.input("inputs", None, sequence_length * features)
    steps = [
        circuit.gate(f"inputs/t{t + 1}", Columns(t * features, (t + 1) * features), row) for t in range(sequence_length)
    ]
    layers: list[DrawnLayer] = []
    for index, count in enumerate(units, start=1):
        steps, layer = _draw_through_time(circuit, f"hidden_{index}", steps, count, cell)
        layers.append(layer)
    value, layer = draw_layer(circuit, "output", steps[-1], outputs, output)
    circuit.gate("loss", loss, value, circuit.input("targets", None, target_width))
    return Drawing(circuit, (*layers, layer))


def _draw_through_time(
    circuit: Circuit, name: str, inputs: Sequence[Value], units: int, cell: Activation
) -> tuple[list[Value], DrawnLayer]:
    """Draw a recurrent layer; give its state at every time step, and the layer."""
    fan_in = inputs[0].shape[-1] or 0
    weights = circuit.parameter(f"{name}/{WEIGHT_AND_BIAS}", fan_in + 1, units)
    recurrent_weight = circuit.parameter(f"{name}/{RECURRENT_WEIGHT}", units, units)
    pre_activations: list[Value] = []
    states: list[Value] = []
    for t, value in enumerate(inputs, start=1):
        here = f"{name}/t{t}"
        pre_activation = circuit.gate(f"{here}/affine", Affine(), value, weights)
        if states:  # before the first step the state is zero, and so is its product
            product = circuit.gate(f"{here}/recurrent", MatrixMultiply("h", "U"), states[-1], recurrent_weight)
            pre_activation = circuit.gate(f"{here}/sum", Add(), pre_activation, product)
        pre_activations.append(pre_activation)
        states.append(circuit.gate(here, cell, pre_activation))
    names = (tuple(value.name for value in values) for values in (inputs, pre_activations, states))
    return states, DrawnLayer(LayerInfo(name, cell.name, fan_in, units), *names)
