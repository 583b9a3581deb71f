"""The kinds of faults: what a config sets to inject each, at five doses, and what is demanded of a tool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fault_bases import Base

Keys: TypeAlias = Mapping[str, Any]

RATE = "training.optimizer.learning_rate"
SLOWER, NARROWER = (0.1, 0.2, 0.4, 0.7, 1.0), (1.0, 0.5, 0.25, 0.18, 0.12)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: Of the injection.
        diagnosis: The id that names it.
        roots: Ids that are right as the first root: its own, or what is the same fault seen earlier.
        layer: Where it is; None where it has no layer.
        fits: Which bases it can be injected into.
        doses: The keys to set at each dose, from mild to severe, for a base.
        shared: Those of them that the healthy twin gets too: they make the fault worse, and are none.
    """

    name: str
    diagnosis: str
    roots: tuple[str, ...]
    layer: str | None
    fits: Callable[[Base], bool]
    doses: Callable[[Base], Sequence[Keys]]
    shared: tuple[str, ...] = ()


def _normal(std: float) -> dict[str, Any]:
    return {"kind": "normal", "std": std}


def _relu(base: Base) -> bool:
    return base.activation == "relu"


def _bounded(base: Base) -> bool:
    return base.activation in {"tanh", "sigmoid"}


def _classes(base: Base) -> bool:
    return base.yardstick == "accuracy"


def _any(base: Base) -> bool:  # noqa: ARG001 - every base has what it takes
    return True


def _rates(*factors: float) -> Callable[[Base], Sequence[Keys]]:
    return lambda base: [{RATE: base.rate * factor} for factor in factors]


def _stds(*stds: float) -> Callable[[Base], Sequence[Keys]]:
    return lambda base: [{"model.init": _normal(std)} for std in stds]  # noqa: ARG005 - the same for every base


def _each(*keys: Keys) -> Callable[[Base], Sequence[Keys]]:
    return lambda base: keys  # noqa: ARG005 - the same for every base


def _deep(activation: str, width: int, *depths: int, **more: Any) -> Callable[[Base], Sequence[Keys]]:  # noqa: ANN401
    return lambda base: [  # noqa: ARG005 - the same for every base
        {"model.hidden": [width] * depth, "model.activation": activation, **more} for depth in depths
    ]


def _frozen(base: Base) -> Sequence[Keys]:
    """Freeze all hidden layers: the narrower they are, the less is in their random features."""
    names = [f"hidden_{n}" for n in range(1, base.depth + 1)]
    widths = [[max(round(width * share), 2) for width in base.config["model"]["hidden"]] for share in NARROWER]
    return [{"training.frozen": names, "model.hidden": hidden} for hidden in widths]


def _epochs(base: Base) -> list[int]:
    return [max(round(base.config["training"]["epochs"] * share), 1) for share in (2.0, 1.0, 0.6, 0.4, 0.25)]


def _constant_inits(base: Base) -> Sequence[Keys]:  # noqa: ARG001 - the same for every base
    values = (0.01, 0.05, 0.2, 0.5)
    return [*({"model.init": {"kind": "constant", "value": value}} for value in values), {"model.init": "zeros"}]


_biases = _each(
    *({"model.bias_init": {"kind": "constant", "value": value}} for value in (-2.0, -5.0, -10.0, -30.0, -100.0))
)

