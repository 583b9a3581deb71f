"""The page: everything below a folder, judged, as one HTML file that needs nothing else."""

import hashlib
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gradvitals import __version__
from gradvitals.diagnostics.findings import Judged
from gradvitals.diagnostics.signs import VERDICTS, sign_of
from gradvitals.experiments.checking import CheckedPath
from gradvitals.experiments.formats.outcome import printable
from gradvitals.experiments.html_report import chart
from gradvitals.experiments.html_report.run_view import RunView, view_run, with_charts
from gradvitals.experiments.html_report.sweep_reading import SweepRead, read_sweep_back
from gradvitals.experiments.html_report.sweep_view import SweepView, view_sweep
from gradvitals.experiments.run_folder import find_sweeps
from gradvitals.experiments.sweep_map import best_run

PACKAGE = "gradvitals.experiments.html_report"


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template needs.

    Attributes:
        title: The folder that is reported on.
        made: When, in UTC.
        version: Of gradvitals.
        counts: Runs by verdict, the worst first.
        gaps: What of the folder as a whole could not be judged.
        sweeps: Every sweep with axes.
        runs: Every run, the worst first.
        drawn: How many runs have curves.
    """

    title: str
    made: str
    version: str
    counts: tuple[tuple[Judged, int], ...]
    gaps: tuple[str, ...]
    sweeps: tuple[SweepView, ...]
    runs: tuple[RunView, ...]
    drawn: int


def make_page(found: CheckedPath, most_drawn: int, now: datetime) -> Page:
    """Lay out what was checked.

    Args:
        found: A folder with at least one run.
        most_drawn: How many runs get curves: the best of every sweep, then the worst.
        now: The time.
    """
    ordered = sorted(found.runs, key=lambda run: VERDICTS.index(run.outcome))  # stable
    views = {run.folder: view_run(run, number) for number, run in enumerate(ordered, 1)}
    checked = {run.folder: run for run in found.runs}
    sweeps = [read_sweep_back(folder, checked) for folder in find_sweeps(found.path)]
    mapped = [sweep for sweep in sweeps if sweep.axes and sweep.summaries]
    chosen = list(dict.fromkeys([*_best_folders(mapped), *views]))[:most_drawn]
    views |= {folder: with_charts(views[folder], checked[folder]) for folder in chosen}
    verdicts = Counter(run.outcome for run in found.runs)
    return Page(
        str(found.path) if found.path.name else found.path.resolve().name,
        f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        __version__,
        tuple((verdict, verdicts[verdict]) for verdict in VERDICTS),
        found.gaps,
        tuple(_view(sweep, found.path, views) for sweep in mapped),
        tuple(views[run.folder] for run in ordered),
        len(chosen),
    )


def render_page(page: Page) -> str:
    """Write the page as HTML; whatever is not ours in it is escaped."""
    environment = Environment(
        loader=PackageLoader(PACKAGE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = mark_code
    environment.filters["breakable"] = breakable
    environment.filters["sign"] = sign_of
    style, script = Markup(_own("report.css")), Markup(_own("report.js"))  # noqa: S704 - our own files
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment.get_template("report.html.jinja")
    return printable(template.render(page=page, style=style, script=script, digest=digest, frame=chart))


def mark_code(text: str) -> Markup:
    """Set what stands between backticks as code.

    >>> str(mark_code("set `x < 1`")), str(mark_code("a ` b"))
    ('set <code>x &lt; 1</code>', 'a ` b')
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # a backtick of somebody's own
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(piece) if place % 2 else piece for place, piece in enumerate(pieces))


def breakable(name: str) -> Markup:
    """Let a long name break behind its folders and keys.

    >>> str(breakable("sweep/a=1,b=<"))
    'sweep/<wbr>a=1,<wbr>b=&lt;'
    """
    return Markup("<wbr>").join(re.split(r"(?<=[/,])", name))


def _best_folders(sweeps: Sequence[SweepRead]) -> list[Path]:
    best = [(sweep, best_run([each for each in sweep.summaries if each.finished])) for sweep in sweeps]
    return [sweep.folder / summary.name for sweep, summary in best if summary is not None]


def _view(sweep: SweepRead, root: Path, views: dict[Path, RunView]) -> SweepView:
    name = sweep.folder.resolve().name if sweep.folder == root else sweep.folder.relative_to(root).as_posix()
    here = {folder.name: view for folder, view in views.items() if folder.parent == sweep.folder}
    return view_sweep(sweep, name, here)


def _own(name: str) -> str:
    return resources.files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
