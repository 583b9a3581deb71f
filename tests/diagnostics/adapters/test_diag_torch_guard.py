"""Watching a PyTorch loop that fails in its midst, wherever it does: the loop goes on to the bit."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.optim import optimizer as hooked  # noqa: E402 - only where there is PyTorch

from gradvitals import NotJudged, WatchingFailed, watch  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_clearing import ClearingWatch  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_forward import ForwardWatch  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_pull import PullWatch  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_scaling import ScalerWatch  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_steps import TorchSteps  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_updates import UpdateMeter  # noqa: E402 - as above
from gradvitals.diagnostics.notes import Ending  # noqa: E402 - as above

nn: Any = torch.nn

BATCHES = 60
FAULT = "in the midst"
FAILURES: list[str] = []
"""Those of modules, whose own attributes a look puts back."""

PLACES: dict[str, tuple[type, str, int]] = {
    "before a forward pass": (ForwardWatch, "_before", 10),
    "after a forward pass": (ForwardWatch, "_after", 10),
    "in a backward pass, on the outputs": (PullWatch, "_pulled", 1),
    "in a backward pass, on a parameter": (ClearingWatch, "_after", 2),
    "before a step": (UpdateMeter, "before", 2),
    "after a step": (UpdateMeter, "after", 2),
    "when a scaler steps": (ScalerWatch, "_see", 2),
    "while counting steps": (TorchSteps, "_count", 2),
}
"""Methods that hooks come to, and how often each is called before it fails."""


class Moody(nn.Module):  # type: ignore[misc]
    """Runs for a look only in the first steps of its training, as what unrolls a state may."""

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(6, 16), nn.Linear(16, 1)
        self.patience = patience

    def forward(self, inputs: Any) -> Any:
        """Raise on a look that comes too late."""
        if self.training:
            self.patience -= 1
        elif self.patience <= 0:
            FAILURES.append(FAULT)
            raise RuntimeError(FAULT)
        return self.output(self.hidden(inputs).relu())


def data() -> tuple[Any, Any]:
    inputs = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    return inputs, inputs[:, :1].sin()


def loop(module: Any, *, closure: bool = False, broadcast: bool = False) -> None:
    """Train as a user does, under a scaler that scales nothing; it takes three broadcasts for `PullWatch` to tell."""
    inputs, targets = data()
    optimizer, scaler = torch.optim.SGD(module.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=1.0)
    for step in range(BATCHES):
        rows = slice(step % 5 * 40, step % 5 * 40 + 40)

        def backward(rows: slice = rows) -> Any:
            optimizer.zero_grad()
            loss = (module(inputs[rows]) - (targets[rows, 0] if broadcast else targets[rows])).square().mean()
            (loss if closure else scaler.scale(loss)).backward()
            return loss

        if closure:
            optimizer.step(backward)
        else:
            backward()
            scaler.step(optimizer)
            scaler.update()


def weights(module: Any) -> list[bytes]:
    return [each.detach().numpy().tobytes() for each in module.parameters()]


class Failing:
    """Makes a method fail after so many calls; `failures` says how often it did."""

    def __init__(self, method: Callable[..., Any], calls: int) -> None:
        self.method, self.left, self.failures = method, calls, 0

    def __get__(self, owner: Any, kind: type) -> Callable[..., Any]:
        def fails(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.failures += 1
                raise ValueError(FAULT)
            return self.method(owner, *args, **kwargs)

        return fails


@pytest.mark.parametrize("place", PLACES)
def test_the_loop_goes_on_wherever_the_watching_fails(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    alone = Moody(1_000)
    watched = copy.deepcopy(alone)
    owner, name, calls = PLACES[place]
    loop(alone, broadcast=owner is PullWatch)
    failing = Failing(getattr(owner, name), calls)
    monkeypatch.setattr(owner, name, failing)
    with (
        pytest.warns(WatchingFailed, match=f"ValueError: {FAULT}") as told,
        watch(watched, data=data(), loss=nn.MSELoss(), every=1) as monitor,
    ):
        loop(watched, broadcast=owner is PullWatch)
    assert weights(watched) == weights(alone)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert monitor.record.notes(Ending)[-1].reason == "unwatched"
    assert failing.failures == 1  # nothing is tried again


@pytest.mark.parametrize("closure", [False, True])
def test_a_module_that_no_longer_runs_for_a_look_is_trained_on(*, closure: bool) -> None:
    torch.manual_seed(0)
    FAILURES.clear()
    alone = Moody(20)
    watched = copy.deepcopy(alone)
    loop(alone, closure=closure)
    hooks = len(hooked._global_optimizer_pre_hooks)
    with (
        pytest.warns(WatchingFailed, match=FAULT),
        watch(watched, data=data(), loss=nn.MSELoss()) as monitor,
    ):
        loop(watched, closure=closure)
    assert weights(watched) == weights(alone)
    assert FAILURES == [FAULT]
    assert len(hooked._global_optimizer_pre_hooks) == hooks
    assert not watched._forward_hooks
    with pytest.raises(NotJudged, match="watching the training failed before its end"):
        monitor.assert_healthy()


def test_a_failure_in_listening_to_the_loss_ends_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    inputs, targets = data()
    labels = (targets[:, 0] > 0).long()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def one_by_one() -> None:  # of batches of one it is listened to at every step
        for row in range(40):
            optimizer.zero_grad()
            criterion(module(inputs[row : row + 1]), labels[row : row + 1]).backward()
            optimizer.step()

    failing = Failing(KnownTorchLoss._heard, 10)
    monkeypatch.setattr(KnownTorchLoss, "_heard", failing)
    with (
        pytest.warns(WatchingFailed, match=FAULT),
        watch(module, data=(inputs, labels), loss=criterion) as monitor,
    ):
        one_by_one()
    assert failing.failures == 1
    assert not criterion._forward_pre_hooks
    assert monitor.record.notes(Ending)[-1].reason == "unwatched"


def test_a_failure_at_the_end_does_not_hide_the_error_that_ended_the_loop() -> None:
    module = Moody(20)
    monitor = watch(module, data=data(), loss=nn.MSELoss(), total_steps=10_000)  # the next look is far away
    loop(module)
    with pytest.warns(WatchingFailed) as told:
        monitor.__exit__(KeyError, KeyError("the loop's own"), None)
    assert monitor.record.notes(Ending)[-1].reason == "unwatched"
    assert told[0].filename == __file__


def test_what_is_wrong_before_the_first_step_is_raised() -> None:
    module = Moody(1)
    with pytest.raises(RuntimeError, match=FAULT), watch(module, data=data(), loss=nn.MSELoss()):
        loop(module)
