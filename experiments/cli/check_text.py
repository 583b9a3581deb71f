"""What `gradvitals check` says of its paths and their runs, as text for people."""

import re
from io import StringIO

from rich.console import Console

from gradvitals.diagnostics.report import report
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.cli.options import WIDTH_OF_FILES, make_console
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.formats.outcome import NO_RUNS, CheckOutcome
from gradvitals.experiments.preflight import set_aside

BEST_COUNTS = "of a sweep the best run by validation counts"
ANY_COUNTS = "before training, one run of a sweep that passes is enough"

MOST_SHOWN = 10
"""Runs of one path that are reported in full; of more, only those that fail."""


def as_text(outcome: CheckOutcome, *, quiet: bool, plain: bool) -> str:
    """Give the whole text of a check; without colours, and as wide as files are, where it is `plain`."""
    console = Console(file=StringIO(), width=WIDTH_OF_FILES, highlight=False, markup=False) if plain else make_console()
    with console.capture() as capture:
        for found in outcome.checked:
            print_path(console, found, quiet=quiet, verbose=outcome.verbose, which_count=outcome.which_count)
    return re.sub(" +$", "", capture.get(), flags=re.MULTILINE)  # blocks are padded to their width


def print_path(
    console: Console, found: CheckedPath, *, quiet: bool, verbose: bool, which_count: str = BEST_COUNTS
) -> None:
    """Print what a check says of a path and its runs; `which_count` says which do where not all do."""
    if not found.runs:
        console.print(no_runs(found), style="magenta", soft_wrap=True)
        return
    shown = list(found.counting)
    if quiet or (len(shown) > MOST_SHOWN and not verbose):
        shown = [run for run in shown if run.exit is not Exit.DONE]
    for run in shown:
        _print_run(console, run, verbose=verbose)
    for gap in found.gaps:
        console.print(f"not judged: {gap}", style="magenta", soft_wrap=True)
    if shown or not quiet:
        for exemption in found.unused:
            text = f"nothing to ignore for {exemption.key} ({exemption.text}): remove it from [check.ignore]"
            console.print(text, style="yellow", soft_wrap=True)
    if len(found.runs) > 1 and not quiet:
        counts = {code: sum(run.exit is code for run in found.runs) for code in Exit}
        words = {Exit.DONE: "pass", Exit.FAILED: "fail", Exit.NOT_JUDGED: "not judged"}
        text = ", ".join(f"{counts[code]} {word}" for code, word in words.items() if counts[code])
        best = "" if len(found.counting) == len(found.runs) else f"; {which_count}"
        more = best and " (--require all: every run)"
        console.print(f"{found.path}: {len(found.runs)} runs: {text}{best}{more}", soft_wrap=True)


def _print_run(console: Console, run: CheckedRun, *, verbose: bool) -> None:
    """Print what a check says of a run, with what it ignores and what it ignores no longer."""
    ignored = {key: exemption.text for key, exemption in run.ignored.items()}
    known = {} if run.baseline is None else run.baseline.known
    verdict, early = set_aside(run.verdict)
    all_of_it = verbose or bool(early)  # before a training, what is only info is what there is to know
    as_of = "" if run.progress is None else run.progress.so_far
    console.print(report(run.name, verdict, verbose=all_of_it, ignored=ignored, known=known, as_of=as_of))
    if early:
        console.print(f"  judged in training: {', '.join(early)}", style="dim", soft_wrap=True)
    for exemption in run.exemptions:
        if exemption.state == "expired":
            text = f"  the exception for {exemption.key} ran out on {exemption.until}: {exemption.reason}"
            console.print(text, style="yellow", soft_wrap=True)
    for note in run.notes:
        console.print(f"  {note}", soft_wrap=True)
    for warning in run.warnings:
        console.print(f"  warning: {warning}", style="yellow", soft_wrap=True)


def no_runs(found: CheckedPath) -> str:
    """Say that there is nothing to check."""
    return f"{found.path}: {NO_RUNS}"
