"""A run as a page shows it: its verdict and scores, its findings, and its curves if there is room for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gradvitals.diagnostics.findings import Judged
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.formats.outcome import run_gaps
from gradvitals.experiments.html_report.chart import Chart
from gradvitals.experiments.html_report.curves import draw_curves
from gradvitals.experiments.html_report.finding_view import (
    FindingView,
    excuses_of,
    shown_findings,
    view_asides,
    view_findings,
)
from gradvitals.experiments.progress import Progress
from gradvitals.experiments.run_folder import RunSummary, read_summary


@dataclass(frozen=True, slots=True)
class RunView:
    """A run.

    Attributes:
        number: Its place on the page, from 1 on, and its anchor.
        name: Its path below the folder that is reported on.
        verdict: In a word, by what has no exception.
        progress: How far it has come; None for logs that are none of ours.
        excused: How many findings have one, in words; empty for none.
        facts: What else is known of it, by name.
        numbers: Accuracy, loss and steps, where they are known.
        roots: Symbol and key of the roots that count.
        findings: What stands, roots first.
        gaps: Why it could not be judged, and what else must be said, a line each.
        asides: What is of no consequence, a line each, by what becomes of it.
        charts: Its curves; None where they were left out.
    """

    number: int
    name: str
    verdict: Judged
    progress: Progress | None
    excused: str
    facts: Mapping[str, str]
    numbers: Mapping[str, float | None]
    roots: tuple[tuple[str, str], ...]
    findings: tuple[FindingView, ...]
    gaps: tuple[str, ...]
    asides: Mapping[str, Sequence[str]]
    charts: tuple[Chart, ...] | None = None

    @property
    def anchor(self) -> str:
        """Where on the page it is; made of its number, as names are anybody's."""
        return f"run-{self.number}"

    @property
    def status(self) -> str:
        """How it ended, or that it has not, in words; empty where nobody knows."""
        return "" if self.progress is None else self.progress.word

    @property
    def so_far(self) -> str:
        """What stands behind the verdict of a training that has not come to its end; empty otherwise."""
        return "" if self.progress is None else self.progress.so_far


def view_run(run: CheckedRun, number: int) -> RunView:
    """Give what a page shows of a run, its curves aside."""
    summary = read_summary(run.folder)
    findings = view_findings(run)
    excuses = excuses_of(run)
    words = [word for word, _ in excuses.values()]
    return RunView(
        number,
        run.name,
        run.outcome,
        run.progress,
        ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))),
        _facts(run, summary),
        {
            "accuracy": None if run.progress is None else run.progress.score("accuracy"),
            "loss": None if run.progress is None else run.progress.score("loss"),
            "steps": None if run.progress is None else float(run.progress.step),
        },
        tuple((each.symbol, each.key) for each in findings if each.excuse is None),
        findings,
        _gaps(run),
        view_asides(run),
    )


def with_charts(view: RunView, run: CheckedRun) -> RunView:
    """Draw a run's curves, with marks where its findings began."""
    return replace(view, charts=draw_curves(read_record(run.folder), shown_findings(run)))


def _facts(run: CheckedRun, summary: RunSummary | None) -> dict[str, str]:
    facts: dict[str, str] = {}
    if run.progress is not None:
        for part, scores in run.progress.scores.items():
            facts |= {f"{name} on {part}": f"{value:.4g}" for name, value in scores.items()}
        facts |= {} if run.progress.knows_loss else {"loss": "none was given to watch"}
        facts |= {"status": run.progress.word, "steps": run.progress.reached.removeprefix("step ")}
    if summary is not None and summary.seconds:
        facts["time"] = f"{summary.seconds:.1f} s"
    if run.call_site is not None:
        facts["watched at"] = f"{run.call_site.file}:{run.call_site.line}"
    return facts


def _gaps(run: CheckedRun) -> tuple[str, ...]:
    gaps = [gap if gap.startswith("not judged") else f"not judged: {gap}" for gap in run_gaps(run).values()]
    gaps += [
        f"the exception for {each.key} ran out on {each.until}: {each.reason}"
        for each in run.exemptions
        if each.state == "expired"
    ]
    return (*gaps, *run.notes, *(f"warning: {warning}" for warning in run.warnings))
