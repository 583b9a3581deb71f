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
    FaultCase("no_learning", "no_learning", None, ((f"{_RATE}=1e-8",), (f"{_RATE}=1e-10",))),
)
"""In the order of the catalogue; one for every diagnosis."""
