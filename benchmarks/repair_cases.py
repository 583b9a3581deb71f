"""Sick configs for `benchmarks/repairs.py`: the bundled ones, and kinds of fault injected into bases of their own.

A base is a config that trains well. The bases of `tuning` were looked at while `repair` was written; those of
`held_out` are set aside, and go to `tuning` once they have been looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gradvitals.experiments.fault_cases import FAULT_CASES

Part: TypeAlias = Literal["bundled", "tuning", "held_out"]

RATE = "training.optimizer.learning_rate"


@dataclass(frozen=True, slots=True)
class Base:
    """A healthy config to inject faults into.

    Attributes:
        name: Of the base.
        part: Whether it was looked at.
        toml: The config.
        rate: Its learning rate.
        rectified: Whether its hidden layers are ReLUs, which a bias can kill.
        regression: Whether its targets are quantities.
    """

    name: str
    part: Part
    toml: str
    rate: float
    rectified: bool = False
    regression: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A sick config and its healthy twin.

    Attributes:
        name: Of the case.
        part: Of the benchmark.
        fault: Kind of fault, or the diagnosis that a bundled config is for.
        count: Faults injected: the keys that a cure may have.
        config: Name of a bundled config, or the TOML of the base.
        sick: Overrides that make it sick.
        twin: Name or TOML of the healthy twin.
        twin_sick: Overrides that the twin has as well: a dose that is no fault.
        roots: Ids of the diagnoses that name the fault; of two faults, those of either.
        curable: Whether the catalogue lists a cure by config.
    """

    name: str
    part: Part
    fault: str
    count: int
    config: str
    sick: tuple[str, ...]
    twin: str
    twin_sick: tuple[str, ...]
    roots: tuple[str, ...]
    curable: bool = True


def _toml(data: str, model: str, training: str) -> str:
    return f'name = "base"\n[data]\n{data}\n[model]\n{model}\n[training]\n{training}\n'


BASES: tuple[Base, ...] = (
    Base(
        "moons_relu_adam",
        "tuning",
        _toml(
            'source = "moons"\nn = 800',
            'hidden = [16, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 30',
        ),
        0.01,
        rectified=True,
    ),
    Base(
        "breast_cancer_relu_momentum",
        "tuning",
        _toml(
            'source = "breast_cancer"',
            'hidden = [32, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.02, momentum = 0.9}\nbatch_size = 32\nepochs = 15',
        ),
        0.02,
        rectified=True,
    ),
    Base(
        "diabetes_tanh_sgd",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.05}\nbatch_size = 32\nepochs = 30',
        ),
        0.05,
        regression=True,
    ),
    Base(
        "wine_tanh_adam",
        "tuning",
        _toml(
            'source = "wine"',
            'hidden = [24]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.005}\nbatch_size = 16\nepochs = 40',
        ),
        0.005,
    ),
    Base(
        "digits_wide_relu_sgd",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [128]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 32\nepochs = 8',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "digits_deep_tanh_rmsprop",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [48, 48, 48, 48]\nactivation = "tanh"\ninit = "glorot_normal"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.001}\nbatch_size = 64\nepochs = 15',
        ),
        0.001,
    ),
    Base(
        "circles_gelu_adamw",
        "tuning",
        _toml(
            'source = "circles"\nn = 1000',
            'hidden = [24, 24]\nactivation = "gelu"\ninit = "he_normal"',
            'optimizer = {kind = "adamw", learning_rate = 0.005}\nbatch_size = 32\nepochs = 25',
        ),
        0.005,
    ),
    Base(
        "diabetes_relu_adam",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [24, 12]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.003}\nbatch_size = 32\nepochs = 20',
        ),
        0.003,
        rectified=True,
        regression=True,
    ),
    Base(
        "iris_tanh_sgd",
        "tuning",
        _toml(
            'source = "iris"',
            'hidden = [16]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.1}\nbatch_size = 8\nepochs = 30',
        ),
        0.1,
    ),
    Base(
        "moons_leaky_nadam",
        "tuning",
        _toml(
            'source = "moons"\nn = 1500\nnoise = 0.15',
            'hidden = [32, 16]\nactivation = "leaky_relu"\ninit = "he_uniform"',
            'optimizer = {kind = "nadam", learning_rate = 0.005}\nbatch_size = 64\nepochs = 25',
        ),
        0.005,
    ),
    Base(
        "digits_relu_adagrad",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [64]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adagrad", learning_rate = 0.03}\nbatch_size = 64\nepochs = 12',
        ),
        0.03,
        rectified=True,
    ),
    Base(
        "diabetes_elu_adamax",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [24]\nactivation = "elu"\ninit = "lecun_normal"',
            'loss = "huber"\noptimizer = {kind = "adamax", learning_rate = 0.005}\nbatch_size = 16\nepochs = 20',
        ),
        0.005,
        regression=True,
    ),
    Base(
        "spiral_tanh_adam",
        "held_out",
        _toml(
            'source = "spiral"\nn = 900',
            'hidden = [32, 32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 40',
        ),
        0.01,
    ),
    Base(
        "blobs_relu_sgd",
        "held_out",
        _toml(
            'source = "blobs"\nn = 600',
            'hidden = [16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05}\nbatch_size = 16\nepochs = 20',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "breast_cancer_sigmoid_adam",
        "held_out",
        _toml(
            'source = "breast_cancer"',
            'hidden = [24]\nactivation = "sigmoid"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 20',
        ),
        0.01,
    ),
    Base(
        "wine_relu_adamw",
        "held_out",
        _toml(
            'source = "wine"',
            'hidden = [32, 16]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "adamw", learning_rate = 0.003}\nbatch_size = 16\nepochs = 40',
        ),
        0.003,
        rectified=True,
    ),
    Base(
        "digits_tanh_momentum",
        "held_out",
        _toml(
            'source = "digits"',
            'hidden = [64, 32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 64\nepochs = 12',
        ),
        0.05,
    ),
    Base(
        "digits_leaky_adam",
        "held_out",
        _toml(
            'source = "digits"',
            'hidden = [96, 48]\nactivation = "leaky_relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.001}\nbatch_size = 32\nepochs = 10',
        ),
        0.001,
    ),
    Base(
        "diabetes_tanh_rmsprop",
        "held_out",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [16, 8]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.003}\nbatch_size = 32\nepochs = 25',
        ),
        0.003,
        regression=True,
    ),
    Base(
        "circles_relu_momentum",
        "held_out",
        _toml(
            'source = "circles"\nn = 1200',
            'hidden = [16, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 32\nepochs = 30',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "iris_relu_adam",
        "held_out",
        _toml(
            'source = "iris"',
            'hidden = [24]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 16\nepochs = 40',
        ),
        0.01,
        rectified=True,
    ),
)
"""Healthy configs; those of `held_out` were chosen before anything was run on them but their healthy training."""

