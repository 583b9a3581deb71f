"""A circuit as an SVG picture, as the notes draw it: values above the edges, gradients below, from left to right.

The picture brings no background, fonts or scripts, and its colours are read on white and on black.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise

from gradvitals.engine.circuit import Circuit
from gradvitals.engine.events import Array
from gradvitals.engine.expression_tree import shorten
from gradvitals.engine.paths import local_gradients
from gradvitals.experiments.circuit_layout import Layout, Node, lay_out
from gradvitals.experiments.circuit_view import gate_symbol

WIRE, BEND, BOX = 96, 48, 46
"""Widths in pixels: of an edge's straight end, where its numbers stand, of the curve before it, of a narrow box."""

PORT, HALF_BOX, HALF_NAME, SUM, GAP, MARGIN, HEADING = 46, 20, 16, 18, 14, 16, 44
"""Heights in pixels: from input to input of a gate, half a box or name, the sum below a fork, and what lies between."""

LETTER, LONGEST, SUM_WIDTH = 10, 14, 112
"""Width of a letter of a sign or name, the most that stand there, and the width of the sum below a fork."""

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #808080; text-anchor: middle; dominant-baseline: central }
.sign { font-size: 16px; font-weight: 600 }
.value { fill: #2a9d4a; font-weight: 600 }
.gradient { fill: #e0483e; font-weight: 600 }
.heading { text-anchor: start }
.end { text-anchor: end }
path, rect { fill: none; stroke: #808080; stroke-width: 1.5 }
"""


def draw_circuit(title: str, circuit: Circuit, values: Mapping[str, Array], gradients: Mapping[str, Array]) -> str:
    """Draw a circuit of single numbers.

    Below each edge stands what flows back through it; below a node whose value forks, the sum of these.

    Args:
        title: The expression.
        circuit: The circuit.
        values: Of every input and gate, after a forward pass.
        gradients: After a backward pass, of the values that have one.
    """
    readings = Counter(value.name for placed in circuit.gates for value in placed.inputs)
    forks = {name for name, count in readings.items() if count > 1 and name in gradients}
    signs = {value.name: shorten(value.name, LONGEST) for value in circuit.inputs}
    signs |= {placed.output.name: gate_symbol(placed.gate) for placed in circuit.gates}
    ports = {placed.output.name: len(placed.inputs) for placed in circuit.gates}
    half_heights = {name: HALF_BOX + PORT * (ports[name] - 1) / 2 if name in ports else HALF_NAME for name in signs}
    layout = lay_out(
        [value.name for value in circuit.inputs],
        {placed.output.name: [value.name for value in placed.inputs] for placed in circuit.gates},
        {name: half + SUM * (name in forks) for name, half in half_heights.items()},
        gap=GAP,
    )
    pen = _Pen(layout, signs, ports)
    parts: list[str] = []
    for name, node in layout.nodes.items():
        parts += pen.box(node, half_heights[name]) if name in ports else pen.name(node)
        if name in forks:
            parts.append(pen.sum(node, half_heights[name], float(gradients[name])))
    for placed in circuit.gates:
        back = local_gradients(placed, values, float(gradients.get(placed.output.name, 0.0)))
        numbers = [
            (float(values[value.name]), passed if value.name in gradients else None)
            for value, passed in zip(placed.inputs, back, strict=True)
        ]
        parts += pen.edges(placed.output.name, numbers)
    output = circuit.gates[-1].output.name
    parts += pen.ending(layout.nodes[output], float(values[output]), float(gradients[output]))
    return pen.page(title, parts)


class _Pen:
    """Turns places of the layout into pixels, and draws there."""

    def __init__(self, layout: Layout, signs: Mapping[str, str], gates: Collection[str]) -> None:
        self._layout = layout
        self._signs = signs
        self._box = max(BOX, 14 + LETTER * max(len(signs[name]) for name in gates))
        names = [len(signs[name]) for name, node in layout.nodes.items() if node.rank == 0]
        self._left = MARGIN + max(BOX, LETTER * max(names), SUM_WIDTH) - self._box

    def box(self, node: Node, half: float) -> Iterator[str]:
        """Draw a gate: its sign in a box."""
        x, y = self._right(node) - self._box, self._y(node)
        yield f'<rect x="{x}" y="{y - half:.1f}" width="{self._box}" height="{2 * half:.1f}" rx="12"/>'
        yield _text(x + self._box / 2, y, self._signs[node.name], "sign")

    def name(self, node: Node) -> Iterator[str]:
        """Write an input."""
        yield _text(self._right(node) - 6, self._y(node), self._signs[node.name], "sign end")

    def sum(self, node: Node, half: float, gradient: float) -> str:
        """Write the gradient of a value that forks below its node."""
        return _text(self._right(node) - 6, self._y(node) + half + SUM / 2, f"Σ {_number(gradient)}", "gradient end")

    def edges(self, reader: str, numbers: Sequence[tuple[float, float | None]]) -> Iterator[str]:
        """Draw the edges into a gate, each with its value and what flows back; the highest source comes in on top."""
        ways = [self._layout.ways[reader, number] for number in range(len(numbers))]
        downwards = sorted(range(len(ways)), key=lambda number: ways[number][-2].y)
        for place, number in enumerate(downwards):
            end = self._y(ways[number][-1]) + PORT * (place - (len(ways) - 1) / 2)
            x = self._right(ways[number][-1]) - self._box - WIRE
            steps = [f"M{self._right(ways[number][0])} {self._y(ways[number][0]):.1f}"]
            for left, right in pairwise(ways[number]):
                y = end if right is ways[number][-1] else self._y(right)
                steps.append(self._bend(left, right, self._y(left), y))
            yield f'<path d="{" ".join(steps)}"/>'
            yield from self._labels(x, end, *numbers[number])

    def ending(self, node: Node, value: float, gradient: float) -> Iterator[str]:
        """Draw the edge that leaves the last gate."""
        x, y = self._right(node), self._y(node)
        yield f'<path d="M{x} {y:.1f} h{WIRE}"/>'
        yield from self._labels(x, y, value, gradient)

    def page(self, title: str, parts: Sequence[str]) -> str:
        """Put the picture together."""
        width = self._left + self._layout.columns * (self._box + WIRE + BEND) - BEND + MARGIN
        height = HEADING + self._layout.height + MARGIN
        heading = escape(shorten(title, max(int(width / 8) - 4, 8)))
        legend = '<tspan class="value">value above</tspan>, <tspan class="gradient">gradient below</tspan>'
        size = f'viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<text class="heading" x="{MARGIN}" y="14">{heading}</text>',
            f'<text class="heading" x="{MARGIN}" y="32">{legend}</text>',
            *parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _bend(self, left: Node, right: Node, start: float, end: float) -> str:
        """Go from one column's right side to where the next begins, then straight on."""
        x = self._right(left)
        straight = WIRE if right.name in self._layout.nodes else WIRE + self._box  # a bend is passed by
        middle = x + BEND / 2
        return f"C{middle} {start:.1f} {middle} {end:.1f} {x + BEND} {end:.1f} h{straight}"

    def _labels(self, x: float, y: float, value: float, gradient: float | None) -> Iterator[str]:
        yield _text(x + WIRE / 2, y - 10, _number(value), "value")
        if gradient is not None:
            yield _text(x + WIRE / 2, y + 11, _number(gradient), "gradient")

    def _right(self, node: Node) -> float:
        """Give the right side of a node's column."""
        return self._left + self._box + node.rank * (self._box + WIRE + BEND)

    def _y(self, node: Node) -> float:
        return HEADING + node.y


def _number(value: float) -> str:
    return f"{value + 0.0:.4g}".replace("-", "−")  # −0 is 0 to a reader


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
