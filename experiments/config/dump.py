"""A resolved config as TOML, as plain data, and as a short hash."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Item

from gradvitals.experiments.config.root import Config


def as_plain(config: Config) -> dict[str, Any]:
    """Return the config as TOML would hold it: defaults written out, unset keys left out."""
    plain = config.model_dump(mode="json", exclude_none=True)
    for key, exception in (config.check.ignore or {}).items():
        plain["check"]["ignore"][key]["until"] = exception.until  # TOML has dates, JSON does not
    if not plain["sweep"]:
        del plain["sweep"]
    return plain


def dump(config: Config) -> str:
    """Return the config as TOML; reading it gives an equal config."""
    document = tomlkit.document()
    for key, value in as_plain(config).items():
        if not isinstance(value, dict):
            document.add(key, inline(value))
            continue
        table = tomlkit.table()
        for inner, item in value.items():
            table.add(inner, inline(item))
        document.add(key, table)
    return tomlkit.dumps(document)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give a nested table by dotted keys, dates as text: it is recorded as JSON."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value.isoformat() if isinstance(value, date) else value
    return flat


def config_hash(config: Config, digits: int = 6) -> str:
    """Return the first hexadecimal digits of the SHA-256 of the resolved config.

    The order of keys, comments, and whether a default was written do not change it.
    """
    return _digest(as_plain(config))[:digits]


def training_hash(config: Config, digits: int = 12) -> str:
    """Return the first hexadecimal digits of the SHA-256 of what is trained: data, model and training.

    Runs that share it differ at most in their seed, their name, and how they are watched and judged.
    """
    return _digest(_trained(config))[:digits]


def training_keys(config: Config) -> dict[str, Any]:
    """Give what `training_hash` is of, by dotted keys."""
    return flatten(_trained(config))


def _trained(config: Config) -> dict[str, Any]:
    plain = as_plain(config)
    return {key: plain[key] for key in ("data", "model", "training")}


def _digest(table: Mapping[str, Any]) -> str:
    canonical = json.dumps(table, sort_keys=True, separators=(",", ":"), default=date.isoformat)
    return hashlib.sha256(canonical.encode()).hexdigest()


def inline(value: Any) -> Item:  # noqa: ANN401 - any value of a config
    """Return a TOML value with tables inline, also within lists."""
    match value:
        case dict():
            table: InlineTable = tomlkit.inline_table()
            for key, inner in value.items():
                table.add(key, inline(inner))
            return table
        case list():
            array = tomlkit.array()
            for inner in value:
                array.append(inline(inner))
            return array
        case _:
            item: Item = tomlkit.item(value)
            return item
