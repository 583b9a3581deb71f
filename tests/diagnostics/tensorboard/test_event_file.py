"""The sink: what it writes is read by TensorBoard's own loader, and nothing it has written is ever lost."""

import math
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef

from gradvitals.diagnostics.tensorboard import file_names
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.summaries import text

FLOAT32_MAX = float(np.finfo(np.float32).max)


def tensorboard_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    oracle = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    oracle.Reload()
    return {tag: [(point.step, point.value) for point in oracle.Scalars(tag)] for tag in oracle.Tags()["scalars"]}


def our_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
        for tag, series in read_run(folder).scalars.items()
    }


def run_script(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_tensorboard_reads_every_scalar_that_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tags = [f"gradient_norm/hidden_{layer}" for layer in range(30)]
    written: dict[str, list[tuple[int, float]]] = {tag: [] for tag in [*tags, "epoch_loss"]}
    with EventFile(tmp_path / "run") as sink:
        for step in (0, 1, 127, 128, 300, 70_000, 2**40):
            values = dict(zip(tags, rng.normal(size=30).tolist(), strict=True)) | ({"epoch_loss": 0.1} if step else {})
            sink.scalars(step, values)
            for tag, value in values.items():
                written[tag].append((step, float(np.float32(value))))
    assert tensorboard_scalars(tmp_path / "run") == written
    assert our_scalars(tmp_path / "run") == written


def test_all_values_of_a_step_are_one_record(
    tmp_path: Path, read_records: Callable[[bytes], list[tuple[int, bytes]]]
) -> None:
    with EventFile(tmp_path) as sink:
        sink.scalars(3, {f"update_ratio/layer_{n}": 1.0 for n in range(400)})
        records = read_records(sink.path.read_bytes())
        assert len(records) == 3  # the file's version, START, the scalars
        sink.scalars(4, {})
        assert len(read_records(sink.path.read_bytes())) == 3


def test_an_event_is_in_the_file_when_its_method_returns(tmp_path: Path) -> None:
    with EventFile(tmp_path) as sink:
        for step in range(5):
            sink.scalars(step, {"loss": step})
            assert our_scalars(tmp_path)["loss"][-1] == (step, step)


def test_values_that_are_not_finite_stay_so_and_huge_ones_stay_finite(tmp_path: Path) -> None:
    values = {
        "nan": math.nan,
        "inf": math.inf,
        "minus_inf": -math.inf,
        "huge": 1e300,
        "minus_huge": -1e300,
        "tiny": 1e-60,
    }
    with np.errstate(all="raise"), EventFile(tmp_path) as sink:
        sink.scalars(0, values)
    expected = [math.nan, math.inf, -math.inf, FLOAT32_MAX, -FLOAT32_MAX, 0.0]
    for found in (tensorboard_scalars(tmp_path), our_scalars(tmp_path)):
        np.testing.assert_array_equal([found[tag][0][1] for tag in values], expected)


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.1), np.int64(3), np.array(2.0), 7], ids=repr)
def test_numpy_numbers_are_numbers(tmp_path: Path, value: float) -> None:
    with EventFile(tmp_path) as sink:
        sink.scalars(np.int64(2), {"value": value})  # type: ignore[arg-type]
    assert tensorboard_scalars(tmp_path) == {"value": [(2, float(np.float32(value)))]}


