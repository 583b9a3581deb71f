"""A real TensorBoard, with each of its two loaders, shows what the sink wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest

from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.tensorboard import hparams
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.summaries import histogram, image_png, text

Fetch = Callable[..., Any]


def write_run(run: Path) -> None:
    with EventFile(run) as top, EventFile(run / "train") as train, EventFile(run / "validation") as validation:
        axes: dict[str, list[hparams.Hparam]] = {"learning_rate": [0.1, 1.0], "init": ["zeros", "he_normal"]}
        metrics = [hparams.Metric("epoch_loss", "train"), hparams.Metric("epoch_loss", "validation")]
        top.summary(
            0,
            hparams.experiment(axes, metrics),
            hparams.session_start({"learning_rate": 0.1, "init": "zeros"}, group_name="setting", start_time=1.0),
        )
        for step in range(10):
            top.scalars(step, {"gradient_norm/global": step, "dead_fraction/hidden_1": 0.25})
            train.scalars(step, {"epoch_loss": 10 - step})
            validation.scalars(step, {"epoch_loss": 20 - step})
        top.summary(9, text("findings", "**zero_init** on `hidden_1`"))
        top.summary(
            9, histogram("weights/hidden_1", reduce_histogram(np.linspace(-1, 1, 100))), image_png("map", PNG, 1, 1)
        )
        top.summary(9, hparams.session_end("success", end_time=2.0))


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


@pytest.fixture(scope="module", params=["fast", "slow"])
def fetch(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[[Path, str], Fetch],
    patiently: Callable[[Callable[[], Any]], Any],
) -> Fetch:
    """Give a function that asks a server for a run, once it has read it."""
    folder = tmp_path_factory.mktemp("logs")
    write_run(folder / "run0")
    get = serve(folder, request.param)
    patiently(lambda: "epoch_loss" in get("plugin/scalars/tags").get("run0/validation", {}))
    patiently(lambda: "weights/hidden_1" in get("plugin/histograms/tags").get("run0", {}))
    patiently(lambda: finished(get))
    return get


def session_groups(get: Fetch) -> list[dict[str, Any]]:
    columns = [{"metric": {"group": group, "tag": "epoch_loss"}} for group in ("train", "validation")]
    statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN", "STATUS_RUNNING"]
    body = {"colParams": columns, "allowedStatuses": statuses, "startIndex": 0, "sliceSize": 10}
    found: list[dict[str, Any]] = get("plugin/hparams/session_groups", body).get("sessionGroups", [])
    return found


def finished(get: Fetch) -> bool:
    return [group["sessions"][0].get("status") for group in session_groups(get)] == ["STATUS_SUCCESS"]


def test_the_run_and_its_two_parts_are_listed(fetch: Fetch) -> None:
    assert sorted(fetch("runs")) == ["run0", "run0/train", "run0/validation"]


@pytest.mark.parametrize(
    ("run", "tag", "last"),
    [("run0", "gradient_norm/global", 9.0), ("run0/train", "epoch_loss", 1.0), ("run0/validation", "epoch_loss", 11.0)],
)
def test_all_points_of_a_scalar_are_shown(fetch: Fetch, run: str, tag: str, last: float) -> None:
    points = fetch("plugin/scalars/scalars", run=run, tag=tag)
    assert [step for _, step, _ in points] == list(range(10))
    assert points[-1][2] == last


def test_text_is_rendered_as_markdown_and_not_as_a_table(fetch: Fetch) -> None:
    (point,) = fetch("plugin/text/text", run="run0", tag="findings")
    assert "<strong>zero_init</strong>" in point["text"]
    assert "<table>" not in point["text"]


def test_the_histogram_has_all_values(fetch: Fetch) -> None:
    ((_, step, buckets),) = fetch("plugin/histograms/histograms", run="run0", tag="weights/hidden_1")
    assert step == 9
    assert sum(count for *_, count in buckets) == pytest.approx(100)
    assert buckets[0][0] == pytest.approx(-1)


def test_the_picture_is_served_byte_for_byte(fetch: Fetch) -> None:
    (picture,) = fetch("plugin/images/images", run="run0", tag="map", sample="0")
    query = dict(parse_qsl(picture["query"]))
    assert fetch("plugin/images/individualImage", parse=lambda answer: answer.read(), **query) == PNG


def test_the_hparams_table_has_the_run_with_typed_values_and_both_losses(fetch: Fetch) -> None:
    experiment = fetch("plugin/hparams/experiment", {"experimentName": "."})
    assert {info["name"]: info["type"] for info in experiment["hparamInfos"]} == {
        "learning_rate": "DATA_TYPE_FLOAT64",
        "init": "DATA_TYPE_STRING",
    }
    (group,) = session_groups(fetch)
    assert group["hparams"] == {"learning_rate": 0.1, "init": "zeros"}
    values = {value["name"]["group"]: value["value"] for value in group["metricValues"]}
    assert values == {"train": 1.0, "validation": 11.0}
