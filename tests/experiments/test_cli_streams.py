"""What is printed may go anywhere: into a pipe that closes, a full disk, a terminal with few letters."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "gradvitals")


def sh(script: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell with the command as $1; show what it says."""
    return subprocess.run(
        ["bash", "-c", script, "bash", COMMAND],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('"$1" check logs | true', 1),
        ('"$1" check nothing 2>&1 | true', 2),
        ('"$1" check logs/empty --format json | head -n 1', 3),
        ('"$1" run dying_relu --dry-run | true', 0),
    ],
)
def test_a_reader_that_leaves_does_not_change_the_exit_code(
    script: str, code: int, trained: Callable[..., Path], tmp_path: Path
) -> None:
    trained("dying_relu", "training.epochs=5")
    (tmp_path / "logs" / "empty").mkdir()
    done = sh(f"{script}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    done = sh('"$1" run dying_relu --dry-run > /dev/full', tmp_path)
    assert (done.returncode, done.stderr) == (4, "gradvitals: no space left on device\n")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_a_closed_stream_is_no_error(closed: str, code: int, tmp_path: Path) -> None:
    assert sh(f'"$1" run dying_relu --dry-run {closed}', tmp_path).returncode == code


@pytest.mark.parametrize("encoding", ["latin-1", "cp437"])
def test_letters_that_the_terminal_lacks_are_replaced(encoding: str, tmp_path: Path) -> None:
    done = sh('"$1" check dying_rleu', tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("has that name ? did you mean 'dying_relu'?\n")


def test_a_plain_c_locale_reads_and_writes_any_path(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    folder = "ein Ordner ü"
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "x.toml").write_text('[data]\nsource = "moons"\n[training]\nepochs = 1\n', encoding="utf-8")
    done = sh(f'"$1" run "{folder}/x.toml" --logdir "{folder}/läufe"', tmp_path, **plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / folder / "läufe").rglob("run.json"))) == 1
