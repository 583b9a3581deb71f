"""Questions about paths that a user wrote, which may be no possible paths at all."""

from pathlib import Path


def is_file(path: Path) -> bool:
    """Tell whether there is such a file; a name too long or otherwise impossible is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is such a folder; a name too long or otherwise impossible is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
