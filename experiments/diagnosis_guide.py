"""What a user can do about a diagnosis: the config keys that change it, and the bundled config that shows it."""

from collections.abc import Sequence

from gradvitals.diagnostics.explain import Explanation, Threshold
from gradvitals.experiments.config.diagnostics import Rule
from gradvitals.experiments.suggest import show

EXAMPLES = {
    "dead_units": "dying_relu",
    "saturated_units": "saturated_sigmoid",
    "vanishing_gradient": "vanishing_sigmoid_stack",
    "exploding_gradient": "exploding_initialization",
}
"""The bundled config in which each is the root; its healthy twin is named `…_healthy`."""

SWITCH = 'enabled = true  # false needs a reason: why = "…"'


def healthy_twin(example: str) -> str:
    """Name the config that differs from a sick one in one key."""
    return f"{example}_healthy"


def config_lines(explanation: Explanation) -> list[str]:
    """Write the config table of a diagnosis, in TOML, with the values it has anyway."""
    limits = [limit for limit in explanation.thresholds if limit.name in Rule.model_fields]
    return [
        f"[diagnostics.{explanation.id}]",
        *(f"{limit.name} = {value_text(limit)}" for limit in limits),
        SWITCH,
    ]


def fixed_names(explanation: Explanation) -> list[str]:
    """Name the thresholds that no config key changes."""
    return [limit.name for limit in explanation.thresholds if limit.name not in Rule.model_fields]


def value_text(threshold: Threshold) -> str:
    """Write a threshold's value as a person would.

    >>> value_text(Threshold("growth", 30.0, "")), value_text(Threshold("ratio", 1e-3, ""))
    ('30', '0.001')
    """
    value = threshold.value
    short = f"{value:g}" if isinstance(value, float) else ""
    return short if short and float(short) == value else show(value)


def listing(names: Sequence[str]) -> str:
    """Write names as a sentence lists them.

    >>> listing(["rise", "early", "persistence"])
    'rise, early and persistence'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