@pytest.mark.parametrize("value", [None, "0.5", [1.0]], ids=repr)
def test_a_value_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    with EventFile(tmp_path) as sink, pytest.raises(TypeError, match="one number"):
        sink.scalars(0, {"loss": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("tag", ["", "a b", "50%", "loss\n", "x\\y", "\udc80"], ids=ascii)
def test_a_tag_that_readers_would_change_is_refused_before_anything_is_written(tmp_path: Path, tag: str) -> None:
    with EventFile(tmp_path) as sink:
        before = sink.path.read_bytes()
        with pytest.raises(ValueError, match=r"^(a )?tag"):
            sink.scalars(0, {"fine": 1.0, tag: 1.0})
        if tag != "\udc80":
            with pytest.raises(ValueError, match=r"^(a )?tag"):
                sink.summary(0, text(tag, "hello"))
        assert sink.path.read_bytes() == before


@pytest.mark.parametrize("tag", ["dead_fraction/hidden_1", "lr=0.1,init=he", "a+b", "layers.0.weight", "verlust/größe"])
def test_tags_of_layers_and_settings_are_allowed(tmp_path: Path, tag: str) -> None:
    with EventFile(tmp_path) as sink:
        sink.scalars(1, {tag: 2.0})
    assert tensorboard_scalars(tmp_path) == {tag: [(1, 2.0)]}


@pytest.mark.parametrize("step", [-1, 2**63])
def test_a_step_that_cannot_be_stored_is_refused(tmp_path: Path, step: int) -> None:
    with EventFile(tmp_path) as sink, pytest.raises(ValueError, match="a step counts updates"):
        sink.scalars(step, {"loss": 1.0})


def test_tensorboard_reads_the_graph(tmp_path: Path) -> None:
    with EventFile(tmp_path) as sink:
        sink.graph(GraphDef(node=[NodeDef(name="hidden_1/affine", op="MatMul")]))
    oracle = EventAccumulator(str(tmp_path))
    oracle.Reload()
    assert [node.name for node in oracle.Graph().node] == ["hidden_1/affine"]


def test_a_resumed_run_replaces_what_was_done_beyond_its_first_step(tmp_path: Path) -> None:
    for first, last in ((0, 60), (40, 100)):
        with EventFile(tmp_path, resume_step=first) as sink:
            for step in range(first, last):
                sink.scalars(step, {"loss": first + step, f"only_from_{first}": step})
    expected = [*range(40), *range(40, 100)]
    for found in (our_scalars(tmp_path), tensorboard_scalars(tmp_path)):
        assert [step for step, _ in found["loss"]] == expected
        assert [value for _, value in found["loss"]] == [*range(40), *range(80, 140)]
        assert [step for step, _ in found["only_from_0"]] == [*range(40)]


def test_a_new_file_never_touches_an_old_one_and_is_read_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for clock in (2_000_000_000, 2_000_000_000, 1_000_000_000):  # the same second, then a clock that was set back
        monkeypatch.setattr("gradvitals.diagnostics.tensorboard.file_names.time.time", lambda now=clock: now)
        with EventFile(tmp_path) as sink:
            paths.append(sink.path)
    assert len(set(paths)) == 3
    assert file_names.find_event_files(tmp_path) == paths


def test_a_new_file_is_read_after_one_of_the_same_second_by_another_process(tmp_path: Path) -> None:
    other = tmp_path / "events.out.tfevents.2000000000.zzz.99.0"
    other.touch()
    with EventFile(tmp_path) as sink:
        assert file_names.find_event_files(tmp_path) == [other, sink.path]


def test_a_name_that_is_taken_gets_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_names, "_next_stamp", lambda _folder: 1_700_000_000)
    with EventFile(tmp_path) as first, EventFile(tmp_path) as second:
        before = first.path.read_bytes()
        second.scalars(0, {"loss": 1.0})
        assert first.path.name.endswith(".0")
        assert second.path.name.endswith(".1")
        assert first.path.read_bytes() == before


def test_no_thread_is_created(tmp_path: Path) -> None:
    before = threading.enumerate()
    with EventFile(tmp_path) as sink:
        sink.scalars(0, {"loss": 1.0})
        sink.sync()
        assert threading.enumerate() == before


def test_only_sync_and_close_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    sink = EventFile(tmp_path)
    sink.scalars(0, {"loss": 1.0})
    assert len(synced) == 0
    sink.sync()
    assert len(synced) == 1
    sink.close()
    assert len(synced) == 2


def test_a_closed_file_says_so_and_closes_twice(tmp_path: Path) -> None:
    sink = EventFile(tmp_path)
    sink.close()
    sink.close()
    with pytest.raises(RuntimeError, match="is closed"):
        sink.scalars(0, {"loss": 1.0})
    with pytest.raises(RuntimeError, match="is closed"):
        sink.sync()


KILLED = """
import os, signal, sys
from pathlib import Path
from gradvitals.diagnostics.tensorboard.event_file import EventFile
sink = EventFile(Path(sys.argv[1]))
for step in range(1000):
    sink.scalars(step, {"loss": step, "accuracy": 0.5})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing_it_has_written(tmp_path: Path) -> None:
    assert run_script(KILLED, tmp_path).returncode == -signal.SIGKILL
    assert tensorboard_scalars(tmp_path)["loss"] == [(step, step) for step in range(1000)]
    assert read_run(tmp_path).damage == ()


FORKED = """
import os, sys
from pathlib import Path
from gradvitals.diagnostics.tensorboard.event_file import EventFile
with EventFile(Path(sys.argv[1])) as sink:
    sink.scalars(0, {"loss": 1.0})
    child = os.fork()
    if child == 0:
        try:
            sink.scalars(1, {"loss": 2.0})
        except RuntimeError as error:
            print(error, flush=True)
        sink.close()
        os._exit(0)
    os.waitpid(child, 0)
    sink.scalars(2, {"loss": 3.0})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_child_is_refused_and_the_parent_writes_on(tmp_path: Path) -> None:
    done = run_script(FORKED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "belongs to process" in done.stdout
    assert tensorboard_scalars(tmp_path) == {"loss": [(0, 1.0), (2, 3.0)]}


FULL = """
import resource, sys
from pathlib import Path
from gradvitals.diagnostics.tensorboard.event_file import EventFile
with EventFile(Path(sys.argv[1])) as sink:
    sink.scalars(0, {"loss": 1.0})
    size, hard = sink.path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        sink.scalars(1, {"loss": 2.0})
    except OSError as error:
        print("refused", sink.path.stat().st_size == size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    sink.scalars(2, {"loss": 3.0})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_was_full_for_a_while_costs_only_the_events_of_that_while(tmp_path: Path) -> None:
    done = run_script(FULL, tmp_path)
    assert done.stdout == "refused True\n", done.stderr
    assert tensorboard_scalars(tmp_path) == {"loss": [(0, 1.0), (2, 3.0)]}
    assert read_run(tmp_path).damage == ()
