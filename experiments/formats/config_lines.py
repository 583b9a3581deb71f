"""Where in a config file a key stands: the line that a finding points to."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradvitals.diagnostics.findings import Finding
from gradvitals.experiments.config.check import LIMITS


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the line, counted from 1, on which each key of a TOML text is first set, and each table begins.

    A statement ends where the lines since its beginning are TOML by themselves, so that strings and arrays over several
    lines need no second parser. What follows a fault is not found.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    pending: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        pending.append(line)
        statement = _parse("\n".join(pending))
        if statement is None:
            continue
        start, is_header = number - len(pending) + 1, pending[0].lstrip().startswith("[")
        pending = []
        paths = list(_paths(statement))
        if is_header:
            table, paths = paths[-1], [paths[-1]]
            lines.setdefault(table, start)
        else:
            for path in paths:
                lines.setdefault((*table, *path), start)
    return lines


def finding_line(lines: Mapping[tuple[str, ...], int], finding: Finding) -> int:
    """Give the line to look at for a finding; 1 where the file has nothing to do with it.

    It is that of the first key, in the order of what is prescribed, that stands in the file or is swept there; else of
    the nearest table around one; else of the diagnosis's own table.
    """
    keys = [key for cure in finding.prescriptions for key in cure.set or ()]
    if finding.id in LIMITS:
        keys.insert(0, f"check.{finding.id}")
    paths = [tuple(key.split(".")) for key in keys]
    exact: Sequence[tuple[str, ...]] = [
        candidate for key, path in zip(keys, paths, strict=True) for candidate in (("sweep", key), path)
    ]
    around = [path[:end] for path in paths for end in range(len(path) - 1, 0, -1)]
    rule = ("diagnostics", finding.id)
    return next((lines[path] for path in (*exact, *around, rule) if path in lines), 1)


def read_lines(path: Path) -> dict[tuple[str, ...], int]:
    """Find the keys of a config file; none where it cannot be read."""
    try:
        return key_lines(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return {}


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _paths(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key in a table, outer ones first."""
    for key, value in table.items():
        yield (key,)
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(inner, dict):
            yield from ((key, *path) for path in _paths(inner))
