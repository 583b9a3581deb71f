"""Steps read from a user's loop: what their events carry, which steps count, and what is left behind afterwards."""

import copy
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.watch import watch
from gradvitals.engine.events import (
    GradientsReady,
    LayerForward,
    OptimizerInfo,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

from torch.optim import optimizer as torch_optimizer  # noqa: E402 - it needs PyTorch
from torch.overrides import _get_current_function_mode  # noqa: E402 - as above

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_steps import TorchSteps  # noqa: E402 - as above

INPUTS, LABELS = torch.randn((64, 5), generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3


def make_module(*, inplace: bool = False) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=inplace), nn.Linear(8, 3))


def take_step(module: Any, optimizer: Any) -> Any:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(module(INPUTS), LABELS)
    loss.backward()
    optimizer.step()
    return loss


@pytest.fixture
def left_behind() -> Iterator[Callable[[Any], list[Any]]]:
    """List what hooks are on a module and on all optimizers, and the function mode that is on."""

    def list_them(module: Any) -> list[Any]:
        hooks = [torch_optimizer._global_optimizer_pre_hooks, torch_optimizer._global_optimizer_post_hooks]
        for part in module.modules():
            hooks += [part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks]
        return [hook for each in hooks for hook in each.values()] + [
            mode for mode in [_get_current_function_mode()] if mode is not None
        ]

    yield list_them
    while _get_current_function_mode() is not None:
        torch.overrides._pop_mode()


class Listener:
    """Copies the events of chosen steps."""

    def __init__(self, network: TorchNetwork, every: int = 1) -> None:
        self.events: list[Any] = []
        for rare in (TrainingStarted, TrainingEnded):
            network.hooks.on(rare, self.events.append)
        for kind in (LayerForward, GradientsReady, StepEnded):
            network.hooks.on(kind, lambda event: self.events.append(copied(event)), every=every)

    def of(self, kind: type) -> list[Any]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


def copied(event: Any) -> Any:
    """Copy what is valid only until the handler returns."""
    values = {name: getattr(event, name) for name in event.__dataclass_fields__}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = value.copy()
        elif name in {"gradients", "updates", "parameters"}:
            values[name] = {layer: {what: array.copy() for what, array in own.items()} for layer, own in value.items()}
    return type(event)(**values)


def listen(module: Any, every: int = 1, **settings: Any) -> tuple[Listener, TorchSteps]:
    network = TorchNetwork(module)
    network.look(INPUTS.numpy())
    return Listener(network, every), TorchSteps(network, module, guard=Guard(print), **settings)


def by_layer(values: Any) -> dict[str, dict[str, Any]]:
    weight_0, bias_0, weight_2, bias_2 = (value.detach().numpy().copy() for value in values)
    return {"0": {"weight": weight_0.T, "bias": bias_0}, "2": {"weight": weight_2.T, "bias": bias_2}}


def assert_same(found: Any, expected: Any, *, exactly: bool = True) -> None:
    assert {layer: list(own) for layer, own in found.items()} == {layer: list(own) for layer, own in expected.items()}
    for layer, own in expected.items():
        for name, array in own.items():
            np.testing.assert_allclose(found[layer][name], array, 0 if exactly else 1e-5, 0 if exactly else 1e-7)


def test_a_step_shows_the_gradients_and_the_update_really_taken() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    listener, steps = listen(module, every=2, total_steps=6)
    expected = []
    for _ in range(6):
        before = by_layer(module.parameters())
        take_step(module, optimizer)
        gradients, after = by_layer(each.grad for each in module.parameters()), by_layer(module.parameters())
        updates = {layer: {name: own[name] - before[layer][name] for name in own} for layer, own in after.items()}
        expected.append((gradients, updates, after))
    steps.end("completed")
    assert listener.of(TrainingStarted) == [TrainingStarted(0, 6, 64, optimizer=OptimizerInfo("sgd", 0.1, 0.9))]
    assert listener.of(TrainingEnded) == [TrainingEnded(6, "completed")]
    for place, (ready, ended) in enumerate(zip(listener.of(GradientsReady), listener.of(StepEnded), strict=True)):
        step = 2 * place + 2
        gradients, updates, after = expected[step - 1]
        assert (ready.step, ended.step, ended.loss, ended.clip_factor, ended.learning_rate) == (
            step,
            step,
            None,
            1.0,
            0.1,
        )
        assert_same(ready.gradients, gradients)
        assert_same(ended.updates, updates)
        assert_same(ended.parameters, after)
    assert [(event.step, event.layer) for event in listener.of(LayerForward)] == [
        (step, layer) for step in (2, 4, 6) for layer in ("0", "2")
    ]