TOO_HIGH = ("learning_rate_too_high", "exploding_gradient", "non_finite", "dead_units", "saturated_units")
TOO_LOW = ("learning_rate_too_low", "no_learning")
INIT = (
    "initialization_scale",
    "exploding_gradient",
    "vanishing_gradient",
    "saturated_units",
    "saturated_output",
    "collapsed_output",
    "memorising",
    "symmetric_units",
    "numerics",
)

Injection: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Kind of fault, overrides, ids of diagnoses that name it."""


def injections(base: Base) -> Iterator[Injection]:
    """Yield the single faults that a base can have."""
    yield "rate too high", (f"{RATE}={base.rate * 1000:g}",), TOO_HIGH
    yield "rate too low", (f"{RATE}={base.rate * 1e-5:g}",), TOO_LOW
    yield "weights too large", ('model.init={kind="normal", std=10.0}',), INIT
    yield "weights too small", ('model.init={kind="normal", std=1e-7}',), INIT
    yield "weights all equal", ('model.init={kind="constant", value=0.1}',), INIT
    yield "inputs unscaled", ("data.scale=1000.0",), ("unscaled_inputs",)
    yield "a layer frozen", ('training.frozen=["hidden_1"]',), ("frozen_parameters",)
    yield "output squashed", ('model.output="relu"',), ("loss_mismatch", "dead_units", "collapsed_output")
    if base.rectified:
        bias = ('model.bias_init={kind="constant", value=-200.0}',)
        yield "biases far below zero", bias, ("dead_units", "initialization_scale")
    if base.regression:
        yield "targets unscaled", ('data.scale_targets="none"',), ("unscaled_targets",)


PAIRS: tuple[tuple[str, str], ...] = (
    ("rate too low", "weights too small"),
    ("inputs unscaled", "weights too large"),
    ("inputs unscaled", "biases far below zero"),
    ("weights all equal", "rate too low"),
    ("targets unscaled", "rate too low"),
    ("output squashed", "rate too low"),
)
"""Faults that are injected together."""

CAUSES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("non_finite", "exploding_gradient", "memorising", "saturated_units"), INIT),
    **dict.fromkeys(("collapsed_output", "numerics", "saturated_output"), INIT),
    "cannot_overfit": ("loss_mismatch", "unscaled_targets"),
}
"""What names the fault of a bundled config besides the diagnosis that it is for; most start from bad weights."""

UNCURABLE = frozenset({"data_faults"})
"""Bundled configs whose cure is in the data, not in the config."""


def cases(part: Part) -> Iterator[Case]:
    """Yield the cases of a part."""
    if part == "bundled":
        yield from _bundled()
    for base in BASES:
        if base.part != part:
            continue
        single = {kind: (overrides, roots) for kind, overrides, roots in injections(base)}
        for kind, (overrides, roots) in single.items():
            yield Case(f"{base.name}: {kind}", part, kind, 1, base.toml, overrides, base.toml, (), roots)
        for one, other in PAIRS:
            if one in single and other in single:
                kind, both = f"{one} + {other}", (*single[one][0], *single[other][0])
                roots = (*single[one][1], *single[other][1])
                yield Case(f"{base.name}: {kind}", part, kind, 2, base.toml, both, base.toml, (), roots)


def _bundled() -> Iterator[Case]:
    for case in FAULT_CASES:
        for dose, overrides in enumerate(((), *case.doses)):
            shared = tuple(text for text in overrides if text.startswith("model.hidden="))
            yield Case(
                f"{case.config} ({dose + 1})",
                "bundled",
                case.id,
                1,
                case.config,
                tuple(overrides),
                case.twin,
                shared,
                (case.id, *CAUSES.get(case.id, ())),
                curable=case.id not in UNCURABLE,
            )
