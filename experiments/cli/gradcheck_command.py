"""`gradvitals gradcheck`: backpropagation against numeric gradients, parameter by parameter."""

from pathlib import Path

import click
import numpy as np
from rich.table import Table

from gradvitals.engine.gradient_check import ParameterCheck, check_gradients, has_kinks
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.cli.options import load, make_console, seed_option
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.plan import expand
from gradvitals.experiments.runner import Place, load_dataset

LIMIT, LIMIT_WITH_KINKS = 1e-4, 1e-2
"""Relative errors above which two gradients disagree (cs231n, neural-networks-3, "Gradient checks")."""


@click.command("gradcheck")
@click.argument("config")
@click.option("--samples", type=click.IntRange(1, 1024), default=16, show_default=True, help="Training rows to use.")
@click.option("--entries", type=click.IntRange(min=1), default=100, show_default=True, help="Entries per parameter.")
@seed_option
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what disagrees.")
def command(
    config: str, samples: int, entries: int, seed: int | None, overrides: tuple[str, ...], *, quiet: bool
) -> int:
    """Compare the two gradients of every parameter of CONFIG's network, in float64, at its initial weights.

    Exits with 1 if any relative error exceeds 1e-4 (1e-2 in networks with kinks: relu and its kin, maxout, hinge, mae,
    clipped probabilities), and with 3 if a parameter lies at a kink with every entry.

    \b
    gradvitals gradcheck learning_rate_x_initialization
    """  # noqa: D301 - \b keeps click from filling the lines
    loaded = load(config, overrides, seed)
    planned = expand(loaded.config, origin=loaded.origin)[0]
    dataset = load_dataset(planned, Place(Path(), loaded.origin, loaded.base_dir, {}))
    exact = {"training": planned.config.training.model_copy(update={"dtype": "float64"})}
    experiment = assemble(
        planned.config.model_copy(update=exact), dataset, check_fit(planned.config, dataset, origin=loaded.origin)
    )
    rows = slice(0, samples)
    checks = check_gradients(
        experiment.network,
        experiment.samples.inputs[rows],
        experiment.samples.targets[rows],
        generator=np.random.default_rng(planned.config.seed),
        entries=entries,
    )
    limit = LIMIT_WITH_KINKS if has_kinks(experiment.network) else LIMIT
    judged = [check for check in checks if check.checked]
    wrong = [check for check in judged if not check.relative_error <= limit]
    console = make_console()
    shown = wrong if quiet else checks
    if shown:
        console.print(_table(shown, limit))
    if not quiet or wrong:
        console.print(f"{len(judged) - len(wrong)} of {len(checks)} parameters agree to {limit:g}")
    unjudged = [check.name for check in checks if not check.checked]
    if unjudged:
        names = ", ".join(unjudged)
        console.print(f"not judged: {names}: every entry crosses a kink; other initial weights or fewer samples help")
    return Exit.FAILED if wrong else Exit.NOT_JUDGED if unjudged else Exit.DONE


def _table(checks: list[ParameterCheck], limit: float) -> Table:
    table = Table(pad_edge=False)
    for name in ("parameter", "entries", "at a kink", "relative error", "worst entry", "analytic", "numeric"):
        table.add_column(name, justify="left" if name in {"parameter", "worst entry"} else "right")
    for check in checks:
        agrees = check.relative_error <= limit
        table.add_row(
            check.name,
            str(check.checked),
            str(check.skipped),
            f"{check.relative_error:.1e}" if check.checked else "",
            str(list(check.index)) if check.checked else "",
            f"{check.analytic:.6g}" if check.checked else "",
            f"{check.numeric:.6g}" if check.checked else "",
            style=None if agrees or not check.checked else "red",
        )
    return table
