"""Steps that a loop takes by hand are looked at as an optimizer's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.watch import watch
from gradvitals.engine.events import GradientsReady, LayerForward, StepEnded

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - only where there is PyTorch
from gradvitals.diagnostics.adapters.torch_watch import TorchMonitor  # noqa: E402 - as above

INPUTS, LABELS = blobs()
SIZE, EPOCHS = 40, 30

Step = Callable[[Any, float], None]


def in_place(module: Any, rate: float) -> None:
    with torch.no_grad():
        for each in module.parameters():
            each.add_(each.grad, alpha=-rate)


def through_data(module: Any, rate: float) -> None:
    for each in module.parameters():
        each.data.add_(each.grad, alpha=-rate)


def with_new_data(module: Any, rate: float) -> None:
    for each in module.parameters():
        each.data = torch.add(each.data, each.grad, alpha=-rate)


def by_optimizer(module: Any, rate: float) -> None:
    torch.optim.SGD(module.parameters(), lr=rate, foreach=False).step()  # in the order of the lines above, to the bit


BY_HAND = [in_place, through_data, with_new_data]


def make() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4))


def train(
    module: Any,
    step: Step,
    *,
    rate: float = 0.1,
    parts: int = 1,
    between: Callable[[Any], object] = lambda _: None,
    monitor: Monitor | None = None,
) -> Monitor:
    generator = torch.Generator().manual_seed(1)
    with monitor or watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss()) as watching:
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(INPUTS), generator=generator).split(SIZE):
                module.zero_grad()
                for part in rows.chunk(parts):
                    (functional.cross_entropy(module(INPUTS[part]), LABELS[part]) / parts).backward()
                step(module, rate)
                between(module)
    return watching


def said(monitor: Monitor) -> list[tuple[Severity, str, str]]:
    return [(each.severity, each.key, each.evidence) for each in monitor.verdict.standing]


@pytest.mark.parametrize("rate", [0.1, 1e-6, 30.0], ids=["trains", "too low", "too high"])
@pytest.mark.parametrize("step", BY_HAND, ids=lambda each: each.__name__)
def test_what_is_said_is_what_is_said_of_an_optimizers_steps(step: Step, rate: float) -> None:
    ours, theirs = train(make(), step, rate=rate), train(make(), by_optimizer, rate=rate)
    assert said(ours) == said(theirs)
    assert bool(said(ours)) is (rate != 0.1)
    assert ours.record.notes(Probe) == theirs.record.notes(Probe)
    assert ours.record.last_step == theirs.record.last_step == EPOCHS * len(INPUTS) // SIZE


@pytest.mark.parametrize("step", BY_HAND, ids=lambda each: each.__name__)
def test_the_module_is_trained_to_the_bit_as_unwatched(step: Step) -> None:
    alone, watched = make(), make()
    for module, monitor in ((alone, None), (watched, watch(watched))):
        if monitor is None:
            unwatched = watch(nn.Linear(1, 1))  # of another module
            train(module, step, monitor=unwatched)
        else:
            train(module, step, monitor=monitor)
    assert all(map(torch.equal, alone.parameters(), watched.parameters()))
    assert not watched._forward_hooks
    assert not watched._forward_pre_hooks


def test_without_data_the_loop_tells_them() -> None:
    module = make()
    monitor = train(module, in_place, rate=1e-6, monitor=watch(module))
    assert "no_learning" in [key for _, key, _ in said(monitor)]


def seen(kind: type, step: Step, every: int = 1, **settings: Any) -> list[Any]:
    """Give all events of a kind that a training sends."""
    module = make()
    events: list[Any] = []
    network = TorchNetwork(module)
    monitor = TorchMonitor(network, module, every=every)
    network.hooks.on(kind, events.append, every=every)
    train(module, step, monitor=monitor, **settings)
    return events


def seen_steps(step: Step, **settings: Any) -> list[StepEnded]:
    return seen(StepEnded, step, **settings)


@pytest.mark.parametrize("every", [1, 7])
def test_forwards_and_gradients_are_those_of_the_same_steps(every: int) -> None:
    for kind, arrays in ((LayerForward, "outputs"), (GradientsReady, "gradients")):
        ours, theirs = (seen(kind, step, every) for step in (in_place, by_optimizer))
        assert [each.step for each in ours] == [each.step for each in theirs]
        for one, other in zip(ours, theirs, strict=True):
            left, right = getattr(one, arrays), getattr(other, arrays)
            if kind is GradientsReady:
                left, right = left["0"]["weight"], right["0"]["weight"]
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("parts", [1, 4])
def test_every_step_is_shown_once_with_its_update_and_its_rate(parts: int) -> None:
    ours, theirs = (seen_steps(step, parts=parts) for step in (in_place, by_optimizer))
    assert [each.step for each in ours] == [each.step for each in theirs] == list(range(1, 301))
    for one, other in zip(ours, theirs, strict=True):
        assert one.learning_rate == pytest.approx(0.1, rel=1e-3)
        for layer, updates in other.updates.items():
            for name, update in updates.items():
                assert one.updates[layer][name] == pytest.approx(update, abs=0.0)


def test_of_momentum_no_rate_is_told() -> None:
    moving: dict[Any, Any] = {}

    def step(module: Any, rate: float) -> None:
        with torch.no_grad():
            for name, each in module.named_parameters():
                moving[name] = 0.9 * moving.get(name, 0.0) + each.grad
                each.sub_(rate * moving[name])

    first, *others = seen_steps(step)
    assert first.learning_rate == pytest.approx(0.1, rel=1e-3)
    assert all(each.learning_rate != each.learning_rate for each in others)


def test_forwards_without_a_step_are_none() -> None:
    monitor = train(make(), in_place, between=lambda module: module(INPUTS))
    assert monitor.record.last_step == EPOCHS * len(INPUTS) // SIZE


def test_a_network_too_large_to_be_compared_is_left_alone_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradvitals.diagnostics.adapters.torch_hand_steps.MOST_BYTES", 100)
    verdict = train(make(), in_place).verdict
    assert verdict.findings == ()
    assert all("taken by hand" in each.reason for each in verdict.not_judged)
