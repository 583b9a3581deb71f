"""The gradient check: backpropagation against central differences, parameter by parameter.

References:
    cs231n, "Learning and evaluation" (neural-networks-3), section "Gradient checks".
"""

from dataclasses import dataclass

import numpy as np

from gradvitals.engine.dropout import held_masks
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate
from gradvitals.engine.network import Network


@dataclass(frozen=True, slots=True)
class ParameterCheck:
    """How well the two gradients of one parameter array agree.

    Attributes:
        name: `layer/weight` or `layer/bias`.
        checked: Entries compared.
        skipped: Entries left out because a sample crossed a kink between the points.
        relative_error: Largest |analytic − numeric| / max(|analytic|, |numeric|, floor); NaN if none was compared.
        index: The entry with that error.
        analytic: Its gradient by backpropagation.
        numeric: Its gradient by central differences.
    """

    name: str
    checked: int
    skipped: int
    relative_error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float


def check_gradients(
    network: Network,
    inputs: Array,
    targets: Array,
    *,
    generator: np.random.Generator,
    entries: int | None = None,
    epsilon: float = 1e-4,
) -> list[ParameterCheck]:
    """Compare the gradient of every parameter array with (8 (f(p+ε) − f(p−ε)) − (f(p+2ε) − f(p−2ε))) / 12ε.

    The four-point difference errs by ε⁴ f⁽⁵⁾/30 and rounding / ε, some 1e-12 here; the two-point one by 1e-10.

    The floor of the relative error is 1e-4 of the array's largest gradient (at least 1e-7): entries far below it
    carry only the rounding of f.

    Args:
        network: A float64 network; its parameters are restored to the bit.
        inputs: `(samples, features)`.
        targets: `(samples, outputs)`.
        generator: Chooses the entries.
        entries: Entries compared per array; all by default.
        epsilon: Half the distance of the inner two points.

    Raises:
        ValueError: If the network is not float64, in which differences drown in rounding, or the samples do not fit it.
    """
    if network.dtype != np.float64:
        msg = f"a gradient check needs a float64 network, got {network.dtype}"
        raise ValueError(msg)
    circuit = network.training_circuit(len(inputs))
    circuit.write("inputs", inputs)
    circuit.write("targets", targets)
    circuit.forward()
    circuit.backward()
    analytic = {
        layer: {k: v.copy() for k, v in group.items()} for layer, group in network.views(network.gradients).items()
    }
    kinked = [gate for gate in circuit.gates.values() if _has_kink(gate)]

    def evaluate() -> tuple[float, bytes]:
        """Give the loss and on which side of its kinks every gate stands: across one there is no derivative."""
        circuit.forward()
        return float(circuit.values["loss"]), b"".join(np.asarray(gate.sides()).tobytes() for gate in kinked)

    def difference(array: Array, index: tuple[int, ...]) -> float | None:
        """Give the numeric gradient of one entry, None across a kink."""
        original = array[index]
        losses, sides = {}, set()
        for offset in (-2, -1, 1, 2):
            array[index] = original + offset * epsilon
            losses[offset], side = evaluate()
            sides.add(side)
        array[index] = original
        numeric = (8.0 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12.0 * epsilon)
        return numeric if len(sides) == 1 else None

    checks = []
    with held_masks(circuit):
        for layer, group in network.views(network.parameters).items():
            for name, array in group.items():
                size = array.size if entries is None else min(entries, array.size)
                chosen = np.sort(generator.choice(array.size, size, replace=False))
                indices = [tuple(int(i) for i in np.unravel_index(flat, array.shape)) for flat in chosen]
                pairs = {index: difference(array, index) for index in indices}
                checks.append(_compare(f"{layer}/{name}", analytic[layer][name], pairs))
    return checks


def has_kinks(network: Network) -> bool:
    """Tell whether a gate of the network has a kink, so that entries may have to be skipped."""
    return any(_has_kink(placed.gate) for placed in network.circuit.gates)


def _has_kink(gate: Gate) -> bool:
    return type(gate).sides is not Gate.sides


def _compare(name: str, analytic: Array, numeric: dict[tuple[int, ...], float | None]) -> ParameterCheck:
    floor = max(1e-4 * float(np.abs(analytic).max()), 1e-7)
    pairs = {index: (float(analytic[index]), value) for index, value in numeric.items() if value is not None}
    if not pairs:
        return ParameterCheck(name, 0, len(numeric), np.nan, (), np.nan, np.nan)
    errors = [abs(a - n) / max(abs(a), abs(n), floor) for a, n in pairs.values()]
    worst = int(np.argmax(errors))  # a NaN counts as the largest
    index = list(pairs)[worst]
    return ParameterCheck(name, len(pairs), len(numeric) - len(pairs), errors[worst], index, *pairs[index])
