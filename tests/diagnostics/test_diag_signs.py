"""What stands for several runs in one place of a map."""

import pytest

from gradvitals.diagnostics.signs import what_stands_for


@pytest.mark.parametrize(
    ("runs", "stands"),
    [
        ([("", "healthy")], ("", "healthy")),
        ([("", "healthy"), ("dead_units", "error"), ("dead_units", "warning")], ("dead_units", "error")),
        ([("dead_units", "error"), ("", "healthy"), ("", "healthy")], ("", "healthy")),
        ([("", "healthy"), ("symmetric_units", "error")], ("symmetric_units", "error")),
        ([("update_ratio", "warning"), ("dead_units", "error")], ("dead_units", "error")),
        ([("dead_units", "error"), ("update_ratio", "warning")], ("dead_units", "error")),
        ([("", "healthy"), ("", "not_judged")], ("", "not_judged")),
    ],
)
def test_the_commonest_root_stands_for_runs_and_of_several_the_worse(
    runs: list[tuple[str, str]], stands: tuple[str, str]
) -> None:
    assert what_stands_for(runs) == stands
