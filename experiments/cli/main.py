"""The `gradvitals` command: its subcommands, and what becomes of an error."""

import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from gradvitals import __version__
from gradvitals.experiments.cli.streams import settle_streams
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit

COMMANDS = {
    "init": "a commented config to start from",
    "run": "one training run, watched",
    "sweep": "a grid of runs, with a map of what broke where",
    "check": "judge runs, sweeps or configs; the command for CI",
    "repair": "try cures on a sick config, and write the smallest that works",
    "diff": "what got worse between two runs or sweeps",
    "selftest": "every fault injected, every diagnosis demanded",
    "explain": "what a diagnosis means, and what cures it",
    "list": "runs, outcomes and findings",
    "report": "maps, findings and curves in one HTML file",
    "board": "TensorBoard on localhost",
    "gradcheck": "backpropagation against numeric gradients",
    "circuit": "values and gradients of every gate of an expression",
    "clean": "remove runs",
}
"""In the order a newcomer needs them; listed here so that `--help` loads nothing."""

RESUMABLE = {"run", "sweep"}
"""The commands that --resume goes on with."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"gradvitals.experiments.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one names the nearest."""
        from gradvitals.diagnostics.suggest import did_you_mean

        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"no command {name!r}; there are {', '.join(COMMANDS)}{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gradvitals")
@click.pass_context
def cli(context: click.Context) -> None:
    """Why is this network not learning, and what would fix it?

    \b
    gradvitals sweep learning_rate_x_initialization   what breaks where, in a minute
    gradvitals run dying_relu                         one sick network, explained
    gradvitals check dying_relu                       the same for CI: exits with 1
    """  # noqa: D301 - \b keeps click from filling the lines
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(Exit.USAGE)


def main() -> NoReturn:
    """Run the command line; every way out has its exit code."""
    settle_streams()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - a way out each
    """Run a command and give its exit code; whatever goes wrong is told on standard error."""
    hint = "; the same command with --resume goes on" if RESUMABLE.intersection(arguments[:1]) else ""
    try:
        code = cli.main(list(arguments), prog_name="gradvitals", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        return _say(*error.sentences, code=Exit.USAGE)
    except click.ClickException as error:
        return _say(_one_sentence(error), code=Exit.USAGE)
    except (KeyboardInterrupt, click.Abort):
        return _say(f"interrupted{hint}", code=Exit.INTERRUPTED)
    except _Terminated:
        return _say(f"terminated{hint}", code=Exit.TERMINATED)
    except OSError as error:
        if error.filename is None:  # a full disk, say: nobody's usage, and no mistake of ours
            return _say((error.strerror or str(error)).lower(), code=Exit.INTERNAL)
        return _say(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}", code=Exit.USAGE)
    except Exception as error:  # noqa: BLE001 - whatever is left is ours
        traceback.print_exception(error)
        return _say(
            f"internal error: {type(error).__name__}: {error} — please report it with the lines above",
            code=Exit.INTERNAL,
        )
    return code if isinstance(code, int) else Exit.DONE


def _say(*sentences: str, code: Exit) -> int:
    for sentence in sentences:
        click.echo(f"gradvitals: {sentence}", err=True)
    return code


def _one_sentence(error: click.ClickException) -> str:
    """Give a mistake on the command line in our form, with where to read on."""
    text = error.format_message().rstrip(".").replace("\n", " ")
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "gradvitals"
    advice = "" if "—" in text else f" — see `{command} --help`"
    return f"{text[:1].lower()}{text[1:]}{advice}"


class _Terminated(SystemExit):
    """SIGTERM, raised where the program happens to be, so that what is open gets closed."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal module's signature
    raise _Terminated(Exit.TERMINATED)
