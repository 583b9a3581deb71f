"""What a user can do about a diagnosis: the config keys that change it, and the bundled config that shows it."""

from collections.abc import Sequence

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.explain import Explanation, Threshold
from gradvitals.experiments.config.diagnostics import Rule
from gradvitals.experiments.fault_cases import FAULT_CASES, FaultCase
from gradvitals.experiments.show import show
from gradvitals.experiments.trials.catalogue import TRIALS

DIAGNOSES: tuple[Diagnosis, ...] = (*CATALOGUE, *TRIALS)
"""All there are to explain."""

EXAMPLES = {case.id: case for case in FAULT_CASES}
"""Each diagnosis's bundled sick config."""

LONGEST = 12
"""Letters of a threshold that somebody chose; what is longer is a quotient."""

SWITCH = 'enabled = true  # false needs a reason: why = "…"'


def example_commands(case: FaultCase) -> str:
    """Write the commands that show a sick config and its healthy twin."""
    flag = " --preflight" if case.means == "preflight" else ""
    return f"gradvitals run {case.config}{flag}\ngradvitals run {case.twin}{flag}"


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
    >>> value_text(Threshold("level", 1e-3 / 11, ""))
    '9.09091e-05'
    """
    value = threshold.value
    short = f"{value:g}" if isinstance(value, float) else ""
    is_quotient = len(repr(value)) > LONGEST
    return short if short and (float(short) == value or is_quotient) else show(value)


def listing(names: Sequence[str]) -> str:
    """Write names as a sentence lists them.

    >>> listing(["rise", "early", "persistence"])
    'rise, early and persistence'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
