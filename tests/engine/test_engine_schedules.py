"""Schedules: against PyTorch step by step, at the ends of the plan, and in the loop."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.adaptive_optimizers import Adagrad
from gradvitals.engine.events import EpochEnded, StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Optimizer, Sgd
from gradvitals.engine.schedules import Constant, Cosine, Schedule, StepDecay, WarmUp
from gradvitals.engine.training import Samples, Trainer, train

TOTAL = 60


def linear(torch: Any, optimizer: Any, steps: int) -> Any:
    """Warm up as `WarmUp` does."""
    return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0 / steps, 1.0, steps - 1)


def sequential(torch: Any, optimizer: Any, steps: int, then: Any) -> Any:
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [linear(torch, optimizer, steps), then], [steps])


AGAINST_TORCH: dict[str, tuple[Schedule, Callable[[Any, Any], Any]]] = {
    "constant": (Constant(), lambda t, o: t.optim.lr_scheduler.ConstantLR(o, 1.0)),
    "step": (StepDecay(7, 0.3), lambda t, o: t.optim.lr_scheduler.StepLR(o, 7, 0.3)),
    "step to zero": (StepDecay(20, 0.0), lambda t, o: t.optim.lr_scheduler.StepLR(o, 20, 0.0)),
    "exponential": (StepDecay(1, 0.9), lambda t, o: t.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    "cosine": (Cosine(), lambda t, o: t.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL)),
    "cosine to a minimum": (Cosine(0.25), lambda t, o: t.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL, 0.25 * 0.3)),
    "warm-up": (
        WarmUp(10, Constant()),
        lambda t, o: sequential(t, o, 10, t.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ),
    "warm-up, step": (
        WarmUp(4, StepDecay(9, 0.5)),
        lambda t, o: sequential(t, o, 4, t.optim.lr_scheduler.StepLR(o, 9, 0.5)),
    ),
    "warm-up, cosine": (
        WarmUp(15, Cosine(0.1)),
        lambda t, o: sequential(t, o, 15, t.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL - 15, 0.1 * 0.3)),
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step\\(\\)`:UserWarning")  # SequentialLR's own
@pytest.mark.parametrize("name", AGAINST_TORCH)
def test_every_step_of_the_plan_equals_torch(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    schedule, make = AGAINST_TORCH[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = make(torch, optimizer)
    for step in range(1, TOTAL + 1):
        assert abs(0.3 * schedule(step, TOTAL) - optimizer.param_groups[0]["lr"]) < 1e-12, step
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (StepDecay(2, 0.5), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]),
        (StepDecay(100), [1.0] * 6),
        (Cosine(), [1.0, (2.0 + math.sqrt(2.0)) / 4.0, 0.5, (2.0 - math.sqrt(2.0)) / 4.0, 0.0, 0.0]),
        (Cosine(1.0), [1.0] * 6),
        (WarmUp(1, StepDecay(1, 0.5)), [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]),
        (WarmUp(2, Cosine()), [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (WarmUp(4, Cosine()), [0.25, 0.5, 0.75, 1.0, 1.0, 0.0]),
        (WarmUp(8, Cosine()), [0.125, 0.25, 0.375, 0.5, 0.625, 0.75]),
        (WarmUp(2, WarmUp(2, Constant())), [0.5, 1.0, 0.5, 1.0, 1.0, 1.0]),
    ],
    ids=str,
)
def test_six_steps_of_a_plan_of_four(schedule: Schedule, expected: list[float]) -> None:
    assert [schedule(step, 4) for step in range(1, 7)] == pytest.approx(expected, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(
    "schedule",
    [Constant(), StepDecay(3, 0.7), Cosine(0.2), WarmUp(7, Cosine()), WarmUp(10**9, Constant())],
    ids=str,
)
@pytest.mark.parametrize("total", [1, 2, 50, 10**9])
def test_a_factor_is_a_share(schedule: Schedule, total: int) -> None:
    for step in (1, 2, total // 2 + 1, total, total + 1, 10 * total):
        assert 0.0 <= schedule(step, total) <= 1.0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: StepDecay(0), "a positive number of steps between its drops, got 0"),
        (lambda: StepDecay(5, 1.5), r"the factor of a schedule must be in \[0, 1\], got 1.5"),
        (lambda: StepDecay(5, -0.1), r"the factor of a schedule must be in \[0, 1\], got -0.1"),
        (lambda: Cosine(math.nan), r"the minimum of a schedule must be in \[0, 1\], got nan"),
        (lambda: WarmUp(0, Constant()), "a warm-up needs a positive number of steps, got 0"),
    ],
    ids=["no steps", "growing", "negative", "not a number", "no warm-up"],
)
def test_a_schedule_that_makes_no_sense_is_refused(make: Callable[[], Schedule], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def train_by(schedule: Schedule | None, network: Network, samples: Samples, optimizer: Optimizer) -> None:
    train(network, samples, optimizer, epochs=3, batch_size=8, generator=np.random.default_rng(0), schedule=schedule)


def test_every_step_of_a_training_takes_and_tells_its_rate(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 22)
    schedule = WarmUp(4, Cosine(0.1))
    rates: list[float] = []
    updates: list[float] = []
    ends: list[tuple[int, float]] = []
    network.hooks.on(StepEnded, lambda event: rates.append(event.learning_rate))
    network.hooks.on(StepEnded, lambda event: updates.append(float(event.updates["output"]["bias"][0])))
    network.hooks.on(EpochEnded, lambda event: ends.append((event.step, event.learning_rate)))
    optimizer = Sgd(0.5)
    gradients: list[float] = []
    network.hooks.on(StepEnded, lambda _: gradients.append(float(network.gradients_by_layer()["output"]["bias"][0])))
    train_by(schedule, network, samples, optimizer)
    assert rates == [0.5 * schedule(step, 9) for step in range(1, 10)]
    assert ends == [(step, rates[step - 1]) for step in (3, 6, 9)]
    np.testing.assert_allclose(updates, [-rate * g for rate, g in zip(rates, gradients, strict=True)], rtol=1e-9)
    assert optimizer.learning_rate == 0.5  # a second training begins where the first did


def test_a_training_that_is_cut_short_leaves_the_optimizer_its_own_rate(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, optimizer = make_network(), Sgd(0.5)

    def interrupt(event: StepEnded) -> None:
        if event.step == 4:
            raise KeyboardInterrupt

    network.hooks.on(StepEnded, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_by(Cosine(), network, make_samples("cross_entropy", 3, 4, 22), optimizer)
    assert optimizer.learning_rate == 0.5


def test_a_constant_schedule_and_none_are_bit_identical(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    ends = []
    for schedule in (None, Constant()):
        network = make_network()
        train_by(schedule, network, make_samples("cross_entropy", 3, 4, 22), Adagrad(0.1))
        ends.append(network.parameters.tobytes())
    assert ends[0] == ends[1]


def test_a_factor_of_zero_leaves_the_network_as_it_is(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 22)
    before = network.parameters.copy()
    trainer = Trainer(network, Sgd(0.5, momentum=0.9), rate_factor=lambda step: 0.0 if step < 4 else 1.0)
    for step in range(1, 5):
        trainer.step(samples, np.arange(8))
        assert (network.parameters == before).all() == (step < 4)


def test_without_a_schedule_a_rate_that_an_observer_sets_stays(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, optimizer = make_network(), Sgd(0.5)

    def halve(_: EpochEnded) -> None:
        optimizer.learning_rate *= 0.5

    network.hooks.on(EpochEnded, halve)
    train_by(None, network, make_samples("cross_entropy", 3, 4, 22), optimizer)
    assert optimizer.learning_rate == 0.5 / 8.0
