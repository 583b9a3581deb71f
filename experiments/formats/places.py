"""Paths in reports: as a service that has checked the project out will look for them."""

import os
from pathlib import Path


def project_root() -> Path:
    """Give what paths in reports are relative to: the working directory, or the checkout of GitHub's that it is in."""
    here = Path.cwd()
    workspace = os.environ.get("GITHUB_WORKSPACE")
    root = Path(workspace).resolve() if workspace else here
    return root if here.is_relative_to(root) else here


def relative_path(path: Path, root: Path) -> str | None:
    """Write a path below the root, with forward slashes; None for one that is outside of it."""
    full = path.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else None
