"""The line of a key in a config file, as an editor counts."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Prescription
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.load import bundled_configs
from gradvitals.experiments.formats.config_lines import finding_line, key_lines, read_lines

TEXT = '''\
# a comment
name = """two
[lines]"""
[data]
source = "digits"  # [not a table]
columns = {age = "minmax", "mean radius" = 1000}

[ "model" ]
hidden = [
  64,
  32,
]
init = {kind = "normal", std = 0.01}
"bias_init".value = 1
[diagnostics.dead_units]
warn = 0.9
[sweep]
"training.optimizer.learning_rate" = [0.1,
  1.0]
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("name",), 2),
        (("data",), 4),
        (("data", "source"), 5),
        (("data", "columns", "mean radius"), 6),
        (("model",), 8),
        (("model", "hidden"), 9),
        (("model", "init", "std"), 13),
        (("model", "bias_init", "value"), 14),
        (("diagnostics", "dead_units"), 15),
        (("diagnostics", "dead_units", "warn"), 16),
        (("sweep", "training.optimizer.learning_rate"), 18),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_is_where_the_statement_begins(key: tuple[str, ...], line: int, newline: str) -> None:
    assert key_lines(TEXT.replace("\n", newline))[key] == line


def leaves(table: Any, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(table, dict):
        return {prefix}
    return set().union(*(leaves(value, (*prefix, key)) for key, value in table.items()))


@pytest.mark.parametrize("name", list(bundled_configs())[:12])
def test_every_key_of_a_config_is_found_on_a_line_that_names_it(name: str) -> None:
    path = bundled_configs()[name]
    lines, text = read_lines(path), path.read_text(encoding="utf-8").splitlines()
    for key in leaves(tomllib.loads("\n".join(text))):
        assert key in lines
        assert any(part in text[lines[key] - 1] for part in key)


@pytest.mark.parametrize("text", ["", "\n\n", "x = [", "[a\nb = 1", "\x00"])
def test_what_is_no_config_has_no_lines(text: str) -> None:
    assert key_lines(text) == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[model]\nbias_init = "zeros"', 2),
        ('[sweep]\n"model.bias_init" = ["zeros"]\n[model]\nbias_init = "zeros"', 2),
        ("[data]\n[model]\nhidden = [3]", 2),
        ("[data]\n[diagnostics.dead_units]\nwarn = 0.1", 2),
        ("[diagnostics.dead_units]\nwarn = 0.1\n[model]\nhidden = [3]", 3),
        ('[data]\nsource = "digits"', 1),
        ("", 1),
    ],
    ids=["key", "axis", "table", "rule", "table before rule", "nowhere", "empty"],
)
def test_a_finding_points_to_the_key_that_its_first_cure_sets(
    text: str, line: int, runs: dict[str, CheckedRun]
) -> None:
    assert finding_line(key_lines(text), runs["sick"].verdict.findings[0]) == line


def test_of_the_tables_around_a_key_the_nearest_is_pointed_to(runs: dict[str, CheckedRun]) -> None:
    cure = Prescription("decay it", {"training.schedule.warm_up": 5})
    late = replace(runs["sick"].verdict.findings[0], prescriptions=(cure,))
    assert finding_line(key_lines("[training]\nepochs = 3\n[training.schedule]\nkind = 'cosine'"), late) == 3
    assert finding_line(key_lines("[data]\n[training]\nepochs = 3"), late) == 2


def test_a_limit_points_to_itself(runs: dict[str, CheckedRun]) -> None:
    exceeded = replace(runs["sick"].verdict.findings[0], id="max_dead", prescriptions=())
    assert finding_line(key_lines("[model]\n[check]\nmax_dead = 0.1"), exceeded) == 3
