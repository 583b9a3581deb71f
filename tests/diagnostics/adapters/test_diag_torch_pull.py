"""Outputs that are all pulled to one number: told by three batches, and not by one that happens to be so."""

from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from gradvitals.diagnostics.adapters.torch_pull import LOOKS, PullWatch  # noqa: E402 - only where there is PyTorch
from gradvitals.diagnostics.guard import Guard  # noqa: E402 - as above

TARGETS = torch.linspace(-1.0, 1.0, 64, dtype=torch.float64)


def see(watch: PullWatch, step: int, *, broadcast: bool) -> bool:
    """Show a batch of eight whose targets are in one column, or in a row that meets them all; tell whether to go on."""
    rows = torch.arange(8) * 7 + step
    outputs = torch.zeros((8, 1), dtype=torch.float64, requires_grad=True)
    goes_on = watch.listen(outputs, step)
    targets = TARGETS[rows] if broadcast else TARGETS[rows].reshape(-1, 1)
    ((outputs - targets) ** 2).mean().backward()
    return goes_on


@pytest.mark.parametrize(
    ("batches", "told"),
    [((True,) * LOOKS, True), ((True,) * (LOOKS - 1), False), ((True, True, False, True), False), ((False,), False)],
    ids=["three", "two", "two and a sound one", "sound"],
)
def test_three_batches_in_a_row_tell_it(batches: tuple[bool, ...], *, told: bool) -> None:
    watch = PullWatch(TARGETS.numpy(), Guard(print))
    for step, broadcast in enumerate(batches, start=1):
        see(watch, step, broadcast=broadcast)
    found = watch.take()
    assert (found is not None) is told
    assert found is None or (found.step, found.samples) == (LOOKS, 8)
    assert watch.take() is None


def test_nobody_is_asked_again_once_it_is_told() -> None:
    watch = PullWatch(TARGETS.numpy(), Guard(print))
    assert [see(watch, step, broadcast=True) for step in range(1, LOOKS + 2)] == [True] * LOOKS + [False]
    assert not PullWatch(np.zeros(4), Guard(print)).listen(torch.zeros((2, 1), requires_grad=True), 1)
