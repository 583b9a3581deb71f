"""Keras models on every backend that is installed; each needs a process of its own, which runs `keras_cases.py`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("keras_cases.py")

BACKENDS = {
    "torch": "",
    "jax": "relu-relu or dying",  # compiles a lot
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