@pytest.mark.parametrize("inplace", [False, True])
def test_the_forward_of_a_wanted_step_is_shown_as_it_was_in_training(*, inplace: bool) -> None:
    module = make_module(inplace=inplace)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    listener, steps = listen(module)
    with torch.no_grad():
        hidden = module[0](INPUTS).relu()
    take_step(module, optimizer)
    module.eval()
    with torch.no_grad():
        module(INPUTS)  # neither this nor the next forward is one of the training
    module(INPUTS)
    module.train()
    take_step(module, optimizer)
    steps.end("completed")
    events = listener.of(LayerForward)
    assert [(event.step, event.layer) for event in events] == [(1, "0"), (1, "2"), (2, "0"), (2, "2")]
    np.testing.assert_array_equal(events[0].outputs, hidden.numpy())
    np.testing.assert_array_equal(events[0].inputs, INPUTS.numpy())
    assert {event.source for event in events} == {"training"}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscaled", [False, True])
def test_gradients_under_a_scaler_are_seen_without_its_scale_and_skipped_steps_do_not_count(
    *, fused: bool, unscaled: bool
) -> None:
    module, plain = make_module(), make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    listener, steps = listen(module)
    for factor in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(factor * nn.functional.cross_entropy(module(INPUTS), LABELS)).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    steps.end("completed")
    without = torch.optim.SGD(plain.parameters(), lr=0.1)
    seen = listener.of(GradientsReady)
    assert [event.step for event in seen] == [1, 2]
    for event in seen:
        take_step(plain, without)
        assert_same(event.gradients, by_layer(each.grad for each in plain.parameters()), exactly=False)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_a_scaler_skips_does_not_count_where_it_is_not_wanted_either(*, fused: bool) -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    listener, steps = listen(module, every=3)
    for factor in (1.0, float("inf"), 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale(factor * nn.functional.cross_entropy(module(INPUTS), LABELS)).backward()
        scaler.step(optimizer)
        scaler.update()
    steps.end("completed")
    assert [event.step for event in listener.of(StepEnded)] == [3]
    assert listener.of(TrainingEnded) == [TrainingEnded(3, "completed")]


def test_a_closure_is_looked_at_after_its_first_call_and_tells_the_loss() -> None:
    module, plain = make_module(), make_module()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=3)
    listener, steps = listen(module)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(INPUTS), LABELS)
        loss.backward()
        return loss

    result = optimizer.step(closure=closure)
    steps.end("completed")
    loss = nn.functional.cross_entropy(plain(INPUTS), LABELS)
    loss.backward()
    assert result.item() == loss.item()
    assert [event.loss for event in listener.of(StepEnded)] == [loss.item()]
    assert_same(listener.of(GradientsReady)[0].gradients, by_layer(each.grad for each in plain.parameters()))
    assert listener.of(TrainingStarted)[0].batch_size == 64


def test_only_steps_of_optimizers_that_hold_the_module_count() -> None:
    module, other = make_module(), make_module()
    own, others = (torch.optim.SGD(each.parameters(), lr=0.1) for each in (module, other))
    listener, steps = listen(module)
    for _ in range(3):
        take_step(other, others)
        take_step(module, own)
    steps.end("completed")
    assert [event.step for event in listener.of(StepEnded)] == [1, 2, 3]


def test_a_named_optimizer_is_the_only_one_that_counts() -> None:
    module = make_module()
    first, second = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (module[0], module[2]))
    listener, steps = listen(module, optimizers=[second])
    for _ in range(3):
        take_step(module, first)
        second.step()
    steps.end("completed")
    assert [event.step for event in listener.of(StepEnded)] == [1, 2, 3]
    assert listener.of(TrainingStarted)[0].unheld == ("0",)


