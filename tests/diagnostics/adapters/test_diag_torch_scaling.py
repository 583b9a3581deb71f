"""Loops with a `GradScaler`: what it skips is counted, a back-off now and then is normal, standing still is not."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending, SkippedSteps
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

INF = float("inf")


def train(
    factor_at: Callable[[int, float], float], steps: int, *, fused: bool = False, watched: bool = True, **scaling: Any
) -> tuple[Any, Any, Monitor | None]:
    """Train with a loss multiplied by what depends on the step, and on the scale that the scaler has then."""
    torch.manual_seed(0)
    module, inputs = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(64, 3)
    targets = inputs.sum(dim=1, keepdim=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, fused=fused)
    scaler = torch.amp.GradScaler("cpu", **scaling)

    def run() -> None:
        for step in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(module(inputs), targets)
            scaler.scale(loss * factor_at(step, scaler.get_scale())).backward()
            scaler.step(optimizer)
            scaler.update()

    if not watched:
        run()
        return module, scaler, None
    with watch(module, total_steps=steps, every=50) as monitor:
        run()
    return module, scaler, monitor


def skips_of(monitor: Monitor | None) -> Finding | None:
    assert monitor is not None
    (judgement,) = (each for each in monitor.verdict.judgements if each.id == "non_finite")
    return judgement.findings[0] if judgement.findings else None


def overflows_above(limit: float) -> Callable[[int, float], float]:
    """Do as half precision does: the gradient overflows where the scale is too large."""
    return lambda _step, scale: INF if scale > limit else 1.0


HEALTHY: Mapping[str, tuple[Callable[[int, float], float], Mapping[str, Any]]] = {
    "nothing skipped": (lambda _step, _scale: 1.0, {"init_scale": 256.0}),
    "one outlier": (lambda step, _: INF if step == 150 else 1.0, {"init_scale": 256.0}),
    "a long search for the first scale": (overflows_above(16.0), {"init_scale": 2.0**24}),
    "grows and backs off all the time": (overflows_above(64.0), {"init_scale": 64.0, "growth_interval": 5}),
}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", HEALTHY)
def test_a_scaler_that_backs_off_now_and_then_is_normal(name: str, *, fused: bool) -> None:
    factor_at, scaling = HEALTHY[name]
    bare, _, _ = train(factor_at, 220, fused=fused, watched=False, **scaling)
    module, _, monitor = train(factor_at, 220, fused=fused, **scaling)
    assert monitor is not None
    assert [finding.key for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []
    finding = skips_of(monitor)
    assert (finding is None) == (name in {"nothing skipped", "a long search for the first scale"})
    for own, other in zip(module.parameters(), bare.parameters(), strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize("fused", [False, True])
def test_a_scaler_that_skips_again_and_again_is_a_warning(*, fused: bool) -> None:
    _, _, monitor = train(lambda step, _: INF if step % 15 == 7 else 1.0, 220, fused=fused)
    finding = skips_of(monitor)
    assert finding is not None
    assert (finding.severity, finding.cleared) == (Severity.WARNING, False)
    assert finding.value > 0.05
    assert monitor is not None
    counted = [sum(step % 15 == 7 for step in steps) for steps in (range(200), range(200, 220))]
    asked = [(note.asked, note.skipped) for note in monitor.record.notes(SkippedSteps)]
    assert asked == [(200, counted[0]), (20, counted[1])]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("since", [0, 1, 100])
def test_a_training_of_which_every_step_is_skipped_stands_still(since: int, *, fused: bool) -> None:
    _, scaler, monitor = train(lambda step, _: INF if step >= since else 1.0, 150, fused=fused)
    assert monitor is not None
    assert monitor.record.notes(Ending) == [Ending(since, "completed")]
    finding = skips_of(monitor)
    assert finding is not None
    assert (finding.severity, finding.cleared) == (Severity.ERROR, False)
    assert scaler.get_scale() < 1.0
    with pytest.raises(AssertionError, match="the loss scaler has skipped the last"):
        monitor.assert_healthy(fail_on="non_finite")


def test_a_scaler_of_another_network_is_nobodys_business() -> None:
    module, other = nn.Linear(3, 4), nn.Linear(3, 4)
    own, others = torch.optim.SGD(module.parameters(), lr=0.1), torch.optim.SGD(other.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    with watch(module) as monitor:
        for _ in range(60):
            scaler.scale(INF * other(torch.ones(2, 3)).sum()).backward()
            scaler.step(others)
            scaler.update()
            module(torch.ones(2, 3)).sum().backward()
            own.step()
    assert monitor.record.notes(SkippedSteps) == []
    assert skips_of(monitor) is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_scalers_are_as_they_were_in_whatever_order_monitors_end(order: tuple[int, int, int]) -> None:
    before = torch.amp.GradScaler.step
    modules = [nn.Linear(3, 4) for _ in range(3)]
    monitors = [watch(module) for module in modules]
    for place in order:
        assert torch.amp.GradScaler.step is not before
        monitors[place].detach()
    assert torch.amp.GradScaler.step is before


def test_a_scaler_that_is_off_skips_nothing() -> None:
    _, _, monitor = train(lambda _step, _scale: 1.0, 30, enabled=False)
    assert monitor is not None
    assert monitor.record.notes(SkippedSteps) == []
    assert monitor.record.notes(Ending) == [Ending(30, "completed")]
