"""`gradvitals circuit`: values and gradients of every gate of an expression, and what else the notes show of it."""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from gradvitals.experiments.cli.options import make_console
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit

if TYPE_CHECKING:
    from gradvitals.engine.expressions import SigmoidForm

WIDEST = 10_000
"""Characters of a line: a terminal may break it, and a table would cut its numbers to fit."""


class ArithmeticCommand(click.Command):
    """A command whose arguments may begin with a minus: `-x*y` is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a space before what is no option and no option's value, which neither arithmetic nor numbers mind."""
        options = {name: parameter for parameter in self.get_params(ctx) for name in parameter.opts}
        taking = {name for name, parameter in options.items() if not getattr(parameter, "is_flag", True)}

        def is_arithmetic(before: str, arg: str) -> bool:
            return arg[:1] == "-" and arg[:2] != "--" and arg not in {*options, "-"} and before not in taking

        spaced = [f" {arg}" if is_arithmetic(before, arg) else arg for before, arg in pairwise(["", *args])]
        return super().parse_args(ctx, spaced)


@click.command("circuit", cls=ArithmeticCommand)
@click.argument("expression", metavar="EXPR")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]…")
@click.option("--nudge", metavar="H", type=float, help="Add H to each input: predicted and actual change.")
@click.option("--paths", multiple=True, metavar="NAME", help="The gradient of NAME, path by path; repeatable.")
@click.option("--analytic", is_flag=True, help="Write the derivatives out in closed form, and count operations.")
@click.option("--recompute", is_flag=True, help="Also backward without cached values, and count what that costs.")
@click.option(
    "--sigmoid",
    type=click.Choice(["fused", "primitive"]),
    default="fused",
    show_default=True,
    help="A sigmoid as one gate, or as its four.",
)
@click.option("--svg", metavar="FILE", type=click.Path(path_type=Path), help="Draw the circuit into FILE.svg.")
@click.option("--logdir", metavar="FOLDER", type=click.Path(path_type=Path), help="Also write it for the Graphs tab.")
@click.option("--quiet", "-q", is_flag=True, help="Print only errors.")
def command(
    expression: str,
    values: tuple[str, ...],
    nudge: float | None,
    paths: tuple[str, ...],
    sigmoid: "SigmoidForm",
    svg: Path | None,
    logdir: Path | None,
    *,
    analytic: bool,
    recompute: bool,
    quiet: bool,
) -> int:
    """Run the arithmetic of EXPR forward and backward: the value and the gradient of every gate, in float64.

    EXPR has numbers, names, + - * / **, parentheses, and calls of exp, log, max, sigmoid, sqrt, tanh.

    \b
    gradvitals circuit "(x + y)*z" x=-2 y=5 z=-4
    gradvitals circuit "(a + b)*(b + 1)" a=2 b=1 --paths b --nudge 0.01
    gradvitals circuit "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)" x=3 y=-4 --analytic --svg fork.svg
    """  # noqa: D301 - \b keeps click from filling the lines
    from gradvitals.engine.expression_tree import ExpressionError
    from gradvitals.engine.expressions import parse_expression
    from gradvitals.experiments import circuit_report as report

    _check_options(nudge, svg)
    try:
        parsed = parse_expression(expression, sigmoid=sigmoid)
        point = _parse_values(values)
        circuit = parsed.evaluate(point)
    except ExpressionError as error:
        raise UserError(str(error)) from error
    console = Console(quiet=True) if quiet else make_console(width=WIDEST)
    title = f"{parsed.text} = {report.number(circuit.values[parsed.output])}"
    console.print(f"{title}\n", soft_wrap=True)
    console.print(report.gates_table(parsed, circuit))
    report.refuse_infinities(parsed, circuit)
    if nudge is not None:
        console.print()
        console.print(report.nudges_table(parsed, circuit, point, nudge))
    sections = [list(report.path_lines(parsed, circuit, name.strip())) for name in paths]
    sections += [list(report.closed_form_lines(parsed, point))] if analytic else []
    sections += [[report.recompute_line(parsed, circuit, point)]] if recompute else []
    wrote: list[str] = []
    if svg is not None:
        from gradvitals.experiments.circuit_picture import draw_circuit
        from gradvitals.experiments.files import write_text

        write_text(svg, draw_circuit(title, parsed.circuit, circuit.values, circuit.gradients))
        wrote.append(f"wrote {svg}")
    if logdir is not None:
        from gradvitals.experiments.circuit_graph import graph_nodes, write_graph

        folder = write_graph(logdir, parsed.text, graph_nodes(parsed.circuit, circuit.values, circuit.gradients))
        wrote.append(f"wrote {folder}; next: gradvitals board {logdir}, tab Graphs")
    for lines in filter(None, (*sections, wrote)):
        console.print()
        for line in lines:
            console.print(line, soft_wrap=True)
    return Exit.DONE


def _check_options(nudge: float | None, svg: Path | None) -> None:
    if nudge is not None and not 0.0 < abs(nudge) < float("inf"):
        sentence = f"--nudge: {nudge:g} is no step; give a small number such as 0.01"
        raise UserError(sentence)
    if svg is not None and svg.suffix.lower() != ".svg":
        sentence = f"--svg: {svg}: the name of the file must end in .svg"
        raise UserError(sentence)


def _parse_values(values: Sequence[str]) -> dict[str, float]:
    """Read what stands behind the expression, `x=3 y=-4`.

    Raises:
        UserError: If one is not of that form, or a name has two.
    """
    point: dict[str, float] = {}
    for given in map(str.strip, values):
        text, equals, number = given.partition("=")
        name = unicodedata.normalize("NFKC", text.strip())  # as Python reads the names of an expression
        if not equals or not name.isidentifier():
            sentence = f"{given!r}: a value is given as name=number, such as x=3"
            raise UserError(sentence)
        if name in point:
            sentence = f"{given!r}: {name} has a value already, {point[name]:g}"
            raise UserError(sentence)
        try:
            point[name] = float(number)
        except ValueError as error:
            minus = "; '−' is no minus here, write '-'" * ("−" in number)
            advice = minus or f"; write {name}=3, and a space before the next value"
            sentence = f"{given!r}: {number!r} is not a number{advice}"
            raise UserError(sentence) from error
    return point
