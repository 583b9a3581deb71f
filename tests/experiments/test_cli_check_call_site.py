"""`check` on trainings watched in somebody's own script: findings stand beside the line that watches."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.tensorboard.run_record import read_record

SCHEMA = Path(__file__).parent / "formats" / "sarif-schema-2.1.0.json"

OURS = """\
import numpy as np
import gradvitals
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples

generator = np.random.default_rng(0)
inputs = generator.normal(size=(60, 4))
samples = Samples(inputs, np.eye(2)[(inputs[:, 0] > 0).astype(int)])
network = gradvitals.perceptron(
    (4, 8, 2), ["relu"], "cross_entropy", initializers=[he_normal] * 2, biases=[-50.0, 0.0], generator=generator
)
with gradvitals.watch(
    network, data=(samples.inputs, samples.targets), logdir="logs/run"
):
    gradvitals.train(network, samples, Sgd(0.1), epochs=2, batch_size=20, generator=generator)
"""

TORCH = """\
import torch
import gradvitals

inputs = torch.randn(60, 4)
labels = (inputs[:, 0] > 0).long()
module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
torch.nn.init.constant_(module[0].bias, -50.0)
loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(module.parameters(), lr=0.1)
monitor = gradvitals.watch(module, data=(inputs, labels), loss=loss, logdir="logs/run")
with monitor:
    for _ in range(6):
        optimizer.zero_grad()
        loss(module(inputs), labels).backward()
        optimizer.step()
"""


def line_of_watch(script: str) -> int:
    return next(number for number, line in enumerate(script.splitlines(), 1) if "gradvitals.watch(" in line)


def annotated(out: str) -> list[str]:
    return [line.partition(",title=")[0] for line in out.splitlines()]


@pytest.mark.parametrize("script", [OURS, TORCH], ids=["ours", "PyTorch"])
def test_a_finding_stands_beside_the_line_that_watches(
    script: str, gradvitals: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is TORCH and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    code = tmp_path / "checkout" / "my code" / "train.py"
    code.parent.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    code.write_text(script, encoding="utf-8")
    subprocess.run([sys.executable, code.name], cwd=code.parent, check=True)
    run, line = code.parent / "logs" / "run", line_of_watch(script)
    context = read_record(run).record.context
    assert context is not None
    assert context.call_site == CallSite("my code/train.py", line)

    monkeypatch.chdir(code.parent)
    said = gradvitals("check", "logs", "--format", "sarif")
    log = json.loads(said.out)
    assert [error.message for error in Draft4Validator(json.loads(SCHEMA.read_bytes())).iter_errors(log)] == []
    places = [each["locations"][0]["physicalLocation"] for each in log["runs"][0]["results"]]
    assert said.code == 1
    assert {each["artifactLocation"]["uri"] for each in places} == {"my%20code/train.py"}
    assert {each["region"]["startLine"] for each in places} == {line}
    told = annotated(gradvitals("check", "logs", "--format", "github").out)
    assert set(told) == {f"::error file=my code/train.py,line={line}"}

    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    told = annotated(gradvitals("check", "logs", "--format", "github").out)
    assert set(told) == {f"::error file=checkout/my code/train.py,line={line}"}

    code.unlink()  # the logs were carried to where the code is not
    log = json.loads(gradvitals("check", "logs", "--format", "sarif").out)
    (uri,) = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in log["runs"][0]["results"]}
    assert uri == "checkout/my%20code/logs/run"
