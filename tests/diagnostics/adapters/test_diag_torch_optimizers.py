"""Several optimizers on one module: each is looked at in every round, its steps are its own, and none is misjudged."""

import gc
import weakref
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch
from gradvitals.engine.events import OptimizerInfo

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - it needs PyTorch
from gradvitals.diagnostics.adapters.torch_optimizers import Optimizers  # noqa: E402 - as above

INPUTS = torch.randn((64, 5), generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS.sum(dim=1, keepdim=True)
WATCHED: dict[str, Any] = {"data": (INPUTS, TARGETS), "loss": nn.MSELoss()}


def make_module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))


def optimizers_of(module: Any, rate: float = 0.05) -> dict[str, Any]:
    """Give each layer an optimizer of its own: a and b."""
    return {name: torch.optim.SGD(part.parameters(), rate) for name, part in zip("ab", module[::2], strict=True)}


def take_steps(module: Any, optimizers: Sequence[Any]) -> None:
    for optimizer in optimizers:
        module.zero_grad()
        nn.functional.mse_loss(module(INPUTS), TARGETS).backward()
        optimizer.step()


def steps_shown(monitor: Monitor, layer: str) -> list[int]:
    return list(monitor.record.series(f"update_ratio/{layer}").steps.tolist())


def rounds_shown(turns: Sequence[str], every: int, name: str) -> list[int]:
    """Give the steps at which one of them is to be shown: when wanted, else as its first since a wanted step."""
    wanted = {1, *range(every, len(turns) + 1, every)}
    shown, done = [], True
    for step, turn in enumerate(turns, start=1):
        if step in wanted:
            done = False
        if turn == name and (step in wanted or not done):
            shown.append(step)
            done = True
    return shown


