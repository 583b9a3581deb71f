"""Watching that fails in the midst of a training: the training goes on, and nobody takes it for healthy."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals import NotJudged, UnhealthyTraining, WatchingFailed
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import TrainingEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train
from gradvitals.experiments.cli.main import run_command

MakeNetwork = Callable[..., Network]

FULL = "no space left on device"

STEPS = 24
"""Of a training: 1,300 digits by 64, 21 to an epoch, and three more."""

PROGRAM = """
import resource, sys
import gradvitals
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples
import numpy as np

inputs = np.random.default_rng(0).standard_normal((400, 10)).astype(np.float32)
targets = np.eye(2, dtype=np.float32)[(inputs[:, 0] > 0).astype(int)]
network = gradvitals.perceptron(
    [10, 32, 2], ["relu"], "cross_entropy", initializers=[he_normal, he_normal], generator=np.random.default_rng(0)
)
resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, 25_000))  # as on a disk that is nearly full
with gradvitals.watch(network, data=(inputs, targets), logdir=sys.argv[1]) as monitor:
    history = gradvitals.train(
        network, Samples(inputs, targets), Sgd(0.1), epochs=40, batch_size=40, generator=np.random.default_rng(0)
    )
print(history.reason)
monitor.assert_healthy()
"""


class Failing(RunWriter):
    """Event files on a disk that is full from some step on."""

    def __init__(self, folder: Path, step: int, error: type[BaseException] = OSError) -> None:
        super().__init__(folder)
        self.step, self.error, self.failures = step, error, 0

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Fail from the step on."""
        if step >= self.step:
            self.failures += 1
            raise self.error(FULL)
        super().scalars(step, values)

    def close(self) -> None:
        """Fail where the step is 0."""
        super().close()
        if self.step == 0:
            raise self.error(FULL)


def trained(network: Network, data: WatchedData, optimizer: Any = None) -> Network:
    samples = Samples(data.inputs[: 64 * STEPS], data.targets[: 64 * STEPS])
    train(network, samples, optimizer or Sgd(0.1), epochs=3, batch_size=64, generator=np.random.default_rng(0))
    return network


def test_the_training_goes_on_to_the_bit_when_its_log_cannot_be_written(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    alone, watched = trained(make_network(digits), digits), make_network(digits)
    seen: list[TrainingEnded] = []
    watched.hooks.on(TrainingEnded, seen.append)
    with (
        pytest.warns(WatchingFailed, match=f"OSError: {FULL} .test_diag_guard.py, line") as told,
        Monitor(watched, digits, every=1, sinks=[Failing(tmp_path, 20)]) as monitor,
    ):
        trained(watched, digits)
    assert watched.parameters.tobytes() == alone.parameters.tobytes()
    assert len(told) == 1
    assert told[0].filename == __file__  # the loop's own line
    assert [each.reason for each in seen] == ["completed"]
    ending = monitor.record.notes(Ending)[-1]
    assert (ending.step, ending.reason, ending.cut_short) == (20, "unwatched", True)
    with pytest.raises(NotJudged, match=f"watching the training failed before its end: OSError: {FULL}"):
        monitor.assert_healthy()


def test_nothing_of_a_watching_that_failed_listens_any_more(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits)
    writer = Failing(tmp_path, 20)
    monitor = Monitor(network, digits, every=1, sinks=[writer])
    with pytest.warns(WatchingFailed):
        trained(network, digits)
    assert (monitor.record.last_step, writer.failures) == (20, 1)
    assert not network.hooks.wants(TrainingEnded)


def test_check_says_that_the_record_ends_there_and_why(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = make_network(digits)
    with pytest.warns(WatchingFailed), Monitor(network, digits, every=1, sinks=[Failing(tmp_path / "run", 20)]):
        trained(network, digits)
    assert run_command(["check", str(tmp_path)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert f"watching the training failed at step 20 of 63: OSError: {FULL}" in said


def test_what_was_found_until_then_still_fails(digits: WatchedData, make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network(digits, bias=-50.0)  # every unit is dead from the start
    with pytest.warns(WatchingFailed), Monitor(network, digits, every=1, sinks=[Failing(tmp_path, 40)]) as monitor:
        trained(network, digits)
    with pytest.raises(UnhealthyTraining, match="dead_units"):
        monitor.assert_healthy()


def test_what_fails_at_the_end_leaves_the_training_unjudged(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits)
    with pytest.warns(WatchingFailed), Monitor(network, digits, sinks=[Failing(tmp_path, 63)]) as monitor:
        trained(network, digits)
    with pytest.raises(NotJudged, match=FULL):
        monitor.assert_healthy()


def test_a_log_that_fails_to_close_does_not_change_the_verdict(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits)
    writer = Failing(tmp_path, 10_000)
    monitor = Monitor(network, digits, sinks=[writer])
    trained(network, digits)
    writer.step = 0
    with pytest.warns(WatchingFailed, match=FULL):
        monitor.detach()
    assert [each.reason for each in monitor.record.notes(Ending)] == ["completed"]
    monitor.assert_healthy(unjudged="ignore")


def test_before_the_first_step_everything_is_raised(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits)
    with pytest.raises(OSError, match=FULL), Monitor(network, digits, sinks=[Failing(tmp_path, -1)]):
        trained(network, digits)


def test_an_interruption_is_no_failure_of_ours(digits: WatchedData, make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network(digits)
    writer = Failing(tmp_path, 20, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt), Monitor(network, digits, every=1, sinks=[writer]):
        trained(network, digits)


def test_experiments_fail_with_what_watches_them(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits)
    with (
        pytest.raises(OSError, match=FULL),
        Monitor(network, digits, every=1, sinks=[Failing(tmp_path, 20)], guarded=False),
    ):
        trained(network, digits)


def test_a_file_that_may_not_grow_ends_the_watching_of_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "completed\n", done.stderr
    assert done.stderr.count("WatchingFailed") == 1
    assert "NotJudged: watching the training failed before its end: OSError: [Errno 27] File too large" in done.stderr
    assert run_command(["check", str(tmp_path)]) == 3
