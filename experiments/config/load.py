"""Configs from files and from the bundled collection, with overrides, validated."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.config.explain import explain
from gradvitals.experiments.config.override import parse_override, set_key
from gradvitals.experiments.config.root import Config, dotted_keys
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.paths import is_file, is_folder


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config and where it came from.

    Attributes:
        config: The validated config.
        origin: What error messages call it: the path or the bundled name.
        base_dir: What relative paths in it are relative to.
        path: Its file; None for one that was never in a file.
    """

    config: Config
    origin: str
    base_dir: Path
    path: Path | None = None


def bundled_configs() -> dict[str, Path]:
    """Return the configs that come with the package, by name."""
    folder = resources.files("gradvitals.experiments")
    entries = [*folder.iterdir(), *(folder / "faults").iterdir()]
    paths = [Path(str(entry)) for entry in entries if entry.name.endswith(".toml")]
    return {path.stem: path for path in sorted(paths)}


def load_config(path_or_name: str | Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a config from a path or by the name of a bundled one.

    Args:
        path_or_name: A TOML file; where there is none, the name of a bundled config.
        overrides: Keys set on top, as ``key=value`` (see `parse_override`).

    Raises:
        UserError: If there is no such file, or it is not a valid config.
    """
    path = _find(Path(path_or_name))
    origin = str(path_or_name)
    raw = _read(path, origin)
    raw.setdefault("name", _name(path))
    return LoadedConfig(parse_config(raw, origin, overrides), origin, path.parent, path)


def loads(text: str, origin: str = "config") -> Config:
    """Return the config that a TOML text holds.

    Raises:
        UserError: If it is not a valid config.
    """
    return parse_config(_parse(text, origin), origin)


def parse_config(raw: dict[str, Any], origin: str = "config", overrides: Sequence[str] = ()) -> Config:
    """Validate plain data, with overrides set on top.

    Raises:
        UserError: One sentence for each fault; those of an override name ``--set``.
    """
    pairs = [parse_override(text) for text in overrides]
    if "sweep" in raw:
        raw = raw | {"sweep": dotted_keys(raw["sweep"])}
    for key, value in pairs:
        raw = set_key(raw, key, value)
    huge = next(_huge_integers(raw, ""), None)
    if huge:
        sentence = f"{origin}: {huge.lstrip('.')}: an integer of more than 64 bits, which TOML does not have"
        raise UserError(sentence)
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        problems = explain(error, raw, Config)
    keys = [key for key, _ in pairs]
    sentences = [
        f"{'--set' if any(_within(problem.key, key) for key in keys) else origin}: {problem.key}: {problem.text}"
        for problem in problems
    ]
    raise UserError(*dict.fromkeys(sentences))


def _huge_integers(value: object, key: str) -> Iterator[str]:
    """Yield the keys of integers too long to be shown, let alone used."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _huge_integers(inner, f"{key}.{name}")
        case list():
            for index, inner in enumerate(value):
                yield from _huge_integers(inner, f"{key}[{index}]")
        case int() if value.bit_length() > 64:
            yield key


def _find(path: Path) -> Path:
    """Return the file that a path or a bundled name means."""
    bundled = bundled_configs()
    if is_file(path):
        return path
    if str(path).removesuffix(".toml") in bundled:
        return bundled[str(path).removesuffix(".toml")]
    if is_folder(path):
        sentence = f"{path}: a folder; a config is a TOML file or one of {', '.join(bundled)}"
    else:
        meant = did_you_mean(path.name.removesuffix(".toml"), bundled)
        sentence = f"{path}: no such file, and no bundled config has that name{meant}"
    raise UserError(sentence)


def _read(path: Path, origin: str) -> dict[str, Any]:
    try:
        return _parse(path.read_bytes().decode("utf-8-sig"), origin)
    except UnicodeDecodeError as error:
        sentence = f"{origin}: not UTF-8 text (byte {error.start}); a config is a TOML file"
        raise UserError(sentence) from error
    except OSError as error:
        sentence = f"{origin}: cannot be read: {error.strerror}"
        raise UserError(sentence) from error


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        sentence = f"{origin}: not valid TOML: {str(error).rstrip('.')}"
        raise UserError(sentence) from error


def _name(path: Path) -> str:
    """Return a folder's name for a file's."""
    letters = [letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in path.stem]
    return "".join(letters).lstrip("._-")[:80] or "run"


def _within(problem: str, key: str) -> bool:
    """Tell whether a problem lies at a key or in its value."""
    plain = problem.replace('"', "")
    return plain == key or plain.startswith((f"{key}.", f"{key}["))
