"""Sentences for validation errors: where, what is wrong, what would be right."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.config.keys import wrong_key
from gradvitals.experiments.show import show

NEEDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table or a name",
    "dict_type": "a table",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
PLAIN = {
    "missing": "missing, and it has no default",
    "union_tag_not_found": "missing, and it has no default",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "too_long": "too long",
    "string_too_long": "too long",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a config.

    Attributes:
        key: The dotted key at fault.
        text: What is wrong and what would be right.
    """

    key: str
    text: str


MOST_CHOICES = 14
"""Choices that a sentence names; the nearest is named besides."""


def explain(error: ValidationError, raw: object, config: type[BaseModel]) -> list[Problem]:
    """Return the problems a validation found, in the order of the models.

    Args:
        error: What pydantic raised.
        raw: The data that did not validate.
        config: The model of the whole config.
    """
    problems = [_problem(details, raw, config) for details in error.errors(include_url=False)]
    return [problem for problem in problems if not _explained(problem, problems)]


def _explained(problem: Problem, problems: list[Problem]) -> bool:
    """Tell whether a missing key is there under a wrong name, or a list empty for its faults: they have sentences."""
    if problem.text == PLAIN["too_short"]:
        return any(other.key.startswith(f"{problem.key}[") for other in problems)
    return problem.text == PLAIN["missing"] and any(f"did you mean {problem.key!r}" in other.text for other in problems)


def _problem(details: ErrorDetails, raw: object, config: type[BaseModel]) -> Problem:
    """Return the key as the user wrote it, and the sentence."""
    key = _dotted(details["loc"], raw, missing=details["type"] == "missing")
    match details["type"]:
        case "fault":
            key = f"{key}.{details['ctx']['key']}".strip(".")
        case "union_tag_invalid" if not isinstance(_at(details["loc"], raw), str):
            key = f"{key}.kind"
        case "union_tag_not_found":
            key = f"{key}.kind"
    if details["type"] == "extra_forbidden":
        return Problem(key, wrong_key(key, config, _kind(details["loc"], raw)))
    return Problem(key, _text(details))


def _text(details: ErrorDetails) -> str:
    """Return what is wrong and what would be right."""
    value: Any = details["input"]
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "fault":
            text = str(context["text"])
        case "literal_error":
            text = _choice(value, context["expected"])
        case "union_tag_invalid":
            text = _choice(value["kind"], context["expected_tags"])
        case kind if kind in BOUNDS:
            name, words = BOUNDS[kind]
            text = f"{show(value)} must be {words} {context[name]:{',' if isinstance(context[name], int) else 'g'}}"
        case kind if kind in NEEDS:
            quotes = " — remove the quotes" if isinstance(value, str) and _is_number(value) else ""
            text = f"{show(value)} is not {NEEDS[kind]}{quotes}"
        case kind if kind in PLAIN:
            text = PLAIN[kind]
        case _:
            text = f"{show(value)}: {details['msg']}"
    return text


def _choice(value: object, expected: str) -> str:
    """Return what to say of a value that is none of the expected ones, which pydantic lists in quotes."""
    choices = re.findall(r"'([^']*)'", expected)
    shown = [*choices[:MOST_CHOICES], *(["…"] if len(choices) > MOST_CHOICES else [])]
    listed = f"is not one of {', '.join(shown)}" if len(choices) > 1 else f"is not {choices[0]!r}, the only choice yet"
    if not isinstance(value, str):
        return f"{show(value)} {listed}"
    quotes = " — remove the quotes" if _is_number(value) else ""
    return f"{show(value)} {listed}{did_you_mean(value, choices) or quotes}"


def _dotted(loc: tuple[int | str, ...], raw: object, *, missing: bool) -> str:
    """Return the key as a user would write it: pydantic's location without the names of union members.

    Whatever is not found in the data is such a name; a missing key is the exception.
    """
    key = ""
    for part in loc:
        if isinstance(raw, dict) and part in raw:
            raw, key = raw[part], f'{key}."{part}"' if "." in str(part) else f"{key}.{part}"
        elif isinstance(raw, list | tuple) and isinstance(part, int):
            raw, key = raw[part], f"{key}[{part}]"
    return f"{key}.{loc[-1]}".lstrip(".") if missing else key.lstrip(".")


def _at(loc: tuple[int | str, ...], raw: object) -> object:
    """Return the value at a location."""
    for part in loc:
        if (isinstance(raw, dict) and part in raw) or (isinstance(raw, list | tuple) and isinstance(part, int)):
            raw = raw[part]  # type: ignore[index]
    return raw


def _kind(loc: tuple[int | str, ...], raw: object) -> str | None:
    """Return the kind of the table that holds the last key, where tables of several kinds are possible."""
    is_tag = len(loc) > 1 and _at(loc[:-1], raw) is _at(loc[:-2], raw)
    return str(loc[-2]) if is_tag else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
