"""Runs a block of runs at once: one stack of networks, and each run with a folder, a monitor and an end of its own."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gradvitals.diagnostics.live_pace import LivePace
from gradvitals.engine.events import TrainingEnded
from gradvitals.engine.stacked_optimizer import NotStackableError
from gradvitals.engine.train_many import train_many
from gradvitals.experiments.errors import sentence_of
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import OpenRun, Outcome, Place
from gradvitals.experiments.watched_training import as_training, train_experiment


def run_stacked(runs: Sequence[tuple[PlannedRun, Place]], pace: LivePace | None = None) -> list[Outcome]:
    """Train runs that are alike at once; see `train_many`. What stops one does not stop the others.

    Should they not fit into one stack after all, they are trained one after the other.

    Args:
        runs: What to run, and where.
        pace: How often they get a verdict meanwhile.

    Returns:
        How each of them went.
    """
    opened: dict[int, OpenRun] = {}
    pace = pace or LivePace()
    errors: dict[int, Exception] = {}
    try:
        for index, (planned, place) in enumerate(runs):
            with _told(errors, index):
                opened[index] = OpenRun(planned, place, at_once=len(runs), pace=pace)
                opened[index].begin()
        watched = {index: run for index, run in opened.items() if index not in errors}
        for run in watched.values():
            run.experiment.network.hooks.on(TrainingEnded, run.ended)
        _train(watched, errors)
    except BaseException as problem:
        for run in opened.values():
            run.fail(problem)
        raise
    finally:
        with ExitStack() as closing:  # one that cannot be closed, as on a full disk, keeps no other from it
            for index, run in opened.items():
                if index in errors:
                    run.fail(errors[index])
                closing.callback(run.close)
    return [
        Outcome(planned, None, sentence_of(errors[index])) if index in errors else opened[index].outcome
        for index, (planned, _) in enumerate(runs)
    ]


def _train(runs: dict[int, OpenRun], errors: dict[int, Exception]) -> None:
    try:
        train_many(
            [as_training(run.planned.config, run.experiment, run.history, watched=run.watched) for run in runs.values()]
        )
    except NotStackableError:
        for index, run in runs.items():
            with _told(errors, index):
                train_experiment(run.planned.config, run.experiment, history=run.history, watched=run.watched)
    errors |= {index: run.history.error for index, run in runs.items() if run.history.error is not None}


@contextmanager
def _told(errors: dict[int, Exception], index: int) -> Iterator[None]:
    """Keep what goes wrong with one run in a `with` block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a run that fails must not take the others with it
        errors[index] = error
