"""`--preflight`: `run` looks before it trains, `check` looks and does not train."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.activations import Tanh
from gradvitals.engine.catalogue import ACTIVATIONS

STRICT = '[check]\nfail_on = "warning"\n[diagnostics.cannot_overfit]\n{} = {}\n'


def runs(text: str) -> list[dict[str, Any]]:
    """Read a JSON report's runs."""
    return list(json.loads(text)["runs"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["dying_relu_healthy"], 0),
        (["dying_relu"], 1),
        (["dying_relu", "--fail-on", "no_learning"], 0),
        (["dying_relu", "--fail-on", "dead_units"], 1),
        (["dying_relu_healthy", "--fail-on", "no_learning,vanishing_gradient"], 0),
        (["dying_relu_healthy", "--fail-on", "gradient_check"], 0),
        (["dying_relu_healthy", "--fail-on", "gradient_check", "--set", "training.gradient=numeric"], 0),
        (["dying_relu_healthy", "--overfit", "--fail-on", "cannot_overfit", "--set", "model.hidden=[1]"], 3),
        (["dying_relu_healthy", "dying_relu"], 1),
        (["dying_relu", "nowhere"], 2),
        (["dying_relu_healthy", "--set", "training.loss=mse"], 2),
        (["dying_relu_healthy", "--fail-on", "dead_unit"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_check_exits_as_ever(arguments: list[str], code: int, gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("check", *arguments, "--preflight")
    assert said.code == code, said
    assert "Traceback" not in said.err
    assert [*tmp_path.iterdir()] == []


def test_the_report_says_what_waits_for_the_training_in_one_line(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("check", "dying_relu_healthy", "--preflight")
    heading, *_, waiting = said.out.splitlines()
    assert heading.startswith("✓ dying_relu_healthy/seed=0-")
    assert heading.endswith(": healthy")
    assert waiting.startswith("  judged in training: ")
    assert {"frozen_parameters", "no_learning"} <= set(waiting.removeprefix("  judged in training: ").split(", "))


def test_json_is_that_of_a_run(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("check", "dying_relu", "dying_relu_healthy", "--preflight", "--format", "json")
    sick, healthy = runs(said.out)
    assert (said.code, said.err) == (1, "")
    assert sick["run"].startswith("dying_relu/seed=0-")
    assert (sick["verdict"], healthy["verdict"]) == ("error", "healthy")
    assert sick["findings"][0]["key"] == "dead_units@hidden_1"
    assert {finding["first_step"] for finding in sick["findings"]} == {0}
    assert {"id": "no_learning", "reason": "not before a training"} in healthy["not_judged"]
    assert sick.keys() == runs(gradvitals("check", "dying_relu", "--format", "json", "--workers", "1").out)[0].keys()


def test_the_report_goes_to_a_file_on_request(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("check", "dying_relu", "--preflight", "--format", "json", "--output", "report.json")
    assert (said.code, said.out.splitlines()[-1]) == (1, "written to report.json")
    assert runs((tmp_path / "report.json").read_text(encoding="utf-8"))[0]["verdict"] == "error"


@pytest.mark.parametrize(
    "limit", [["--max-dead", "0.5"], ["--min-accuracy", "0.5"], ["--max-loss-ratio", "1"]], ids=lambda value: value[0]
)
def test_a_limit_for_trained_networks_is_bad_usage(limit: list[str], gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("check", "dying_relu_healthy", "--preflight", *limit)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"gradvitals: {limit[0]}: a limit for a trained network — ")


def test_limits_of_the_config_wait_for_the_training(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    name = config("[check]\nmin_accuracy = 1.0\nmax_dead = 0.0\nmax_loss_ratio = 1e-9\n")
    assert gradvitals("check", name, "--preflight").code == 0


def test_a_folder_is_told_its_config(gradvitals: Callable[..., Any], trained: Callable[..., Path]) -> None:
    folder = trained().relative_to(Path.cwd())
    said = gradvitals("check", folder, "--preflight")
    config = folder / "config.toml"
    wanted = f"gradvitals: {folder}: a folder, and a pre-flight is of a config: gradvitals check {config} --preflight\n"
    assert (said.code, said.out, said.err) == (2, "", wanted)
    assert gradvitals("check", config, "--preflight").code == 0
    said = gradvitals("check", "logs", "--preflight")
    assert said.err.endswith("gradvitals check CONFIG --preflight\n")


SWEEP = '[sweep]\n"model.bias_init" = [{}]\n'
SICK, WELL = '{kind = "constant", value = -100.0}', '"zeros"'


@pytest.mark.parametrize(
    ("values", "require", "code", "counts"),
    [
        ((WELL, SICK), "best", 0, "2 runs: 1 pass, 1 fail; before training, one run of a sweep that passes is enough"),
        ((WELL, SICK), "all", 1, "2 runs: 1 pass, 1 fail"),
        ((SICK, SICK.replace("1", "2")), "best", 1, "2 runs: 2 fail"),
        ((WELL, '{kind = "constant", value = 0.01}'), "all", 0, "2 runs: 2 pass"),
    ],
    ids=["some", "some of all", "none", "all"],
)
def test_every_run_of_a_sweep_is_looked_at(  # noqa: PLR0917
    values: tuple[str, ...],
    require: str,
    code: int,
    counts: str,
    gradvitals: Callable[..., Any],
    config: Callable[..., str],
) -> None:
    name = config(SWEEP.format(", ".join(values)))
    said = gradvitals("check", name, "--preflight", "--require", require)
    assert said.code == code
    assert f"tiny.toml: {counts}" in said.out
    names = [run["run"] for run in runs(gradvitals("check", name, "--preflight", "--format", "json").out)]
    assert len(set(names)) == 2
    assert all(name.startswith("tiny/bias_init=") for name in names)


def test_a_finding_may_be_ignored_for_a_while(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    terms = '{{why = "known", until = {}}}'
    sick = f"[check]\nignore = {{{{dead_units = {terms}, collapsed_output = {terms}}}}}\n"
    flags = ["--set", f"model.bias_init={SICK}", "--preflight"]
    assert gradvitals("check", config(), *flags).code == 1
    assert gradvitals("check", config(sick.format("9999-12-31", "9999-12-31")), *flags).code == 0
    assert gradvitals("run", "tiny.toml", *flags).code == 0
    said = gradvitals("check", config(sick.format("2020-01-01", "2020-01-01")), *flags)
    assert said.code == 1
    assert "the exception for dead_units ran out on 2020-01-01" in said.out


def test_an_exception_that_is_not_needed_yet_is_not_called_useless(
    gradvitals: Callable[..., Any], config: Callable[..., str]
) -> None:
    name = config('[check]\nignore = {dead_units = {why = "they may die", until = 9999-12-31}}\n')
    said = gradvitals("check", name, "--preflight")
    assert said.code == 0
    assert "nothing to ignore" not in said.out
    assert (
        runs(gradvitals("check", name, "--preflight", "--format", "json").out)[0]["ignores"][0]["state"] == "not_judged"
    )


def test_run_trains_what_passes_exactly_as_without_it(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    said = gradvitals("run", config(), "--preflight", "--overfit", "--logdir", "looked")
    assert said.code == 0
    assert said.out.splitlines()[0].startswith("✓ pre-flight of seed=0-")
    assert "updates in" in said.out
    gradvitals("run", "tiny.toml", "--logdir", "blind")
    (looked,), (blind,) = ([*(tmp_path / folder / "tiny").iterdir()] for folder in ("looked", "blind"))
    scores = [json.loads((folder / "run.json").read_text())["scores"] for folder in (looked, blind)]
    assert scores[0] == scores[1]
    assert (looked / "findings.json").read_bytes() == (blind / "findings.json").read_bytes()
    assert (looked / "config.toml").read_bytes() == (blind / "config.toml").read_bytes()


def test_run_does_not_train_what_fails_and_says_how_to_go_on(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("run", "dying_relu", "--preflight")
    assert said.code == 1
    assert said.out.startswith("✗ pre-flight of seed=0-")
    assert "error dead_units@hidden_1" in said.out
    assert said.err.startswith("gradvitals: not trained: mend what fails, ")
    assert [*tmp_path.iterdir()] == []
    assert gradvitals("run", "dying_relu").code == 0


def test_quiet_run_says_nothing_of_what_passes(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    assert gradvitals("run", config(), "--quiet", "--preflight").out.count("\n") == 1
    said = gradvitals("run", "dying_relu", "--quiet", "--preflight")
    assert (said.code, "dead_units@hidden_1" in said.out) == (1, True)


def test_what_is_finished_is_not_looked_at_again(gradvitals: Callable[..., Any]) -> None:
    gradvitals("run", "dying_relu")
    said = gradvitals("run", "dying_relu", "--preflight", "--resume")
    assert (said.code, "pre-flight" in said.out) == (0, False)


def test_a_dry_run_looks_at_nothing(gradvitals: Callable[..., Any]) -> None:
    for command in ("run", "check"):
        said = gradvitals(command, "dying_relu", "--preflight", "--dry-run")
        assert (said.code, "dead_units" in said.out) == (0, False)


def test_a_limit_of_a_trial_is_the_configs(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    slow = ["--set", "training.optimizer.learning_rate=1e-6", "--preflight"]
    said = gradvitals("check", config(STRICT.format("warn", 0.2)), *slow)
    assert said.code == 1
    assert "warning cannot_overfit since step 0" in said.out
    assert gradvitals("check", config(STRICT.format("warn", 5.0)), *slow, "--verbose").code == 0
    said = gradvitals("check", config(STRICT.format("error", 5.0)), *slow, "--verbose")
    assert (said.code, "cannot_overfit" in said.out) == (0, False)


class SteepTanh(Tanh):
    """A tanh whose gradient is twice too large."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        super().backward()
        if (gradient := self.grad_inputs[0]) is not None:
            np.multiply(gradient, 2.0, out=gradient)


def test_a_wrong_backward_pass_stops_the_run(
    gradvitals: Callable[..., Any], config: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No config makes backpropagation wrong here: so this diagnosis has no bundled sick config, and a gate must be."""
    monkeypatch.setitem(ACTIVATIONS, "tanh", SteepTanh)
    flags = ["--set", "model.activation=tanh", "--preflight"]
    said = gradvitals("run", config(), *flags)
    assert said.code == 1
    assert "error gradient_check@hidden_1 since step 0" in said.out
    assert "wrong: backpropagation to hidden_1 does not compute the gradient of the loss" in said.out
    assert not (tmp_path / "logs").exists()
    assert gradvitals("check", "tiny.toml", *flags).code == 1
    off = 'diagnostics.gradient_check={enabled=false, why="a test"}'
    said = gradvitals("check", "tiny.toml", *flags, "--set", off)
    assert (said.code, "switched off: gradient_check: a test" in said.out) == (0, True)


def test_data_that_are_not_there_are_one_sentence(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    for command in ("run", "check"):
        said = gradvitals(command, config(), "--preflight", "--set", "data.source=nowhere.csv", "--set", "data.n=null")
        assert (said.code, said.out, len(said.sentences)) == (2, "", 1)


@pytest.mark.parametrize("command", ["run", "check"])
def test_help_names_the_flags(command: str, gradvitals: Callable[..., Any]) -> None:
    said = gradvitals(command, "--help")
    assert "--preflight" in said.out
    assert "--overfit" in said.out


def test_what_is_only_info_is_shown_before_a_training_and_not_after_it(gradvitals: Callable[..., Any]) -> None:
    before = gradvitals("check", "vanishing_sigmoid_stack", "--preflight")
    assert before.code == 0
    assert "  info vanishing_gradient@hidden_1 since step 0" in before.out
    assert "  info data_faults since step 0" in before.out
    assert "info data_faults" not in gradvitals("check", "dying_relu_healthy", "--workers", "1").out
