"""Arrows point one way: engine ← diagnostics ← experiments; and the root is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "diagnostics", "experiments")
ROOT_NAMES = {"__version__", *FOLDERS}
"""What the folders may import from `gradvitals` itself: its other names load a folder of the root's choice."""

ADAPTERS = "diagnostics/adapters"
OF_ENGINE = {"diagnostics": {"events"}, ADAPTERS: {"events", "hooks"}}
"""What diagnostics may know of the engine; adapters send events themselves."""


def imported(tree: ast.Module) -> list[str]:
    """List every imported name in full, wherever it stands; a relative one begins with a dot."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def violation(folder: str, name: str) -> str | None:  # noqa: PLR0911 - a rule a line
    """Say what is wrong with a folder's importing this name, None if nothing is."""
    parts = name.split(".")
    if name.startswith("."):
        return "relative import"
    if parts[0] in FOLDERS:
        return "a bare name may be somebody else's package"
    if parts[0] != "gradvitals":
        return None
    if len(parts) < 2 or parts[1] not in ROOT_NAMES:
        return "the root's lazy names hide the arrow"
    target = parts[1]
    if target in FOLDERS and FOLDERS.index(target) > FOLDERS.index(folder.partition("/")[0]):
        return f"{folder} must not know {target}"
    if target == "engine" and folder in OF_ENGINE and not OF_ENGINE[folder].issuperset(parts[2:3] or [""]):
        return "diagnostics knows only gradvitals.engine.events, an adapter gradvitals.engine.hooks too"
    return None


SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_imports_only_what_its_folder_may_know(path: Path) -> None:
    place = path.relative_to(ROOT)
    folder = ADAPTERS if place.is_relative_to(ADAPTERS) else place.parts[0]
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    assert {name: wrong for name in names if (wrong := violation(folder, name)) is not None} == {}


def test_there_are_sources_of_every_folder_to_look_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(FOLDERS)


@pytest.mark.parametrize(
    ("folder", "line", "allowed"),
    [
        ("engine", "import numpy as np", True),
        ("engine", "from gradvitals.engine.events import Array", True),
        ("engine", "from gradvitals.diagnostics.findings import Finding", False),
        ("engine", "from gradvitals import diagnostics", False),
        ("engine", "from gradvitals import Monitor", False),
        ("engine", "import gradvitals", False),
        ("engine", "from gradvitals import __version__", True),
        ("engine", "def f():\n    import gradvitals.experiments.cli", False),
        ("engine", "from . import events", False),
        ("engine", "from .events import Array", False),
        ("engine", "from engine.events import Array", False),
        ("diagnostics", "from gradvitals.engine.events import Array", True),
        ("diagnostics", "from gradvitals.engine import events", True),
        ("diagnostics", "import gradvitals.engine.events", True),
        ("diagnostics", "from gradvitals.engine.network import Network", False),
        ("diagnostics", "from gradvitals.engine import network", False),
        ("diagnostics", "import gradvitals.engine", False),
        ("diagnostics", "from gradvitals import engine", False),
        ("diagnostics", "from gradvitals.experiments.errors import ConfigError", False),
        ("diagnostics", "import experiments", False),
        (ADAPTERS, "from gradvitals.engine.hooks import Hooks", True),
        (ADAPTERS, "from gradvitals.engine.network import Network", False),
        (ADAPTERS, "import gradvitals.engine", False),
        (ADAPTERS, "import gradvitals.experiments", False),
        ("diagnostics", "from gradvitals.engine.hooks import Hooks", False),
        ("experiments", "from gradvitals.engine.network import Network", True),
        ("experiments", "from gradvitals.diagnostics.watch import watch", True),
    ],
    ids=lambda value: str(value).replace("\n", " "),
)
def test_the_rules_tell_right_from_wrong(folder: str, line: str, allowed: bool) -> None:  # noqa: FBT001
    wrong = [name for name in imported(ast.parse(line)) if violation(folder, name) is not None]
    assert (wrong == []) == allowed


def test_importing_the_package_loads_neither_numpy_nor_any_folder() -> None:
    program = (
        "import sys, gradvitals; dir(gradvitals); "
        "print([name for name in sys.modules if name == 'numpy' or name.startswith('gradvitals.')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
