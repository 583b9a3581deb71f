"""What `gradvitals circuit` prints of an expression: its gates, nudges, paths, closed forms, and recomputing."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike
from rich import box
from rich.table import Table

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.closed_form import count_backward_operations, count_operations, derivative, evaluate, show
from gradvitals.engine.expressions import Expression
from gradvitals.engine.paths import find_paths
from gradvitals.engine.recompute import RecomputingCircuit
from gradvitals.experiments.circuit_view import gate_name
from gradvitals.experiments.errors import UserError

LONGEST = 10_000
"""Characters of a closed form that are printed."""


def number(value: ArrayLike) -> str:
    """Write a number with seven digits, as many as the notes print at most.

    >>> number(1.5456448841066441), number(-12.0)
    ('1.545645', '-12')
    """
    return f"{float(np.asarray(value)) + 0.0:.7g}"  # −0 is 0 to a reader


def gates_table(parsed: Expression, circuit: ConnectedCircuit) -> Table:
    """Lay out every input and gate with its value and gradient."""
    table = _table("name", "gate", "from", numbers=("value", "gradient"))
    rows = [(name, "input", "") for name in parsed.names]
    rows += [(name, "number", "") for name in parsed.constants]
    rows += [
        (placed.output.name, gate_name(placed.gate), ", ".join(value.name for value in placed.inputs))
        for placed in parsed.circuit.gates
    ]
    for name, gate, sources in rows:
        gradient = circuit.gradients.get(name)
        table.add_row(name, gate, sources, number(circuit.values[name]), "" if gradient is None else number(gradient))
    return table


def refuse_infinities(parsed: Expression, circuit: ConnectedCircuit) -> None:
    """Refuse to go on from a value or gradient that is not finite.

    Raises:
        UserError: Naming the first gate whose output is not finite or, going back, that makes the gradient so.
    """
    for placed in parsed.circuit.gates:
        name, gate = placed.output.name, gate_name(placed.gate)
        if not np.isfinite(circuit.values[name]):
            read = ", ".join(f"{source.name} = {number(circuit.values[source.name])}" for source in placed.inputs)
            sentence = f"{name} is {number(circuit.values[name])}: {gate} of {read} is not finite; choose other values"
            raise UserError(sentence)
    for placed in reversed(parsed.circuit.gates):
        for name in (source.name for source in placed.inputs if source.name in circuit.gradients):
            gradient, value = number(circuit.gradients[name]), number(circuit.values[name])
            if not np.isfinite(circuit.gradients[name]):
                sentence = (
                    f"the gradient on {name} is {gradient}: {gate_name(placed.gate)} has no finite one at"
                    f" {name} = {value}; choose other values"
                )
                raise UserError(sentence)


def nudges_table(parsed: Expression, circuit: ConnectedCircuit, point: Mapping[str, float], nudge: float) -> Table:
    """Lay out what the gradient predicts for a nudge of each input, and what really happens.

    Raises:
        UserError: If a nudge takes an input beyond what a float holds.
    """
    table = _table("input", "nudged to", numbers=(f"predicted change of {parsed.output}", "actual change"))
    before = float(circuit.values[parsed.output])
    for name in parsed.names:
        if not np.isfinite(point[name] + nudge):
            sentence = f"--nudge: {name} = {number(point[name])} and {number(nudge)} add up to more than a number holds"
            raise UserError(sentence)
        nudged = parsed.evaluate({**point, name: point[name] + nudge})
        predicted = float(circuit.gradients[name]) * nudge
        after = float(nudged.values[parsed.output])
        table.add_row(name, number(point[name] + nudge), number(predicted), number(after - before))
    return table


def path_lines(parsed: Expression, circuit: ConnectedCircuit, name: str) -> Iterator[str]:
    """Write the paths from a value to the output, the product of the local gradients along each, and their sum.

    Raises:
        UserError: If there is no such value.
    """
    known = [*parsed.names, *(placed.output.name for placed in parsed.circuit.gates)]
    if name not in known:
        sentence = f"--paths: the circuit has no {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}"
        raise UserError(sentence)
    paths = find_paths(parsed.circuit, circuit.values, name)  # as many as the expression reads the name: few enough
    label = "the gradient, their sum" if len(paths) > 1 else "the gradient"
    ways = [" → ".join(path.values) for path in paths]
    width = max(map(len, (*ways, label)))
    for way, path in zip(ways, paths, strict=True):
        factors = " · ".join(_factor(local) for local in path.local_gradients) or "1"
        yield f"{way:{width}}   {factors} = {number(path.product)}"
    yield f"{label:{width}}   {number(sum(path.product for path in paths))}"


def closed_form_lines(parsed: Expression, point: Mapping[str, float]) -> Iterator[str]:
    """Write out the derivative on every input, and count its operations against those of the circuit."""
    total, steps = 0, False
    for name in parsed.names:
        tree = derivative(parsed.tree, name)
        text, count = show(tree), count_operations(tree)
        total, steps = total + count, steps or "step(" in text
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
        plural = "operation" if count == 1 else "operations"
        yield f"∂{parsed.output}/∂{name} = {shown}"
        yield f"  = {number(evaluate(tree, point))}, {count:,} {plural}"
    if steps:
        yield "step(u) is 1 where u is positive, ½ where it is 0, else 0"
    forward, backward = len(parsed.circuit.gates), count_backward_operations(parsed.circuit, parsed.constants)
    gradients = "1 gradient" if len(parsed.names) == 1 else f"{len(parsed.names)} gradients"
    yield (
        f"operations for {gradients}: {total:,} in closed form; {forward + backward:,} in the circuit,"
        f" {forward:,} forward and {backward:,} backward"
    )


def recompute_line(parsed: Expression, circuit: ConnectedCircuit, point: Mapping[str, float]) -> str:
    """Run backward without cached values, and say what it saves and costs."""
    gradients = {name: np.zeros(()) for name in parsed.names}
    recomputing = RecomputingCircuit(parsed.circuit, {}, gradients, batch=1, dtype=np.float64)
    for name, value in (*point.items(), *parsed.constants.items()):
        recomputing.values[name][...] = value
    recomputing.forward()
    recomputing.backward()
    worst = max(abs(float(gradients[name] - circuit.gradients[name])) for name in parsed.names)
    gates = len(parsed.circuit.gates)
    same = "the same gradients" if worst == 0.0 else f"gradients that differ by {worst:.1e}"
    return (
        f"recomputed: 0 gate outputs kept for backward instead of {gates}, at most {recomputing.most_held} at a time;"
        f" {recomputing.evaluations} gate evaluations instead of {gates}; {same}"
    )


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _table(*texts: str, numbers: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
