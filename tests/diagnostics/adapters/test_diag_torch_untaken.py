"""Loops in which no optimizer takes a step: left out by mistake, or not wanted at all."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.diagnoses.non_finite import NonFinite
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.gradient_notes import UntakenGradients
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Incident
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

INPUTS, LABELS = blobs()
PASSES = 60
LARGEST_NORM = 1e-3

TakeStep = Callable[[Any, Any], None]


def train(take_step: TakeStep, *, passes: int = PASSES, with_data: bool = True) -> Monitor:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    given = {"data": (INPUTS, LABELS), "loss": nn.CrossEntropyLoss()} if with_data else {}
    with watch(module, **given) as monitor:
        for _ in range(passes):
            functional.cross_entropy(module(INPUTS), LABELS).backward()
            take_step(module, optimizer)
            optimizer.zero_grad()
    return monitor


def never(module: Any, optimizer: Any) -> None:
    """Do nothing."""


def if_small(module: Any, optimizer: Any) -> None:
    """Step where the gradient is small, which it never is."""
    if nn.utils.clip_grad_norm_(module.parameters(), LARGEST_NORM) < LARGEST_NORM:
        optimizer.step()


def plainly(_: Any, optimizer: Any) -> None:
    optimizer.step()


@pytest.mark.parametrize("with_data", [True, False])
@pytest.mark.parametrize("take_step", [never, if_small], ids=lambda each: each.__name__)
def test_steps_that_nobody_takes_are_the_root(take_step: TakeStep, *, with_data: bool) -> None:
    monitor = train(take_step, with_data=with_data)
    first = monitor.verdict.standing[0]
    assert (first.key, first.severity, first.explained_by) == ("frozen_parameters", Severity.ERROR, None)
    assert f"in {PASSES} backward passes" in first.evidence
    with pytest.raises(AssertionError, match="no optimizer took a step"):
        monitor.assert_healthy()


def test_a_loop_that_takes_its_steps_has_no_such_note() -> None:
    assert train(plainly).record.notes(UntakenGradients) == []


def test_a_step_that_comes_late_is_a_step() -> None:
    count = 0

    def after_a_while(module: Any, optimizer: Any) -> None:
        nonlocal count
        count += 1
        (plainly if count > PASSES // 2 else never)(module, optimizer)

    monitor = train(after_a_while)
    assert monitor.record.last_step == PASSES - PASSES // 2
    assert monitor.record.notes(UntakenGradients) == []


def test_a_few_looks_at_gradients_are_no_training() -> None:
    monitor = train(never, passes=10)
    assert monitor.record.notes(UntakenGradients) == []
    assert monitor.verdict.findings == ()


class Drawn(nn.Module):  # type: ignore[misc]
    """A layer whose weights nothing was written into: copies of them have as many writes, and the same sums."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 10))

    def forward(self, inputs: Any) -> Any:
        """Give scores."""
        return functional.linear(inputs, self.weight)


def test_parameters_that_others_replace_are_not_asked_to_move() -> None:
    """Of a `functional_call`, the module's own parameters have no gradient and need not move."""
    torch.manual_seed(0)
    module = Drawn()
    own = {name: each.detach().clone().requires_grad_() for name, each in module.named_parameters()}
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss()) as monitor:
        for _ in range(PASSES):
            loss = functional.cross_entropy(torch.func.functional_call(module, own, INPUTS), LABELS)
            gradients = torch.autograd.grad(loss, list(own.values()))
            own = {
                name: (each - 0.1 * gradient).detach().requires_grad_()
                for (name, each), gradient in zip(own.items(), gradients, strict=True)
            }
    assert monitor.verdict.findings == ()


def test_parameters_that_are_put_in_anew_leave_everything_open_with_the_reason() -> None:
    """What moves them is no optimizer, and a step in place neither."""
    torch.manual_seed(0)
    module = nn.Linear(10, 4)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss()) as monitor:
        for _ in range(PASSES):
            functional.cross_entropy(module(INPUTS), LABELS).backward()
            module.weight = nn.Parameter(module.weight.detach() - 0.1 * module.weight.grad)
    assert monitor.verdict.findings == ()
    assert monitor.verdict.not_judged
    assert all("taken by hand" in each.reason for each in monitor.verdict.not_judged)


def test_a_frozen_module_whose_input_learns_is_not_asked_to_move() -> None:
    module, images = Drawn().requires_grad_(requires_grad=False), INPUTS[:8].clone().requires_grad_()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for steps in (0, PASSES):
        with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss()) as monitor:
            for _ in range(PASSES):
                functional.cross_entropy(module(images), LABELS[:8]).backward()
                if steps:
                    optimizer.step()
        assert not [each for each in monitor.verdict.findings if each.id == "frozen_parameters"]


def test_a_critic_that_others_learn_from_is_not_asked_to_move() -> None:
    """Gradients come by it on their way to a generator, whose optimizer takes the steps."""
    torch.manual_seed(0)
    critic, generator = Drawn(), nn.Linear(10, 10)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    with watch(critic) as monitor:
        for _ in range(PASSES):
            optimizer.zero_grad()
            gradient = torch.autograd.grad(critic(generator(INPUTS)).mean(), list(generator.parameters()))
            for each, its in zip(generator.parameters(), gradient, strict=True):
                each.grad = its
            optimizer.step()
    assert monitor.record.notes(UntakenGradients) == []
    assert monitor.verdict.findings == ()


def channel_distance(images: Any, floor: float) -> Any:
    """Give how far the means of two channels are apart: a root of 0 where they are alike, but for a floor."""
    means = images.mean((2, 3))
    return ((means[:, 0] - means[:, 1]) ** 2 + floor).sqrt().mean()


@pytest.mark.parametrize("floor", [0.0, 1e-8])
def test_a_first_gradient_of_a_finite_loss_that_is_none_is_blamed_on_no_rate(floor: float) -> None:
    torch.manual_seed(0)
    module, images = nn.Conv2d(2, 2, 1, bias=False), torch.rand(16, 2, 4, 4)
    images[3] = 0.0
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    with watch(module) as monitor:
        for _ in range(30):
            optimizer.zero_grad()
            channel_distance(module(images), floor).backward()
            optimizer.step()
    found = [finding for finding in monitor.verdict.findings if finding.id == "non_finite"]
    if floor:
        assert found == []
        return
    assert "although every layer's output is, first seen at step 1" in found[0].evidence
    assert "root" in found[0].prescriptions[0].why
    assert not any("rate" in cure.why or "clip" in cure.why for cure in found[0].prescriptions)


@pytest.mark.parametrize(
    ("step", "config", "blamed"),
    [(1, None, False), (2, None, True), (1, {}, True)],
    ids=["the first", "a later one", "the first of ours"],
)
def test_only_the_first_gradient_of_a_users_program_is_no_rates_fault(
    step: int, config: dict[str, Any] | None, make_context: Callable[..., Context], *, blamed: bool
) -> None:
    record = Record(make_context(config=config))
    record.add(Incident(step, step - 1, "gradients", None))
    (found,) = NonFinite().judge(record, judge_gate(record)).findings
    assert any("rate" in cure.why for cure in found.prescriptions) is blamed
