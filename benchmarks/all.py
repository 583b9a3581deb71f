"""Every table of docs/performance.md, one benchmark after the other, each in a process of its own.

    python benchmarks/all.py [--quick] [--json FOLDER]

With --quick this takes minutes, without it the better part of an hour. Keep the machine otherwise idle. The JSON goes
into one folder, a file for each benchmark.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

BENCHMARKS = {
    "step": [],
    "diagnostics": ["--each", "--floor"],
    "stacking": [],
    "sweeps": [],
    "event_files": [],
    "scans": [],
    "memory": [],
}
"""The scripts, with what makes each print all its tables."""


def main() -> None:
    """Run them all; one that fails does not stop the others, but is named at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, everywhere")
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="write the numbers here too")
    options = parser.parse_args()
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    for name, further in BENCHMARKS.items():
        arguments = [*further, *["--quick"] * options.quick]
        if options.json is not None:
            arguments += ["--json", str(options.json / f"{name}.json")]
        print(f"\n== {name}: python benchmarks/{name}.py {' '.join(arguments)}\n", flush=True)
        started = time.monotonic()
        script = Path(__file__).with_name(f"{name}.py")
        code = subprocess.run([sys.executable, str(script), *arguments], check=False).returncode  # noqa: S603 - ours
        if code:
            failed.append(name)
        print(f"\n({name}: {time.monotonic() - started:.0f} s)", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
