"""The `gradvitals` command: its subcommands, and what becomes of an error."""

import os
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from gradvitals import __version__
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit

COMMANDS = {
    "init": "a commented config to start from",
    "run": "one training run, watched",
    "sweep": "a grid of runs, with a map of what broke where",
    "check": "judge runs, sweeps or configs; the command for CI",
    "list": "runs, outcomes and findings",
    "board": "TensorBoard on localhost",
    "gradcheck": "backpropagation against numeric gradients",
    "clean": "remove runs",
}
"""In the order a newcomer needs them; listed here so that `--help` loads nothing."""


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
        from gradvitals.experiments.suggest import did_you_mean

        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"no command {name!r}; there are {', '.join(COMMANDS)}{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gradvitals")
def cli() -> None:
    """Why is this network not learning, and what would fix it?

    \b
    gradvitals sweep learning_rate_x_initialization   what breaks where, in a minute
    gradvitals run dying_relu                         one sick network, explained
    gradvitals check dying_relu                       the same for CI: exits with 1
    """  # noqa: D301 - \b keeps click from filling the lines


def main() -> NoReturn:
    """Run the command line; every way out has its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = cli.main(prog_name="gradvitals", standalone_mode=False)
        _flush()
        sys.exit(code if isinstance(code, int) else Exit.DONE)
    except UserError as error:
        _say(*error.sentences)
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: no second complaint at exit
        sys.exit(Exit.DONE)
    except OSError as error:
        if error.filename is None:
            _internal(error)
        _say(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}")
        sys.exit(Exit.USAGE)
    except Exception as error:  # noqa: BLE001 - whatever is left is ours
        _internal(error)


def _internal(error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    _say(f"internal error: {type(error).__name__}: {error} — please report it with the lines above")
    sys.exit(Exit.INTERNAL)


def _say(*sentences: str) -> None:
    for sentence in sentences:
        click.echo(f"gradvitals: {sentence}", err=True)


def _flush() -> None:
    """Meet a closed pipe here, where it is handled."""
    sys.stdout.flush()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal module's signature
    raise SystemExit(Exit.TERMINATED)
