"""The wheel: complete, and no trouble to a project with folders of the same names."""

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "diagnostics", "experiments")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def run(*command: str, **environment: str) -> str:
    """Run a command and give its output; show all of it if it fails."""
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a build reads, links as links, so that it leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("src", *FOLDERS):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the setuptools installed here, no network."""
    built = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(built), str(checkout))
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("folder", FOLDERS)
def test_wheel_holds_every_source_and_data_file_of_the_folder(folder: str, checkout: Path, contents: set[str]) -> None:
    files = [path for path in (checkout / folder).rglob("*") if path.is_file() and path.suffix != ".md"]
    expected = {f"gradvitals/{path.relative_to(checkout).as_posix()}" for path in files}
    assert f"gradvitals/{folder}/__init__.py" in expected
    assert {name for name in contents if name.startswith(f"gradvitals/{folder}/")} == expected


def test_wheel_holds_the_root_the_type_marker_and_the_licence(contents: set[str]) -> None:
    assert {"gradvitals/__init__.py", "gradvitals/py.typed"} <= contents
    assert [name for name in contents if name.endswith(".dist-info/licenses/LICENSE")]


def test_wheel_declares_what_pytest_and_tensorboard_load(wheel: Path, contents: set[str]) -> None:
    (declared,) = [name for name in contents if name.endswith(".dist-info/entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        points = ConfigParser()
        points.read_string(archive.read(declared).decode())
    assert dict(points["tensorboard_plugins"]) == {
        "gradvitals": "gradvitals.diagnostics.tensorboard.vitals_tab.loader:VitalsLoader"
    }
    assert dict(points["pytest11"]) == {"gradvitals": "gradvitals.diagnostics.pytest_plugin"}
    assert "gradvitals/diagnostics/tensorboard/vitals_tab/static/index.js" in contents


def test_wheel_installs_under_no_name_but_its_own(contents: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in contents} == {"gradvitals"}


@pytest.mark.parametrize("installed_first", [True, False], ids=["found before the project", "found after it"])
def test_a_project_with_folders_of_the_same_names_keeps_its_own(
    installed_first: bool,  # noqa: FBT001 - a parameter of the test
    wheel: Path,
    tmp_path: Path,
) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    for folder in FOLDERS:
        (project / folder).mkdir(parents=True)
        (project / folder / "__init__.py").write_text("OWNER = 'the project'\n", encoding="utf-8")
        (project / folder / "events.py").write_text("OWNER = 'the project'\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*.py")}

    run(*PIP, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    assert {path.name.split("-")[0] for path in site.iterdir()} <= {"gradvitals", "bin", "Scripts"}
    program = """
import engine, engine.events, diagnostics, experiments
import gradvitals, gradvitals.engine.events, gradvitals.diagnostics, gradvitals.experiments
assert {m.OWNER for m in (engine, engine.events, diagnostics, experiments)} == {"the project"}
assert hasattr(gradvitals.engine.events, "LayerForward")
print(gradvitals.__file__)
print(gradvitals.engine.__file__)
"""
    order = (site, project) if installed_first else (project, site)
    path = os.pathsep.join(map(str, order))
    found = run(sys.executable, "-P", "-c", program, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1").split()
    assert found == [str(site / "gradvitals" / name) for name in ("__init__.py", "engine/__init__.py")]
    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before
