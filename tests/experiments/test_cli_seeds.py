"""`check --seeds` and `check --baseline`, and `diff`, with networks that are really trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
SHORT = ("--set", "training.epochs=6", "--workers", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Check a sick and a healthy config with five seeds once for all tests."""
    from gradvitals.experiments.cli.main import run_command

    folder = tmp_path_factory.mktemp("made")
    for name in ("dying_relu", "dying_relu_healthy"):
        for part, seeds in (("five", ("--seeds", "5")), ("one", ())):
            out, logdir = folder / f"{name}_{part}.json", folder / part
            run_command(
                ["check", name, *SHORT, *seeds, "--logdir", str(logdir), "--format", "json", "--output", str(out)]
            )
    return folder


def data_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "verdict"), [("dying_relu", "error"), ("dying_relu_healthy", "healthy")])
def test_seeds_are_run_and_told_together(name: str, verdict: str, made: Path) -> None:
    (run,) = data_of(made / f"{name}_five.json")["runs"]
    assert (run["run"], run["verdict"], run["seed"]) == (f"{name} (5 seeds)", verdict, None)
    assert [member["seed"] for member in run["seeds"]] == [0, 1, 2, 3, 4]
    assert {member["verdict"] for member in run["seeds"]} == {verdict}
    told = [finding["evidence"] for finding in run["findings"] if finding["severity"] == "error"]
    assert bool(told) == (verdict == "error")
    assert all(text.startswith("in 5 of 5 seeds, such as seed ") for text in told)


def test_recorded_seeds_are_judged_as_those_just_run(gradvitals: Command, made: Path) -> None:
    said = gradvitals("check", made / "five" / "dying_relu", "--seeds", "5", "--format", "json")
    assert said.code == 1
    (again,), (first,) = json.loads(said.out)["runs"], data_of(made / "dying_relu_five.json")["runs"]
    assert again["findings"] == first["findings"]
    lacking = gradvitals("check", made / "five" / "dying_relu_healthy", "--seeds", "6")
    assert lacking.code == 3
    assert "5 of 6 seeds are there" in lacking.out


@pytest.mark.parametrize(
    ("checked", "seeds", "baseline", "code", "said"),
    [
        ("dying_relu", 5, "dying_relu_five", 0, "known error dead_units@hidden_1"),
        ("dying_relu", 5, "dying_relu_one", 0, "in 1 of 1 seeds there"),
        ("dying_relu", None, "dying_relu_five", 0, "in 5 of 5 seeds there"),
        ("dying_relu", None, "dying_relu_healthy_five", 1, "no run of this config in the baseline"),
        ("dying_relu_healthy", None, "dying_relu_healthy_one", 0, "healthy"),
    ],
)
def test_only_what_is_new_fails(
    checked: str, seeds: int | None, baseline: str, *, code: int, said: str, gradvitals: Command, made: Path
) -> None:
    more = ("--seed", "11", *(() if seeds is None else ("--seeds", seeds)))
    answer = gradvitals("check", checked, *SHORT, *more, "--baseline", made / f"{baseline}.json")
    assert answer.code == code
    assert said in " ".join(answer.out.split())


def test_what_is_mended_is_told(gradvitals: Command, made: Path, tmp_path: Path) -> None:
    data = data_of(made / "dying_relu_one.json")
    data["runs"][0]["config"] = data_of(made / "dying_relu_healthy_one.json")["runs"][0]["config"]
    (tmp_path / "sick.json").write_text(json.dumps(data), encoding="utf-8")
    said = gradvitals("check", "dying_relu_healthy", *SHORT, "--baseline", "sick.json")
    assert said.code == 0
    assert "mended since the baseline: dead_units@hidden_1" in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--baseline", "none.json"], "--baseline: none.json: no such file — write one with: gradvitals check …"),
        (["--baseline", "."], "--baseline: .: a folder; a report is wanted here"),
        (["--seeds", "2", "--preflight"], "--seeds: for trained networks — leave it out"),
        (["--seeds", "0"], "invalid value for '--seeds'"),
        (["--seeds", "3", "--set", "sweep.seed=[1,2]"], "tiny.toml: sweep.seed: 2 seeds, and --seeds asks for 3"),
        (["--seeds", "3", "--seed", str(2**32 - 2)], "--seeds: from seed 4294967294 on there are not 3"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    arguments: list[str], sentence: str, gradvitals: Command, config: Callable[..., str], tmp_path: Path
) -> None:
    said = gradvitals("check", config(), "--logdir", "kept", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"gradvitals: {sentence}")
    assert len(said.sentences) == 1
    assert not (tmp_path / "kept").exists()


