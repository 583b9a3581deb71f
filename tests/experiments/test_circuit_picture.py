"""Pictures and graphs of circuits: every number is there, nothing overlaps, nothing comes from outside."""

import re
from collections import Counter
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.expressions import Expression, parse_expression
from gradvitals.engine.gates import Affine
from gradvitals.engine.matrix_gates import MatrixMultiply
from gradvitals.engine.primitives import Add, Power, Reciprocal, Scale, Shift
from gradvitals.experiments.circuit_graph import graph_nodes
from gradvitals.experiments.circuit_layout import lay_out
from gradvitals.experiments.circuit_picture import draw_circuit
from gradvitals.experiments.circuit_view import gate_name, gate_symbol

FORK = "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)"
EXPRESSIONS = {
    "product": ("x*y", {"x": 4.0, "y": -3.0}),
    "max": ("2*(x*y + max(z, w))", {"x": 3.0, "y": -4.0, "z": 2.0, "w": -1.0}),
    "fork": (FORK, {"x": 3.0, "y": -4.0}),
    "twice": ("x*x", {"x": 3.0}),
    "number": ("max(0, x)", {"x": 3.0}),
    "chain": ("exp(-x)", {"x": 3.0}),
    "wide": (
        "+".join(f"a{number}*b" for number in range(12)),
        {f"a{number}": 1.0 for number in range(12)} | {"b": 2.0},
    ),
    "long names": (
        "learning_rate*gradient_of_the_loss_on_it",
        {"learning_rate": 1.0, "gradient_of_the_loss_on_it": 2.0},
    ),
}
CASES = pytest.mark.parametrize(("text", "point"), EXPRESSIONS.values(), ids=list(EXPRESSIONS))


def draw(text: str, point: dict[str, float]) -> tuple[Expression, ConnectedCircuit, ET.Element]:
    expression = parse_expression(text)
    circuit = expression.evaluate(point)
    picture = draw_circuit(text, expression.circuit, circuit.values, circuit.gradients)
    return expression, circuit, ET.fromstring(picture)  # noqa: S314 - our own picture


def texts(picture: ET.Element, kind: str) -> list[ET.Element]:
    return [
        node for node in picture.iter("{http://www.w3.org/2000/svg}text") if kind in (node.get("class") or "").split()
    ]


def shown(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


@CASES
def test_every_edge_has_its_value_and_its_share_of_the_gradient(text: str, point: dict[str, float]) -> None:
    expression, circuit, picture = draw(text, point)
    edges = [value.name for placed in expression.circuit.gates for value in placed.inputs] + ["f"]
    values = Counter(node.text for node in texts(picture, "value"))
    assert values == Counter(shown(float(circuit.values[name])) for name in edges)
    for value in texts(picture, "value"):
        below = [node for node in texts(picture, "gradient") if node.get("x") == value.get("x")]
        nearest = [node for node in below if 0 < float(node.get("y") or 0) - float(value.get("y") or 0) < 25]
        wanted = 0 if text == "max(0, x)" and value.text == "0" else 1
        assert len(nearest) == wanted


@CASES
def test_the_shares_add_up_to_the_sum_below_a_fork(text: str, point: dict[str, float]) -> None:
    expression, circuit, picture = draw(text, point)
    readings = Counter(value.name for placed in expression.circuit.gates for value in placed.inputs)
    sums = [node.text for node in texts(picture, "gradient") if (node.text or "").startswith("Σ")]
    forks = [name for name, count in readings.items() if count > 1 and name in circuit.gradients]
    assert sorted(sums, key=str) == sorted(f"Σ {shown(float(circuit.gradients[name]))}" for name in forks)


@CASES
def test_no_two_numbers_and_no_two_boxes_overlap(text: str, point: dict[str, float]) -> None:
    *_, picture = draw(text, point)
    numbers = [
        (float(node.get("x") or 0), float(node.get("y") or 0))
        for kind in ("value", "gradient")
        for node in texts(picture, kind)
        if "end" not in (node.get("class") or "")
    ]
    assert all(abs(a[0] - b[0]) > 80 or abs(a[1] - b[1]) > 13 for a, b in combinations(numbers, 2))
    boxes = [
        [float(node.get(key) or 0) for key in ("x", "y", "width", "height")]
        for node in picture.iter("{http://www.w3.org/2000/svg}rect")
    ]
    for a, b in combinations(boxes, 2):
        assert a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]


@CASES
def test_everything_is_inside_the_picture(text: str, point: dict[str, float]) -> None:
    *_, picture = draw(text, point)
    width, height = float(picture.get("width") or 0), float(picture.get("height") or 0)
    for node in picture.iter():
        if node.get("x") is not None and node.get("y") is not None:
            assert 0 <= float(node.get("x") or 0) + float(node.get("width") or 0) <= width
            assert 0 <= float(node.get("y") or 0) + float(node.get("height") or 0) <= height
    for path in picture.iter("{http://www.w3.org/2000/svg}path"):
        ends = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d") or "")]
        assert min(ends) >= 0
        assert max(ends) <= max(width, height)


@CASES
def test_the_longest_sum_does_not_reach_past_the_left_edge(text: str, point: dict[str, float]) -> None:
    *_, picture = draw(text, point)
    letter, longest = 8.0, len("Σ −1.234e−100")  # digits of 13 px system-ui, semibold, are at most that wide
    sums = [node for node in texts(picture, "gradient") if (node.text or "").startswith("Σ")]
    assert all(float(node.get("x") or 0) >= letter * longest for node in sums)


