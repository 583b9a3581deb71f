"""The note of a unit's death: bins on one scale, and what is said of values, bias and weights."""

from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.unit_death import BINS, Found, UnitDeath, UnitState, describe_death, shared_edges

FOUND = Found(step=40, layer="hidden_1", unit=5, found=11, fired_after=20, of="pre_activations")


def describe(before: Any, after: Any, **options: Any) -> UnitDeath:
    known = None if before is None else UnitState(20, np.array(before))
    return describe_death(FOUND, known, UnitState(21, np.array(after)), certain=True, adds_bias=True, **options)


@pytest.mark.parametrize("seed", range(30))
def test_edges_ascend_from_the_least_value_over_zero_to_the_largest(seed: int) -> None:
    generator = np.random.default_rng(seed)
    low, high = np.sort(generator.normal(size=2)) * 10.0 ** generator.uniform(-8, 30, 2)
    edges = shared_edges(low, high, float(10.0 ** generator.uniform(-12, 12)))
    assert edges[-1] == max(high, 0.0)
    assert edges[0] == low if low < 0.0 else edges[0] < 0.0
    assert 0.0 in edges
    assert 2 <= len(edges) <= BINS + 1
    assert (np.diff(edges) > 0).all()


def test_bins_are_narrow_near_zero_where_one_histogram_lies_far_out() -> None:
    note = describe(np.linspace(-1.0, 1.0, 1001), np.linspace(-1e6, -9e5, 1001))
    assert np.count_nonzero(note.before) >= 6
    assert sum(note.before) == sum(note.after) == 1001


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_a_loop_over_values_and_bins(seed: int) -> None:
    generator = np.random.default_rng(seed)
    before = np.round(generator.normal(0.5, 1.0, 200), 1).astype(np.float32 if seed % 2 else np.float64)
    after = np.subtract(before, 3.0, dtype=before.dtype)
    note = describe(before, after)
    for values, counts in ((before, note.before), (after, note.after)):
        expected = [0] * (len(note.edges) - 1)
        for value in values.tolist():
            places = [place for place in range(len(expected)) if note.edges[place] < value <= note.edges[place + 1]]
            expected[places[0] if places else 0] += 1
        assert list(counts) == expected
    positive = note.edges.index(0.0)
    assert sum(note.before[positive:]) == note.fired_rows == sum(value > 0 for value in before.tolist())


def test_values_at_the_edge_of_float32_have_a_scale() -> None:
    largest = float(np.finfo(np.float32).max)
    before, after = np.array([largest, largest], np.float32), np.array([-largest, -largest], np.float32)
    note = describe(before, after)
    assert (sum(note.before), sum(note.after)) == (2, 2)
    assert np.isfinite(note.edges).all()


def test_what_is_not_finite_is_left_out_of_the_bins_and_told_as_the_largest() -> None:
    note = describe([1.0, np.inf, -np.inf, np.nan, 2.0], [-1.0, -np.inf, -2.0, -3.0, -1e300])
    assert (sum(note.before), sum(note.after)) == (2, 4)
    assert np.isnan(note.largest_before or 0.0)
    assert note.largest_after == -1.0
    assert np.isfinite(note.edges).all()


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_values_of_which_none_is_finite_have_no_bins(value: float) -> None:
    note = describe([value] * 3, [value] * 3)
    assert note.edges == note.before == note.after == ()
    assert note.rows == 3


@pytest.mark.parametrize("values", [[0.0], [-1e-320], [-5.0, -5.0], [-3e38, -1e-38]], ids=str)
def test_odd_values_are_all_counted(values: list[float]) -> None:
    note = describe(None, values)
    assert sum(note.after) == len(values)
    assert 0.0 in note.edges


def test_bias_and_weights_are_told_apart() -> None:
    before = UnitState(20, np.array([-1.0, 2.0]), 0.5, np.array([3.0, 4.0]))
    after = UnitState(21, np.array([-4.0, -1.0]), -2.5, np.array([3.0, 5.0]))
    note = describe_death(FOUND, before, after, certain=True, adds_bias=True, with_new_weights=2.25)
    assert (note.largest_before, note.largest_after, note.fired_rows) == (2.0, -1.0, 1)
    largest = (note.largest_with_new_bias, note.largest_with_new_weights, note.largest_with_both)
    assert largest == (-1.0, 2.25, -0.75)
    assert (note.bias_before, note.bias_after, note.weight_norm_before, note.weight_change) == (0.5, -2.5, 5.0, 1.0)


def test_without_a_bias_nothing_is_said_of_one() -> None:
    states = [UnitState(step, np.array([2.0 - step]), None, np.ones(1)) for step in (0, 4)]
    note = describe_death(FOUND, *states, certain=True, adds_bias=True, with_new_weights=-1.0)
    assert (note.bias_before, note.bias_after, note.largest_with_new_bias) == (None, None, None)
    assert note.largest_with_both == note.largest_with_new_weights == -1.0


def test_a_unit_dead_at_the_start_has_nothing_before() -> None:
    what = Found(0, "hidden_1", 5, 1, None, "pre_activations")
    note = describe_death(what, None, UnitState(0, -np.ones(3), -1.0, np.ones(2)), certain=True, adds_bias=True)
    assert (note.fired_after, note.silent_after, note.killed_by) == (None, 0, None)
    before = (note.before, note.fired_rows, note.largest_before, note.bias_before, note.weight_change)
    assert before == ((), None, None, None, None)
    assert (sum(note.after), note.largest_after, note.bias_after) == (3, -1.0, -1.0)


def test_where_only_outputs_are_seen_no_largest_pre_activation_is_told() -> None:
    what = Found(40, "conv", 5, 1, 20, "outputs")
    states = [UnitState(20, np.array([0.0, 2.0])), UnitState(40, np.zeros(2))]
    note = describe_death(what, *states, certain=True, adds_bias=False)
    assert (note.largest_before, note.largest_with_new_bias, note.largest_after) == (None, None, None)
    assert (note.fired_rows, sum(note.after), note.weight_change) == (1, 2, None)


@pytest.mark.parametrize(
    ("fired_after", "silent_after", "certain", "expected"),
    [(20, 21, True, 21), (20, 21, False, None), (20, 22, True, None), (None, 0, True, None), (0, 1, True, 1)],
)
def test_one_update_killed_it_only_where_that_is_known(
    fired_after: int | None, silent_after: int, expected: int | None, *, certain: bool
) -> None:
    what = Found(40, "hidden_1", 5, 1, fired_after, "pre_activations")
    before = None if fired_after is None else UnitState(fired_after, np.ones(2))
    note = describe_death(what, before, UnitState(silent_after, -np.ones(2)), certain=certain, adds_bias=True)
    assert note.killed_by == expected