def test_a_sweep_with_seeds_is_judged_by_its_best_config(gradvitals: Command, config: Callable[..., str]) -> None:
    path = config('[sweep]\n"model.bias_init" = ["zeros", {kind = "constant", value = -50.0}]\n')
    said = gradvitals("check", path, "--seeds", "3", "--workers", "1", "--logdir", "kept")
    assert said.code == 0
    assert "bias_init=zeros (3 seeds): healthy" in said.out
    assert gradvitals("check", path, "--seeds", "3", "--require", "all", "--logdir", "kept").code == 1
    assert "6 runs" in gradvitals("check", path, "--seeds", "3", "--dry-run").out
    temporary = gradvitals("check", path, "--seeds", "3", "--workers", "1", "--format", "markdown")
    assert temporary.code == 0
    assert "1 of 2 runs pass; of a sweep the best run by validation counts." in temporary.out


def test_runs_without_a_config_have_no_seeds(gradvitals: Command, made: Path, tmp_path: Path) -> None:
    (folder,) = (made / "one" / "dying_relu_healthy").glob("seed=*")
    copy = tmp_path / "theirs" / "run"
    copy.mkdir(parents=True)
    for path in folder.glob("*tfevents*"):
        (copy / path.name).write_bytes(path.read_bytes())
    said = gradvitals("check", "theirs", "--seeds", "1")
    assert said.code == 3
    assert "no config is recorded" in said.out


@pytest.mark.parametrize("part", ["one", "five"])
@pytest.mark.parametrize("kind", ["folder", "report"])
def test_diff_of_runs_and_reports(part: str, kind: str, gradvitals: Command, made: Path) -> None:
    sick, healthy = (
        made / (f"{name}_{part}.json" if kind == "report" else f"{part}/{name}")
        for name in ("dying_relu", "dying_relu_healthy")
    )
    worse = gradvitals("diff", healthy, sick)
    assert (worse.code, worse.err) == (1, "")
    lines = [" ".join(line.split()) for line in worse.out.splitlines()]
    news = [line for line in lines if line.startswith("✗ new")]
    assert news[0].startswith("✗ new dead_units@hidden_1 – error 1")
    assert "model.bias_init.value: unset → -50.0" in lines
    worse_scores = [line for line in lines if line.startswith("✗ worse") and "loss" in line]
    assert bool(worse_scores) == (part == "five")
    better = gradvitals("diff", sick, healthy)
    assert better.code == 0
    assert "✓ gone" in better.out
    same = gradvitals("diff", sick, sick, "--fail-on", "info")
    assert same.code == 0
    assert "= same" in same.out


def test_diff_as_json_and_markdown(gradvitals: Command, made: Path) -> None:
    paths = made / "dying_relu_healthy_five.json", made / "dying_relu_five.json"
    said = gradvitals("diff", *paths, "--format", "json")
    assert said.code == 1
    (pair,) = json.loads(said.out)["pairs"]
    assert pair["seeds"] == {"base": 5, "head": 5}
    rows = {row["what"]: row for row in pair["rows"]}
    assert rows["validation accuracy"]["status"] == "worse"
    assert len(rows["validation accuracy"]["head"]["values"]) == 5
    assert (rows["dead_units@hidden_1"]["status"], rows["dead_units@hidden_1"]["root"]) == ("new", True)
    text = gradvitals("diff", *paths, "--format", "markdown").out
    assert "| ✗ new | `dead_units@hidden_1` | – | error 1 in 5 of 5 |" in text


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere", "gradvitals: nowhere: no such file"),
        ("dying_relu", "gradvitals: dying_relu: a config, and diff compares what ran — run it first: gradvitals check"),
        ("x.toml", "gradvitals: x.toml: a config, and diff compares what ran"),
    ],
)
def test_diff_refuses_what_it_cannot_read(path: str, sentence: str, gradvitals: Command, made: Path) -> None:
    said = gradvitals("diff", made / "one", path)
    assert said.code == 2
    assert said.err.startswith(sentence)


def test_diff_with_an_empty_folder_could_not_judge(gradvitals: Command, made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = gradvitals("diff", made / "one" / "dying_relu", "empty")
    assert (said.code, said.err) == (3, "gradvitals: empty: no runs here\n")
    assert "only in base: seed=0-" in said.out
