"""Runs many trainings at once: a pool of processes, each on a core of its own with one BLAS thread."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import lru_cache
from multiprocessing import connection
from types import FrameType
from typing import NoReturn

from threadpoolctl import ThreadpoolController

from gradvitals.experiments.blocks import Run, cut_into_blocks
from gradvitals.experiments.errors import sentence_of
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.runner import Outcome, run_alone
from gradvitals.experiments.shared_data import SharedData, by_data
from gradvitals.experiments.stacked_runner import run_stacked


def allowed_cores() -> list[int]:
    """The cores this process may use, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def limited_blas(threads: int | None) -> Iterator[None]:
    """Limit BLAS to some threads, one by default: more only pay from networks of MNIST's size on."""
    with _blas().limit(limits=threads or 1):
        yield


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """Find the libraries with threads, once: that takes as long as a short training."""
    return ThreadpoolController()


def run_many(
    runs: Sequence[Run], workers: int, *, pin: bool = True, meanwhile: Callable[[], None] | None = None
) -> Generator[Outcome, None, None]:
    """Run all, yielding each outcome as it comes; one that fails does not stop the others.

    Runs that are alike are trained at once, in blocks. A data set that several blocks need is loaded once.

    Args:
        runs: What to run, and where.
        workers: Processes; 1 runs everything here.
        pin: Whether each worker keeps to one of the allowed cores, or is left to the system.
        meanwhile: Is done here once the workers have their first blocks; not where everything runs here.
    """
    blocks = cut_into_blocks(runs, max(workers, 1))
    if workers <= 1 or len(blocks) <= 1:
        with limited_blas(None):
            for block in blocks:
                yield from _attempt(block)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy BLAS threads and locks half alive
    turns, cores = context.Value("i", 0), allowed_cores() if pin else []
    with (
        closing(SharedData(blocks)) as shared,
        ProcessPoolExecutor(workers, context, initializer=_settle, initargs=(turns, cores)) as pool,
    ):
        try:
            most = workers + 1  # the one more waits for a worker
            yield from _spread(by_data(blocks), pool, shared, most=most, meanwhile=meanwhile)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _stop_children()
            raise


def _spread(
    blocks: Sequence[Sequence[Run]],
    pool: ProcessPoolExecutor,
    shared: SharedData,
    *,
    most: int,
    meanwhile: Callable[[], None] | None,
) -> Iterator[Outcome]:
    """Hand out the blocks, so many at a time, and with them the files of the data that they share."""
    waiting = deque(blocks)
    started: dict[Future[list[Outcome]], Sequence[Run]] = {}
    while waiting or started:
        while waiting and len(started) < most:
            block = waiting.popleft()
            placed = shared.placed(block)
            try:
                with _ctrl_c_held_back():  # the workers inherit this: Ctrl-C is the parent's, also while they start
                    started[pool.submit(_attempt_in_worker, placed)] = block
            except BrokenProcessPool:
                yield from _lost(block, *waiting)
                waiting.clear()
        if meanwhile is not None:
            meanwhile()
            meanwhile = None
        done, _ = wait(started, return_when=FIRST_COMPLETED)
        for future in done:
            block = started.pop(future)
            shared.release(block)
            try:
                yield from future.result()
            except BrokenProcessPool:
                yield from _lost(block, *waiting)
                waiting.clear()


def _lost(*blocks: Sequence[Run]) -> Iterator[Outcome]:
    sentence = "a worker process died (out of memory?); --resume does the rest"
    return (Outcome(planned, None, sentence) for block in blocks for planned, _ in block)


def _attempt_in_worker(block: Sequence[Run]) -> list[Outcome]:
    """Attempt a block; from here on there are folders to be written before this worker may end."""
    signal.signal(signal.SIGTERM, _end_worker)
    return _attempt(block)


def _attempt(block: Sequence[Run]) -> list[Outcome]:
    try:
        return run_stacked(block) if len(block) > 1 else [run_alone(*block[0]).outcome]
    except Exception as error:  # noqa: BLE001 - a run that fails must not take the sweep with it
        return [Outcome(planned, None, sentence_of(error)) for planned, _ in block]
    except _WorkerEnded:
        os._exit(Exit.TERMINATED)  # the pool would hand this worker its next run


def _settle(turns: "multiprocessing.sharedctypes.Synchronized[int]", cores: Sequence[int]) -> None:
    """Pin this worker to one of the cores, limit BLAS to one thread, and end when the parent does or asks to.

    Without the pin, which no cores stand for, two fresh processes often share one core for half a second and more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with turns.get_lock():
        turn = turns.value
        turns.value += 1
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores[turn % len(cores)]})
    _blas().limit(limits=1)


class _WorkerEnded(SystemExit):
    """The parent wants this worker to end: raised inside the run, whose folder then says that it was interrupted."""


def _end_worker(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal module's signature
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the folder must be written in peace
    raise _WorkerEnded(Exit.TERMINATED)


def _end_with_parent() -> None:
    """Wait for the parent's end, however sudden: a pool's workers would outlive a kill -9 for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Deliver Ctrl-C only afterwards; processes started meanwhile never get it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop_children() -> None:
    """Ask the workers to end; a run under way writes its folder first."""
    for child in multiprocessing.active_children():
        child.terminate()
