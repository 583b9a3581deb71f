"""What a diagnosis says of itself: symptom, cause, cure, source and thresholds, read from its docstring and fields."""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.findings import Tier

PARTS = ("Symptom", "Cause", "Cure", "Info", "Warning", "Error", "Clear", "Needs", "Source")
"""The paragraphs of a diagnosis's docstring, in their order."""

LEVELS = PARTS[3:8]
"""Those that say when it speaks."""

TIERS: dict[Tier, str] = {
    "fact": "exact, no statistics",
    "test": "a statistical claim",
    "hint": "worth reading, never an error",
}
"""What the tiers mean."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A field of a diagnosis.

    Attributes:
        name: Of the field.
        value: What it is.
        meaning: What the docstring says of it.
    """

    name: str
    value: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a diagnosis says of itself, in sentences.

    Attributes:
        id: The diagnosis.
        tier: `fact`, `test` or `hint`.
        parts: Its paragraphs, by name, in the order of `PARTS`: what is seen, where it comes from, what to try; when it
            is worth a word, a warning, an error, when it clears, what must be recorded; and who found it.
        thresholds: What it is held against, in the order of the fields.
    """

    id: str
    tier: Tier
    parts: Mapping[str, str]
    thresholds: tuple[Threshold, ...]

    @property
    def headline(self) -> str:
        """The first sentence of the symptom."""
        return re.split(r"(?<=[.!?])\s+(?=[A-Z])", self.parts["Symptom"], maxsplit=1)[0]


def explain(diagnosis: Diagnosis) -> Explanation:
    """Turn what the class documents, and the values it has, into plain data.

    Raises:
        ValueError: If the docstring lacks a part, or its Attributes are not the fields.
    """
    name = type(diagnosis).__name__
    before, _, listed = inspect.cleandoc(type(diagnosis).__doc__ or "").partition("\nAttributes:\n")
    parts = _parts(before)
    missing = [part for part in PARTS if not parts.get(part)]
    if missing:
        msg = f"{name}: its docstring has no {', '.join(missing)}; each is a paragraph such as `Cause: …`"
        raise ValueError(msg)
    meanings, values = _meanings(listed), {field.name: getattr(diagnosis, field.name) for field in _fields(diagnosis)}
    if meanings.keys() != values.keys():
        msg = f"{name}: Attributes explains {_names(meanings)}, but its fields are {_names(values)}"
        raise ValueError(msg)
    thresholds = tuple(Threshold(field, value, meanings[field]) for field, value in values.items())
    return Explanation(diagnosis.id, diagnosis.tier, {part: _sentence(parts[part]) for part in PARTS}, thresholds)


def _fields(diagnosis: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any diagnosis dataclass
    return fields(diagnosis)


def _parts(text: str) -> dict[str, str]:
    """Split `Symptom: … Cause: …` where a line begins with the name of a part."""
    pieces = re.split(rf"^({'|'.join(PARTS)}):", text, flags=re.MULTILINE)
    return {part: _one_line(words) for part, words in zip(pieces[1::2], pieces[2::2], strict=True)}


def _meanings(text: str) -> dict[str, str]:
    """Read Google style's `name: meaning`, whose further lines are indented deeper."""
    pieces = re.split(r"^(\w+):", inspect.cleandoc(text), flags=re.MULTILINE)
    return {name: _one_line(words) for name, words in zip(pieces[1::2], pieces[2::2], strict=True)}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _sentence(text: str) -> str:
    """Begin with a capital, unless the first word is a symbol, such as q."""
    first = re.split(r"\W", text, maxsplit=1)[0]
    is_word = first.isalpha() and (len(first) > 1 or text[:2] == "a ")
    return text[:1].upper() + text[1:] if is_word else text
