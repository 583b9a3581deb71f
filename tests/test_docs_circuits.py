"""Every command and code block of the guide to circuits prints what is shown there."""

import re
import shlex
from pathlib import Path

import pytest

from gradvitals.experiments.cli.main import run_command

GUIDE = (Path(__file__).parents[1] / "docs" / "circuits.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```(console|python)\n(.*?)^```\n\n```text\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


def test_every_block_is_followed_by_what_it_prints() -> None:
    assert len(SHOWN) == len(re.findall(r"^```(?:console|python)$", GUIDE, flags=re.MULTILINE)) == 7


@pytest.mark.parametrize(
    ("command", "printed"),
    [(block, printed) for language, block, printed in SHOWN if language == "console"],
    ids=lambda value: value.splitlines()[0][:50],
)
def test_a_command_prints_what_is_shown(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    program, *arguments = shlex.split(command)
    assert (program, run_command(arguments)) == ("gradvitals", 0)
    assert without_trailing_space(capsys.readouterr().out) == without_trailing_space(printed)


def test_the_python_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ((code, printed),) = [(block, printed) for language, block, printed in SHOWN if language == "python"]
    exec(compile(code, "circuits.md", "exec"), {})  # noqa: S102 - our own guide
    assert capsys.readouterr().out == printed


def without_trailing_space(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]
