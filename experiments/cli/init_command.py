"""`gradvitals init`: a commented config to start from."""

from pathlib import Path

import click

from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import write_text
from gradvitals.experiments.starter import starter_config


@click.command("init")
@click.argument("data", required=False, metavar="[DATA.csv]", type=click.Path(path_type=Path))
@click.option("--output", "-o", default=None, metavar="FILE", help="Where to; - prints it [experiment.toml].")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def command(data: Path | None, output: str | None, *, force: bool) -> int:
    """Write a config with every key you are likely to change, for DATA.csv or for the bundled digits.

    \b
    gradvitals init
    gradvitals init measurements.csv -o measurements.toml
    """  # noqa: D301 - \b keeps click from filling the lines
    text = starter_config(data)
    if output == "-":
        click.echo(text, nl=False)
        return Exit.DONE
    path = Path(output or "experiment.toml")
    if path.exists() and not force:
        sentence = f"{path}: exists already — use --force to replace it, or -o for another file"
        raise UserError(sentence)
    write_text(path, text)
    click.echo(f"wrote {path}; next: gradvitals run {path}")
    return Exit.DONE
