"""Single keys set on top of a config: the command line's --set, and the axes of a sweep."""

import tomllib
from typing import Any

from gradvitals.experiments.errors import UserError


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value``; the value is read as TOML, and a bare word is text.

    >>> parse_override("training.epochs=5"), parse_override("model.init=he_normal")
    (('training.epochs', 5), ('model.init', 'he_normal'))

    Raises:
        UserError: If there is no ``=``, no key, or a value that begins like TOML and is none.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip().replace('"', ""), value.strip()
    if not equals or not all(key.split(".")) or not value:
        sentence = f"--set {text}: not of the form key=value, such as training.epochs=5"
        raise UserError(sentence)
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as error:
        if value[0] in "[{\"'":
            sentence = f"--set {text}: the value is not valid TOML: {error}"
            raise UserError(sentence) from error
        return key, value
    return key, parsed["value"] if len(parsed) == 1 else value


def set_key(table: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return a copy of nested tables with a dotted key set.

    A name that stands for a table, such as ``init = "normal"``, becomes that table when a key in it is set. Keys under
    ``sweep.`` are dotted themselves.
    """
    first, _, rest = key.partition(".")
    if not rest:
        return table | {first: value}
    inner = table.get(first, {})
    if isinstance(inner, str):
        inner = {"kind": inner}
    if not isinstance(inner, dict):
        inner = {}
    return table | {first: inner | {rest: value} if first == "sweep" else set_key(inner, rest, value)}
