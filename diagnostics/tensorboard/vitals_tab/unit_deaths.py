"""The deaths of units, told: when, by which update, and what moved their pre-activations below zero."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from gradvitals.diagnostics.note_kinds import note_from_json
from gradvitals.diagnostics.tensorboard.strict_json import Json, decode_json
from gradvitals.diagnostics.unit_death import UnitDeath

PREFIX = b'{"unit_death":'


def tell_deaths(notes: Iterable[bytes], layers: Sequence[str]) -> dict[str, Json]:
    """Tell every described death of a run, by layer and in time, and how many others there were.

    Args:
        notes: All notes of the run.
        layers: Names in the network's order.
    """
    order = {layer: place for place, layer in enumerate(layers)}
    deaths = [death for death in map(_read, notes) if death is not None]
    deaths.sort(key=lambda death: (order.get(death.layer, len(order)), death.layer, death.step, death.unit))
    described = Counter((death.layer, death.step) for death in deaths)
    found = {(death.layer, death.step): death.found for death in deaths}
    left_out: list[Json] = [
        {"layer": layer, "step": step, "units": found[layer, step] - count}
        for (layer, step), count in described.items()
        if found[layer, step] > count
    ]
    return {"deaths": [_told(death) for death in deaths], "left_out": left_out}


def _read(content: bytes) -> UnitDeath | None:
    """Read a note; None for another one, or one that is damaged."""
    if not content.startswith(PREFIX):
        return None
    try:
        fields = decode_json(content)
        note = note_from_json("unit_death", fields["unit_death"])  # type: ignore[index, call-overload, arg-type]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
    whole = isinstance(note, UnitDeath) and all(
        len(counts) in {0, len(note.edges) - 1} for counts in (note.before, note.after)
    )
    return note if isinstance(note, UnitDeath) and (whole or not note.edges) else None


def _told(death: UnitDeath) -> Json:
    return {**asdict(death), "killed_by": death.killed_by, "when": _when(death), "why": _why(death)}


def _when(death: UnitDeath) -> str:
    """Say when it died, as narrowly as is known."""
    if death.fired_after is None:
        return "dead at the start" if death.step == 0 else f"dead at the first scan, at step {death.step}"
    if death.killed_by is not None:
        return f"killed by update {death.killed_by}"
    between = f"died between updates {death.fired_after} and {death.silent_after}"
    return between if death.certain else f"{between} on the rows looked at; dead at the scan at step {death.step}"


def _why(death: UnitDeath) -> str:
    """Say what moved its largest pre-activation to zero or below; empty where that is not known."""
    bias, weights, both = death.largest_with_new_bias, death.largest_with_new_weights, death.largest_with_both
    if death.fired_after is None or both is None:
        return ""
    if both > 0.0:
        return "With its new bias and weights it would still fire on its old inputs: the layers below have changed."
    by_bias, by_weights = bias is not None and bias <= 0.0, weights is not None and weights <= 0.0
    if by_bias and by_weights:
        return "The change of its bias alone would have silenced it, and so would that of its weights."
    if by_bias or by_weights:
        return f"The change of its {'bias' if by_bias else 'weights'} alone silenced it."
    return "The changes of its bias and weights silenced it together; neither alone would have."
