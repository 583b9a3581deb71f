"""Every diagnosis's sick config, how sick it can be made, and where it must be found: what rules are tested by."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Means: TypeAlias = Literal["run", "preflight"]


@dataclass(frozen=True, slots=True)
class FaultCase:
    """A diagnosis on a config that has the fault; its twin, `<config>_healthy`, differs in what the fault is.

    Attributes:
        id: The diagnosis.
        config: Name of the bundled sick config; itself the first dose.
        layer: Where it must be found; None for the whole run.
        doses: Two further doses, each as overrides (`key=value`) of the sick config.
        severity: What it must at least be.
        means: What finds it: the run, or the pre-flight before it.
    """

    id: str
    config: str
    layer: str | None
    doses: tuple[tuple[str, ...], tuple[str, ...]]
    severity: Literal["warning", "error"] = "error"
    means: Means = "run"

    @property
    def twin(self) -> str:
        """Name of the healthy config."""
        return f"{self.config}_healthy"


_RATE = "training.optimizer.learning_rate"

FAULT_CASES: tuple[FaultCase, ...] = (
    FaultCase("non_finite", "non_finite", "hidden_2", (("model.init.std=1e21",), ("model.init.std=1e22",))),
    FaultCase(
        "dead_units", "dying_relu", "hidden_1", (("model.bias_init.value=-100.0",), ("model.bias_init.value=-1000.0",))
    ),
    FaultCase("saturated_units", "saturated_sigmoid", "hidden_1", (("model.init.std=20.0",), ("model.init.std=50.0",))),
    FaultCase(
        "vanishing_gradient",
        "vanishing_sigmoid_stack",
        "hidden_1",
        (("model.hidden=[32, 32, 32, 32, 32, 32, 32]",), ("model.hidden=[32, 32, 32, 32, 32, 32, 32, 32]",)),
    ),
    FaultCase(
        "exploding_gradient",
        "exploding_initialization",
        "hidden_1",
        (("model.init.std=0.7",), ("model.init.std=1.0",)),
    ),
    FaultCase(
        "recurrent_gain",
        "recurrent_gain",
        "hidden_1",
        (("model.recurrent_init.std=0.02",), ("model.recurrent_init.std=0.005",)),
    ),
    FaultCase("learning_rate_too_high", "learning_rate_too_high", None, ((f"{_RATE}=100.0",), (f"{_RATE}=1000.0",))),
    FaultCase(
        "learning_rate_too_low",
        "learning_rate_too_low",
        None,
        ((f"{_RATE}=1e-5",), (f"{_RATE}=1e-6",)),
        severity="warning",
    ),
    FaultCase(
        "update_ratio",
        "update_ratio",
        "output",
        ((f"{_RATE}=100.0",), (f"{_RATE}=1000.0",)),
        severity="warning",
    ),
    FaultCase("no_learning", "no_learning", None, ((f"{_RATE}=1e-8",), (f"{_RATE}=1e-10",))),
    FaultCase(
        "overfitting",
        "overfitting",
        None,
        (("training.epochs=400",), ("training.epochs=480",)),
        severity="warning",
    ),
    FaultCase("memorising", "memorising", None, (("model.init.std=0.8",), ("model.init.std=1.4",))),
    FaultCase(
        "underfitting",
        "underfitting",
        None,
        (("model.hidden=[64, 64, 64]",), ('data.source="spiral"',)),
        severity="warning",
    ),
    FaultCase("symmetric_units", "symmetric_units", "hidden_1", (("model.init.value=0.5",), ('model.init="zeros"',))),
    FaultCase(
        "frozen_parameters",
        "frozen_parameters",
        "hidden_1",
        (('training.frozen=["hidden_1", "hidden_2"]',), ('training.frozen=["hidden_1", "output"]',)),
        severity="warning",
    ),
    FaultCase(
        "clipped_delta",
        "clipped_delta",
        "output",
        (('data.scale_targets="none"',), ('data.scale_targets="none"', f"{_RATE}=0.1")),
        severity="warning",
    ),
    FaultCase("collapsed_output", "collapsed_output", "output", (("model.init.std=1e-8",), ("model.init.std=1e-12",))),
    FaultCase("loss_mismatch", "loss_mismatch", None, (('model.output="sigmoid"',), ("model.output_units=8",))),
    FaultCase("numerics", "numerics", "output", (("model.init.std=10.0",), ("model.init.std=100.0",))),
    FaultCase(
        "saturated_output",
        "saturated_output",
        "output",
        (
            ('model.init=["he_normal", {kind="normal", std=150.0}]',),
            ('model.init=["he_normal", {kind="normal", std=200.0}]',),
        ),
    ),
    FaultCase(
        "cannot_overfit",
        "cannot_overfit",
        None,
        (
            ('model.output="sigmoid"', 'data.scale_targets="none"'),
            ('model.output="tanh"', 'data.scale_targets="none"'),
        ),
        means="preflight",
    ),
    FaultCase(
        "data_faults",
        "data_faults",
        None,
        (('data.source="data_faults_half.npz"',), ('data.source="data_faults_all.npz"',)),
        severity="warning",
    ),
    FaultCase("unscaled_inputs", "unscaled_inputs", None, (("data.scale=100.0",), ("data.scale=1000.0",))),
    FaultCase("unscaled_targets", "unscaled_targets", None, ((f"{_RATE}=0.1",), (f"{_RATE}=0.5",))),
    FaultCase(
        "initialization_scale",
        "initialization_scale",
        "hidden_1",
        (("model.init.std=5.0",), ("model.init.std=10.0",)),
        severity="warning",
    ),
)
"""One for every diagnosis but gradient_check: no config makes backpropagation wrong; a test with a wrong gate does."""
