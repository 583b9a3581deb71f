"""A block of runs trained at once leaves the folders that each run would leave alone."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.live_pace import LivePace
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS
from gradvitals.engine.events import StepEnded
from gradvitals.experiments import runner
from gradvitals.experiments.blocks import Run, cut_into_blocks
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.executor import run_many
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.stacked_runner import run_stacked
from gradvitals.experiments.sweep import make_plan, place_runs
from gradvitals.experiments.watched_training import watch_experiment

Plan = Callable[..., list[Run]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Write a config with a sweep, and plan its runs."""

    def make(text: str, logdir: str = "logs") -> list[Run]:
        path = tmp_path / "many.toml"
        path.write_text(text, encoding="utf-8")
        return place_runs(make_plan(load_config(path), tmp_path / logdir), "refuse")[0]

    return make


def contents(run: Run) -> dict[str, Any]:
    """Read everything a run left, without clocks."""
    folder = run[1].folder
    read = read_record(folder)
    assert read.damage == ()
    return {
        "run": {**json.loads((folder / "run.json").read_text("utf-8")), "seconds": 0},
        "findings": json.loads((folder / "findings.json").read_text("utf-8")),
        "config": (folder / "config.toml").read_text("utf-8"),
        "scalars": {
            tag: (read.record.series(tag).steps.tolist(), repr(read.record.series(tag).values.tolist()))
            for tag in read.record.tags()
        },
        "notes": repr(read.record._notes),
        "parts": sorted(path.relative_to(folder).parent.as_posix() for path in folder.rglob("*tfevents*")),
    }


SWEEPS = {
    "rates and starts": """
        [data]
        source = "moons"
        n = 60
        [model]
        hidden = [6, 5]
        [training]
        epochs = 6
        batch_size = 16
        optimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}
        [sweep]
        "training.optimizer.learning_rate" = [0.1, 1e12]
        "model.init" = ["he_normal", "zeros"]
        "seed" = [0, 1]
    """,
    "everything that may differ": """
        [data]
        source = "iris"
        [model]
        hidden = [8]
        dropout = 0.2
        [training]
        batch_size = 32
        schedule = {kind = "cosine"}
        [sweep]
        "training.epochs" = [2, 4]
        "training.l2" = [0.0, 0.01]
        "training.clip_norm" = [0.1, 10.0]
        "model.output_bias" = ["zeros", "prior"]
    """,
    "recurrent": """
        [data]
        source = "delayed_copy"
        n = 60
        [model]
        kind = "rnn"
        hidden = [6]
        sequence_length = 5
        [training]
        epochs = 3
        early_stopping = {patience = 1}
        [sweep]
        "training.optimizer.learning_rate" = [0.01, 0.3]
        "diagnostics.every" = [1, 4]
    """,
    "not stackable after all": """
        [data]
        source = "moons"
        n = 40
        [training]
        epochs = 2
        frozen = ["hidden_1"]
        [sweep]
        seed = [0, 1]
    """,
}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_run_leaves_what_it_leaves_alone(name: str, plan: Plan) -> None:
    stacked = plan(SWEEPS[name], "stacked")
    assert [len(block) for block in cut_into_blocks(stacked, 1)] == [len(stacked)]
    results = run_stacked(stacked)
    for together, single, outcome in zip(stacked, plan(SWEEPS[name], "alone"), results, strict=True):
        (alone, _), summary = run_one(*single), outcome.summary
        assert outcome.error == ""
        assert summary is not None
        assert (summary.status, summary.verdict, summary.findings) == (alone.status, alone.verdict, alone.findings)
        assert contents(together) == contents(single)


POOL = """
    [data]
    source = "blobs"
    n = 60
    [model]
    hidden = [5]
    [training]
    epochs = 4
    batch_size = 16
    optimizer = {kind = "adam", learning_rate = 0.01}
    [sweep]
    "training.dtype" = ["float32", "float64"]
    "model.init" = ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
        "orthogonal", "zeros", {kind = "normal", std = 0.1}, {kind = "uniform", limit = 0.1}]
"""


def test_every_initialisation_in_both_dtypes_is_on_the_pool_what_it_is_alone(plan: Plan) -> None:
    pooled = plan(POOL, "pooled")
    blocks = cut_into_blocks(pooled, 2)
    assert sorted(map(len, blocks)) == [5, 5, 5, 5]
    assert [outcome.error for outcome in run_many(pooled, workers=2)] == [""] * 20
    for together, single in zip(pooled, plan(POOL, "alone"), strict=True):
        run_one(*single)
        assert contents(together) == contents(single)


SEEDS = """
    [data]
    source = "moons"
    n = 60
    [training]
    epochs = 5
    [sweep]
    seed = [0, 1, 2]
"""


def statuses(runs: Sequence[Run]) -> list[str]:
    return [json.loads((place.folder / "run.json").read_text("utf-8"))["status"] for _, place in runs]


