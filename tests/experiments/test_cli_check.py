"""`gradvitals check`: what is judged, in which words, and with which exit code."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboardX import SummaryWriter

from gradvitals.experiments.config.diagnostics import DIAGNOSIS_IDS
from gradvitals.experiments.config.dump import training_hash, training_keys
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.formats.render import FORMATS

FINDING_FIELDS = {
    "key",
    "id",
    "tier",
    "severity",
    "layer",
    "first_step",
    "last_step",
    "cleared",
    "value",
    "threshold",
    "evidence",
    "explanation",
    "explained_by",
    "defect",
    "harm",
    "prescriptions",
    "root",
    "margin",
    "ignored",
    "baseline",
}
RUN_FIELDS = {
    "run",
    "config",
    "seed",
    "settings",
    "verdict",
    "findings",
    "judged",
    "not_judged",
    "switched_off",
    "never_called",
    "ignores",
    "scores",
    "baseline",
    "seeds",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a healthy, a sick and a diverging run once for all tests; nobody writes here."""
    from gradvitals.experiments.config.load import load_config
    from gradvitals.experiments.runner import run_one
    from gradvitals.experiments.sweep import make_plan, place_runs

    folder = tmp_path_factory.mktemp("made")
    for name, base, overrides in (
        ("healthy", "dying_relu_healthy", []),
        ("sick", "dying_relu", []),
        ("diverging", "dying_relu_healthy", ["training.optimizer.learning_rate=1e20"]),
        ("saturated", "saturated_sigmoid", ["training.epochs=3"]),
    ):
        plan = make_plan(load_config(base, overrides), folder / "logs")
        ((planned, place),), _ = place_runs(plan, "new")
        run_one(planned, place)
        place.folder.rename(folder / name)
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """Copy the runs to where a test may spoil them."""
    for name in ("healthy", "sick", "diverging", "saturated"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def event_file(folder: Path) -> Path:
    """Give a run's event file with its diagnostics."""
    (path,) = folder.glob("*tfevents*")
    return path


def report(text: str) -> list[dict[str, Any]]:
    """Parse a report as strictly as any reader would."""

    def refuse(word: str) -> None:
        msg = f"{word} is no JSON"
        raise ValueError(msg)

    data = json.loads(text, parse_constant=refuse)
    assert data.keys() == {"version", "runs", "not_judged"}
    assert data["version"] == 1
    return list(data["runs"])


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["healthy"], 0),
        (["sick"], 1),
        (["diverging"], 1),
        (["nowhere"], 2),
        (["empty"], 3),
        (["foreign"], 3),
        (["healthy", "sick"], 1),
        (["empty", "sick"], 1),
        (["sick", "empty"], 1),
        (["sick", "nowhere", "empty"], 2),
        (["healthy", "empty"], 3),
        (["healthy", "healthy"], 0),
        (["dying_relu"], 1),
        (["dying_relu_healthy"], 0),
        (["."], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_severest_path_decides(paths: list[str], code: int, gradvitals: Callable[..., Any], runs: Path) -> None:
    (runs / "empty").mkdir()
    with SummaryWriter(str(runs / "foreign")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    said = gradvitals("check", *paths, "--workers", "1")
    assert said.code == code
    assert said.sentences == (
        ["gradvitals: nowhere: no such file, and no bundled config has that name"] if "nowhere" in paths else []
    )


def test_json_is_what_the_contract_says(gradvitals: Callable[..., Any], runs: Path) -> None:
    assert (runs / "healthy").is_dir()
    said = gradvitals("check", "healthy", "sick", "diverging", "--format", "json")
    assert (said.code, said.err) == (1, "")
    healthy, sick, diverging = report(said.out)
    (info,) = healthy.pop("findings")
    assert (info["key"], info["severity"]) == ("data_faults", "info")  # digits has columns that are always 0
    margins = {each["id"]: each["margin"] for each in healthy.pop("judged")}
    assert margins["non_finite"] is None
    assert -1.0 <= margins["dead_units"] < 0.0
    scores = healthy.pop("scores")
    assert scores.keys() == {"training", "validation"}
    assert scores["validation"]["accuracy"] > 0.9
    assert healthy == {
        "run": "healthy",
        "config": training_hash(load_config("dying_relu_healthy").config),
        "seed": 0,
        "settings": training_keys(load_config("dying_relu_healthy").config),
        "verdict": "healthy",
        "not_judged": [],
        "switched_off": [],
        "never_called": [],
        "ignores": [],
        "baseline": None,
        "seeds": [],
    }
    assert (sick["run"], sick["verdict"]) == ("sick", "error")
    for run in (sick, diverging):
        assert run.keys() == RUN_FIELDS
        assert all(finding.keys() == FINDING_FIELDS for finding in run["findings"])
        for finding in run["findings"]:
            layer = finding["layer"]
            assert finding["key"] == (finding["id"] if layer is None else f"{finding['id']}@{layer}")
            assert finding["root"] == (finding["explained_by"] is None)
            assert finding["severity"] in {"info", "warning", "error"}
            assert finding["tier"] in {"fact", "test", "hint"}
            assert finding["harm"] is None or finding["harm"].keys() == {"value", "se", "text"}
            assert finding["ignored"] is None
            for prescription in finding["prescriptions"]:
                assert prescription.keys() == {"why", "set", "outcome"}
                assert prescription["outcome"] == "untested"
                assert prescription["set"] is None or len(prescription["set"]) == 1
    first, *others = sick["findings"]
    assert (first["key"], first["root"], first["value"]) == ("dead_units@hidden_1", True, 1.0)
    consequences = [finding for finding in others if finding["severity"] != "info"]
    assert {finding["explained_by"] for finding in consequences} == {"dead_units@hidden_1"}
    assert first["prescriptions"][0]["set"] == {"model.bias_init": "zeros"}
    (broken,) = (finding for finding in diverging["findings"] if finding["id"] == "non_finite")
    assert broken["value"] == "NaN"
    assert {"training.optimizer.learning_rate": 1e19} in [each["set"] for each in broken["prescriptions"]]


def test_json_of_what_could_not_be_judged(gradvitals: Callable[..., Any], runs: Path) -> None:
    (runs / "empty").mkdir()
    said = gradvitals("check", "empty", "--format", "json")
    assert (said.code, report(said.out)) == (3, [])
    assert json.loads(said.out)["not_judged"] == [
        {"path": "empty", "reason": "no runs here: no event files and no run.json"}
    ]
    assert said.err == "gradvitals: warning: empty: no runs here: no event files and no run.json\n"
    with SummaryWriter(str(runs / "foreign")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    (run,) = report(gradvitals("check", "foreign", "--format", "json").out)
    assert (run["run"], run["verdict"], run["findings"]) == ("foreign", "not_judged", [])
    assert {"id": "record", "reason": "no record of gradvitals in these event files"} in run["not_judged"]


@pytest.mark.parametrize("form", FORMATS)
def test_the_report_goes_to_a_file_and_the_text_to_the_terminal(
    form: str, gradvitals: Callable[..., Any], runs: Path
) -> None:
    text = gradvitals("check", "sick").out
    alone = gradvitals("check", "sick", "--format", form)
    said = gradvitals("check", "sick", "--format", form, "--output", "ü.out")
    assert (alone.code, said.code) == (1, 1)
    assert (said.out, said.err) == (f"{text}written to ü.out\n", "")
    assert (runs / "ü.out").read_text(encoding="utf-8").split() == alone.out.split()
    assert sorted(path.name for path in runs.iterdir() if path.is_file()) == ["ü.out"]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
def test_standard_output_is_nothing_but_the_document(form: str, gradvitals: Callable[..., Any], runs: Path) -> None:
    os.truncate(event_file(runs / "healthy"), event_file(runs / "healthy").stat().st_size - 5)
    said = gradvitals("check", "healthy", "sick", "nowhere", "--format", form)
    assert said.code == 2
    assert [sentence.partition(":")[0] for sentence in said.sentences] == ["gradvitals", "gradvitals"]
    first = {"json": "{", "junit": "<?xml ", "sarif": "{", "github": "::error ", "markdown": "## gradvitals check"}
    assert said.out.startswith(first[form])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("paths", "code"), [(["healthy"], 0), (["sick", "healthy"], 1), (["diverging"], 1)])
def test_the_exit_code_is_the_same_in_every_format(
    form: str, paths: list[str], code: int, gradvitals: Callable[..., Any], runs: Path
) -> None:
    assert (runs / "sick").is_dir()
    assert gradvitals("check", *paths, "--format", form).code == code


@pytest.mark.parametrize(("form", "shown"), [("json", '"h?"'), ("junit", 'name="h�"'), ("markdown", "✓ h�: healthy")])
def test_a_folder_whose_name_is_no_text_is_reported(
    form: str, shown: str, gradvitals: Callable[..., Any], runs: Path
) -> None:
    name = os.fsdecode(b"h\xff")
    (runs / "healthy").rename(runs / name)
    said = gradvitals("check", name, "--format", form, "--output", "report", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert shown in (runs / "report").read_text(encoding="utf-8")


def test_a_link_to_a_report_stays_a_link(gradvitals: Callable[..., Any], runs: Path) -> None:
    (runs / "there.json").write_text("old", encoding="utf-8")
    (runs / "link.json").symlink_to("there.json")
    assert gradvitals("check", "healthy", "--format", "json", "--output", "link.json").code == 0
    assert (runs / "link.json").is_symlink()
    assert report((runs / "there.json").read_text(encoding="utf-8"))[0]["verdict"] == "healthy"


@pytest.mark.parametrize("output", ["nowhere/x.json", "sick", "pipe"])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_run(
    output: str, gradvitals: Callable[..., Any], runs: Path
) -> None:
    os.mkfifo(runs / "pipe")
    said = gradvitals("check", "dying_relu", "--output", output)
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert said.err.startswith(f"gradvitals: --output: {output} ")
    assert not (runs / "nowhere").exists()
    assert (runs / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("limit", "code", "key"),
    [
        (["--max-dead", "1"], 0, None),
        (["--max-dead", "0"], 0, None),
        (["--max-update-ratio", "1e-9"], 1, "max_update_ratio@"),
        (["--max-loss-ratio", "1e-9"], 1, "max_loss_ratio"),
        (["--min-accuracy", "0.5"], 0, None),
        (["--min-accuracy", "1"], 1, "min_accuracy"),
        (["--max-saturated", "0"], 0, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_limit_is_a_flag(
    limit: list[str], code: int, key: str | None, gradvitals: Callable[..., Any], runs: Path
) -> None:
    assert (runs / "healthy").is_dir()
    said = gradvitals("check", "healthy", *limit, "--format", "json")
    (run,) = report(said.out)
    assert said.code == code
    assert run["verdict"] == ("error" if code else "healthy")
    errors = [finding["key"] for finding in run["findings"] if finding["severity"] == "error"]
    assert [found.startswith(str(key)) for found in errors] == ([True] if key else [])


@pytest.mark.parametrize(("run", "limit"), [("sick", "max_dead"), ("saturated", "max_saturated")])
def test_a_limit_names_the_worst_layer(run: str, limit: str, gradvitals: Callable[..., Any], runs: Path) -> None:
    flag = f"--{limit.replace('_', '-')}"
    (judged,) = report(gradvitals("check", runs / run, flag, "0.5", "--format", "json").out)
    (exceeded,) = (finding for finding in judged["findings"] if finding["id"] == limit)
    assert exceeded["layer"].startswith("hidden_")
    assert exceeded["value"] > exceeded["threshold"] == 0.5
    (judged,) = report(gradvitals("check", runs / run, flag, "1", "--format", "json").out)
    assert limit not in {finding["id"] for finding in judged["findings"]}


def test_a_limit_that_cannot_be_held_is_not_judged(gradvitals: Callable[..., Any], runs: Path) -> None:
    shutil.rmtree(runs / "healthy" / "validation")
    said = gradvitals("check", "healthy", "--min-accuracy", "0.5", "--format", "json")
    (run,) = report(said.out)
    assert (said.code, run["verdict"]) == (3, "not_judged")
    assert run["not_judged"] == [
        {"id": "min_accuracy", "reason": "no accuracy on a validation set was recorded"},
    ]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--max-dead", "2"], "--max-dead: 2.0 must be at most 1"),
        (["--min-accuracy", "nan"], "--min-accuracy: nan is not a finite number"),
        (["--max-update-ratio", "0"], "--max-update-ratio: 0.0 must be greater than 0"),
        (["--fail-on", "dead_unit"], "--fail-on: 'dead_unit' is not one of non_finite, dead_units"),
        (["--fail-on", "warn"], "--fail-on: 'warn' is not one of"),
        (["--fail-on", "dead_units,no_lerning"], "--fail-on: 'no_lerning' is not one of"),
        (["--max-dead", "many"], "'--max-dead': 'many' is not a valid float"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_limit_that_is_none_is_bad_usage(
    flags: list[str], wanted: str, gradvitals: Callable[..., Any], runs: Path
) -> None:
    said = gradvitals("check", runs / "sick", *flags)
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert wanted in said.err


@pytest.mark.parametrize(
    ("fail_on", "run", "code"),
    [
        ("error", "sick", 1),
        ("warning", "sick", 1),
        ("info", "healthy", 1),
        ("non_finite", "sick", 0),
        ("dead_units", "sick", 1),
        ("saturated_units, no_learning", "sick", 1),
        ("vanishing_gradient,non_finite", "healthy", 0),
    ],
)
def test_fail_on_takes_severities_and_diagnoses(
    fail_on: str, run: str, code: int, gradvitals: Callable[..., Any], runs: Path
) -> None:
    assert gradvitals("check", runs / run, "--fail-on", fail_on).code == code


def test_a_torn_tail_is_a_warning(gradvitals: Callable[..., Any], runs: Path) -> None:
    path = event_file(runs / "healthy")
    os.truncate(path, path.stat().st_size - 5)
    said = gradvitals("check", "healthy")
    assert said.code == 0
    assert "✓ healthy: healthy" in said.out
    assert "warning: healthy/events.out" in said.out
    assert "truncated at byte" in said.out
    said = gradvitals("check", "healthy", "--format", "json")
    assert report(said.out)[0]["verdict"] == "healthy"
    assert said.err.startswith("gradvitals: warning: healthy/events.out")


@pytest.mark.parametrize("keep", [0, 1, 100, 3000, 20000])
def test_a_record_cut_short_is_not_judged(keep: int, gradvitals: Callable[..., Any], runs: Path) -> None:
    os.truncate(event_file(runs / "healthy"), keep)
    said = gradvitals("check", "healthy", "--format", "json")
    (run,) = report(said.out)
    assert (said.code, run["verdict"]) == (3, "not_judged")
    assert "record" in {each["id"] for each in run["not_judged"]}


@pytest.mark.parametrize("part", ["", "train", "validation"])
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_are_not_judged_and_never_a_traceback(
    part: str, seed: int, gradvitals: Callable[..., Any], runs: Path
) -> None:
    path = event_file(runs / "healthy" / part)
    content = bytearray(path.read_bytes())
    generator = np.random.default_rng(seed)
    for at in generator.integers(0, len(content), 3):
        content[at] ^= 0xFF
    path.write_bytes(content)
    said = gradvitals("check", "healthy", "--format", "json")
    reasons = [each["reason"] for each in report(said.out)[0]["not_judged"] if each["id"] == "record"]
    assert said.code == 3
    assert any("corrupt at byte" in reason for reason in reasons)


def test_limits_that_cannot_be_read_are_not_judged(gradvitals: Callable[..., Any], runs: Path) -> None:
    (runs / "healthy" / "config.toml").write_text("x = [", encoding="utf-8")
    said = gradvitals("check", "healthy")
    assert said.code == 3
    assert "not judged: record: its limits are not known: healthy/config.toml: not valid TOML" in said.out


def test_the_runs_own_limits_count_and_flags_replace_them(
    gradvitals: Callable[..., Any], config: Callable[..., str]
) -> None:
    gradvitals("run", config("[check]\nmin_accuracy = 1.0\n"))
    assert gradvitals("check", "logs").code == 1
    assert gradvitals("check", "logs", "--min-accuracy", "0.1").code == 0


def test_a_diagnosis_switched_off_does_not_fail(gradvitals: Callable[..., Any]) -> None:
    off = 'diagnostics.{}={{enabled=false, why="a test"}}'
    rules = [word for rule in DIAGNOSIS_IDS if rule != "non_finite" for word in ("--set", off.format(rule))]
    said = gradvitals("check", "dying_relu", "--workers", "1", *rules)
    assert said.code == 0


def test_a_single_event_file_is_told_its_folder(gradvitals: Callable[..., Any], runs: Path) -> None:
    said = gradvitals("check", event_file(runs / "healthy").relative_to(runs))
    assert said.code == 2
    assert said.err.endswith("an event file — check its folder: gradvitals check healthy\n")


def test_a_summary_of_a_sweep_that_is_none_is_ignored(gradvitals: Callable[..., Any], runs: Path) -> None:
    for content in ('{"runs": [3, {"name": "../x"}, {"name": 5}]}', '{"runs": 3}', "[]", "x"):
        (runs / "sweep.json").write_text(content, encoding="utf-8")
        assert gradvitals("check", ".").code in {1, 3}


def sweep_of(folder: Path, run: Path, **changed: Any) -> None:
    """Make a sweep of one run, with another summary."""
    folder.mkdir(parents=True)
    shutil.copytree(run, folder / "one")
    (folder / "sweep.json").write_text('{"runs": [{"name": "one"}]}', encoding="utf-8")
    summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (folder / "one" / "run.json").write_text(json.dumps(summary | changed), encoding="utf-8")


@pytest.mark.parametrize(
    ("other", "require", "code", "gap"),
    [
        ({"scores": {}}, "best", 3, "logs/b: no run of the sweep can be called the best by its scores"),
        ({"scores": {}}, "all", 0, None),
        ({"name": "renamed"}, "best", 0, None),
        (
            {"status": "running"},
            "best",
            3,
            "logs/b: 1 of 1 runs is not done: 1 was not closed; --resume goes on with it",
        ),
        (None, "best", 3, "logs/b: 1 of 1 runs is not done: 1 has not begun; --resume goes on with it"),
    ],
    ids=["no scores", "no scores, all count", "renamed", "running", "no run yet"],
)
def test_a_sweep_of_which_no_run_counts_is_named_beside_one_that_passes(  # noqa: PLR0917 - a case's parts
    other: dict[str, Any] | None,
    require: str,
    code: int,
    gap: str | None,
    gradvitals: Callable[..., Any],
    made: Path,
    tmp_path: Path,
) -> None:
    sweep_of(tmp_path / "logs" / "a", made / "healthy")
    sweep_of(tmp_path / "logs" / "b", made / "healthy", **(other or {}))
    if other is None:
        shutil.rmtree(tmp_path / "logs" / "b" / "one")
    said = gradvitals("check", "logs", "--require", require)
    assert (said.code, (gap or "not judged:") in said.out) == (code, gap is not None)
    said = gradvitals("check", "logs", "--require", require, "--format", "json")
    told = json.loads(said.out)["not_judged"]
    assert [each["path"] for each in told] == ["logs"] * (gap is not None)
    assert all(gap is not None and each["reason"].startswith(gap) for each in told)
    assert gradvitals("check", "logs", made / "sick", "--require", require).code == 1


def test_seeds_of_one_config_need_no_best_run(gradvitals: Callable[..., Any], made: Path, tmp_path: Path) -> None:
    sweep_of(tmp_path / "logs", made / "healthy", scores={})
    assert gradvitals("check", "logs").code == 3
    assert gradvitals("check", "logs", "--seeds", "1").code == 0


def test_a_config_leaves_nothing_behind_unless_told(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    assert gradvitals("check", config(), "--workers", "1").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
    assert gradvitals("check", "tiny.toml", "--workers", "1", "--logdir", "kept").code == 0
    assert len(list((tmp_path / "kept" / "tiny").glob("*/run.json"))) == 1
    assert gradvitals("check", "tiny.toml", "--workers", "1", "--logdir", "kept").code == 0
    assert len(list((tmp_path / "kept" / "tiny").glob("*/run.json"))) == 1


def test_runs_of_several_paths_are_told_apart(gradvitals: Callable[..., Any], trained: Callable[..., Path]) -> None:
    trained(logdir="a")
    trained(logdir="b")
    names = [run["run"] for run in report(gradvitals("check", "a", "b", "--format", "json").out)]
    assert [name.split("/")[:2] for name in names] == [["a", "tiny"], ["b", "tiny"]]


def test_quiet_prints_only_what_fails(gradvitals: Callable[..., Any], runs: Path) -> None:
    assert gradvitals("check", runs / "healthy", "--quiet").out == ""
    said = gradvitals("check", runs, "--quiet")
    assert "healthy: healthy" not in said.out
    assert "sick: error" in said.out


def test_a_dry_run_names_what_would_be_run_and_judged_and_writes_nothing(
    gradvitals: Callable[..., Any], config: Callable[..., str], runs: Path
) -> None:
    name = config()
    before = sorted(runs.rglob("*"))
    said = gradvitals("check", name, "sick", "--dry-run")
    assert said.code == 0
    assert "(a temporary folder)" in said.out
    assert said.out.splitlines()[-1] == "sick"
    assert sorted(runs.rglob("*")) == before
