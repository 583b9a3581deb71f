"""Sick configs for `benchmarks/repairs.py`: the bundled ones, and kinds of fault injected into bases of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from repair_bases import Base, Part, Table, bases

from gradvitals.experiments.fault_cases import FAULT_CASES

RATE = "training.optimizer.learning_rate"


@dataclass(frozen=True, slots=True)
class Case:
    """A sick config and its healthy twin.

    Attributes:
        name: Of the case.
        part: Of the benchmark.
        fault: Kind of fault, or the diagnosis that a bundled config is for.
        count: Faults injected: the keys that a cure may have.
        config: Name of a bundled config, or that of the base.
        sick: Overrides that make it sick.
        twin: The healthy twin, likewise.
        twin_sick: Overrides that the twin has as well: a dose that is no fault.
        roots: Ids of the diagnoses that name the fault; of two faults, those of either.
        curable: Whether the catalogue lists a cure by config.
    """

    name: str
    part: Part
    fault: str
    count: int
    config: str | Table
    sick: tuple[str, ...]
    twin: str | Table
    twin_sick: tuple[str, ...]
    roots: tuple[str, ...]
    curable: bool = True


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
    if base.is_rectified:
        bias = ('model.bias_init={kind="constant", value=-200.0}',)
        yield "biases far below zero", bias, ("dead_units", "initialization_scale")
    if base.is_regression:
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
    "no_learning": ("learning_rate_too_low",),
    "overfitting": ("memorising",),
    "update_ratio": ("learning_rate_too_high",),
}
"""What names the fault of a bundled config besides the diagnosis that it is for; most start from bad weights."""

UNCURABLE = frozenset({"data_faults"})
"""Bundled configs whose cure is in the data, not in the config."""


def cases(part: Part) -> Iterator[Case]:
    """Yield the cases of a part."""
    if part == "bundled":
        yield from _bundled()
    for base in bases(part):
        single = {kind: (overrides, roots) for kind, overrides, roots in injections(base)}
        for kind, (overrides, roots) in single.items():
            yield Case(f"{base.name}: {kind}", part, kind, 1, base.table, overrides, base.table, (), roots)
        for one, other in PAIRS:
            if one in single and other in single:
                kind, both = f"{one} + {other}", (*single[one][0], *single[other][0])
                roots = (*single[one][1], *single[other][1])
                yield Case(f"{base.name}: {kind}", part, kind, 2, base.table, both, base.table, (), roots)


def _bundled() -> Iterator[Case]:
    for case in FAULT_CASES:
        for dose, overrides in enumerate(((), *case.doses)):
            no_fault = ("model.hidden=",) if case.id in UNCURABLE else ("model.hidden=", "data.source=")
            shared = tuple(text for text in overrides if text.startswith(no_fault))
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
