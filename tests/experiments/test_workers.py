"""Where the workers of a sweep run: each on a core of its own, or wherever the system puts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "gradvitals")
SWEEP = """
[data]
source = "moons"
n = 100
[model]
hidden = [8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
epochs = 100000
[sweep]
"model.activation" = ["relu", "tanh"]
"""


def cores_of_workers(folder: Path, arguments: Sequence[str]) -> list[set[int]]:
    """Start a command with two workers, wait until both train, and give the cores that each of them may use."""
    with subprocess.Popen(
        [COMMAND, *arguments, "--logdir", "logs", "--workers", "2"], cwd=folder, stderr=subprocess.PIPE
    ) as process:
        try:
            deadline = time.monotonic() + 60.0
            while len(list(folder.glob("logs/*/*/run.json"))) < 2:
                assert time.monotonic() < deadline, "no two runs have begun"
                time.sleep(0.02)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
            workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            return [os.sched_getaffinity(int(pid)) for pid in workers]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel about other processes")
@pytest.mark.parametrize(
    ("command", "options"),
    [("sweep", ()), ("sweep", ("--no-pin",)), ("check", ("--no-pin",))],
    ids=["sweep", "sweep-no-pin", "check-no-pin"],
)
def test_each_worker_has_a_core_of_its_own_unless_told_otherwise(
    command: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one core is all there is")
    (tmp_path / "x.toml").write_text(SWEEP, encoding="utf-8")
    cores = cores_of_workers(tmp_path, [command, "x.toml", *options])
    expected = [allowed, allowed] if options else [{core} for core in sorted(allowed)[:2]]
    assert sorted(map(sorted, cores)) == sorted(map(sorted, expected))
