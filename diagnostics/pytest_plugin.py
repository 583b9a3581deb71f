"""The pytest plugin: the fixture `vitals`, limits from pyproject.toml, and findings wherever pytest reports.

It is imported in every session of everyone who has gradvitals installed, so it loads nothing before a test asks for it.
"""

from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # loaded where they are used
    from _pytest.terminal import TerminalReporter  # pytest 8 has no public name for it

    from gradvitals.diagnostics.requirements import Requirements
    from gradvitals.diagnostics.vitals import Vitals

REQUIREMENTS = pytest.StashKey["Requirements"]()
LOGDIR = pytest.StashKey[Path]()
VITALS = pytest.StashKey["Vitals"]()

PREFIX = "gradvitals."
"""Of the properties of a test's reports, and so of its JUnit testcase."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--vitals-logdir`."""
    parser.getgroup("gradvitals", "trainings that tests watch with the fixture vitals").addoption(
        "--vitals-logdir", metavar="DIR", help="keep their runs as TensorBoard logs, a folder for each test below DIR"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read `[tool.gradvitals]`, so that a mistake in it ends the session before a test runs.

    Raises:
        pytest.UsageError: If there is one, or the runs cannot be kept where they should.
    """
    requirements = _read_requirements(config.rootpath / "pyproject.toml")
    if requirements is not None:
        config.stash[REQUIREMENTS] = requirements
    logdir = config.getoption("--vitals-logdir")
    if logdir is not None:
        folder = Path(config.invocation_params.dir, logdir).resolve()  # a test may change the working directory
        if not logdir or (folder.exists() and not folder.is_dir()):
            msg = f"--vitals-logdir: {str(logdir)!r} is no folder"
            raise pytest.UsageError(msg)
        config.stash[LOGDIR] = folder


@pytest.fixture
def vitals(request: pytest.FixtureRequest) -> "Iterator[Vitals]":
    """Watch a training, then demand that it was healthy.

    with vitals.watch(model, data=(inputs, targets)) as monitor:
        train()
    monitor.assert_healthy(max_dead=0.1)
    """
    from gradvitals.diagnostics.health import require_known
    from gradvitals.diagnostics.requirements import Requirements
    from gradvitals.diagnostics.vitals import Vitals, make_run_folder

    item, logdir = request.node, request.config.stash.get(LOGDIR, None)
    item.user_properties[:] = [each for each in item.user_properties if not each[0].startswith(PREFIX)]  # of a rerun
    requirements = request.config.stash.get(REQUIREMENTS, Requirements())
    try:
        require_known(requirements.demanded)
    except ValueError as error:
        pytest.fail(f"pyproject.toml: [tool.gradvitals] {error}", pytrace=False)
    keep = None if logdir is None else partial(make_run_folder, logdir, item.nodeid)
    watching = Vitals(requirements, keep)
    item.stash[VITALS] = watching
    yield watching
    watching.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what was found to the report of a test that watched a training."""
    report = yield
    watching = item.stash.get(VITALS, None)
    if watching is None:
        return report
    if report.when == "teardown":
        del item.stash[VITALS]  # items live as long as the session: networks and data must not
        return report
    if not watching.monitors or not (report.when == "call" or report.failed):
        return report
    error = None if call.excinfo is None else call.excinfo.value
    properties = watching.properties(error)
    item.user_properties += properties
    report.user_properties += properties
    section = "" if error is None or not report.failed else watching.section(error)
    report.sections += [("gradvitals", section)] if section else []
    return report


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Say which tests watched a training and did not assert anything, and where the runs are."""
    reports = [each for some in terminalreporter.stats.values() for each in some if isinstance(each, pytest.TestReport)]
    told = [(each.nodeid, *pair) for each in reports for pair in each.user_properties if each.when != "teardown"]
    unasserted = [f"  {test}: {said}" for test, name, said in told if name == f"{PREFIX}unasserted"]
    runs = [said for _, name, said in told if name == f"{PREFIX}run"]
    if not unasserted and not runs:
        return
    terminalreporter.section("gradvitals")
    if unasserted:
        terminalreporter.line("watched, but assert_healthy was never called:")
    for line in unasserted:
        terminalreporter.line(line)
    if runs:
        folder = terminalreporter.config.stash[LOGDIR]
        terminalreporter.line(f"{len(runs)} run{'s' * (len(runs) > 1)} kept: gradvitals board {folder}")


def _read_requirements(path: Path) -> "Requirements | None":
    """Read the table, if there is one.

    Raises:
        pytest.UsageError: If it is wrong.
    """
    text = path.read_bytes() if path.is_file() else b""
    if b"gradvitals" not in text:
        return None
    import tomllib

    from gradvitals.diagnostics.requirements import requirements_from_table

    try:
        tools = tomllib.loads(text.decode()).get("tool", {})
        table = tools.get("gradvitals") if isinstance(tools, dict) else None
        return None if table is None else requirements_from_table(table)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: not valid TOML: {error}"
        raise pytest.UsageError(msg) from error
    except ValueError as error:
        msg = f"{path}: [tool.gradvitals] {error}"
        raise pytest.UsageError(msg) from error
