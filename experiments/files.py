"""Files that are whole or absent: written under a temporary name, then renamed."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json


def write_text(path: Path, text: str) -> None:
    """Write a text file; a reader sees the old content or the new, never half of it."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; a reader sees the old content or the new, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # nobody asked for the temporary name
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Write JSON, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Give JSON that any parser reads, indented: floats that are not finite become strings."""
    return json.dumps(json.loads(encode_json(value)), indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON back; None where the file is missing or no JSON."""
    try:
        return decode_json(path.read_bytes())
    except (OSError, ValueError):
        return None