def test_a_step_of_one_of_several_optimizers_shows_its_own_layers_and_its_least_rate() -> None:
    module, other = make_module(), nn.Linear(2, 2)
    first = torch.optim.SGD(module[0].parameters(), lr=0.1)
    second = torch.optim.SGD(
        [
            {"params": [module[2].weight], "lr": 0.3},
            {"params": [module[2].bias], "lr": 0.2},
            {"params": list(other.parameters()), "lr": 0.01},
        ]
    )
    listener, steps = listen(module, optimizers=[first, second])
    for _ in range(2):
        take_step(module, first)
        second.step()
    steps.end("completed")
    shown = [("0",), ("2",), ("0",), ("2",)]
    assert [tuple(event.gradients) for event in listener.of(GradientsReady)] == shown
    assert [tuple(event.updates) for event in listener.of(StepEnded)] == shown
    assert [event.learning_rate for event in listener.of(StepEnded)] == [0.1, 0.2, 0.1, 0.2]


def test_an_optimizer_that_is_given_parameters_of_the_module_later_counts_from_then_on() -> None:
    module, other = make_module(), make_module()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    listener, steps = listen(module)
    take_step(other, optimizer)
    optimizer.add_param_group({"params": list(module.parameters())})
    take_step(module, optimizer)
    steps.end("completed")
    assert [event.step for event in listener.of(StepEnded)] == [1]


def test_layers_that_no_optimizer_holds_are_named_and_frozen_ones_are_left_out() -> None:
    module = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 3))
    module[0].requires_grad_(requires_grad=False)
    listener, steps = listen(module)
    optimizer = torch.optim.SGD(module[2].parameters(), lr=0.1)
    take_step(module, optimizer)
    module[0].requires_grad_(requires_grad=True)
    take_step(module, optimizer)
    steps.end("completed")
    assert listener.of(TrainingStarted)[0].unheld == ("1",)
    assert [list(event.gradients) for event in listener.of(GradientsReady)] == [["1", "2"], ["0", "1", "2"]]


def test_a_layer_that_is_replaced_between_two_steps_does_no_harm() -> None:
    module = make_module()
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=60, every=1) as monitor:
        for head in (nn.Linear(8, 3), nn.Linear(8, 3), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 3))):
            module[2] = head
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
            for _ in range(20):
                take_step(module, optimizer)
    assert monitor.record.notes(Ending)[0].step == 60
    assert [finding for finding in monitor.verdict.standing if finding.severity is Severity.ERROR] == []


def test_a_layer_of_other_sizes_in_the_place_of_one_is_not_taken_for_it() -> None:
    module = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=60, every=1) as monitor:
        for width in (6, 9, 4):
            module[2], module[4] = nn.Linear(8, width), nn.Linear(width, 3)
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
            for _ in range(20):
                take_step(module, optimizer)
    assert monitor.record.notes(Ending)[0].step == 60


def norms_at_the_end(module: Any, change: Callable[[], None], steps: int = 3) -> tuple[Any, Any]:
    """Change a module amid its training; give the weight norms that were recorded last, and the true ones."""
    with watch(module, total_steps=2 * steps, every=1) as monitor:
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for step in range(2 * steps):
            if step == steps:
                change()
            take_step(module, optimizer)
    recorded = [float(monitor.record.series(f"weight_norm/{layer}").values[-1]) for layer in (0, 2)]
    return recorded, [float(module[layer].weight.detach().norm()) for layer in (0, 2)]


def test_units_that_are_pruned_in_place_no_longer_count() -> None:
    module = make_module()

    def prune() -> None:
        for parameter in (module[0].weight, module[0].bias):
            parameter.data = parameter.data[:4]
        module[2].weight.data = module[2].weight.data[:, :4]

    recorded, true = norms_at_the_end(module, prune)
    assert recorded == pytest.approx(true, rel=1e-5)


def test_a_weight_that_gets_other_data_within_a_step_is_shown_as_it_is_then() -> None:
    module = make_module()
    listener, steps = listen(module, total_steps=4)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        take_step(module, optimizer)

    def swap(*_: Any) -> None:
        module[0].weight.data = torch.zeros(8, 5)

    optimizer.register_step_post_hook(swap)
    before = by_layer(module.parameters())
    take_step(module, optimizer)
    steps.end("completed")
    shown = listener.of(StepEnded)[-1]
    assert not shown.parameters["0"]["weight"].any()
    np.testing.assert_array_equal(shown.updates["0"]["weight"], -before["0"]["weight"])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt], ids=lambda error: error.__name__)
