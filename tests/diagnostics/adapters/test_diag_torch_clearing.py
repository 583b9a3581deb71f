"""Gradients that are not cleared between two steps are told; whatever a healthy loop does with them is not."""

from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gradient_notes import StaleGradients
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

INPUTS = torch.randn((32, 5), generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS.sum(dim=1, keepdim=True)
STEPS = 20


def make_module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))


def backward(module: Any, share: float = 1.0) -> Any:
    loss = share * nn.functional.mse_loss(module(INPUTS), TARGETS)
    loss.backward()
    return loss


def clears_before(module: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    backward(module)
    optimizer.step()


def clears_after(module: Any, optimizer: Any) -> None:
    backward(module)
    optimizer.step()
    optimizer.zero_grad()


def clears_to_zero(module: Any, optimizer: Any) -> None:
    module.zero_grad(set_to_none=False)
    backward(module)
    optimizer.step()


def accumulates(module: Any, optimizer: Any) -> None:
    for _ in range(3):
        backward(module, 1 / 3)
    optimizer.step()
    optimizer.zero_grad()


def clears_after_another_loss(module: Any, optimizer: Any) -> None:
    backward(module)  # of which nobody wants the gradients
    optimizer.zero_grad()
    backward(module)
    optimizer.step()


def gives_them_itself(module: Any, optimizer: Any) -> None:
    loss = nn.functional.mse_loss(module(INPUTS), TARGETS)
    parameters = list(module.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


def clears_in_its_step(module: Any, optimizer: Any) -> None:
    backward(module)
    optimizer.step()
    for parameter in module.parameters():
        parameter.grad.mul_(0.0)


def has_two_optimizers(module: Any, optimizer: Any) -> None:
    other = torch.optim.SGD(module[0].parameters(), lr=0.01)
    for each in (other, optimizer):
        backward(module)
        each.step()
    module.zero_grad()


def computes_it_in_a_closure(module: Any, optimizer: Any) -> None:
    def closure() -> Any:
        optimizer.zero_grad()
        return backward(module)

    optimizer.step(closure)


def never_clears(module: Any, optimizer: Any) -> None:
    backward(module)
    optimizer.step()


def clears_another_module(module: Any, optimizer: Any) -> None:
    make_module().zero_grad()
    never_clears(module, optimizer)


def accumulates_for_ever(module: Any, optimizer: Any) -> None:
    for _ in range(3):
        backward(module, 1 / 3)
    optimizer.step()


def never_clears_in_a_closure(module: Any, optimizer: Any) -> None:
    optimizer.step(lambda: backward(module))


HEALTHY = [
    clears_before, clears_after, clears_to_zero, accumulates, clears_after_another_loss, gives_them_itself,
    clears_in_its_step, has_two_optimizers, computes_it_in_a_closure,
]  # fmt: skip
SICK = [never_clears, clears_another_module, accumulates_for_ever, never_clears_in_a_closure]


def train(take_step: Callable[[Any, Any], None], *, watched: bool = True) -> tuple[Any, Monitor | None]:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    if not watched:
        for _ in range(STEPS):
            take_step(module, optimizer)
        return module, None
    with watch(module, every=2) as monitor:
        for _ in range(STEPS):
            take_step(module, optimizer)
    assert all(not parameter._backward_hooks for parameter in module.parameters())
    assert all(not parameter._post_accumulate_grad_hooks for parameter in module.parameters())
    return module, monitor


def said(monitor: Monitor | None) -> list[tuple[str, Severity]]:
    assert monitor is not None
    standing = monitor.verdict.standing
    return [(each.key, each.severity) for each in standing if each.id == "frozen_parameters"]


@pytest.mark.parametrize("take_step", HEALTHY, ids=lambda each: each.__name__)
def test_a_loop_that_clears_its_gradients_somehow_is_healthy(take_step: Callable[[Any, Any], None]) -> None:
    _, monitor = train(take_step)
    assert said(monitor) == []
    assert monitor is not None
    assert monitor.record.notes(StaleGradients) == []


@pytest.mark.parametrize("take_step", SICK, ids=lambda each: each.__name__)
def test_a_loop_that_never_clears_its_gradients_is_told(take_step: Callable[[Any, Any], None]) -> None:
    _, monitor = train(take_step)
    assert said(monitor) == [("frozen_parameters", Severity.WARNING)]
    assert monitor is not None
    notes = monitor.record.notes(StaleGradients)
    assert [(note.step, note.looks, note.in_a_row) for note in notes] == [
        (2 * count, count, count) for count in range(1, STEPS // 2 + 1)
    ]


@pytest.mark.parametrize("take_step", [*HEALTHY, *SICK], ids=lambda each: each.__name__)
def test_it_changes_nothing(take_step: Callable[[Any, Any], None]) -> None:
    (bare, _), (watched, _) = train(take_step, watched=False), train(take_step)
    for own, other in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(own, other)
        assert (own.grad is None) == (other.grad is None)
        assert own.grad is None or torch.equal(own.grad, other.grad)


def test_one_that_is_cleared_from_some_step_on_is_told_no_longer() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.001)
    with watch(module, every=1) as monitor:
        for step in range(STEPS):
            (never_clears if step < 8 else clears_before)(module, optimizer)
    assert said(monitor) == []
    assert [note.in_a_row for note in monitor.record.notes(StaleGradients)] == [1, 2, 3, 4, 5, 6, 7, 0]
    (cleared,) = (finding for finding in monitor.verdict.findings if finding.id == "frozen_parameters")
    assert cleared.cleared
    assert "was not cleared" in cleared.evidence


def test_what_happens_twice_is_no_habit() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    with watch(module, every=1) as monitor:
        for step in range(STEPS):
            (clears_before if step % 4 in {0, 1} else never_clears)(module, optimizer)
    assert [note.in_a_row for note in monitor.record.notes(StaleGradients)] == [
        1,
        2,
        0,
    ] * 3  # and is then asked no more
    assert said(monitor) == []


def test_a_last_layer_that_no_optimizer_holds_need_not_be_cleared() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module[0].parameters(), lr=0.01)
    with watch(module, every=2) as monitor:
        for _ in range(STEPS):
            clears_before(module, optimizer)
    assert module[2].weight.grad is not None
    assert monitor.record.notes(StaleGradients) == []
    assert said(monitor) == []
