"""Loops whose gradients never reach the optimizer are told so; one that has learned all it can is not."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gradient_notes import MissingGradients
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

INPUTS, LABELS = blobs()
STEPS = 120
ROOT = ("frozen_parameters", Severity.ERROR)

TakeStep = Callable[[Any, Any], None]


def make_module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4))


def train(take_step: TakeStep, *, steps: int = STEPS, with_data: bool = True, module: Any = None) -> Monitor:
    module = make_module() if module is None else module
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    given = {"data": (INPUTS, LABELS), "loss": nn.CrossEntropyLoss(), "total_steps": steps} if with_data else {}
    with watch(module, **given) as monitor:
        for _ in range(steps):
            take_step(module, optimizer)
    return monitor


def loss_of(module: Any) -> Any:
    return functional.cross_entropy(module(INPUTS), LABELS)


def learns(module: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    loss_of(module).backward()
    optimizer.step()


def clears_too_late(module: Any, optimizer: Any) -> None:
    loss_of(module).backward()
    optimizer.zero_grad()
    optimizer.step()


def clears_to_zeros_too_late(module: Any, optimizer: Any) -> None:
    loss_of(module).backward()
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()


def wraps_the_loss_anew(module: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    torch.tensor(loss_of(module).item(), requires_grad=True).backward()
    optimizer.step()


def rounds_its_answers(module: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    functional.mse_loss(module(INPUTS).round(), functional.one_hot(LABELS, 4).float()).backward()
    optimizer.step()


SICK = [clears_too_late, clears_to_zeros_too_late, wraps_the_loss_anew, rounds_its_answers]


@pytest.mark.parametrize(
    ("take_step", "steps", "told"),
    [
        (clears_too_late, 3, True),
        (clears_too_late, 2, False),
        (clears_to_zeros_too_late, 6, False),
        (learns, 6, False),
    ],
)
def test_of_a_short_training_none_found_from_first_to_last_is_told(
    take_step: TakeStep, steps: int, *, told: bool
) -> None:
    standing = train(take_step, steps=steps, with_data=False).verdict.standing
    assert [(each.key, each.severity) for each in standing] == [ROOT] * told


@pytest.mark.parametrize("take_step", SICK, ids=lambda each: each.__name__)
def test_steps_that_find_no_gradient_are_the_root(take_step: TakeStep) -> None:
    first, *others = train(take_step).verdict.standing
    assert (first.key, first.severity) == ROOT
    assert first.first_step == 0
    assert first.explained_by is None
    explained = {finding.id: finding.explained_by for finding in others}
    assert explained["no_learning"] == first.key


@pytest.mark.parametrize("take_step", [clears_too_late, wraps_the_loss_anew], ids=lambda each: each.__name__)
def test_without_data_it_is_seen_too(take_step: TakeStep) -> None:
    standing = train(take_step, with_data=False).verdict.standing
    assert [(finding.key, finding.severity) for finding in standing if finding.severity > Severity.INFO] == [ROOT]


def test_a_loop_that_learns_has_no_such_note() -> None:
    assert train(learns).record.notes(MissingGradients) == []


def test_zeros_are_told_only_where_the_loss_pulls_at_the_outputs() -> None:
    """A hinge that has learned all it can has gradients of 0, from the first step on if it was trained before."""
    module = nn.Linear(10, 1)
    inputs = torch.randn((64, 10), generator=torch.Generator().manual_seed(0))
    inputs[:, 0] += 5 * inputs[:, 0].sign()
    targets = inputs[:, :1].sign()
    with torch.no_grad():
        module.weight.zero_()[0, 0] = 1.0
        module.bias.zero_()

    def hinge(outputs: Any, targets: Any) -> Any:
        return functional.relu(1.0 - outputs * targets).mean()

    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, data=(inputs, targets), loss=hinge) as monitor:
        for _ in range(STEPS):
            optimizer.zero_grad()
            hinge(module(inputs), targets).backward()
            optimizer.step()
    assert monitor.record.notes(MissingGradients)[-1].zeros > 3
    assert all(finding.id != "frozen_parameters" for finding in monitor.verdict.findings)


def test_zeros_after_other_gradients_are_not_missing() -> None:
    count = 0

    def learns_for_a_while(module: Any, optimizer: Any) -> None:
        nonlocal count
        count += 1
        (learns if count <= 5 else clears_to_zeros_too_late)(module, optimizer)

    assert train(learns_for_a_while).record.notes(MissingGradients) == []


def test_a_gradient_that_comes_later_clears_it() -> None:
    count = 0

    def begins_late(module: Any, optimizer: Any) -> None:
        nonlocal count
        count += 1
        (learns if count > 60 else clears_too_late)(module, optimizer)

    verdict = train(begins_late).verdict
    assert all(finding.id != "frozen_parameters" for finding in verdict.standing)
    (cleared,) = (finding for finding in verdict.findings if finding.id == "frozen_parameters")
    assert cleared.cleared


def test_what_is_frozen_on_purpose_misses_nothing() -> None:
    """The optimizer holds it along with a head of another module."""
    body, head = make_module(), nn.Linear(4, 4)
    body.requires_grad_(requires_grad=False)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.01)
    with watch(body) as monitor:
        for _ in range(STEPS):
            optimizer.zero_grad()
            functional.cross_entropy(head(body(INPUTS)), LABELS).backward()
            optimizer.step()
    assert monitor.record.notes(MissingGradients) == []


@pytest.mark.parametrize("head_learns", [True, False])
def test_an_optimizer_of_frozen_parameters_only_is_the_root_where_others_learn(*, head_learns: bool) -> None:
    """The head is frozen along with the body behind which it was put; batch norms still have gradients."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(module[3].parameters(), lr=0.01)
    for part, learns_on in ((module[0], False), (module[3], head_learns)):
        part.requires_grad_(learns_on)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=STEPS) as monitor:
        for _ in range(STEPS):
            learns(module, optimizer)
    keys = [(finding.key, finding.severity) for finding in monitor.verdict.standing]
    assert (ROOT in keys) is not head_learns


def test_of_two_optimizers_one_may_have_its_turn() -> None:
    module = make_module()
    optimizers = [torch.optim.SGD(module[place].parameters(), lr=0.1) for place in (0, 2)]
    with watch(module, every=1) as monitor:
        for _ in range(STEPS):
            module.zero_grad()
            functional.cross_entropy(module[2](module[:2](INPUTS).detach()), LABELS).backward()
            for optimizer in optimizers:
                optimizer.step()
    assert all(finding.id != "frozen_parameters" for finding in monitor.verdict.standing)


def test_steps_between_two_looks_may_have_found_gradients() -> None:
    """A loop that steps twice for every backward pass, looked at only where there is nothing to take."""
    count = 0

    def every_other(module: Any, optimizer: Any) -> None:
        nonlocal count
        count += 1
        (learns if count % 2 else clears_too_late)(module, optimizer)

    module = make_module()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), every=2) as monitor:
        for _ in range(2 * STEPS):
            every_other(module, optimizer)
    assert monitor.record.notes(MissingGradients)
    assert all(note.in_a_row <= 1 for note in monitor.record.notes(MissingGradients))
    assert monitor.verdict.outcome == "healthy"
