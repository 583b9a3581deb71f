"""Notes as JSON: whole and of the right types, or not at all."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from gradvitals.diagnostics.note_kinds import NOTES, _fits, note_from_json, note_to_json
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json

SCALARS: dict[Any, Any] = {int: 3, float: 0.5, str: "text", bool: True}


def sample(kind: Any) -> Any:
    """Give a value of a field's type."""
    kinds = get_args(kind)
    if kind in SCALARS:
        return SCALARS[kind]
    if get_origin(kind) is tuple:
        return tuple(map(sample, kinds[:1] * 2 if kinds[-1] is ... else kinds))
    if get_origin(kind) is Mapping:
        return {"hidden_1": sample(kinds[1])}
    return sample(next(each for each in kinds if each is not NoneType))


def make(name: str) -> Any:
    cls = NOTES[name]
    return cls(**{field: sample(kind) for field, kind in get_type_hints(cls).items()})


@pytest.mark.parametrize("name", NOTES)
def test_a_note_survives_json(name: str) -> None:
    note = make(name)
    data: Any = decode_json(encode_json(note_to_json(note)))
    assert note_from_json(name, data | {"novelty": 1}) == note


@pytest.mark.parametrize("name", NOTES)
def test_what_may_be_unknown_is_none(name: str) -> None:
    kinds = get_type_hints(NOTES[name])
    unknown = {field: None for field, kind in kinds.items() if NoneType in get_args(kind)}
    assert note_to_json(note_from_json(name, note_to_json(make(name)) | unknown)).items() >= unknown.items()


@pytest.mark.parametrize("name", NOTES)
def test_a_field_of_another_type_is_refused(name: str) -> None:
    data = note_to_json(make(name))
    for field in data:
        with pytest.raises(TypeError, match=rf"^{name}\.{field}: "):
            note_from_json(name, data | {field: {"strange": object()}})


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (Scan, "dead", 7),
        (Scan, "dead", None),
        (Scan, "dead", [3]),
        (Scan, "dead", {"hidden_1": 3}),
        (Scan, "dead", {"hidden_1": [3, "x"]}),
        (Scan, "dead", {"hidden_1": [[3]]}),
        (Scan, "rows", 1.5),
        (Scan, "step", "3"),
        (Probe, "loss", None),
        (Probe, "gain", "much"),
        (Probe, "relative_slopes", {"hidden_1": None}),
        (Probe, "relative_slopes", []),
    ],
    ids=str,
)
def test_a_value_that_no_version_writes_is_refused(cls: type[Any], field: str, value: object) -> None:
    (name,) = (name for name, each in NOTES.items() if each is cls)
    with pytest.raises(TypeError, match=rf"{name}\.{field}: "):
        note_from_json(name, note_to_json(make(name)) | {field: value})


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ((), tuple[float, ...], True),
        ((1.0, 2), tuple[float, ...], True),
        (5, tuple[float, ...], False),
        ("ab", tuple[str, ...], False),
        ((1.0, 2.0), tuple[float, float], True),
        ((1.0,), tuple[float, float], False),
        ((), tuple[float, float], False),
        ((1.0, "x"), tuple[float, float], False),
        ({}, Mapping[str, int], True),
        ({"a": 1.5}, Mapping[str, int], False),
        ({"a": {"b": ((1, 2), ())}}, Mapping[str, Mapping[str, tuple[tuple[int, ...], ...]]], True),
        ({"a": {"b": ((1, None), ())}}, Mapping[str, Mapping[str, tuple[tuple[int, ...], ...]]], False),
        (None, Mapping[str, float] | None, True),
        (None, float, False),
        (3, bool, False),
    ],
    ids=str,
)
def test_types_are_told_all_the_way_down(value: object, kind: Any, expected: bool) -> None:  # noqa: FBT001 - a parameter
    assert _fits(value, kind) is expected


@pytest.mark.parametrize("value", [1, 0.25, float("nan"), float("-inf")], ids=str)
def test_a_number_may_be_whole_and_need_not_be_finite(value: float) -> None:
    data: Any = decode_json(encode_json(note_to_json(make("probe")) | {"loss": value, "gain": value}))
    read = note_from_json("probe", data)
    assert isinstance(read, Probe)
    assert (str(read.loss), str(read.gain)) == (str(value), str(value))
