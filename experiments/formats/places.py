"""Places in reports: files as a service that has checked the project out will look for them, and lines of theirs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gradvitals.diagnostics.call_site import CallSite, checkout_root
from gradvitals.diagnostics.findings import Finding
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.formats.config_lines import finding_line, read_lines
from gradvitals.experiments.run_folder import CONFIG_FILE


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a run's findings point to: its config, or the code that watched its training.

    Attributes:
        path: The file.
        lines: Of a config's keys.
        line: Of the call of `watch`; None in a config.
    """

    path: Path
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    line: int | None = None

    def line_of(self, finding: Finding) -> int:
        """Give the line to look at for a finding, counted from 1."""
        return finding_line(self.lines, finding) if self.line is None else self.line


def find_source(found: CheckedPath, run: CheckedRun) -> Source | None:
    """Find what a run comes from: the file checked, the run folder's own copy of its config, or the line that watched.

    None where there is no config, and the code is not recorded or not here.
    """
    own = run.folder / CONFIG_FILE
    config = found.source or (own if own.is_file() else None)
    if config is not None:
        return Source(config, read_lines(config))
    code = None if run.call_site is None else _find_code(run.call_site)
    return None if code is None or run.call_site is None else Source(code, line=run.call_site.line)


def project_root() -> Path:
    """Give what paths in reports are relative to: the checkout of GitHub's, or of Git's, or the working directory."""
    here = Path.cwd()
    workspace = os.environ.get("GITHUB_WORKSPACE")
    root = Path(workspace).resolve() if workspace else here
    return root if workspace and here.is_relative_to(root) else checkout_root(here)


def relative_path(path: Path, root: Path) -> str | None:
    """Write a path below the root, with forward slashes; None for one that is outside of it."""
    full = path.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else None


def _find_code(site: CallSite) -> Path | None:
    """Find a file of the project; None where it is not there, or the record names something outside of it."""
    for base in (checkout_root(Path.cwd()), project_root()):
        try:
            path = (base / site.file).resolve()
            if path.is_relative_to(base) and path.is_file():
                return path
        except (OSError, ValueError):  # no name that a file can have
            continue
    return None