@pytest.mark.parametrize("where", ["_started", "_step_ended", "_look", "_epoch_ended", "_ended"])
def test_a_run_whose_monitor_fails_says_so_and_the_others_go_on(
    where: str, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, original = plan(SEEDS), getattr(Monitor, where)

    def fail(self: Monitor, *arguments: Any, **others: Any) -> Any:
        config = self._config
        if config is not None and config["seed"] == 1:
            msg = "no luck"
            raise ValueError(msg)
        return original(self, *arguments, **others)

    monkeypatch.setattr(Monitor, where, fail)
    results = run_stacked(runs)
    assert [outcome.error for outcome in results] == ["", "ValueError: no luck", ""]
    assert statuses(runs) == ["completed", "failed", "completed"]
    failed = json.loads((runs[1][1].folder / "run.json").read_text("utf-8"))
    assert (failed["error"], failed["verdict"]) == ("ValueError: no luck", "not_judged")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)], ids=["ctrl-c", "sigterm"])
def test_a_block_that_is_stopped_says_so_in_every_folder_but_those_that_are_done(
    error: BaseException, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = plan(SEEDS.replace("seed = [0, 1, 2]", '"training.epochs" = [1, 3]'))
    original = watch_experiment

    def watch_and_stop(config: Any, experiment: Any, **others: Any) -> Monitor:
        def stop(event: StepEnded) -> None:
            if event.step == 2:
                raise error

        if config.training.epochs == 3:
            experiment.network.hooks.on(StepEnded, stop)
        return original(config, experiment, **others)

    monkeypatch.setattr(runner, "watch_experiment", watch_and_stop)
    with pytest.raises(type(error)):
        run_stacked(runs)
    assert statuses(runs) == ["completed", "interrupted"]
    assert contents(runs[0])["run"]["verdict"] == "healthy"
    assert contents(runs[1])["run"]["steps"] == 2


def test_runs_that_differ_in_more_than_numbers_are_in_blocks_of_their_own(plan: Plan) -> None:
    runs = plan("""
        [data]
        source = "moons"
        n = 60
        [sweep]
        "model.hidden" = [[4], [5]]
        "training.batch_size" = [8, 16]
        "training.optimizer" = [{kind = "adam", learning_rate = 0.1}, {kind = "sgd", learning_rate = 0.1}]
        seed = [0, 1]
    """)
    blocks = cut_into_blocks(runs, 1)
    assert sorted(len(block) for block in blocks) == [2] * 8
    for block in blocks:
        assert len({(c.model.hidden, c.training.batch_size, c.training.optimizer.kind) for c in configs(block)}) == 1


def configs(block: Sequence[Run]) -> list[Any]:
    return [planned.config for planned, _ in block]


def test_balanced_class_weights_follow_from_the_data_and_so_from_the_seed(plan: Plan) -> None:
    runs = plan(SEEDS.replace("epochs = 5", 'epochs = 5\nclass_weight = "balanced"'))
    assert [len(block) for block in cut_into_blocks(runs, 1)] == [1, 1, 1]


def test_a_sequence_counts_at_every_time_step(plan: Plan) -> None:
    def block_of(steps: int) -> int:
        runs = plan(f"""
            [data]
            source = "digits"
            [model]
            kind = "rnn"
            hidden = [32]
            sequence_length = {steps}
            [sweep]
            seed = {list(range(200))}
        """)
        return len(cut_into_blocks(runs, 1)[0])

    assert block_of(64) < block_of(1) / 10


@pytest.mark.parametrize(
    ("hidden", "count", "workers", "expected"),
    [
        ([16, 16], 8, 1, [8]),
        ([16, 16], 8, 2, [4, 4]),
        ([16, 16], 3, 8, [1, 1, 1]),
        ([1000, 1000], 3, 1, [1, 1, 1]),
        ([64, 32], 20, 2, [10, 10]),
    ],
    ids=["small", "two workers", "more workers than runs", "large", "even blocks"],
)
def test_blocks_keep_all_workers_busy_and_fit_the_cache(
    hidden: list[int], count: int, workers: int, expected: list[int], plan: Plan
) -> None:
    runs = plan(f"[data]\nsource = 'digits'\n[model]\nhidden = {hidden}\n[sweep]\nseed = {list(range(count))}\n")
    blocks = cut_into_blocks(runs, workers)
    assert [len(block) for block in blocks] == expected
    assert sorted(planned.config.seed for block in blocks for planned, _ in block) == list(range(count))


def test_verdicts_in_between_change_nothing_of_what_a_block_leaves(plan: Plan) -> None:
    at_leisure, in_haste = LivePace(itertools.count(0.0, 1000.0).__next__), LivePace(lambda: 0.0)
    often, seldom = plan(SWEEPS["rates and starts"]), plan(SWEEPS["rates and starts"], "seldom")
    run_stacked(often, at_leisure)
    run_stacked(seldom, in_haste)
    assert [contents(run) for run in often] == [contents(run) for run in seldom]
    told = [[len(read_run(run[1].folder).tensors[FINDINGS]) for run in runs] for runs in (often, seldom)]
    assert all(more >= fewer for more, fewer in zip(*told, strict=True))
    assert sum(told[0]) > sum(told[1]) >= len(seldom)  # some are lost at once
    assert (at_leisure.members, in_haste.members) == (0, 0)