ALTERNATIONS = {
    "in turns": "ab" * 30,
    "the other first": "ba" * 30,
    "five to one": "aaaaab" * 10,
    "fewer than wanted steps": ("a" * 14 + "b") * 4,
    "one only in the beginning": "ab" * 5 + "a" * 50,
    "one after the other": "a" * 30 + "b" * 30,
    "one joins late": "a" * 33 + "ab" * 14,
    "one alone": "a" * 60,
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("every", [4, 10])
@pytest.mark.parametrize("name", ALTERNATIONS)
def test_every_optimizer_is_looked_at_once_for_every_wanted_step(name: str, every: int, *, named: bool) -> None:
    module, turns = make_module(), ALTERNATIONS[name]
    optimizers = optimizers_of(module)
    with watch(module, every=every, optimizer=list(optimizers.values()) if named else None) as monitor:
        take_steps(module, [optimizers[turn] for turn in turns])
    for turn, layer in zip("ab", "02", strict=True):
        shown = steps_shown(monitor, layer)
        assert [step for step in shown if turns[step - 1] == turn] == rounds_shown(turns, every, turn)
        met = turns.find(turn) + 1 or len(turns)  # until then, nobody is known to move the layer
        assert [step for step in shown if turns[step - 1] != turn and (named or step > met)] == []


def test_what_is_shown_of_a_step_is_of_that_step() -> None:
    module, turns = make_module(), list(islice(cycle("aaab"), 40))
    optimizers, norms = optimizers_of(module), []
    with watch(module, every=10) as monitor:
        for turn in turns:
            weight = module[2].weight.detach()
            before = weight.clone()
            take_steps(module, [optimizers[turn]])
            norms.append(float((weight - before).norm()) / max(float(weight.norm()), 2.0**0.5))  # of a He-normal one
    series = monitor.record.series("update_ratio/2")
    weights = monitor.record.series("weight_norm/2")
    assert series.steps.tolist() == weights.steps.tolist()
    of_b = {step: value for step, value in zip(series.steps.tolist(), series.values.tolist(), strict=True) if step > 1}
    assert list(of_b) == [4, 12, 20, 32, 40]
    for step, value in of_b.items():
        assert value == pytest.approx(norms[step - 1], rel=1e-4)


@pytest.mark.parametrize("name", ALTERNATIONS)
def test_the_training_is_the_same_to_the_bit(name: str) -> None:
    ends = []
    for watched in (False, True):
        module = make_module()
        turns = [optimizers_of(module)[turn] for turn in ALTERNATIONS[name]]
        if watched:
            with watch(module, **WATCHED, every=4):
                take_steps(module, turns)
        else:
            take_steps(module, turns)
        ends.append(module.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@pytest.mark.parametrize("first", ["a", "b"])
def test_an_optimizer_with_rate_0_at_first_moves_later_and_is_no_fault(first: str) -> None:
    module = make_module()
    optimizers = optimizers_of(module)
    idle = optimizers[first]
    idle.param_groups[0]["lr"] = 0.0
    with watch(module, **WATCHED, total_steps=240) as monitor:
        take_steps(module, [optimizers[turn] for turn in "ab" * 40])
        idle.param_groups[0]["lr"] = 0.05
        take_steps(module, [optimizers[turn] for turn in "ab" * 80])
    assert [finding.key for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []


@pytest.mark.parametrize("written_back", ["a", "b"])
def test_a_layer_of_either_optimizer_that_is_written_back_is_found(written_back: str) -> None:
    module = make_module()
    optimizers = optimizers_of(module)
    layer = "0" if written_back == "a" else "2"
    kept = module[int(layer)].weight.detach().clone()

    def write_back(*_: Any) -> None:
        with torch.no_grad():
            module[int(layer)].weight.copy_(kept)

    optimizers[written_back].register_step_post_hook(write_back)
    with watch(module, **WATCHED, optimizer=list(optimizers.values()), total_steps=120) as monitor:
        take_steps(module, [optimizers[turn] for turn in "ab" * 60])
    found = [finding.key for finding in monitor.verdict.standing if finding.severity is Severity.ERROR]
    assert f"frozen_parameters@{layer}" in found


def matrices_and_biases(module: Any) -> list[Any]:
    """Give all matrices to one optimizer and all biases to another, as people do with Muon."""
    parts = [[each for each in module.parameters() if each.ndim == ndim] for ndim in (2, 1)]
    return [torch.optim.SGD(part, 0.05) for part in parts]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["matrices first", "biases first"])
def test_two_optimizers_that_share_all_layers_are_judged_by_what_each_moves(order: tuple[int, int]) -> None:
    module = make_module()
    both = matrices_and_biases(module)
    with watch(module, **WATCHED, total_steps=240) as monitor:
        for _ in range(120):
            module.zero_grad()
            nn.functional.mse_loss(module(INPUTS), TARGETS).backward()
            for place in order:
                both[place].step()
    assert [finding.key for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []
    ratios = monitor.record.series("update_ratio/0")
    assert (ratios.values[1:] > 0.0).all()
    assert {step % 2 for step in ratios.steps.tolist() if step > 1} == {1 - order[0]}


def test_gradients_of_very_different_sizes_are_no_jumps() -> None:
    module = make_module()
    optimizers = optimizers_of(module)
    targets = torch.randn((64, 1), generator=torch.Generator().manual_seed(3))  # nothing to learn: the loss stays
    with watch(module, data=(INPUTS, targets), loss=nn.MSELoss(), total_steps=400) as monitor:
        for turn in "ab" * 200:
            module.zero_grad()
            factor = 1e-4 if turn == "a" else 1.0
            (factor * nn.functional.mse_loss(module(INPUTS), targets)).backward()
            optimizers[turn].step()
    assert "exploding_gradient" not in {finding.id for finding in monitor.verdict.findings}
    assert monitor.record.series("gradient_norm/0").steps.size > 30


def test_an_optimizer_that_is_made_anew_for_every_step_is_looked_at_when_wanted() -> None:
    module = make_module()
    with watch(module, every=10) as monitor:
        for _ in range(60):
            take_steps(module, [torch.optim.SGD(module.parameters(), 0.05)])
    assert steps_shown(monitor, "0") == [1, 10, 20, 30, 40, 50, 60]


def test_an_optimizer_that_is_thrown_away_is_not_kept_alive() -> None:
    module = make_module()
    with watch(module, every=2):
        optimizer = torch.optim.Adam(module.parameters())
        take_steps(module, [optimizer] * 3)
        gone = weakref.ref(optimizer)
        del optimizer
        gc.collect()
        assert gone() is None


def test_what_the_steps_of_several_optimizers_are_about_is_found_once() -> None:
    module = make_module()
    network, both = TorchNetwork(module), list(optimizers_of(module).values())
    network.look(INPUTS.numpy()[:4])
    optimizers = Optimizers(network)
    for each in both * 2:
        optimizers.share_of(each)  # each is met, and so is what it takes from the other
    shares = [optimizers.share_of(each) for each in both]

    assert [list(share.moved) for share in shares] == [["0.weight", "0.bias"], ["2.weight", "2.bias"]]
    assert all(optimizers.share_of(each) is share for each, share in zip(both, shares, strict=True))


def test_a_parameter_that_is_replaced_is_in_what_a_step_is_about_and_the_old_one_is_let_go() -> None:
    module = make_module()
    network, both = TorchNetwork(module), list(optimizers_of(module).values())
    network.look(INPUTS.numpy()[:4])
    optimizers = Optimizers(network)
    for each in both * 2:
        optimizers.share_of(each)
    old = weakref.ref(module[2].weight)
    module[2].weight = nn.Parameter(torch.ones(1, 8))
    both[1].param_groups[0]["params"][0] = module[2].weight

    assert optimizers.share_of(both[0]).parameters["0.weight"] is module[0].weight
    gc.collect()
    assert old() is None
    assert optimizers.share_of(both[1]).parameters["2.weight"] is module[2].weight


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda m: torch.optim.SGD(m.parameters(), 0.05, momentum=0.9, nesterov=True), ("sgd", 0.05, 0.9, True)),
        (lambda m: torch.optim.Adam(m.parameters()), ("adam", 1e-3, 0.0, False)),
        (
            lambda m: torch.optim.SGD([{"params": part.parameters()} for part in m[::2]], 0.05),
            ("sgd", 0.05, 0.0, False),
        ),
        (
            lambda m: torch.optim.SGD([{"params": m[0].parameters(), "lr": 1.0}, {"params": m[2].parameters()}], 0.05),
            None,
        ),
        (lambda m: torch.optim.SGD(m[0].parameters(), 0.05), None),
    ],
    ids=["nesterov", "adam", "groups of one rate", "two rates", "a part of the module"],
)
def test_the_optimizer_that_trains_all_is_told_with_its_first_rate(make: Any, told: tuple[Any, ...] | None) -> None:
    module = make_module()
    optimizer = make(module)
    with watch(module, **WATCHED) as monitor:
        take_steps(module, [optimizer])
        optimizer.param_groups[0]["lr"] = 0.0
        take_steps(module, [optimizer])
    assert monitor.record.context is not None
    assert monitor.record.context.optimizer == (None if told is None else OptimizerInfo(*told))


def test_cures_of_a_loop_name_its_rate() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), 50.0)
    with watch(module, **WATCHED) as monitor:
        for _ in range(120):
            take_steps(module, [optimizer])
    cures = [cure for finding in monitor.verdict.standing for cure in finding.prescriptions]
    assert [cure.set for cure in cures if cure.why.startswith("lower the learning rate from 50 to ")][:1] == [None]
