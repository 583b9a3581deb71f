"""A sweep's map for TensorBoard: a folder that is no run, follows the sweep, and goes with it."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from gradvitals.experiments.map_log import log_map
from gradvitals.experiments.run_folder import find_runs
from gradvitals.experiments.sweep_map import SweepMap


@pytest.fixture
def swept(gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path) -> Path:
    """Run a sweep over two seeds."""
    assert gradvitals("sweep", config("[sweep]\nseed = [0, 1]\n"), "--workers", "1").code == 0
    return tmp_path / "logs" / "tiny"


def maps(folder: Path) -> list[tuple[int, bytes]]:
    log = EventAccumulator(str(folder / "map"), size_guidance={"tensors": 0}).Reload()
    return [(point.step, point.tensor_proto.string_val[2]) for point in log.Tensors("sweep_map")]


def test_it_is_the_picture_in_the_folder_and_no_run(swept: Path, gradvitals: Callable[..., Any]) -> None:
    assert maps(swept) == [(2, (swept / "map.png").read_bytes())]
    assert sorted(folder.name for folder in find_runs(swept)) == sorted(
        file.parent.name for file in swept.glob("*/run.json")
    )
    assert gradvitals("check", "logs").code == 0
    assert gradvitals("list", "logs", "--format", "json").out.count('"map"') == 0


def test_a_sweep_that_is_resumed_shows_the_map_as_it_is_then(swept: Path, gradvitals: Callable[..., Any]) -> None:
    more = ("--set", "sweep={seed=[0, 1, 2]}", "--resume")
    assert gradvitals("sweep", "tiny.toml", "--workers", "1", *more).code == 0
    assert gradvitals("sweep", "tiny.toml", "--workers", "1", *more).code == 0
    assert [step for step, _ in maps(swept)] == [2, 3]
    assert maps(swept)[-1][1] == (swept / "map.png").read_bytes()


def test_it_is_removed_with_the_sweep(swept: Path, gradvitals: Callable[..., Any]) -> None:
    assert gradvitals("clean", "logs", "--yes").code == 0
    assert not swept.exists()


def test_whatever_else_lies_there_stays(swept: Path, gradvitals: Callable[..., Any]) -> None:
    (swept / "map" / "notes.txt").write_text("mine", encoding="utf-8")
    assert gradvitals("clean", "logs", "--yes").code == 0
    assert [path.name for path in (swept / "map").iterdir()] == ["notes.txt"]


def test_runs_in_a_folder_of_that_name_are_found(trained: Callable[..., Path], swept: Path) -> None:
    run = trained(logdir="elsewhere")
    (swept / "map").rename(swept / "was_map")
    run.parent.rename(swept / "map")
    assert f"map/{run.name}" in {str(folder.relative_to(swept)) for folder in find_runs(swept)}


def test_a_map_wider_than_the_tab_is_made_to_fit_and_shows_the_same(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2000, 500), "white")
    picture.paste("#c0392b", (1000, 0, 2000, 500))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    drawn = SweepMap("training.l2", "", ("0", "1"), ("",), {}, "loss")
    log_map(drawn, buffer.getvalue(), tmp_path / "map", finished=7)
    ((step, png),) = maps(tmp_path)
    shown = Image.open(BytesIO(png)).convert("RGB")
    assert (step, shown.size) == (7, (880, 220))
    assert (shown.getpixel((100, 100)), shown.getpixel((800, 100))) == ((255, 255, 255), (0xC0, 0x39, 0x2B))
