"""A run's place in the HParams tab: groups that keep settings apart, and an end that a resumed run takes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.engine.events import EpochEnded
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.run_folder import find_runs
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.session import ALL_SEEDS, UNFINISHED
from gradvitals.experiments.sweep import make_plan, place_runs

START, END = metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG


def written(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def group_of(folder: Path) -> str:
    content = written(folder).SummaryMetadata(START).plugin_data.content
    return str(metadata.parse_session_start_info_plugin_data(content).group_name)


def status_of(folder: Path) -> int:
    content = written(folder).SummaryMetadata(END).plugin_data.content
    return int(metadata.parse_session_end_info_plugin_data(content).status)


@pytest.mark.parametrize(
    ("axes", "groups"),
    [
        ("seed = [0, 1, 2]", {ALL_SEEDS: 3}),
        (
            '"training.optimizer.learning_rate" = [0.1, 0.10000001]\nseed = [0, 1]',
            {"learning_rate=0.1": 2, "learning_rate=0.10000001": 2},
        ),
        ('"data.scale" = ["none", 10.0]', {"scale=none": 1, "scale=10": 1}),
    ],
    ids=["seeds alone", "values alike in four digits", "no seeds"],
)
def test_runs_share_a_group_where_only_their_seeds_differ(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path, axes: str, groups: dict[str, int]
) -> None:
    assert gradvitals("sweep", config(f"[sweep]\n{axes}\n"), "--workers", "1").code == 0
    found = [group_of(folder) for folder in find_runs(tmp_path / "logs")]
    assert {group.replace("0.10000001", "0.10000001"): found.count(group) for group in found} == groups


def test_a_run_that_was_stopped_failed_until_it_is_resumed_and_its_record_is_whole_either_way(
    config: Callable[..., str], tmp_path: Path
) -> None:
    def stop(event: EpochEnded) -> None:
        if event.epoch == 5:
            raise KeyboardInterrupt

    plan = make_plan(load_config(tmp_path / config("[sweep]\nseed = [0]\n")), tmp_path / "logs")
    ((planned, place),), _ = place_runs(plan, "refuse")
    with pytest.raises(KeyboardInterrupt):
        run_one(planned, place, stop)
    assert len(list(place.folder.glob(f"*{UNFINISHED}"))) == 1
    assert status_of(place.folder) == api_pb2.STATUS_FAILURE
    ending = read_record(place.folder).record.notes(Ending)[-1]
    assert (ending.step, ending.reason) == (20, "interrupted")
    assert read_record(place.folder).record.series("gradient_norm/global").steps[-1] == 20

    run_one(planned, place)
    assert list(place.folder.glob(f"*{UNFINISHED}")) == []
    assert status_of(place.folder) == api_pb2.STATUS_SUCCESS
    assert read_record(place.folder).record.notes(Ending)[-1].reason == "completed"


def test_a_run_alone_has_no_place_in_the_table(trained: Callable[..., Path]) -> None:
    assert not [tag for tag in written(trained()).Tags()["tensors"] if tag.startswith("_hparams_")]


def test_a_run_whose_loss_is_not_finite_has_failed(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    axes = '[sweep]\n"training.optimizer.learning_rate" = [0.1, 1e30]\n'
    assert gradvitals("sweep", config(axes), "--workers", "1").code == 0
    found = {read_record(folder).record.notes(Ending)[-1].reason: folder for folder in find_runs(tmp_path / "logs")}
    assert {reason: status_of(folder) for reason, folder in found.items()} == {
        "completed": api_pb2.STATUS_SUCCESS,
        "non_finite": api_pb2.STATUS_FAILURE,
    }
