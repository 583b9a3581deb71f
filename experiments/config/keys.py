"""The keys a config can have, read off the models, and the right one for a wrong one."""

from collections.abc import Iterator
from functools import cache
from typing import get_args, get_origin

from pydantic import BaseModel

from gradvitals.diagnostics.suggest import SYNONYMS, nearest

OPEN_TABLES = ("data.columns", "check.ignore")
"""Tables whose keys are names from the data, or keys of findings: any key in them may be right."""


@cache
def known_keys(config: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Return every dotted key of a config but those of the sweep.

    Returns:
        For each key the kinds of table that have it, such as ``("sgd", "rmsprop")`` for
        ``training.optimizer.momentum``; none where all do.
    """
    keys: dict[str, tuple[str, ...]] = {}
    for key, kind in _walk(config, ""):
        keys[key] = tuple(dict.fromkeys([*keys.get(key, ()), *([kind] if kind else [])]))
    return keys


def is_key(key: str, config: type[BaseModel]) -> bool:
    """Tell whether a config can have a dotted key."""
    return key in known_keys(config) or key.startswith(tuple(f"{table}." for table in OPEN_TABLES))


def wrong_key(key: str, config: type[BaseModel], kind: str | None = None) -> str:
    """Return what to say of a key that does not exist.

    Args:
        key: The dotted key.
        config: The model of the whole config.
        kind: The kind of the table it stands in, where tables of other kinds might have it.
    """
    known = known_keys(config)
    section, _, leaf = key.rpartition(".")
    if kind and key in known:
        return f"{kind} has no {leaf!r}; {' and '.join(known[key])} {'have' if len(known[key]) > 1 else 'has'} it"
    beside = {other: own for other, own in known.items() if other.rpartition(".")[0] == section}
    siblings = {other.rpartition(".")[2]: other for other, own in beside.items() if not kind or not own or kind in own}
    everywhere = {other.rpartition(".")[2]: other for other in reversed(known)} | siblings
    for name in (leaf, SYNONYMS.get(leaf, "")):
        if name in everywhere:
            return f"no such key — did you mean {everywhere[name]!r}?"
    near = nearest(leaf, siblings) or nearest(leaf, everywhere)
    if near:
        return f"no such key — did you mean {everywhere[near]!r}?"
    return f"no such key; {f'[{section}]' if section else 'a config'} has {', '.join(siblings)}"


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each dotted key under a model with the kind of its table ("" where there is but one)."""
    kind_field = model.model_fields.get("kind")
    kinds = get_args(kind_field.annotation) if kind_field else ()
    for name, field in model.model_fields.items():
        if name == "sweep":
            continue
        key = f"{prefix}{name}"
        for kind in kinds if name != "kind" else ("",):
            yield key, kind
        if not kinds:
            yield key, ""
        for inner in _models(field.annotation):
            yield from _walk(inner, f"{key}.")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation mentions, however deep."""
    if get_origin(annotation) is dict:
        return  # its keys are not the models'
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
