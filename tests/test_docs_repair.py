"""The guide to repair: its config, its command and what that prints."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

GUIDE = (Path(__file__).parents[1] / "docs" / "repair.md").read_text(encoding="utf-8")
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "120",
}


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def without_figures(text: str) -> list[str]:
    """Give the words of each line: seconds differ everywhere, scores by a row or two between processors."""
    return [re.sub(r"[\d.]+|\s+", " ", line).strip() for line in text.splitlines() if " screened only" not in line]


def test_the_example_prints_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "experiment.toml").write_text(block("toml"), encoding="utf-8")
    words = shlex.split(block("console"))
    done = subprocess.run(
        [*words, "--workers", "1"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = block("text")
    printed = done.stdout[done.stdout.index("provisional root") :]
    assert without_figures(printed)[:5] == without_figures(shown)[:5]
    assert without_figures(printed)[-4:] == without_figures(shown)[-4:]
    repaired = (tmp_path / "experiment_repaired.toml").read_text(encoding="utf-8")
    assert 'scale = "standard" # was "none"' in repaired
    assert repaired.count("\n") == block("toml").count("\n") + 1
