"""Keras models on every backend that is installed; each needs a process of its own, which runs `keras_cases.py`."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "keras.md"
CASES = Path(__file__).with_name("keras_cases.py")

BACKENDS = {
    "torch": "",
    "jax": "relu-relu or layer-second or compiled_once or always_draws",  # compiles a lot
    "tensorflow": "",
}
"""Which of the cases run by default, all where nothing is said; `KERAS_BACKEND=jax pytest keras_cases.py` runs all."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_watching_a_keras_model(backend: str) -> None:
    for module in ("keras", backend):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES), "-k", BACKENDS[backend]]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_blocks_of_the_guide_run_one_after_the_other(tmp_path: Path) -> None:
    for module in ("keras", "torch"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    program = "\n".join(blocks).replace("epochs=15", "epochs=4")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "logs" / "keras").glob("events.*"))
