"""The reader: equal to TensorBoard's own on whole files, and never silent on damaged ones."""

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util import tensor_util
from tensorboardX import SummaryWriter

from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.tensorboard import reader
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.layouts import RecordLayout
from gradvitals.diagnostics.tensorboard.reader import RunLog, read_run
from gradvitals.diagnostics.tensorboard.records import encode_record, masked_crc
from gradvitals.diagnostics.tensorboard.summaries import histogram, json_tensor, text

ReadRecords = Callable[[bytes], list[tuple[int, bytes]]]

NAME = "events.out.tfevents.1700000000.host"


def points(log: RunLog) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
        for tag, series in log.scalars.items()
    }


def tensorboard_points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    oracle = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    oracle.Reload()
    found = {tag: [(point.step, point.value) for point in oracle.Scalars(tag)] for tag in oracle.Tags()["scalars"]}
    return {tag: series for tag, series in found.items() if series}


def read_bytes(folder: Path, content: bytes) -> RunLog:
    (folder / NAME).write_bytes(content)
    return read_run(folder)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five records: version, START, a text, two steps of scalars."""
    with EventFile(tmp_path_factory.mktemp("small")) as sink:
        sink.summary(0, text("findings", "healthy"))
        sink.scalars(1, {"loss": 1.0})
        sink.scalars(2, {"loss": 0.5})
    return sink.path.read_bytes()


def test_files_of_tensorboardx_are_read_as_tensorboard_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for resumed_at, last in ((0, 30), (20, 50)):
        # tensorboardX names files by the second, so two in one second need names of their own.
        with SummaryWriter(str(tmp_path), purge_step=resumed_at, filename_suffix=f".{resumed_at}") as writer:
            for step in range(resumed_at, last):
                writer.add_scalar("train/loss", float(rng.normal()), step)
                if step % 10 == 0:
                    writer.add_scalar("epoch_loss", float("nan") if step == 40 else 1e39, step)
                    writer.add_histogram("weights", rng.normal(size=10), step, bins=5)
    ours, theirs = points(read_run(tmp_path)), tensorboard_points(tmp_path)
    assert ours.keys() == theirs.keys() == {"train/loss", "epoch_loss"}
    assert len(ours["train/loss"]) == 50
    for tag, series in theirs.items():
        np.testing.assert_array_equal(ours[tag], series)


def test_text_of_tensorboardx_is_text(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("note", "hello", 3)
    assert read_run(tmp_path).texts == {"note/text_summary": [(3, b"hello")]}


def test_wide_and_narrow_events_of_one_tag_are_merged_in_the_order_of_writing(tmp_path: Path) -> None:
    wide = {f"metric_{n}": float(n) for n in range(20)}
    with EventFile(tmp_path) as sink:
        for step in range(0, 12, 3):
            sink.scalars(step, wide)
            sink.scalars(step + 1, {"metric_3": step})
            sink.scalars(step + 2, wide | {"metric_3": math.inf, "extra": 1.0})
            sink.summary(
                step + 2, histogram("h", reduce_histogram([1.0])), Summary.Value(tag="metric_3", simple_value=-1.0)
            )
    ours = points(read_run(tmp_path))
    assert ours == tensorboard_points(tmp_path)
    assert [value for _, value in ours["metric_3"][:4]] == [3.0, 0.0, math.inf, -1.0]


def test_a_layout_once_seen_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    class CountedEvent:
        @staticmethod
        def FromString(data: bytes) -> Any:  # noqa: N802 - the name in protocol buffers
            decoded.append(data)
            return Event.FromString(data)

    with EventFile(tmp_path) as sink:
        for step in range(50):
            sink.scalars(step, {f"metric_{n}": step * n for n in range(10)})
    monkeypatch.setattr(reader, "Event", CountedEvent)
    assert points(read_run(tmp_path))["metric_9"] == [(step, step * 9) for step in range(50)]
    assert len(decoded) == 3  # the file's version, START, the first of its layout


def test_layouts_of_equal_length_are_told_apart(tmp_path: Path) -> None:
    with EventFile(tmp_path) as sink:
        for step in range(4):
            sink.scalars(step, {f"{'ab'[step % 2]}{n:02}": float(step) for n in range(10)})
    ours = points(read_run(tmp_path))
    assert ours == tensorboard_points(tmp_path)
    assert ours["a00"] == [(0, 0.0), (2, 2.0)]
    assert ours["b00"] == [(1, 1.0), (3, 3.0)]


def write_many(folder: Path, rng: np.random.Generator) -> None:
    """Write stretches of some sets of tags, through every length of a step, with restarts into the midst of them."""
    sets = [{f"{letter}{n}": 0.0 for n in range(count)} for letter, count in (("a", 12), ("b", 12), ("c", 3), ("d", 1))]
    step = int(rng.choice([0, 100, 16_300, 2**35 - 50]))
    for _ in range(3):
        with EventFile(folder, resume_step=step) as sink:
            for _ in range(int(rng.integers(1, 6))):
                tags = sets[rng.integers(len(sets))]
                for _ in range(int(rng.choice([1, 2, 60]))):
                    sink.scalars(step, dict(zip(tags, rng.normal(size=len(tags)).tolist(), strict=True)))
                    step += int(rng.integers(0, 3))
        step = max(step - int(rng.integers(0, 80)), 0)


@pytest.mark.parametrize("seed", range(8))
def test_stretches_and_restarts_are_read_as_tensorboard_reads_them(tmp_path: Path, seed: int) -> None:
    write_many(tmp_path, np.random.default_rng(seed))
    log = read_run(tmp_path)
    assert points(log) == tensorboard_points(tmp_path)
    assert log.damage == ()


@pytest.mark.parametrize("tags", [2, 12])
def test_damage_within_a_stretch_is_found_as_record_by_record(
    tmp_path: Path, tags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(tags)
    with EventFile(tmp_path / "whole") as sink:
        for step in range(120, 140):
            sink.scalars(step, dict(zip([f"metric_{n}" for n in range(tags)], rng.normal(size=tags), strict=True)))
    whole = sink.path.read_bytes()
    contents = [whole[: rng.integers(len(whole))] for _ in range(100)]
    for place in rng.integers(len(whole), size=300):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        contents.append(bytes(changed))
    by_layout = [read_bytes(tmp_path, content) for content in contents]
    monkeypatch.setattr(RecordLayout, "read", lambda *_: None)
    for content, found in zip(contents, by_layout, strict=True):
        expected = read_bytes(tmp_path, content)
        assert found.damage == expected.damage
        assert points(found) == points(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_new_style_scalars_are_scalars_and_other_tensors_are_not(tmp_path: Path, dtype: type[np.floating]) -> None:
    value = dtype(0.1)
    contents = Summary.Value(tag="packed", tensor=tensor_util.make_tensor_proto(value))
    contents.tensor.ClearField("float_val")
    contents.tensor.ClearField("double_val")
    contents.tensor.tensor_content = value.tobytes()
    malformed = Summary.Value(tag="malformed", tensor=contents.tensor)
    malformed.tensor.tensor_content = b"abc"
    with EventFile(tmp_path) as sink:
        sink.summary(
            4,
            Summary.Value(tag="plain", tensor=tensor_util.make_tensor_proto(value)),
            contents,
            malformed,
            Summary.Value(tag="vector", tensor=tensor_util.make_tensor_proto([value])),
            Summary.Value(tag="integer", tensor=tensor_util.make_tensor_proto(np.int64(3))),
        )
    assert points(read_run(tmp_path)) == {"plain": [(4, float(value))], "packed": [(4, float(value))]}


def test_texts_and_our_own_series_are_purged_with_the_scalars(tmp_path: Path) -> None:
    for first in (0, 2):
        with EventFile(tmp_path, resume_step=first) as sink:
            for step in range(first, first + 3):
                sink.summary(step, text("note", f"{first}.{step}"), json_tensor("gradvitals/findings", [first, step]))
    log = read_run(tmp_path)
    assert log.texts == {"note": [(0, b"0.0"), (1, b"0.1"), (2, b"2.2"), (3, b"2.3"), (4, b"2.4")]}
    assert [content for _, content in log.tensors["gradvitals/findings"]][1:3] == [b"[0,1]", b"[2,2]"]


def test_folders_inside_are_runs_of_their_own(tmp_path: Path) -> None:
    for folder, loss in ((tmp_path, 1.0), (tmp_path / "train", 2.0)):
        with EventFile(folder) as sink:
            sink.scalars(0, {"loss": loss})
    assert points(read_run(tmp_path)) == {"loss": [(0, 1.0)]}


def test_a_folder_without_event_files_is_an_empty_run_and_a_missing_one_an_error(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert read_run(tmp_path) == RunLog((), {}, {}, {}, ())
    with pytest.raises(FileNotFoundError):
        read_run(tmp_path / "missing")


def test_series_cannot_be_changed(tmp_path: Path, small_file: bytes) -> None:
    series = read_bytes(tmp_path, small_file).scalars["loss"]
    for array in (series.steps, series.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_a_file_cut_anywhere_keeps_exactly_its_whole_records(
    tmp_path: Path, small_file: bytes, read_records: ReadRecords
) -> None:
    starts = [offset for offset, _ in read_records(small_file)]
    for size in range(len(small_file)):
        log = read_bytes(tmp_path, small_file[:size])
        whole = sum(1 for end in [*starts[1:], len(small_file)] if end <= size)
        assert (len(log.texts), len(points(log).get("loss", []))) == (whole >= 3, max(whole - 3, 0))
        torn = size not in starts
        assert [(damage.kind, damage.offset) for damage in log.damage] == [("truncated", starts[whole])] * torn


def test_a_file_that_ends_in_zeros_was_cut_short_there(
    tmp_path: Path, small_file: bytes, read_records: ReadRecords
) -> None:
    last = [offset for offset, _ in read_records(small_file)][-1]
    for content, offset in (
        (small_file + bytes(4096), len(small_file)),
        (small_file[: last + 20] + bytes(4096), last),  # within the last record
        (bytes(100), 0),
    ):
        (damage,) = read_bytes(tmp_path, content).damage
        assert (damage.kind, damage.offset) == ("truncated", offset)


def test_any_flipped_bit_is_found_where_it_is_and_costs_nothing_before_it(
    tmp_path: Path, small_file: bytes, read_records: ReadRecords
) -> None:
    starts = [offset for offset, _ in read_records(small_file)]
    for place in range(len(small_file)):
        changed = bytearray(small_file)
        changed[place] ^= 1 << place % 8
        log = read_bytes(tmp_path, bytes(changed))
        hit = max(start for start in starts if start <= place)
        (damage,) = log.damage
        assert (damage.kind, damage.offset, damage.file) == ("corrupt", hit, tmp_path / NAME)
        assert len(points(log).get("loss", [])) == max(starts.index(hit) - 3, 0)


def test_the_damage_of_one_file_does_not_hide_the_next(tmp_path: Path, small_file: bytes) -> None:
    (tmp_path / NAME).write_bytes(small_file[:-1])
    with EventFile(tmp_path, resume_step=2) as sink:
        sink.scalars(2, {"loss": 0.25})
    log = read_run(tmp_path)
    assert points(log) == {"loss": [(1, 1.0), (2, 0.25)]}
    assert [damage.kind for damage in log.damage] == ["truncated"]


def test_a_valid_record_that_is_no_event_is_corrupt(tmp_path: Path, small_file: bytes) -> None:
    log = read_bytes(tmp_path, small_file + encode_record(b"\xff not an event") + small_file)
    assert points(log) == {"loss": [(1, 1.0), (2, 0.5)]}
    assert [(damage.kind, damage.offset) for damage in log.damage] == [("corrupt", len(small_file))]


def test_a_length_that_no_event_has_is_corrupt_even_with_a_right_checksum(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**40)
    (damage,) = read_bytes(tmp_path, length + struct.pack("<I", masked_crc(length)) + bytes(50)).damage
    assert damage.kind == "corrupt"
    assert str(2**40) in damage.message


@pytest.mark.parametrize("size", [1, 11, 12, 100, 5000])
def test_random_bytes_are_reported_and_never_raise(tmp_path: Path, size: int) -> None:
    for seed in range(20):
        garbage = np.random.default_rng(seed).bytes(size)
        (damage,) = read_bytes(tmp_path, garbage).damage
        assert damage.kind == ("truncated" if size < 12 else "corrupt")


@pytest.mark.parametrize("step", [3, 300, 2**62])
def test_changed_events_in_valid_records_are_read_alike_by_layout_and_by_protocol_buffer(
    tmp_path: Path, step: int, read_records: ReadRecords
) -> None:
    rng = np.random.default_rng(0)
    with EventFile(tmp_path / "wide") as sink:
        sink.scalars(step, {f"metric_{n}": 1.0 for n in range(10)})
    wide = [data for _, data in read_records(sink.path.read_bytes())][-1]
    kinds = set()
    for _ in range(500):
        changed = bytearray(wide)
        changed[rng.integers(0, len(wide))] = rng.integers(256)
        size = len(wide) if rng.random() < 0.8 else int(rng.integers(len(wide)))
        record = encode_record(bytes(changed[:size]))
        alone = read_bytes(tmp_path, record)
        later = read_bytes(tmp_path, encode_record(wide) + record)
        assert [damage.kind for damage in alone.damage] == [damage.kind for damage in later.damage]
        for tag, series in alone.scalars.items():
            assert later.scalars[tag].steps[-1] == series.steps[-1]
            np.testing.assert_array_equal(later.scalars[tag].values[-1], series.values[-1])
        kinds.add((len(alone.damage), len(alone.scalars)))
    assert {(1, 0), (0, 10)} <= kinds  # both kinds were met


def test_an_empty_file_is_a_run_that_has_just_begun(tmp_path: Path) -> None:
    log = read_bytes(tmp_path, b"")
    assert log.damage == ()
    assert log.files == (tmp_path / NAME,)


def test_records_are_framed_as_tensorboard_frames_them(small_file: bytes, read_records: ReadRecords) -> None:
    _, first = read_records(small_file)[0]
    assert Event.FromString(first).file_version == "brain.Event:2"
    assert b"".join(encode_record(data) for _, data in read_records(small_file)) == small_file
    assert masked_crc(b"") == 0xA282EAD8
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
