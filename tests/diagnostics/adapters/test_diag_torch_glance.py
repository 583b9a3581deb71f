"""Networks of whose training outputs nothing is measured: their forward passes are run again only to find a fault."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import Recurrent

from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Incident
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - it needs PyTorch
from gradvitals.diagnostics.adapters.torch_trace import Trace  # noqa: E402 - as above

STEPS, POISONED = 8, 5
"""Steps taken, and the one before which something becomes too large for float32."""


class Deep(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Layers with nothing to measure, a norm, a dropout, and a count of forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second, self.head = (
            nn.Linear(6, 8),
            nn.BatchNorm1d(8),
            nn.Linear(8, 8),
            nn.Linear(8, 3),
        )
        self.gelu, self.drop, self.passes = nn.GELU(), nn.Dropout(0.25), 0

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        self.passes += 1
        return self.head(self.drop(self.gelu(self.second(self.gelu(self.norm(self.first(x)))))))


class Noisy(Deep):
    """Multiplies its inputs while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.ones(()))

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        logits = super().forward(x)
        return self.head(self.noise * torch.ones(len(x), 8)) + logits if self.training else logits


class Moody(Deep):
    """Fails if it is run again on the same inputs."""

    def forward(self, x: Any) -> Any:
        """Give the logits, once."""
        if x is vars(self).get("known"):
            raise ValueError
        self.known = x
        return super().forward(x)


def too_large_head(module: Any) -> None:
    module.head.weight.data.fill_(3e38)


def too_large_beginning(module: Any) -> None:
    module.first.weight.data.fill_(3e38)


def not_a_number(module: Any) -> None:
    module.second.weight.data[0, 0] = torch.nan


def nothing(_: Any) -> None:
    """Leave everything as it is."""


def train(
    module: Any, change: Callable[[Any], None], *, is_watched: bool = True, around: Any = None
) -> tuple[list[Any], Monitor | None]:
    """Take some steps, the last of them poisoned; give all states that they leave."""
    torch.manual_seed(1)
    inputs, labels = torch.randn(STEPS, 30, 6).abs(), torch.arange(30) % 3
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    monitor = watch(module, every=1) if is_watched else None
    for step in range(1, STEPS + 1):
        if step == POISONED:
            change(module)
        optimizer.zero_grad()
        with around or nullcontext():
            loss = nn.functional.cross_entropy(module(inputs[step - 1]), labels)
        loss.backward()
        optimizer.step()
    left = [*copy.deepcopy(module.state_dict()).values(), torch.get_rng_state()]
    if monitor is not None:
        monitor.detach()
    return left, monitor


def incident_of(module: Any, change: Callable[[Any], None], around: Any = None) -> Incident | None:
    _, monitor = train(module, change, around=around)
    assert monitor is not None
    return next(iter(monitor.record.notes(Incident)), None)


@pytest.mark.parametrize(
    ("change", "what", "layer"),
    [
        (too_large_head, "outputs", "head"),
        (too_large_beginning, "outputs", "first"),
        (not_a_number, "parameters", "second"),
    ],
)
def test_what_stops_being_finite_is_found_in_its_layer(change: Callable[[Any], None], what: str, layer: str) -> None:
    torch.manual_seed(0)
    module = Deep()
    incident = incident_of(module, change)
    assert incident == Incident(POISONED, POISONED - 1, what, layer)


def test_what_is_too_large_for_half_precision_only_is_found_too() -> None:
    torch.manual_seed(0)
    around = torch.autocast("cpu", torch.float16)
    incident = incident_of(Deep(), lambda module: module.second.weight.data.fill_(3e4), around)
    assert incident == Incident(POISONED, POISONED - 1, "outputs", "second")


def test_what_is_too_large_in_training_only_is_found_too() -> None:
    torch.manual_seed(0)

    def change(module: Any) -> None:
        module.noise.fill_(3e38)
        module.head.weight.data.fill_(1.0)

    incident = incident_of(Noisy(), change)
    assert incident == Incident(POISONED, POISONED - 1, "outputs", "head")


@pytest.mark.parametrize(("change", "is_run_again"), [(nothing, False), (too_large_head, True)])
def test_a_pass_is_run_again_only_where_it_is_not_finite(
    change: Callable[[Any], None], *, is_run_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    run_again = TorchNetwork.run_again

    def note(network: TorchNetwork, args: Any, kwargs: Any) -> Any:
        given.append(args)
        return run_again(network, args, kwargs)

    monkeypatch.setattr(TorchNetwork, "run_again", note)
    train(Deep(), change)
    assert bool(given) == is_run_again


def test_a_network_of_which_nothing_is_measured_is_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Trace] = []
    enter = Trace.__enter__

    def note(trace: Trace) -> Any:
        entered.append(trace)
        return enter(trace)

    monkeypatch.setattr(Trace, "__enter__", note)
    torch.manual_seed(0)
    module = Recurrent()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1):
        for _ in range(STEPS):
            optimizer.zero_grad()
            module(torch.randn(10, 5, 3)).sum().backward()
            optimizer.step()
    assert len(entered) == 1  # before the first step, to learn of the layers


@pytest.mark.parametrize("change", [nothing, too_large_head, too_large_beginning, not_a_number])
def test_the_training_is_the_same_to_the_bit(change: Callable[[Any], None]) -> None:
    torch.manual_seed(0)
    module = Deep()
    twin = copy.deepcopy(module)
    watched, _ = train(module, change)
    alone, _ = train(twin, change, is_watched=False)
    for one, other in zip(watched, alone, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert module.passes == twin.passes


def test_a_module_that_cannot_be_run_again_is_none_the_worse() -> None:
    torch.manual_seed(0)
    incident = incident_of(Moody(), too_large_head)
    assert incident == Incident(POISONED, POISONED - 1, "gradients", "first")