def test_nothing_comes_from_outside_and_names_are_only_text() -> None:
    expression = parse_expression("ñ*x")
    circuit = expression.evaluate({"ñ": 1.0, "x": 2.0})
    picture = draw_circuit("<script>alert(1)</script> & co", expression.circuit, circuit.values, circuit.gradients)
    assert "<script" not in picture
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in picture
    for outside in ("href", "url(", "@import", "<image", "<foreignObject", 'fill="white"'):
        assert outside not in picture
    assert re.findall(r"https?://[^\s\"]+", picture) == ["http://www.w3.org/2000/svg"]


def test_the_colours_are_read_on_white_and_on_black() -> None:
    *_, picture = draw("x*y", {"x": 1.0, "y": 2.0})
    style = next(node.text or "" for node in picture.iter("{http://www.w3.org/2000/svg}style"))
    colours = set(re.findall(r"#([0-9a-f]{6})", style))
    assert len(colours) == 3
    for colour in colours:
        luminance = relative_luminance(colour)
        assert (1.0 + 0.05) / (luminance + 0.05) > 3.0  # WCAG's least contrast of large text and of graphics
        assert (luminance + 0.05) / (0.0 + 0.05) > 3.0


def relative_luminance(colour: str) -> float:
    """Compute WCAG 2's relative luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_columns_go_from_the_inputs_to_the_output() -> None:
    layout = lay_out(
        ["x", "y"], {"p": ["x", "y"], "q": ["p", "x"]}, dict.fromkeys(["x", "y", "p", "q"], 20.0), gap=10.0
    )
    assert {name: node.rank for name, node in layout.nodes.items()} == {"x": 0, "y": 0, "p": 1, "q": 2}
    assert [node.rank for node in layout.ways["q", 1]] == [0, 1, 2]  # past p
    assert layout.columns == 3
    assert abs(layout.nodes["x"].y - layout.nodes["y"].y) >= 50.0


def test_an_input_stands_just_before_its_first_reader() -> None:
    expression = parse_expression("w2 + exp(exp(x))")
    layout = lay_out(
        [value.name for value in expression.circuit.inputs],
        {placed.output.name: [value.name for value in placed.inputs] for placed in expression.circuit.gates},
        dict.fromkeys(["w2", "x", "q1", "q2", "f"], 20.0),
        gap=10.0,
    )
    assert layout.nodes["w2"].rank == 2


def test_crossings_are_avoided_where_the_order_alone_does_it() -> None:
    layout = lay_out(
        ["a", "b", "c"],
        {"p": ["c"], "q": ["b"], "r": ["a"], "s": ["p", "q", "r"]},
        dict.fromkeys("abcpqrs", 20.0),
        gap=10.0,
    )
    order = sorted("abc", key=lambda name: layout.nodes[name].y)
    readers = sorted("pqr", key=lambda name: layout.nodes[name].y)
    assert [{"a": "r", "b": "q", "c": "p"}[name] for name in order] == readers


@pytest.mark.parametrize(
    ("gate", "name", "symbol"),
    [
        (Add(), "add", "+"),
        (Reciprocal(), "reciprocal", "1/x"),
        (Shift(1.0), "shift by 1", "+1"),
        (Shift(-2.5), "shift by -2.5", "−2.5"),
        (Scale(-1.0), "scale by -1", "×−1"),
        (Power(2.0), "power 2", "x²"),
        (Power(-0.5), "power -0.5", "x⁻⁰·⁵"),
        (MatrixMultiply(), "MatrixMultiply", "MatrixMultiply"),
        (Affine(), "Affine", "Affine"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_gates_are_called_and_drawn(gate: Add, name: str, symbol: str) -> None:
    assert (gate_name(gate), gate_symbol(gate)) == (name, symbol)


@CASES
def test_the_graph_has_a_node_per_value_with_the_full_numbers(text: str, point: dict[str, float]) -> None:
    expression = parse_expression(text)
    circuit = expression.evaluate(point)
    graph = graph_nodes(expression.circuit, circuit.values, circuit.gradients)
    nodes = {node.attributes["name"]: node for node in graph}
    assert set(nodes) == set(circuit.values)
    for placed in expression.circuit.gates:
        node = nodes[placed.output.name]
        assert node.inputs == tuple(nodes[value.name].name for value in placed.inputs)
        assert node.attributes["value"] == f"{float(circuit.values[placed.output.name]):.10g}"
        assert node.attributes["gradient"] == f"{float(circuit.gradients[placed.output.name]):.10g}"
    for name in expression.constants:
        assert "gradient" not in nodes[name].attributes


def test_the_names_in_the_graph_show_sign_value_and_gradient_in_a_box_each() -> None:
    expression = parse_expression(FORK)
    circuit = expression.evaluate({"x": 3.0, "y": -4.0})
    names = [node.name for node in graph_nodes(expression.circuit, circuit.values, circuit.gradients)]
    assert names[:4] == ["x = 3|2.06/input", "y = -4|1.59/input", "q1 σ 0.018|0.512/sigmoid", "q2 + 3.02|0.512/add"]
    assert names[-2:] == ["q7 1∕x 0.512|3.02/reciprocal", "f × 1.55|1/multiply"]
