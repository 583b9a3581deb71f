"""The command itself: help, misspelt words, and a way out with a code of its own for everything that goes wrong."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gradvitals import __version__
from gradvitals.experiments.cli import check_command, list_command
from gradvitals.experiments.cli.main import COMMANDS


def test_help_names_every_command_with_what_it_does(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("--help")
    assert said.code == 0
    assert all(f"{name} " in said.out and text in said.out for name, text in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals(name, "--help")
    assert said.code == 0
    assert f"Usage: gradvitals {name}" in said.out
    assert f"\n  gradvitals {name}" in said.out


def test_the_version_is_the_packages(gradvitals: Callable[..., Any]) -> None:
    assert gradvitals("--version").out == f"gradvitals, version {__version__}\n"


def test_no_command_at_all_is_bad_usage_and_shows_the_help(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals()
    assert (said.code, said.out) == (2, "")
    assert "Usage: gradvitals" in said.err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["chekc"], f"gradvitals: no command 'chekc'; there are {', '.join(COMMANDS)} — did you mean 'check'?"),
        (["run"], "gradvitals: missing argument 'CONFIG' — see `gradvitals run --help`"),
        (["check"], "gradvitals: missing argument 'PATH…' — see `gradvitals check --help`"),
        (["run", "dying_relu", "--foo"], "gradvitals: no such option '--foo' — see `gradvitals run --help`"),
        (["run", "dying_relu", "--workers", "0"], "'--workers': 0 is not in the range"),
        (["run", "dying_relu", "--seed", "-1"], "'--seed': -1 is not in the range"),
        (["run", "dying_relu", "--resume", "--force-new"], "--resume keeps what exists, --force-new makes another"),
        (["check", "dying_relu", "--require", "some"], "'some' is not one of"),
        (["run", "dying_rleu"], "gradvitals: dying_rleu: no such file, and no bundled config has that name — did you"),
        (["run", "dying_relu", "--set", "training.epochs"], "gradvitals: --set training.epochs: not of the form"),
        (["list", "nowhere"], "gradvitals: nowhere: no such folder"),
        (["board", "nowhere"], "gradvitals: nowhere: no such folder"),
        (["clean", "nowhere"], "gradvitals: nowhere: no such folder"),
        (["gradcheck", "nowhere"], "gradvitals: nowhere: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_one_sentence(arguments: list[str], wanted: str, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals(*arguments)
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert said.err.startswith("gradvitals: ")
    assert wanted in said.err


@pytest.mark.parametrize(
    ("error", "code", "wanted"),
    [
        (KeyboardInterrupt(), 130, "gradvitals: interrupted"),
        (OSError(28, "No space left on device"), 4, "gradvitals: no space left on device"),
        (PermissionError(13, "Permission denied", "logs"), 2, "gradvitals: logs: permission denied"),
        (ZeroDivisionError("x"), 4, "gradvitals: internal error: ZeroDivisionError: x — please report it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception | KeyboardInterrupt) else "",
)
def test_whatever_goes_wrong_has_its_code(
    error: BaseException, code: int, wanted: str, gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(list_command, "find_runs", fail)
    said = gradvitals("list", ".")
    assert said.code == code
    assert said.sentences[-1].startswith(wanted)
    assert ("Traceback" in said.err) == isinstance(error, ZeroDivisionError)


def test_an_internal_error_of_check_is_no_failed_check(
    gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(check_command, "check_path", fail)
    assert gradvitals("check", ".").code == 4


def test_help_loads_no_numpy() -> None:
    program = (
        "import sys\nfrom gradvitals.experiments.cli.main import run_command\nrun_command(['--help'])\n"
        "print('numpy' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
