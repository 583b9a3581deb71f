"""Where a benchmark's numbers come from, and how to keep them on one core."""

import os
import platform
import sys

import numpy as np
from threadpoolctl import threadpool_info


def pin_to_one_core() -> int | None:
    """Keep this process on the last core it may use; None where the system has no such call."""
    if sys.platform != "linux":
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def describe_machine() -> dict[str, str]:
    """Say where the numbers come from."""
    blas = [
        f"{pool.get('internal_api')} {pool.get('version')} {pool.get('architecture')}" for pool in threadpool_info()
    ]
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": ", ".join(blas),
    }
