"""An intervention for programs: what was found, and every arm with its effects."""

from typing import Any

from gradvitals.diagnostics.findings import Finding
from gradvitals.experiments.intervention.conclusion import Conclusion
from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.show import rows_of
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.intervention.yardstick import YARDSTICK


def to_json(found: Intervention, concluded: Conclusion) -> dict[str, Any]:
    """Give an intervention as JSON."""
    return {
        "yardstick": YARDSTICK[found.task],
        "seeds": [*found.seeds, *found.more_seeds],
        "impaired": found.sick.impaired,
        "provisional_root": _key(concluded.provisional),
        "root": _key(concluded.root),
        "confirmed": concluded.speaks and len(found.seeds) >= ENOUGH_SEEDS,
        "second_causes": [each.key for each in concluded.seconds],
        "lifted_by": None if concluded.lifting is None else dict(concluded.lifting.arm.changes),
        "vanished": [each.key for each in concluded.vanished],
        "cure": None if concluded.cure is None else dict(concluded.cure.arm.changes),
        "arms": [_arm_json(found, each) for each in rows_of(found)],
        "runs": found.runs,
        "seconds": found.spent,
        "times_the_sick_run": found.spent / found.unit if found.unit else None,
        "notes": list(found.notes),
    }


def _arm_json(found: Intervention, tried: Tried) -> dict[str, Any]:
    return {
        "name": tried.arm.name,
        "role": tried.arm.role,
        "set": dict(tried.arm.changes),
        "keys": tried.arm.keys,
        "prescribed_by": list(tried.arm.prescribed_by),
        "score": tried.mean,
        "probed": {str(seed): scores.mean for seed, scores in tried.probed.items()},
        "screening": None if tried.screening is None else tried.screening.to_json(),
        "effect": None if tried.effect is None else tried.effect.to_json(),
        "against_sane_defaults": None if tried.against_sane is None else tried.against_sane.to_json(),
        "impaired_in": tried.impaired if tried.trials else None,
        "standing": [each.key for each in found.left(tried)] if tried.trials else None,
        "lifts": found.lifts(tried),
        "cures": found.cures(tried),
    }


def _key(finding: Finding | None) -> str | None:
    return None if finding is None else finding.key
