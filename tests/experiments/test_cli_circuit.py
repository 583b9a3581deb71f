"""`circuit`: what it prints of the notes' examples, what it writes, and one sentence for everything else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradvitals.diagnostics.tensorboard.file_names import find_event_files

FORK = "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)"
Gradvitals = Callable[..., Any]


def rows(text: str) -> dict[str, list[str]]:
    """Read the first table: the cells of each row, by their first."""
    table = text.split("\n\n")[1].splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table if "─" not in line]
    return {row[0]: row[1:] for row in cells}


def test_values_and_gradients_of_every_gate_are_printed(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", "2*(x*y + max(z, w))", "x=3", "y=-4", "z=2", "w=-1")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("2*(x*y + max(z, w)) = -20\n")
    assert rows(said.out) == {
        "name": ["gate", "from", "value", "gradient"],
        "x": ["input", "3", "-8"],
        "y": ["input", "-4", "6"],
        "z": ["input", "2", "2"],
        "w": ["input", "-1", "0"],
        "q1": ["multiply", "x, y", "-12", "2"],
        "q2": ["max", "z, w", "2", "2"],
        "q3": ["add", "q1, q2", "-10", "2"],
        "f": ["scale by 2", "q3", "-20", "1"],
    }


def test_a_narrow_terminal_cuts_no_number(gradvitals: Gradvitals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    said = gradvitals("circuit", FORK, "x=3", "y=4")
    assert rows(said.out)["q7"] == ["reciprocal", "q6", "0.02001899", "3.982014"]


@pytest.mark.parametrize(("sigmoid", "gates"), [("fused", 8), ("primitive", 14)])
def test_a_sigmoid_is_one_gate_or_four(sigmoid: str, gates: int, gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", FORK, "x=3", "y=4", "--sigmoid", sigmoid)
    table = rows(said.out)
    assert len(table) == 1 + 2 + gates
    assert table["x"] == ["input", "3", "-0.002394746"]
    assert table["y"] == ["input", "4", "-0.02198805"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-x*y", "x=3", "y=-4"],
        ["-x*y", "y=-4", "x=3", "--nudge", "-0.01"],
        ["--nudge", "-0.01", "-x*y", "x=3", "y=-4"],
        ["--", "-x*y", "x=3", "y=-4"],
        [" -x*y", "x = 3", "y= -4"],
        ["-q*y", "q=3", "y=-4"],
        ["-h*y", "h=3", "y=-4e0"],
    ],
    ids=" ".join,
)
def test_a_minus_in_front_is_arithmetic(arguments: list[str], gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", *arguments)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].endswith("*y = 12")


def test_a_nudge_is_predicted_by_the_gradient_and_measured(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", "x*x*y", "x=4", "y=-3", "--nudge", "0.01")
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()[-2:]]
    assert lines == [["x", "4.01", "-0.24", "-0.2403"], ["y", "-2.99", "0.16", "0.16"]]


def test_paths_are_listed_with_their_products_and_their_sum(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", "(a + b)*(b + 1)", "a=2", "b=1", "--paths", "b", "--paths", "a")
    assert said.out.split("\n\n")[2:] == [
        "b → q1 → f                1 · 2 = 2\nb → q2 → f                1 · 3 = 3\nthe gradient, their sum   5",
        "a → q1 → f     1 · 2 = 2\nthe gradient   2\n",
    ]


def test_closed_forms_are_written_out_and_counted(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", "x*max(x, y)", "x=2", "y=3", "--analytic")
    assert said.out.split("\n\n")[2].splitlines() == [
        "∂f/∂x = max(x, y) + x*step(x - y)",
        "  = 3, 5 operations",
        "∂f/∂y = x*step(y - x)",
        "  = 2, 3 operations",
        "step(u) is 1 where u is positive, ½ where it is 0, else 0",
        "operations for 2 gradients: 8 in closed form; 7 in the circuit, 2 forward and 5 backward",
    ]


def test_a_closed_form_of_any_size_is_cut_with_its_length(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", "tanh(" * 60 + "x" + ")" * 60, "x=1", "--analytic")
    assert said.code == 0
    line = next(line for line in said.out.splitlines() if line.startswith("∂f/∂x"))
    assert line.endswith("characters)")
    assert len(line) < 10_100
    assert (
        "operations for 1 gradient: 2,009 in closed form; 240 in the circuit, 60 forward and 180 backward" in said.out
    )


def test_recomputing_tells_what_it_saves_and_costs(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", FORK, "x=3", "y=-4", "--recompute")
    assert said.out.splitlines()[-1] == (
        "recomputed: 0 gate outputs kept for backward instead of 8, at most 4 at a time;"
        " 32 gate evaluations instead of 8; the same gradients"
    )


def test_the_picture_is_written_whole(gradvitals: Gradvitals, tmp_path: Path) -> None:
    said = gradvitals("circuit", "x*y", "x=4", "y=-3", "--svg", "product.svg")
    assert said.out.endswith("wrote product.svg\n")
    picture = ET.parse(tmp_path / "product.svg").getroot()  # noqa: S314 - our own picture
    assert picture.findtext("{http://www.w3.org/2000/svg}title") == "x*y = -12"
    assert [path.name for path in tmp_path.iterdir()] == ["product.svg"]


def test_a_files_name_may_begin_with_a_minus(gradvitals: Gradvitals, tmp_path: Path) -> None:
    assert gradvitals("circuit", "-x*y", "x=4", "y=-3", "--svg", "-x.svg").out.endswith("wrote -x.svg\n")
    assert [path.name for path in tmp_path.iterdir()] == ["-x.svg"]


def test_the_graph_goes_into_a_run_of_its_own_once(gradvitals: Gradvitals, tmp_path: Path) -> None:
    for _ in range(2):
        said = gradvitals("circuit", "x*y", "x=4", "y=-3", "--logdir", "graphs")
        assert "; next: gradvitals board graphs, tab Graphs" in said.out
    gradvitals("circuit", "x*y", "x=5", "y=-3", "--logdir", "graphs")
    folders = sorted((tmp_path / "graphs" / "circuit").iterdir())
    assert [folder.name[:4] for folder in folders] == ["x_y-", "x_y-"]
    assert [len(find_event_files(folder)) for folder in folders] == [1, 1]
    graphs = [EventAccumulator(str(folder)) for folder in folders]
    names = set()
    for graph in graphs:
        graph.Reload()
        names |= {node.name for node in graph.Graph().node}
    assert {"x = 4|-3/input", "x = 5|-3/input", "f × -12|1/multiply", "f × -15|1/multiply"} <= names


def test_nothing_is_written_where_something_is_wrong(gradvitals: Gradvitals, tmp_path: Path) -> None:
    for wrong in (["x=0"], ["x=1", "--paths", "z"], ["x=1", "--nudge", "0"]):
        said = gradvitals("circuit", "1/x", *wrong, "--svg", "a.svg", "--logdir", "logs")
        assert said.code == 2
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_nothing_and_still_writes(gradvitals: Gradvitals, tmp_path: Path) -> None:
    said = gradvitals(
        "circuit", FORK, "x=3", "y=-4", "--quiet", "--nudge", "1", "--paths", "x", "--analytic", "--recompute",
        "--svg", "a.svg", "--logdir", "logs",
    )  # fmt: skip
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "a.svg").is_file()
    assert (tmp_path / "logs" / "circuit").is_dir()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "missing argument 'EXPR' — see `gradvitals circuit --help`"),
        (["x*y", "x=3"], "no value for y: add y=1"),
        (["x*y"], "no value for x and y: add x=1 y=1"),
        (["x*y", "x=3", "y=4", "z=5"], "z=5: the expression has no z, only x, y"),
        (["x*y", "x=3", "y"], "'y': a value is given as name=number, such as x=3"),
        (["x*y", "x=3", "=4"], "'=4': a value is given as name=number, such as x=3"),
        (["x*y", ""], "'': a value is given as name=number, such as x=3"),
        (["x*y", "\x1b[31m=3"], "'\\x1b[31m=3': a value is given as name=number, such as x=3"),
        (["x*y", "2=3"], "'2=3': a value is given as name=number, such as x=3"),
        (["x*y", "x=3", "y=four"], "'y=four': 'four' is not a number; write y=3, and a space before the next value"),
        (["x*y", "x=3", "y=−4"], "'y=−4': '−4' is not a number; '−' is no minus here, write '-'"),
        (["x*y", "x=3,y=4"], "'x=3,y=4': '3,y=4' is not a number; write x=3, and a space before the next value"),
        (["x*y", "x=3", "x=4", "y=1"], "'x=4': x has a value already, 3"),
        (["x*y", "x=3", "y=nan"], "y=nan: not a finite number"),
        (["x*y", "x=3", "y=1e999"], "y=inf: not a finite number"),
        (["x*y", "x=3", "y==4"], "'y==4': '=4' is not a number; write y=3, and a space before the next value"),
        (
            ["x.real*y", "x=1", "y=1"],
            "column 1: 'x.real' is attribute access; an expression has numbers, names, + - * / **, and calls of",
        ),
        (["open('f')"], "column 1: 'open' is no gate; there are exp, log, max, sigmoid, sqrt, tanh"),
        (["x**1e6", "x=1"], "column 4: '1e6' is an exponent, and 1000 is the largest that is read"),
        (["x/0", "x=1"], "column 1: 'x/0' divides by zero"),
        (["x"], "'x' is a name by itself, with no gate to go back through; write arithmetic such as x*y"),
        (["x*y", "x=1", "y=1", "--nudge", "0"], "--nudge: 0 is no step; give a small number such as 0.01"),
        (["x*y", "x=1", "y=1", "--nudge", "inf"], "--nudge: inf is no step; give a small number such as 0.01"),
        (["x*y", "x=1", "y=1", "--nudge", "nan"], "--nudge: nan is no step; give a small number such as 0.01"),
        (
            ["x*y", "x=1.7e308", "y=1", "--nudge", "1.7e308"],
            "--nudge: x = 1.7e+308 and 1.7e+308 add up to more than a number holds",
        ),
        (["x*y", "x=1", "y=1", "--svg", "a.png"], "--svg: a.png: the name of the file must end in .svg"),
        (["x*y", "x=1", "y=1", "--svg", "folder.svg"], "folder.svg: is a directory"),
        (["x*y", "x=1", "y=1", "--svg", "no/a.svg"], "no/a.svg: no such file or directory"),
        (["x*y", "x=1", "y=1", "--svg", "n" * 300 + ".svg"], "n" * 300 + ".svg: file name too long"),
        (["x*y", "x=1", "y=1", "--logdir", "file"], "file: a file; a folder is needed here for the runs"),
        (["x*y", "x=1", "y=1", "--paths", "z"], "--paths: the circuit has no 'z'; it has x, y, f"),
        (["x*y", "x=1", "y=1", "--nugde", "1"], "no such option '--nugde'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_usage_is_one_sentence(arguments: list[str], sentence: str, gradvitals: Gradvitals, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.svg").mkdir()
    said = gradvitals("circuit", *arguments)
    assert said.code == 2
    assert len(said.sentences) == 1
    assert said.err.startswith(f"gradvitals: {sentence}")


@pytest.mark.parametrize(
    ("arguments", "shown", "sentence"),
    [
        (["1/x", "x=0"], "1/x = inf", "f is inf: reciprocal of x = 0 is not finite; choose other values"),
        (["y/x", "x=0", "y=0"], "y/x = nan", "q1 is inf: reciprocal of x = 0 is not finite; choose other values"),
        (["log(x)", "x=-1"], "log(x) = nan", "f is nan: log of x = -1 is not finite; choose other values"),
        (["exp(x)", "x=1000"], "exp(x) = inf", "f is inf: exp of x = 1000 is not finite; choose other values"),
        (
            ["x*y", "x=1e200", "y=1e200"],
            "x*y = inf",
            "f is inf: multiply of x = 1e+200, y = 1e+200 is not finite; choose other values",
        ),
        (
            ["sqrt(x)", "x=0"],
            "sqrt(x) = 0",
            "the gradient on x is inf: power 0.5 has no finite one at x = 0; choose other values",
        ),
        (
            ["sigmoid(x)", "x=-800", "--sigmoid", "primitive"],
            "sigmoid(x) = 0",
            "q2 is inf: exp of q1 = 800 is not finite; choose other values",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_finite_is_shown_and_explained(
    arguments: list[str], shown: str, sentence: str, gradvitals: Gradvitals
) -> None:
    said = gradvitals("circuit", *arguments)
    assert (said.code, said.sentences) == (2, [f"gradvitals: {sentence}"])
    assert said.out.startswith(f"{shown}\n")


def test_there_are_as_many_paths_as_readings(gradvitals: Gradvitals) -> None:
    said = gradvitals("circuit", f"({'+'.join(['x*x'] * 60)})**2*({'+'.join(['x*x'] * 20)})", "x=0.5", "--paths", "x")
    assert said.code == 0
    assert said.out.count("x → ") == 160


def test_the_command_loads_neither_scikit_learn_nor_matplotlib() -> None:
    program = (
        "import sys\nfrom gradvitals.experiments.cli.main import run_command\n"
        "run_command(['circuit', 'x*y', 'x=1', 'y=2', '--nudge', '1'])\n"
        "print('sklearn' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_graphs_beside_runs_are_no_runs_to_check(
    gradvitals: Gradvitals, config: Callable[..., str], tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    assert gradvitals("circuit", "x*y", "x=4", "y=-3", "--logdir", str(logs)).code == 0
    assert gradvitals("run", config(), "--logdir", str(logs)).code == 0
    said = gradvitals("check", str(logs))
    assert (said.code, said.err) == (0, "")
    assert "circuit" not in said.out
