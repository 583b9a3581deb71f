"""JSON that every parser reads: floats that are not finite are strings, as JSON has no word for them."""

import json
from math import inf, isfinite, nan
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | tuple[Json, ...] | dict[str, Json] | None"

_WORDS = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}


def encode_json(value: Json) -> bytes:
    """Encode as strict JSON; NaN and ±∞ become `"NaN"`, `"Infinity"` and `"-Infinity"`.

    Raises:
        TypeError: If the value holds anything that is not JSON, such as an array.

    >>> encode_json({"loss": float("nan"), "steps": [1, 2]})
    b'{"loss":"NaN","steps":[1,2]}'
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:  # there is something that is not finite
        text = json.dumps(_words_for_floats(value), allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def decode_json(data: bytes | str) -> Json:
    """Decode what `encode_json` wrote; the three words become floats again, also where they were strings before.

    Raises:
        ValueError: If the data are not JSON.
    """
    decoded: Json = json.loads(data)
    return _floats_for_words(decoded)


def _words_for_floats(value: Json) -> Json:
    match value:
        case float() if not isfinite(value):
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN
        case dict():
            return {key: _words_for_floats(item) for key, item in value.items()}
        case list() | tuple():
            return [_words_for_floats(item) for item in value]
        case _:
            return value


def _floats_for_words(value: Json) -> Json:
    match value:
        case str():
            return _WORDS.get(value, value)
        case dict():
            return {key: _floats_for_words(item) for key, item in value.items()}
        case list() | tuple():
            return [_floats_for_words(item) for item in value]
        case _:
            return value