FAULTS = (
    Fault("dead biases", "dead_units", ("dead_units", "initialization_scale"), "hidden_1", _relu, _biases),
    Fault(
        "large weights, bounded units",
        "saturated_units",
        ("saturated_units", "initialization_scale", "memorising"),
        "hidden_1",
        _bounded,
        _stds(1.0, 3.0, 10.0, 30.0, 100.0),
    ),
    Fault(
        "deep sigmoids",
        "vanishing_gradient",
        ("vanishing_gradient", "initialization_scale"),
        "hidden_1",
        lambda base: _classes(base) and base.first_order,
        _deep("sigmoid", 32, 4, 5, 6, 7, 8),
    ),
    Fault(
        "exploding start",
        "exploding_gradient",
        ("exploding_gradient", "initialization_scale", "non_finite"),
        "hidden_1",
        lambda base: _relu(base) and base.first_order,
        lambda _: [{"model.hidden": [64] * 6, "model.init": _normal(std)} for std in (0.3, 0.4, 0.5, 0.7, 1.0)],
        shared=("model.hidden",),
    ),
    Fault(
        "rate too high",
        "learning_rate_too_high",
        ("learning_rate_too_high",),
        None,
        _any,
        _rates(10.0, 30.0, 100.0, 300.0, 1000.0),
    ),
    Fault(
        "rate too low",
        "learning_rate_too_low",
        ("learning_rate_too_low",),
        None,
        _any,
        _rates(1e-2, 3e-3, 1e-3, 1e-4, 1e-6),
    ),
    Fault(
        "equal weights",
        "symmetric_units",
        ("symmetric_units",),
        "hidden_1",
        lambda base: base.depth > 1 or _bounded(base),
        _constant_inits,
    ),
    Fault(
        "frozen hidden layers",
        "frozen_parameters",
        ("frozen_parameters",),
        "hidden_1",
        lambda base: base.depth > 1,
        _frozen,
        shared=("model.hidden",),
    ),
    Fault(
        "double softmax",
        "loss_mismatch",
        ("loss_mismatch",),
        None,
        _classes,
        lambda base: [
            {"model.output": "softmax", "training.from_logits": True, "training.epochs": epochs}
            for epochs in _epochs(base)
        ],
        shared=("training.epochs",),
    ),
    Fault(
        "unscaled inputs",
        "unscaled_inputs",
        ("unscaled_inputs",),
        None,
        lambda base: base.first_order,
        lambda _: [{"data.scale": factor} for factor in (10.0, 30.0, 100.0, 300.0, 1000.0)],
    ),
    Fault(
        "unscaled targets",
        "unscaled_targets",
        ("unscaled_targets",),
        None,
        lambda base: base.yardstick == "r2",
        lambda base: [{"data.scale_targets": "none", RATE: base.rate * factor} for factor in SLOWER],
        shared=(RATE,),
    ),
    Fault(
        "probabilities at the clip",
        "numerics",
        ("numerics", "initialization_scale"),
        "output",
        lambda base: _classes(base) and _relu(base),
        lambda _: [
            {"model.init": _normal(std), "model.output": "softmax", "training.from_logits": False}
            for std in (1.0, 3.0, 10.0, 30.0, 100.0)
        ],
    ),
    Fault(
        "tiny weights",
        "collapsed_output",
        ("collapsed_output", "initialization_scale", "vanishing_gradient", "symmetric_units"),
        "output",
        _bounded,
        _stds(1e-2, 1e-3, 1e-4, 1e-6, 1e-9),
    ),
    Fault(
        "overflowing weights",
        "non_finite",
        ("non_finite", "initialization_scale", "exploding_gradient"),
        None,
        lambda base: _relu(base) and base.depth > 1,
        _stds(1e18, 1e19, 1e20, 1e21, 1e22),
    ),
    Fault(
        "wide weights that learn by heart",
        "memorising",
        ("memorising", "initialization_scale", "saturated_units"),
        None,
        lambda base: base.activation == "tanh" and _classes(base),
        lambda _: [{"model.hidden": [64, 64, 64], "model.init": _normal(std)} for std in (0.4, 0.6, 0.8, 1.0, 1.4)],
        shared=("model.hidden",),
    ),
    Fault(
        "large rectified weights",
        "initialization_scale",
        ("initialization_scale", "dead_units", "exploding_gradient"),
        "hidden_1",
        _relu,
        _stds(1.0, 2.0, 5.0, 10.0, 20.0),
    ),
    Fault(
        "squared error on a saturated sigmoid",
        "saturated_output",
        ("saturated_output", "loss_mismatch", "initialization_scale"),
        "output",
        _classes,
        lambda base: [
            {
                "model.output": "sigmoid",
                "training.loss": "mse",
                "model.init": [str(base.config["model"]["init"])] * base.depth + [_normal(std)],
            }
            for std in (3.0, 10.0, 30.0, 100.0, 300.0)
        ],
    ),
    Fault(
        "clipped delta",
        "clipped_delta",
        ("clipped_delta", "unscaled_targets"),
        "output",
        lambda base: base.yardstick == "r2",
        lambda base: [
            {
                "training.loss": "clipped_delta",
                "model.output": "linear",
                "data.scale_targets": "none",
                RATE: base.rate * factor,
            }
            for factor in SLOWER
        ],
        shared=(RATE,),
    ),
)
"""Every fault that a config can express; faults of the data files and wrong gates have their place in `selftest`."""

PAIRS = frozenset(
    {
        frozenset({"dead biases", "rate too low"}),
        frozenset({"dead biases", "double softmax"}),
        frozenset({"large weights, bounded units", "double softmax"}),
        frozenset({"large weights, bounded units", "rate too low"}),
        frozenset({"equal weights", "rate too high"}),
        frozenset({"equal weights", "unscaled inputs"}),
        frozenset({"unscaled inputs", "dead biases"}),
        frozenset({"rate too high", "dead biases"}),
        frozenset({"tiny weights", "rate too low"}),
        frozenset({"unscaled targets", "dead biases"}),
    }
)
