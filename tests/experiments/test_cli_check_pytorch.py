"""`check` on the logs of trainings in PyTorch: judged like our own, in every format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

UNUSED = "never called: module"


class Classifier(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Two layers, one that only training needs, and perhaps one that was forgotten."""

    def __init__(self, bias: float, *, spare: bool) -> None:
        super().__init__()
        self.hidden, self.head, self.auxiliary = nn.Linear(10, 24), nn.Linear(24, 4), nn.Linear(24, 4)
        self.spare = nn.Linear(10, 24) if spare else None
        nn.init.constant_(self.hidden.bias, bias)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        hidden = torch.relu(self.hidden(x))
        return self.head(hidden) + (0.1 * self.auxiliary(hidden) if self.training else 0.0)


def train(logdir: Path, *, bias: float = 0.0, spare: bool = False, steps: int = 150) -> None:
    """Train a classifier of blobs, watched with one line more, into a log directory."""
    torch.manual_seed(1)
    labels = torch.randint(0, 4, (400,))
    inputs = torch.randn(4, 10)[labels] + 0.5 * torch.randn(400, 10)
    module, criterion = Classifier(bias, spare=spare), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    with watch(module, data=(inputs, labels), loss=criterion, total_steps=steps, logdir=logdir):
        for _ in range(steps):
            rows = torch.randint(0, 400, (32,))
            optimizer.zero_grad()
            criterion(module(inputs[rows]), labels[rows]).backward()
            optimizer.step()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a healthy and a sick network once for all tests."""
    folder = tmp_path_factory.mktemp("pytorch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(folder / "healthy")
    train(folder / "sick", bias=-50.0)
    train(folder / "spare", spare=True)
    torch.set_num_threads(threads)
    return folder


def names_in_json(text: str) -> list[str]:
    (run,) = json.loads(text)["runs"]
    return [finding["key"] for finding in run["findings"] if finding["severity"] == "error"]


def names_in_junit(text: str) -> list[str]:
    cases = ET.fromstring(text).iter("testcase")  # noqa: S314 - of our own making
    return [case.attrib["name"] for case in cases if case.find("failure") is not None]


def names_in_sarif(text: str) -> list[str]:
    (run,) = json.loads(text)["runs"]
    return [result["ruleId"] for result in run["results"] if result["level"] == "error"]


FORMATS: dict[str, Callable[[str], list[str]]] = {
    "text": lambda text: [line for line in text.splitlines() if "error dead_units@hidden" in line],
    "json": names_in_json,
    "junit": names_in_junit,
    "sarif": names_in_sarif,
    "github": lambda text: [line for line in text.splitlines() if line.startswith("::error")],
    "markdown": lambda text: [line for line in text.splitlines() if line.startswith("| **error**")],
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_sick_run_fails_with_its_finding(form: str, logs: Path, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("check", logs / "sick", "--format", form)
    assert said.code == 1
    assert "dead_units" in FORMATS[form](said.out)[0]
    assert "24 of 24 units of hidden are silent" in said.out


@pytest.mark.parametrize("form", FORMATS)
def test_a_healthy_run_passes(form: str, logs: Path, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("check", logs / "healthy", "--format", form)
    assert said.code == 0
    assert FORMATS[form](said.out) == []


def test_modules_that_are_never_called_are_told(logs: Path, gradvitals: Callable[..., Any]) -> None:
    for form in ("text", "markdown"):
        assert f"{UNUSED} spare" in gradvitals("check", logs / "spare", "--format", form).out
        assert UNUSED not in gradvitals("check", logs / "healthy", "--format", form).out
    for name, parts in (("spare", ["spare"]), ("healthy", [])):
        (run,) = json.loads(gradvitals("check", logs / name, "--format", "json").out)["runs"]
        assert run["never_called"] == parts
