"""What the gates of a circuit are called, in words and by a sign."""

from collections.abc import Mapping

from gradvitals.engine.activations import Activation
from gradvitals.engine.gates import Gate
from gradvitals.engine.losses import Loss
from gradvitals.engine.primitives import Add, Max, Multiply, Power, Primitive, Reciprocal, Scale, Shift

SYMBOLS: Mapping[type[Gate], str] = {Add: "+", Multiply: "×", Max: "max", Reciprocal: "1/x"}
GREEK = {"sigmoid": "σ"}
SUPERSCRIPT = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")


def gate_name(gate: Gate) -> str:
    """Name a gate in words: `add`, `scale by -1`, `sigmoid`.

    >>> gate_name(Shift(1.0))
    'shift by 1'
    """
    match gate:
        case Primitive():
            return str(gate)
        case Activation() | Loss():
            return gate.name
        case _:
            return type(gate).__name__


def gate_symbol(gate: Gate) -> str:
    """Give the sign in a picture: `+`, `×−1`, `σ`.

    >>> gate_symbol(Power(-1.5))
    'x⁻¹·⁵'
    """
    match gate:
        case Shift():
            return f"{gate.constant:+.4g}".replace("-", "−")
        case Scale():
            return f"×{gate.constant:.4g}".replace("-", "−")
        case Power():
            return f"x{f'{gate.constant:.4g}'.translate(SUPERSCRIPT)}"
        case _:
            return SYMBOLS.get(type(gate)) or GREEK.get(gate_name(gate), gate_name(gate))
