"""`gradvitals init` and `gradvitals gradcheck`: the first and the most suspicious thing to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.activations import Sigmoid


def test_init_writes_a_config_that_runs(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("init")
    assert (said.code, said.out) == (0, "wrote experiment.toml; next: gradvitals run experiment.toml\n")
    assert gradvitals("run", "experiment.toml", "--set", "training.epochs=1").code == 0


def test_init_never_replaces_a_file_unasked(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "experiment.toml").write_text("mine", encoding="utf-8")
    said = gradvitals("init")
    assert said.code == 2
    assert "experiment.toml: exists already — use --force" in said.err
    assert (tmp_path / "experiment.toml").read_text(encoding="utf-8") == "mine"
    assert gradvitals("init", "--force").code == 0


def test_init_prints_on_request(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    assert gradvitals("init", "-o", "-").out.startswith("# A first config")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["nowhere.csv"], "gradvitals: nowhere.csv: no such file\n"),
        (["-o", "nowhere/x.toml"], "gradvitals: nowhere/x.toml: no such file or directory\n"),
    ],
    ids=["no data", "no folder"],
)
def test_init_cannot_read_or_write_what_is_not_there(
    arguments: list[str], wanted: str, gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    said = gradvitals("init", *arguments)
    assert (said.code, said.err) == (2, wanted)
    assert list(tmp_path.iterdir()) == []


def test_gradcheck_compares_every_parameter(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("gradcheck", "vanishing_sigmoid_stack", "--entries", "5")
    assert said.code == 0
    assert "14 of 14 parameters agree to 0.0001" in said.out
    assert gradvitals("gradcheck", "vanishing_sigmoid_stack", "--entries", "5", "--quiet").out == ""


def test_gradcheck_finds_a_wrong_gradient(gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    right = Sigmoid.backward

    def wrong(self: Sigmoid) -> None:
        right(self)
        gradient = self.grad_inputs[0]
        assert gradient is not None
        np.multiply(gradient, 1.01, out=gradient)

    monkeypatch.setattr(Sigmoid, "backward", wrong)
    said = gradvitals("gradcheck", "vanishing_sigmoid_stack", "--entries", "5")
    assert said.code == 1
    assert "2 of 14 parameters agree" in said.out


def test_gradcheck_says_when_every_entry_lies_at_a_kink(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("gradcheck", "dying_relu_healthy", "--set", "model.init=zeros", "--entries", "5")
    assert said.code == 3
    assert "4 of 6 parameters agree to 0.01\nnot judged: hidden_1/bias, hidden_2/bias: every entry crosses" in said.out