@pytest.mark.parametrize("during", ["forward", "step", "between"])
def test_nothing_is_left_behind_whatever_ends_a_training(
    error: type[BaseException], during: str, left_behind: Callable[[Any], list[Any]]
) -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def fail(*_: Any) -> None:
        raise error

    assert left_behind(module) == []
    with pytest.raises(error), watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), every=1) as monitor:  # noqa: PT012
        take_step(module, optimizer)
        assert left_behind(module)
        own = []
        if during == "forward":
            own = [module[1].register_forward_pre_hook(fail)]
        elif during == "step":
            own = [optimizer.register_step_pre_hook(fail)]
        try:
            take_step(module, optimizer)
            fail()
        finally:
            for hook in own:
                hook.remove()
    assert left_behind(module) == []
    reason = "interrupted" if error is KeyboardInterrupt else "failed"
    taken = 2 if during == "between" else 1
    assert monitor.record.notes(Ending) == [Ending(taken, reason)]


def test_a_monitor_that_is_thrown_away_before_any_step_leaves_nothing_behind(
    left_behind: Callable[[Any], list[Any]],
) -> None:
    module = make_module()
    monitor = watch(module)
    monitor.detach()
    monitor.detach()
    assert left_behind(module) == []
    assert monitor.record.context is None


@pytest.mark.parametrize("listening", [0, 1], ids=["with data", "without"])
def test_unwanted_steps_leave_the_module_without_hooks(left_behind: Callable[[Any], list[Any]], listening: int) -> None:
    """But for those that wait for the first step, and the one that listens for data, where none are given."""
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    counts = []
    with watch(module, every=5, data=None if listening else (INPUTS, LABELS)):
        for _ in range(11):
            counts.append(len(left_behind(module)) - 2 - listening)
            take_step(module, optimizer)
    assert counts == [4, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0]


def test_steps_watched_in_one_thread_do_not_disturb_one_under_way_in_another() -> None:
    module, other = make_module(), make_module()
    optimizer, their_own = (torch.optim.SGD(each.parameters(), lr=0.1) for each in (module, other))

    def train_meanwhile(stepping: Any, _: Any, __: Any) -> None:
        if stepping is their_own:
            thread = threading.Thread(target=lambda: [take_step(module, optimizer) for _ in range(5)])
            thread.start()
            thread.join()

    with watch(module, every=2) as monitor:
        handle = torch_optimizer.register_optimizer_step_pre_hook(train_meanwhile)
        try:
            for _ in range(3):
                take_step(other, their_own)
        finally:
            handle.remove()
    assert monitor.record.notes(Ending)[0].step == 15


def test_copies_and_pickles_of_a_watched_module_are_not_watched() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as monitor:
        take_step(module, optimizer)
        twin = copy.deepcopy(module)
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        read = torch.load(file, weights_only=False)
        for each in (twin, read):
            each(INPUTS)
        assert b"gradvitals" not in file.getvalue()
        take_step(module, optimizer)
    assert monitor.record.notes(Ending)[0].step == 2
    assert list(twin.state_dict()) == list(read.state_dict()) == list(module.state_dict())


def test_two_monitors_watch_one_module() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as one, watch(module, every=2) as other:
        for _ in range(4):
            take_step(module, optimizer)
    assert one.record.series("gradient_norm/global").steps.tolist() == [1, 2, 3, 4]
    assert other.record.series("gradient_norm/global").steps.tolist() == [1, 2, 4]
    assert one.record.tags() == other.record.tags()


def test_parts_that_are_called_one_by_one_are_watched_without_their_forward() -> None:
    module = nn.ModuleDict({"a": nn.Linear(5, 8), "b": nn.Linear(8, 3)})
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module["b"](module["a"](INPUTS).relu()), LABELS).backward()
            optimizer.step()
    assert monitor.record.context is not None
    assert [(info.name, info.activation) for info in monitor.record.context.layers] == [
        ("a", "unknown"),
        ("b", "unknown"),
    ]
    assert monitor.record.series("gradient_norm/a").steps.tolist() == [1, 2, 3]


