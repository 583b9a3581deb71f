"""The task is inferred where labels leave no doubt, and only there."""

from typing import Any

import numpy as np
import pytest

from gradvitals.experiments.data.tasks import infer_task

ROWS = np.arange(600)


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (np.array(["a", "b"] * 300), "classification"),
        (ROWS % 2 == 0, "classification"),
        (ROWS % 2, "classification"),
        (ROWS % 2 * 2 - 1, "classification"),
        (ROWS % 10, "classification"),
        (ROWS % 10 + 1, "classification"),
        (ROWS % 6 + 3, None),
        (ROWS % 3 * 5, None),
        ((ROWS % 10).astype(np.uint8), "classification"),
        ((ROWS % 2).astype(float), None),
        ((ROWS % 10).astype(float), None),
        (ROWS / 7.0, "regression"),
        (ROWS, "regression"),
        (ROWS.astype(float), "regression"),
        (np.arange(30), None),
        (np.stack([ROWS % 2, ROWS % 3 == 0], axis=1), "multilabel"),
        (np.eye(4)[ROWS % 4], "classification"),
        (np.stack([ROWS, ROWS / 2], axis=1), "regression"),
        (np.array([["a", "b"]] * 300), None),
    ],
    ids=[
        "text",
        "booleans",
        "two whole numbers",
        "minus one and one",
        "counted from 0",
        "counted from 1",
        "grades",
        "gaps",
        "bytes",
        "two whole floats",
        "ten whole floats",
        "fractions",
        "many whole numbers",
        "many whole floats",
        "a few rows of whole numbers",
        "columns of answers",
        "one-hot",
        "columns of quantities",
        "columns of text",
    ],
)
def test_a_task_is_inferred_only_without_doubt(labels: np.ndarray[Any, Any], task: str | None) -> None:
    assert infer_task(labels) == task
