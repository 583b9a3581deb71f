"""What the pytest fixture `vitals` gives a test: monitors that demand what the project does, and are gone after it."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.requirements import Requirements

if TYPE_CHECKING:  # arrays are loaded when a test watches something
    from gradvitals.diagnostics.monitor import Monitor
    from gradvitals.diagnostics.schedule import Every

FINDING, RUN, UNASSERTED = "gradvitals.finding", "gradvitals.run", "gradvitals.unasserted"
"""Names of the properties of a test's report, in JUnit files too."""

LONGEST_NAME = 80


class Vitals:
    """Watches the trainings of one test.

    Attributes:
        monitors: Of every training that was watched, in order.
        folders: Where their runs are kept; empty unless they are.
    """

    def __init__(self, requirements: Requirements, keep: Callable[[], Path] | None = None) -> None:
        """Remember what the project demands.

        Args:
            requirements: What `assert_healthy` demands where its arguments do not say.
            keep: Makes a new folder for a run; None to keep none.
        """
        self.monitors: list[Monitor] = []
        self.folders: list[Path] = []
        self._requirements, self._keep = requirements, keep

    def watch(
        self,
        model: object,
        *,
        data: object = None,
        validation: object = None,
        loss: object = None,
        optimizer: object = None,
        total_steps: int | None = None,
        every: "Every" = "auto",
        logdir: str | Path | None = None,
    ) -> "Monitor":
        """Watch a model's training, as `gradvitals.watch` does; the arguments are its own.

        With `--vitals-logdir` the run is kept in a folder of its own below that, unless `logdir` names another.

        Raises:
            TypeError: As `gradvitals.watch` does.
            ValueError: As `gradvitals.watch` does.
        """
        from gradvitals.diagnostics.call_site import find_call_site
        from gradvitals.diagnostics.watch import open_folder, watch_with_sinks

        monitor = watch_with_sinks(
            model,
            data=data,
            validation=validation,
            loss=loss,
            optimizer=optimizer,
            total_steps=total_steps,
            every=every,
            open_sinks=lambda: open_folder(self._new_folder() if logdir is None else Path(logdir)),
        )
        monitor.call_site = find_call_site()
        monitor.requirements = self._requirements
        self.monitors.append(monitor)
        return monitor

    def _new_folder(self) -> Path | None:
        """Make a folder for a run; None where none is kept."""
        if self._keep is None:
            return None
        self.folders.append(self._keep())
        return self.folders[-1]

    def close(self) -> None:
        """Detach every monitor, also those of a test that failed."""
        with ExitStack() as stack:  # one that raises does not keep the others
            for monitor in self.monitors:
                stack.callback(monitor.detach)

    def properties(self, error: BaseException | None) -> list[tuple[str, object]]:
        """Give what a report of the test should have: findings, folders, and of one that passed what it left out.

        Args:
            error: What the test failed with; None if it passed.
        """
        findings = dict.fromkeys(finding.summary for finding in (*self._findings(), *_told(error)))
        unasserted = [monitor for monitor in self.monitors if error is None and not monitor.asserted]
        return [
            *((FINDING, summary) for summary in findings),
            *((RUN, str(folder)) for folder in self.folders),
            *((UNASSERTED, _outcome(monitor)) for monitor in unasserted),
        ]

    def section(self, error: BaseException) -> str:
        """Tell of a test that failed what was found, unless its own message does, and where its runs are."""
        from gradvitals.diagnostics.markdown import prescription_text

        lines, told = [], _told(error)
        for finding in self._findings():
            if finding in told:
                continue
            cause = "" if finding.explained_by is None else f" (explained by {finding.explained_by})"
            lines.append(f"{finding.summary}{cause}")
            lines += [] if cause else [f"  → {prescription_text(cure)}" for cure in finding.prescriptions]
        return "\n".join([*lines, *(f"run: {folder}" for folder in self.folders)])

    def _findings(self) -> list[Finding]:
        return [finding for monitor in self.monitors for finding in _telling(monitor.verdict)]


def _telling(verdict: Verdict) -> list[Finding]:
    """Give the standing warnings and errors, roots first."""
    return [finding for finding in verdict.standing if finding.severity > Severity.INFO]


def _told(error: BaseException | None) -> list[Finding]:
    """Give the findings that an exception's message is about."""
    from gradvitals.diagnostics.health import UnhealthyTraining

    verdict = error.verdict if isinstance(error, UnhealthyTraining) else None
    return [] if verdict is None else _telling(verdict)


def _outcome(monitor: "Monitor") -> str:
    """Say in a line what an assertion would have been about."""
    if monitor.record.context is None:
        return "no training was seen"
    return "; ".join(finding.summary for finding in _telling(monitor.verdict)) or "nothing was found"


def make_run_folder(logdir: Path, test: str) -> Path:
    """Make the next free folder for a run of a test: `logdir/<test>/<number>`; two processes never get the same one.

    Args:
        logdir: The folder of all.
        test: The test's id, of any length and with any characters.

    Raises:
        OSError: If it cannot be made.
    """
    parent = logdir / folder_name(test)
    for number in count(1):
        try:
            (parent / str(number)).mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise
        else:
            break
    return parent / str(number)


def folder_name(test: str) -> str:
    """Name the folder of a test: readable, safe on every file system, and its own.

    >>> folder_name("tests/test_model.py::test_learns[relu/0.1]")
    'test_model.test_learns-relu-0.1-878723'
    """
    file, _, name = test.partition("::")
    readable = f"{Path(file).stem}.{name}" if name else file
    plain = re.sub(r"[^A-Za-z0-9._=,-]+", "-", readable)[:LONGEST_NAME].strip(".-")
    return f"{plain or 'test'}-{sha256(test.encode('utf-8', 'backslashreplace')).hexdigest()[:6]}"
