import json
from dataclasses import asdict, replace
from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_runs import end_torn_line, read_lines
from healthy_zoo import Line
from zoo_cases import cases
from zoo_data import DataSet, flip_labels
from zoo_grid import ARCHITECTURES, OPTIMIZERS, Candidate, candidate, drawn, half_of
from zoo_selection import Run, select
from zoo_tables import encode_column
from zoo_training import load_record, r_squared, save_record, train_candidate
from zoo_verdicts import Judged, alarms, bounds, summary, upper_bound

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.experiments.config.load import parse_config

MOONS = DataSet("moons", {"source": "moons", "n": 200}, "accuracy", 160, 2)


class Everything(dict[str, DataSet]):
    """Stands for all data sets: each is like moons, under its own name."""

    def __missing__(self, name: str) -> DataSet:
        classes = 0 if name in {"diabetes", "adding"} or "/" in name else 2
        length = 8 if name in {"adding", "delayed_copy"} else 0
        return DataSet(name, {"source": "moons"}, "accuracy", 800, classes, sequence_length=length)


def a_candidate(**changed: Any) -> Candidate:
    return replace(candidate(MOONS, "relu-8", "adam", 0.01, updates=120), **changed)


# the grid


@pytest.mark.parametrize(
    ("names", "half"),
    [
        (("xor", "relu-8", "sgd"), "test"),
        (("digits", "relu-64-32", "adam"), "tuning"),
        (("iris", "linear", "sgd"), "test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_family_stays_in_its_half_for_ever(names: tuple[str, str, str], half: str) -> None:
    assert half_of(*names) == half


def test_the_halves_are_of_about_equal_size() -> None:
    families = product([f"set {i}" for i in range(20)], ARCHITECTURES, OPTIMIZERS)
    halves = [half_of(*family) for family in families]
    assert halves.count("tuning") == pytest.approx(len(halves) / 2, abs=3 * len(halves) ** 0.5 / 2)


def test_every_candidate_is_a_config_that_a_user_could_write() -> None:
    everyone = [*cases(Everything(clouds_flipped=MOONS)), *drawn(MOONS), *drawn(Everything()["adding"])]
    assert len({one.case for one in everyone}) > 20
    for one in everyone:
        config = parse_config(dict(one.config), one.family)
        assert config.training.epochs >= 1


def test_the_grid_of_a_data_set_is_drawn_the_same_every_time_and_has_variants_in_every_family() -> None:
    first, second = [*drawn(MOONS)], [*drawn(MOONS)]
    assert [one.key for one in first] == [one.key for one in second]
    assert len({one.family for one in first}) == 12
    assert len({one.key for one in first}) > 20


@pytest.mark.parametrize(("batch_size", "epochs"), [(64, 40), (1, 1), (1_000_000, 120)])
def test_updates_are_rounded_up_to_whole_epochs(batch_size: int, epochs: int) -> None:
    one = candidate(MOONS, "linear", "sgd", 0.1, updates=120, batch_size=batch_size)
    assert one.config["training"]["epochs"] == epochs


def test_a_key_changes_with_the_config_and_with_the_data() -> None:
    one = a_candidate()
    assert len({one.key, a_candidate(digest="other").key, a_candidate(config={"seed": 1}).key}) == 3
    assert a_candidate(case="another reason").key == one.key


# the data


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_flipping_changes_exactly_that_share_of_the_labels(share: float) -> None:
    labels = np.repeat(["a", "b", "c"], [50, 30, 20])
    flipped = flip_labels(labels, share, np.random.default_rng(0))
    assert (flipped != labels).sum() == round(100 * share)
    assert set(flipped) <= {"a", "b", "c"}
    assert labels.tolist() == ["a"] * 50 + ["b"] * 30 + ["c"] * 20


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([1, 2, 2], [[1, 2, 2]]),
        ([True, False, True], [[1, 0, 1]]),
        (["no", "yes", "no"], [[0, 1, 0]]),
        (["a", "b", "c"], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ([7, 7, 7], []),
        (["x", "x", "x"], []),
        ([f"person {i}" for i in range(13)], []),
    ],
    ids=["numbers", "booleans", "two words", "three words", "constant", "constant text", "names"],
)
def test_a_column_is_encoded(values: list[Any], columns: list[list[float]]) -> None:
    encoded = encode_column(np.array(values, dtype=object if isinstance(values[0], str) else None))
    assert [column.tolist() for column in encoded] == columns


# scores and selection


def test_r_squared_is_one_for_the_truth_zero_for_the_mean_and_the_same_in_any_unit() -> None:
    targets = np.array([[1.0], [2.0], [4.0], [9.0]])
    guesses = np.array([[1.5], [2.0], [3.0], [9.0]])
    assert r_squared(targets, targets) == 1.0
    assert r_squared(np.full_like(targets, targets.mean()), targets) == pytest.approx(0.0)
    assert r_squared(guesses, targets) == pytest.approx(1 - 1.25 / 38.0)
    assert r_squared(3 * guesses - 7, 3 * targets - 7) == pytest.approx(1 - 1.25 / 38.0)


def runs(*results: float | None, updates: float = 500.0, yardstick: str = "accuracy") -> list[Run]:
    scores = [{"majority": 0.5, "updates": updates, yardstick: result} for result in results]
    return [Run(a_candidate(config={"seed": i}), one) for i, one in enumerate(scores)]


@pytest.mark.parametrize(
    ("yardstick", "results", "healthy"),
    [
        ("accuracy", (0.98, 0.96, 0.955, 0.5), [0.98, 0.96]),
        ("accuracy", (0.54, 0.54, 0.5), []),
        ("accuracy", (0.56, 0.545, 0.525), [0.56, 0.545]),
        ("r2", (0.9, 0.86, 0.84, -4.0), [0.9, 0.86]),
        ("r2", (0.12, 0.08, 0.05), [0.12, 0.08]),
        ("r2", (0.09, 0.08), []),
        ("skill", (0.4, 0.36, None), [0.4, 0.36]),
        ("skill", (None, None), []),
    ],
    ids=[
        "two points",
        "no better than the majority",
        "half of the margin",
        "r2",
        "weak r2",
        "no r2",
        "hinge",
        "no score",
    ],
)
def test_a_run_trained_well_if_it_is_near_the_best_and_better_than_trivial(
    yardstick: Any, results: tuple[float | None, ...], healthy: list[float]
) -> None:
    chosen = select(runs(*results, yardstick=yardstick), {"moons": replace(MOONS, yardstick=yardstick)})
    assert [run.result(yardstick) for run in chosen.healthy] == healthy
    assert bool(chosen.dropped) == (not healthy)


def test_a_short_training_is_never_healthy() -> None:
    assert select(runs(0.98, updates=99), {"moons": MOONS}).healthy == ()


def test_each_half_is_compared_with_its_own_best() -> None:
    tuning, test = (next(one for one in drawn(MOONS) if one.half == half) for half in ("tuning", "test"))
    both = [
        Run(one, {"accuracy": result, "majority": 0.5, "updates": 500.0})
        for one, result in ((tuning, 0.98), (test, 0.9))
    ]
    assert len(select(both, {"moons": MOONS}).healthy) == 2


# verdicts


def exact_upper_bound(alarmed: int, total: int) -> float:
    """Search the bound on a fine grid with exact binomial coefficients."""
    shares = np.linspace(0, 1, 100_001)
    at_most = sum(comb(total, i) * shares**i * (1 - shares) ** (total - i) for i in range(alarmed + 1))
    return float(shares[at_most > 0.05].max())


@pytest.mark.parametrize(("alarmed", "total"), [(0, 1), (0, 300), (1, 20), (3, 40), (19, 20), (5, 100)])
def test_the_upper_bound_is_clopper_and_pearsons(alarmed: int, total: int) -> None:
    assert upper_bound(alarmed, total) == pytest.approx(exact_upper_bound(alarmed, total), abs=2e-5)


@pytest.mark.parametrize(("alarmed", "total", "bound"), [(0, 0, 1.0), (7, 7, 1.0), (0, 300, 1 - 0.05 ** (1 / 300))])
def test_the_upper_bound_at_its_ends(alarmed: int, total: int, bound: float) -> None:
    assert upper_bound(alarmed, total) == pytest.approx(bound, abs=1e-8)


def finding(severity: Severity, **changed: Any) -> Finding:
    return replace(
        Finding("dead_units", "fact", severity, "hidden_1", 0, 9, 1.0, 0.5, "8 of 8", "They are."), **changed
    )


def judged(data_set: str, *findings: Finding, share: float = 1.0) -> Judged:
    status = Judgement("dead_units", "fired" if any(one.standing for one in findings) else "clear", "", findings)
    return Judged(a_candidate(data_set=data_set), 0.97, 0.98, share, Verdict((status,), findings))


def test_alarms_are_counted_by_run_and_by_data_set() -> None:
    all_runs = [
        judged("moons", finding(Severity.ERROR), finding(Severity.WARNING, layer="hidden_2")),
        judged("moons", finding(Severity.WARNING)),
        judged("iris", finding(Severity.INFO, cleared=True)),
        judged("wine", finding(Severity.INFO)),
    ]
    errors, warnings = bounds(all_runs, Severity.ERROR), bounds(all_runs, Severity.WARNING)
    assert [(bound.alarmed, bound.total) for bound in errors] == [(1, 4), (1, 3)]
    assert [(bound.alarmed, bound.total) for bound in warnings] == [(2, 4), (1, 3)]
    assert [one.severity for _, one in alarms(all_runs)] == [Severity.ERROR, Severity.WARNING, Severity.WARNING]
    counted = summary(all_runs, [])["diagnoses"]["dead_units"]
    assert counted == {
        "error": 1,
        "warning": 1,
        "info": 1,
        "cleared": 1,
        "clear": 1,
        "not_applicable": 0,
        "not_judged": 0,
    }


def test_the_other_runs_are_counted_by_what_they_learned() -> None:
    error, warning = finding(Severity.ERROR), finding(Severity.WARNING)
    others = [
        judged("moons", error, share=-np.inf),
        judged("moons", error, warning, share=0.1),
        judged("moons", warning, share=0.2),
        judged("moons", share=0.7),
        judged("moons", warning, share=1.0),
    ]
    groups = summary([judged("iris")], others)["others"]
    assert [(group["runs"], group["error"], group["warning"]) for group in groups] == [
        (2, 2, 0),
        (1, 0, 1),
        (1, 0, 0),
        (1, 0, 1),
    ]


# running


def test_a_candidate_is_trained_and_its_record_is_judged_again_as_it_was(tmp_path: Path) -> None:
    scores, record = train_candidate(a_candidate(), tmp_path)
    assert scores["accuracy"] is not None
    assert scores["accuracy"] > 0.8
    assert scores["majority"] == 0.5
    assert scores["skill"] is not None
    assert 0.5 < scores["skill"] < 1.0
    assert scores["updates"] == 120.0
    path = tmp_path / "record.json.gz"
    save_record(path, record)
    again = load_record(path)
    assert judge(again).to_json() == judge(record).to_json()
    for tag in record.tags():
        np.testing.assert_array_equal(again.series(tag).values, record.series(tag).values)
        np.testing.assert_array_equal(again.series(tag).steps, record.series(tag).steps)


def test_finished_runs_are_read_back_and_a_torn_line_is_none_and_spoils_no_other(tmp_path: Path) -> None:
    first, second = Line("a", "code", {"r2": 0.5}), Line("a", "newer", {"r2": None}, "broken")
    texts = [json.dumps(asdict(line)) for line in (first, second)]
    file = tmp_path / "runs.jsonl"
    file.write_text("\n".join([*texts, texts[0][:20]]), encoding="utf-8")
    assert read_lines(tmp_path, Line) == {"a": second}
    for _ in range(2):
        end_torn_line(tmp_path)
    with file.open("a", encoding="utf-8") as appended:
        appended.write(texts[0] + "\n")
    assert read_lines(tmp_path, Line) == {"a": first}
    assert read_lines(tmp_path / "nowhere", Line) == {}
