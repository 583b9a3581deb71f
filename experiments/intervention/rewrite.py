"""Writes the repaired config: the user's own file, comments and all, with the cure set in it."""

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gradvitals.experiments.config.data import BUNDLED, MADE
from gradvitals.experiments.config.dump import dump, inline, training_hash
from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.config.override import parse_override
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.config.sweep import axis_values
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.files import write_text
from gradvitals.experiments.intervention.arms import Arm, Changes


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to write where something is, or where nothing can be written.

    Raises:
        UserError: If so.
    """
    if path.is_dir():
        reason = "is a folder; a file is wanted here"
    elif path.exists() and not force:
        reason = "exists — name another file with --output, or replace it with --force"
    elif not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        reason = "cannot be written: no such folder, or it is not yours"
    else:
        return
    sentence = f"{path}: {reason}"
    raise UserError(sentence)


def write_repaired(path: Path, loaded: LoadedConfig, arm: Arm, overrides: Sequence[str], comment: str) -> None:
    """Write the config that an arm makes of the one that was loaded, whole or not at all.

    Args:
        path: The new file.
        loaded: The sick config, whose file's comments are kept; of a sweep of one run that run's values stay.
        arm: The cure.
        overrides: What the command line had set; it stays set.
        comment: The first line: what was changed, and what it was measured to do.
    """
    swept = {key: axis_values(axis)[0] for key, axis in loaded.config.sweep.items()}  # of the one run that it has
    changes = {**dict(map(parse_override, overrides)), **swept, **arm.changes}
    source = _source_seen_from(path, loaded)
    if source is not None:
        changes["data.source"] = source
    changes = {key: value for key, value in changes.items() if not key.startswith("sweep.")} | {"sweep": None}
    own = None if loaded.path is None else _edited(loaded.path, changes)
    wanted = arm.config
    if source is not None:
        wanted = wanted.model_copy(update={"data": wanted.data.model_copy(update={"source": source})})
    text = own if own is not None and _is(own, wanted) else dump(wanted)
    write_text(path, f"# gradvitals repair: {comment}\n{text}")


def _source_seen_from(path: Path, loaded: LoadedConfig) -> str | None:
    """Give the data's path as the new file needs it; None where it is no path, or stays what it was."""
    source = Path(loaded.config.data.source).expanduser()
    base = next((base for base in (loaded.base_dir, Path()) if (base / source).exists()), None)
    if loaded.config.data.source in (*BUNDLED, *MADE) or source.is_absolute() or base is None:
        return None
    beside = path.resolve().parent
    return None if beside == base.resolve() else Path(os.path.relpath((base / source).resolve(), beside)).as_posix()


def _is(text: str, wanted: Config) -> bool:
    try:
        read = loads(text)
    except UserError:
        return False
    return training_hash(read) == training_hash(wanted) and (read.seed, read.sweep) == (wanted.seed, wanted.sweep)


def _edited(file: Path, changes: Changes) -> str | None:
    """Set keys in a TOML file's text; None where that cannot be done in place."""
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8-sig"))
        for key, value in changes.items():
            _set(document, key.split("."), value)
        return tomlkit.dumps(document)
    except (OSError, UnicodeDecodeError, TOMLKitError, TypeError, AttributeError):
        return None


def _set(table: MutableMapping[str, Any], path: Sequence[str], value: Any) -> None:  # noqa: ANN401 - any value
    """Set one key, whose tables are made where they are missing; None removes it."""
    first, *rest = path
    if not rest:
        if value is None:
            table.pop(first, None)
            return
        was = table.get(first)
        item = inline(value)
        table[first] = item
        if was is not None and isinstance(table, tomlkit.items.Table):
            own = was.trivia.comment.lstrip("# ") if isinstance(was, tomlkit.items.Item) else ""
            table[first].comment("; ".join(filter(None, (f"was {_as_text(was)}", own))))
        return
    if isinstance(table.get(first), str):
        table[first] = inline({"kind": str(table[first])})
    elif first not in table:
        table[first] = tomlkit.table()
    _set(table[first], rest, value)


def _as_text(item: Any) -> str:  # noqa: ANN401 - any item
    text = item.as_string() if hasattr(item, "as_string") else str(item)
    return " ".join(text.split())
