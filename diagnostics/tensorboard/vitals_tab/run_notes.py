"""What a run's notes tell the tab: what was known before its first step, and the losses seen at its looks."""

from collections.abc import Iterable, Sequence

from gradvitals.diagnostics.measurements import Context, context_from_json
from gradvitals.diagnostics.note_kinds import note_from_json
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.seen_scores import SeenScores, seen_scores
from gradvitals.diagnostics.tensorboard.strict_json import decode_json

CONTEXT, PROBE, ENDING = b'{"context":', b'{"probe":', b'{"ending":'
"""How notes begin."""


def read_ending(notes: Sequence[bytes]) -> str:
    """Give the reason of the training's end, which is the last note; empty for none."""
    if not notes or not notes[-1].startswith(ENDING):
        return ""
    reason = _fields(notes[-1], "ending").get("reason")
    return reason if isinstance(reason, str) else ""


def find_context(notes: Sequence[bytes]) -> Context | None:
    """Give what was known before the first step; None where that was not recorded, or is damaged."""
    for content in reversed(notes):
        if content.startswith(CONTEXT):
            try:
                return context_from_json(_fields(content, "context"))
            except (AttributeError, KeyError, TypeError, ValueError):
                return None
    return None


def find_scores(notes: Sequence[bytes]) -> SeenScores | None:
    """Give the losses seen at the looks; None where none were."""
    return seen_scores(find_context(notes), list(_probes(notes)))


def _probes(notes: Iterable[bytes]) -> Iterable[Probe]:
    """Give the looks that can be read."""
    for content in notes:
        if not content.startswith(PROBE):
            continue
        try:
            note = note_from_json("probe", _fields(content, "probe"))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        if isinstance(note, Probe):
            yield note


def _fields(content: bytes, kind: str) -> dict[str, object]:
    try:
        note = decode_json(content)
    except (ValueError, RecursionError):
        return {}
    fields = note.get(kind) if isinstance(note, dict) else None
    return dict(fields) if isinstance(fields, dict) else {}
