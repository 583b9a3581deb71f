"""`gradvitals repair`, and `--confirm`, with networks that are really trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Write = Callable[..., str]
SICK = ("--set", 'model.bias_init={kind="constant", value=-100.0}')
ONE = ("--workers", "1")


def test_a_sick_config_is_cured_and_written(gradvitals: Command, config: Write, tmp_path: Path) -> None:
    said = gradvitals("repair", config(), *SICK, *ONE)
    assert said.code == 0
    assert 'cured with 1 key: model.bias_init = "zeros" (accuracy +' in said.out
    assert "better in 5 of 5 seeds" in said.out
    assert "control" in said.out
    assert "sane defaults" in said.out
    assert not any(line.endswith(" ") for line in said.out.splitlines())
    assert 'bias_init = "zeros"' in (tmp_path / "tiny_repaired.toml").read_text(encoding="utf-8")
    assert gradvitals("check", "tiny_repaired.toml").code == 0
    again = gradvitals("repair", config(), *SICK, *ONE)
    assert again.code == 2
    assert again.sentences == [
        "gradvitals: tiny_repaired.toml: exists — name another file with --output, or replace it with --force"
    ]


def test_a_cure_of_few_seeds_is_said_to_be_one_as_far_as_they_tell(gradvitals: Command, config: Write) -> None:
    said = gradvitals("repair", config(), *SICK, *ONE, "--seeds", "2")
    assert said.code == 0
    assert 'cured, as far as so few seeds can tell, with 1 key: model.bias_init = "zeros"' in said.out
    assert "root so far: " in said.out
    assert "confirmed root" not in said.out


def test_a_healthy_config_needs_no_repair(gradvitals: Command, config: Write, tmp_path: Path) -> None:
    said = gradvitals("repair", config(), *ONE, "--quiet")
    assert (said.code, said.out) == (0, "nothing to repair: no warning and no error stands\n")
    assert not (tmp_path / "tiny_repaired.toml").exists()


def test_what_no_config_can_mend_is_said_so(gradvitals: Command, tmp_path: Path) -> None:
    said = gradvitals("repair", "data_faults", *ONE)
    assert said.code == 1
    assert said.out.splitlines()[-1] == "no automatic cure: no key of the config mends data_faults"
    assert "no change of the config is known for what was found" in said.out
    assert list(tmp_path.iterdir()) == []


def test_what_is_of_no_consequence_is_shown_when_asked_for(gradvitals: Command) -> None:
    brief = gradvitals("repair", "dying_relu_healthy", *ONE)
    assert "of no consequence (--verbose shows them)" in brief.out
    said = gradvitals("repair", "dying_relu_healthy", *ONE, "--verbose")
    assert said.code == 0
    assert "of no consequence" not in said.out
    assert "info " in said.out


def test_a_dry_run_prints_what_would_be_tried(gradvitals: Command, config: Write, tmp_path: Path) -> None:
    said = gradvitals("repair", config(), *SICK, "--dry-run")
    assert said.code == 0
    assert '  model.bias_init = "zeros"' in said.out.splitlines()
    assert "then the best on 5 fresh seeds" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_what_could_not_be_judged_is_not_called_healthy(gradvitals: Command, config: Write) -> None:
    said = gradvitals("repair", config("[check]\nfail_on = ['cannot_overfit']\n"), *ONE, "--quiet")
    assert said.code == 3
    assert said.out == "not judged: nobody knows whether there is anything to repair\n"


def test_what_is_found_but_could_not_be_judged_is_not_called_incurable(gradvitals: Command, config: Write) -> None:
    said = gradvitals("repair", config("[check]\nfail_on = ['cannot_overfit']\n"), *SICK, *ONE)
    assert said.code == 3
    assert "dead_units@hidden_1" in said.out
    assert "nothing of what was tried" not in said.out
    assert said.out.splitlines()[-1] == "not judged: nobody knows whether there is anything to repair"


def test_a_runs_folder_is_repaired_by_its_config(gradvitals: Command, trained: Callable[..., Path]) -> None:
    folder = trained("", 'model.bias_init={kind="constant", value=-100.0}')
    said = gradvitals("repair", folder, *ONE, "--format", "json", "-o", "better.toml", "--seeds", "5")
    assert said.code == 0
    data = json.loads(said.out)
    (run,) = data["runs"]
    assert (data["outcome"], data["written"]) == ("cured", "better.toml")
    assert run["intervention"]["cure"] == {"model.bias_init": "zeros"}
    assert run["intervention"]["root"] == run["findings"][0]["key"] == "dead_units@hidden_1"
    assert run["findings"][0]["prescriptions"][0]["outcome"] == "confirmed"
    assert Path("better.toml").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["learning_rate_x_initialization"], "a sweep of 48 runs — repair the folder of one of its runs"),
        (["."], ".: a folder without config.toml"),
        (["dying_relu", "-o", "none/better.toml"], "none/better.toml: cannot be written: no such folder"),
        (["no_such_config"], "no_such_config: no such file"),
    ],
)
def test_what_cannot_be_repaired_is_refused_before_anything_runs(
    arguments: list[str], sentence: str, gradvitals: Command
) -> None:
    said = gradvitals("repair", *arguments)
    assert said.code == 2
    assert sentence in said.err


def test_check_confirms_the_root_of_an_error(gradvitals: Command, config: Write) -> None:
    said = gradvitals("check", config(), *SICK, *ONE, "--confirm", "--format", "json")
    assert said.code == 1
    (run,) = json.loads(said.out)["runs"]
    assert run["intervention"]["confirmed"] is True
    assert run["findings"][0]["key"] == run["intervention"]["root"] == "dead_units@hidden_1"
    assert {finding["explained_by"] for finding in run["findings"][1:] if finding["severity"] == "error"} == {
        "dead_units@hidden_1"
    }


def test_check_leaves_a_healthy_run_as_it_is(gradvitals: Command, config: Write) -> None:
    said = gradvitals("check", config(), *ONE, "--confirm", "--format", "json")
    assert said.code == 0
    assert "intervention" not in json.loads(said.out)["runs"][0]


def test_before_a_training_nothing_can_be_confirmed(gradvitals: Command, config: Write) -> None:
    said = gradvitals("check", config(), "--confirm", "--preflight")
    assert said.code == 2
    assert "--confirm: re-runs trained networks" in said.err


def test_run_tells_the_confirmed_root(gradvitals: Command, config: Write) -> None:
    said = gradvitals("run", config(), *SICK, "--confirm")
    assert said.code == 0
    assert "confirmed root: dead_units@hidden_1" in said.out


def test_check_keeps_its_verdicts_where_the_data_are_gone(gradvitals: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,label\n" + "1,2,0\n2,1,1\n" * 60, encoding="utf-8")
    own = tmp_path / "rows.toml"
    own.write_text(
        '[data]\nsource = "rows.csv"\n[model]\nhidden = [4]\nbias_init = {kind = "constant", value = -100.0}\n'
        '[training]\nepochs = 20\nbatch_size = 16\noptimizer = {kind = "sgd", learning_rate = 0.1}\n',
        encoding="utf-8",
    )
    assert gradvitals("run", own, "--logdir", "kept", "--quiet").code == 0
    rows.unlink()
    said = gradvitals("check", "kept", *ONE, "--confirm", "--format", "json")
    assert said.code == 1
    (run,) = json.loads(said.out)["runs"]
    assert run["verdict"] == "error"
    assert "not confirmed" in said.err
    assert "data.source: 'rows.csv': no such file" in said.err


def test_runs_that_cannot_be_kept_are_no_internal_error(gradvitals: Command, config: Write, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "tiny_repair").write_text("a file where the folder belongs", encoding="utf-8")
    said = gradvitals("repair", config(), *SICK, *ONE, "--logdir", "kept")
    assert said.code == 2
    assert "tiny_repair" in said.err
