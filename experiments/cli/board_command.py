"""`gradvitals board`: TensorBoard on localhost."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import click

from gradvitals.diagnostics.tensorboard.vitals_tab.first_steps import TAB, start_command
from gradvitals.experiments.boards import HOST, find_boards, served_folder
from gradvitals.experiments.cli.options import LOGS
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.run_folder import find_runs

DEFAULT_PORT = 6006
SOON = ["--reload_interval", "2"]
"""Seconds from one look at the logs to the next; of 200 runs, one costs TensorBoard's fast loader 20 ms."""

PATIENCE_SECONDS = 60.0

EXPLAINED = {
    "pkg_resources": "TensorBoard 2.20 and older need setuptools below 81: pip install 'setuptools<81', or a newer"
    " TensorBoard: pip install 'tensorboard>=2.21'",
}
"""What to say of a start that fails, by a word in its output."""


@click.command("board")
@click.argument("logdir", default=LOGS, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), help=f"Port [{DEFAULT_PORT}, or a free one if that is taken].")
@click.option("--stop", is_flag=True, help="Stop the boards of this folder that still run.")
def command(logdir: Path, port: int | None, *, stop: bool) -> int:
    """Open TensorBoard on the runs below LOGDIR (default: logs), on this machine only; Ctrl-C ends it.

    Where one serves the folder already, its address is given.

    \b
    gradvitals board
    gradvitals board logs/learning_rate_x_initialization --port 6007
    gradvitals board --stop
    """  # noqa: D301 - \b keeps click from filling the lines
    if stop:
        return _stop(logdir)
    if not logdir.is_dir():
        sentence = f"{logdir}: no such folder; runs land in {LOGS} unless --logdir says otherwise"
        raise UserError(sentence)
    if running := [board for board in find_boards(logdir) if port in {None, board.port}]:
        click.echo(
            f"{running[0].address} serves {logdir} already (gradvitals board {quote(str(logdir))} --stop ends it)"
        )
        return Exit.DONE
    port = _choose_port(port)
    arguments = ["--logdir", str(logdir.resolve()), "--host", HOST, "--port", str(port), *SOON]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, an argument list, no shell
        [sys.executable, "-m", "tensorboard.main", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        _wait_until_up(process, port)
        click.echo(f"http://{HOST}:{port}/ (Ctrl-C ends it)")
        if next(find_runs(logdir), None) is None:
            click.echo(f"no runs below {logdir} yet; to make some: {start_command(str(logdir))}")
            click.echo(f"they are shown as they come at http://{HOST}:{port}/{TAB}")
        process.communicate()  # drains what TensorBoard says, so that it never waits for us
    except KeyboardInterrupt:
        click.echo("stopped")
        return Exit.DONE
    finally:
        _end(process)
    return Exit.DONE


def _choose_port(port: int | None) -> int:
    """Give the port asked for, or the usual one, or a free one.

    Raises:
        UserError: If the port asked for is taken.
    """
    if port is not None and not _is_free(port):
        sentence = f"--port: {port} is taken — leave it out for a free one"
        raise UserError(sentence)
    if port is None and not _is_free(DEFAULT_PORT):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return int(probe.getsockname()[1])
    return port or DEFAULT_PORT


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _wait_until_up(process: "subprocess.Popen[str]", port: int) -> None:
    """Wait until TensorBoard answers.

    Raises:
        UserError: If it ends or keeps silent.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.communicate()[1].strip()
            known = next((advice for word, advice in EXPLAINED.items() if word in said), None)
            last = said.splitlines()[-1] if said else f"exit code {process.returncode}"
            sentence = known or f"TensorBoard did not start: {last}"
            raise UserError(sentence)
        if served_folder(port) is not None:
            return
        time.sleep(0.1)
    sentence = f"TensorBoard did not answer on port {port} within {PATIENCE_SECONDS:.0f} s"
    raise UserError(sentence)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()


def _stop(logdir: Path) -> int:
    """Stop every TensorBoard that serves this folder."""
    boards = list(find_boards(logdir))
    for board in boards:
        board.stop()
        click.echo(f"stopped the board on port {board.port}")
    if not boards:
        click.echo(f"no board serves {logdir}")
    return Exit.DONE