@pytest.mark.parametrize("rate", [1e4, 1e20])
def test_a_training_that_diverges_is_watched_to_its_end(rate: float) -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=30, every=1) as monitor:
        for _ in range(30):
            take_step(module, optimizer)
    errors = {finding.id for finding in monitor.verdict.standing if finding.severity is Severity.ERROR}
    assert errors


def test_a_dead_layer_is_found() -> None:
    module = make_module()
    with torch.no_grad():
        module[0].bias.fill_(-100.0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=120) as monitor:
        for _ in range(120):
            take_step(module, optimizer)
    found = {(finding.id, finding.layer, finding.severity) for finding in monitor.verdict.standing}
    assert ("dead_units", "0", Severity.ERROR) in found


def test_a_layer_that_no_optimizer_holds_is_found() -> None:
    module = make_module()
    optimizer = torch.optim.SGD(module[2].parameters(), lr=0.1)
    with watch(module, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss(), total_steps=120) as monitor:
        for _ in range(120):
            take_step(module, optimizer)
    found = {(finding.id, finding.layer, finding.severity) for finding in monitor.verdict.standing}
    assert ("frozen_parameters", "0", Severity.WARNING) in found


def test_skorch_is_watched_with_one_line() -> None:
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    inputs, labels = INPUTS.numpy(), LABELS.numpy().astype(np.int64)
    settings = {"criterion": nn.CrossEntropyLoss, "lr": 0.1, "max_epochs": 8, "batch_size": 16, "verbose": 0}
    trained = []
    for watched in (False, True):
        torch.manual_seed(1)
        net = skorch.NeuralNetClassifier(make_module(), train_split=None, **settings).initialize()
        if watched:
            with watch(net.module_, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss()) as monitor:
                net.partial_fit(inputs, labels)
        else:
            net.partial_fit(inputs, labels)
        trained.append(net.module_.state_dict())
    assert all(torch.equal(trained[0][name], value) for name, value in trained[1].items())
    assert monitor.record.notes(Ending)[0].step == 32
    assert monitor.record.context is not None
    assert monitor.record.context.batch_size == 16
    assert [finding for finding in monitor.verdict.standing if finding.severity is Severity.ERROR] == []


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (lambda: torch.jit.script(nn.Linear(2, 2)), {}, "what torch.jit compiles cannot be seen into"),
        (
            lambda: nn.Sequential(nn.Linear(2, 2), torch.jit.script(nn.Linear(2, 2))),
            {"data": (INPUTS, LABELS), "loss": nn.CrossEntropyLoss()},
            "cannot watch this Sequential with its part '1': what torch.jit compiles cannot be seen into",
        ),
        (lambda: nn.LazyLinear(2), {}, "lazy parameters that do not exist yet: run a batch through it"),
        (nn.ReLU, {}, "cannot watch this ReLU: it has no weights"),
        (make_module, {"optimizer": "sgd"}, "optimizer must be a torch.optim.Optimizer"),
        (
            lambda: nn.PReLU(5),
            {"data": (INPUTS, LABELS), "loss": nn.CrossEntropyLoss()},
            "cannot watch this PReLU: it has no weights",
        ),
    ],
    ids=["scripted", "scripted part", "lazy", "no weights", "no optimizer", "only slopes"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit is on its way out
def test_what_cannot_be_watched_is_said_in_one_sentence(make: Any, settings: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        watch(make(), **settings)


def test_watch_loads_pytorch_only_with_those_who_use_it() -> None:
    program = (
        "import sys; from gradvitals.diagnostics.watch import watch\n"
        "try: watch(object())\n"
        "except TypeError: print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_looks_are_planned_by_what_they_take_and_not_by_their_rows_alone() -> None:
    inputs, labels = torch.randn(10, 3), torch.arange(10) % 2
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, data=(inputs, labels), loss=nn.CrossEntropyLoss(), total_steps=2000) as monitor:
        for _ in range(2000):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    rows_trained, rows_of_a_look = 2000 * 10, 10
    assert len(monitor.record.notes(Probe)) == int(0.0075 * rows_trained / (rows_of_a_look * 4 / 3)) == 11
