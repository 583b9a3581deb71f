"""Forward passes that do what the one before did: they show what they would, had each been followed anew."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.guard import Guard
from gradvitals.engine.events import LayerForward

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

from gradvitals.diagnostics.adapters import torch_forward  # noqa: E402 - it needs PyTorch
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_repeat import Pattern  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_steps import TorchSteps  # noqa: E402 - as above
from gradvitals.diagnostics.adapters.torch_trace import Trace  # noqa: E402 - as above

STEPS = 7

Seen = list[tuple[int, str, str, bytes, bytes]]
"""Step, layer, activation, inputs and outputs of every event."""


class Written(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Two layers of one width, a head, and a forward pass that is given the step under way."""

    def __init__(self, forward: Callable[[Any, Any, int], Any]) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.register_buffer("scale", torch.full((6,), 2.0))
        self.norm, self.drop, self.step, self.written = nn.LayerNorm(6), nn.Dropout(0.5), 0, forward
        self.lstm, self.wide = nn.LSTM(6, 6, batch_first=True), nn.Linear(12, 3)
        with warnings.catch_warnings(action="ignore"):
            self.rows = torch.nested.nested_tensor([torch.ones(15, 6), torch.ones(15, 6)])

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.written(self, x, self.step)


def other_activation(net: Any, x: Any, step: int) -> Any:
    hidden = net.first(x)
    return net.head(hidden.relu() if step % 3 else hidden.tanh())


def sometimes_around(net: Any, x: Any, step: int) -> Any:
    hidden = net.first(x)
    active = functional.relu(hidden)
    return net.head(net.second(active) + (hidden if step % 3 == 2 else active))


def other_tensor(net: Any, x: Any, step: int) -> Any:
    hidden, other = net.first(x).relu(), net.second(x).relu()
    return net.head(hidden if step % 3 else other)


def one_more(net: Any, x: Any, step: int) -> Any:
    hidden = net.first(x).relu()
    return net.head(hidden if step % 3 else net.second(hidden).relu())


def written_later(net: Any, x: Any, step: int) -> Any:
    hidden = net.first(x)
    active = hidden.sigmoid() * 1.0
    logits = net.head(active)
    if step % 3 == 2:
        hidden.zero_()
    return logits


def into_another(net: Any, x: Any, _: int) -> Any:
    read = torch.empty_like(x)
    torch.add(x, 1.0, out=read)
    return net.head(net.first(read).relu())


def in_a_tuple(net: Any, x: Any, step: int) -> Any:
    logits = net.head(net.first(x).relu())
    return logits if step % 3 else (logits, x)


def other_setting(net: Any, x: Any, step: int) -> Any:
    return net.head(functional.leaky_relu(net.first(x), 0.01 if step % 3 else True))


def other_bound(net: Any, x: Any, step: int) -> Any:
    return net.head(net.first(x).clamp(0.0 if step % 3 else -1.0))


def batch_of_another_size(net: Any, x: Any, step: int) -> Any:
    return net.head(net.first(x[: 20 if step == 4 else 30]).relu())


def sometimes_nested(net: Any, x: Any, step: int) -> Any:
    read = (net.rows * 2.0).to_padded_tensor(0.0).flatten(0, 1) if step % 3 == 2 else x * 2.0
    return net.head(net.first(read).relu())


def named_the_other_way_round(net: Any, x: Any, step: int) -> Any:
    # what comes as an array has not been met
    one, other = torch.from_numpy(x.numpy() * 2.0), torch.from_numpy(x.numpy() * 3.0)
    both = torch.add(input=one, other=other) if step % 3 else torch.add(other=other, input=one)
    return net.head(net.first(one if step % 3 else other).relu() + both)


def recurrent(net: Any, x: Any, _: int) -> Any:
    states, _ = net.lstm(x[:, None, :].expand(-1, 2, -1))
    return net.head(net.first(states[:, -1]).relu())


def other_part_of_a_tuple(net: Any, x: Any, step: int) -> Any:
    states, (last, _) = net.lstm(x[:, None, :].expand(-1, 2, -1))
    return net.head(net.first(states[:, -1] if step % 3 else last[0]).relu())


def other_slice(net: Any, x: Any, step: int) -> Any:
    return net.head(net.first(torch.cat((x[:, 0 : 3 if step % 3 else 2], x[:, 3 if step % 3 else 2 :]), 1)).relu())


def a_list_that_grows(net: Any, x: Any, step: int) -> Any:
    hidden = net.first(x)
    parts = [hidden.relu(), x]
    logits = net.wide(torch.cat(parts, 1))
    parts.append(hidden)
    return logits if step % 3 else logits + x.sum()


def other_length_of_a_list(net: Any, x: Any, step: int) -> Any:
    active, nothing = net.first(x).relu(), x[:, :0]
    return net.head(torch.cat([active, nothing] if step % 3 else [active], 1))


def a_list_or_a_tuple(net: Any, x: Any, step: int) -> Any:
    parts = [net.first(x).relu(), x]
    return net.wide(torch.cat(parts if step % 3 else tuple(parts), 1))


def other_part_of_a_list(net: Any, x: Any, step: int) -> Any:
    one, other = net.first(x).relu(), net.second(x).relu()
    return net.wide(torch.cat([one, other] if step % 3 else [other, one], 1))


def lists_in_a_list(net: Any, x: Any, _: int) -> Any:
    return net.head(torch.block_diag(net.first(x).relu())) + torch.tensor([[0.0], [0.0]]).sum()


FORWARDS: dict[str, Callable[[Any, Any, int], Any]] = {
    "relu": lambda net, x, _: net.head(net.second(net.first(x).relu()).relu()),
    "functional": lambda net, x, _: net.head(functional.relu(net.second(functional.relu(net.first(x))))),
    "in place": lambda net, x, _: net.head(functional.relu(net.first(x), inplace=True)),
    "sum in place": lambda net, x, _: net.head(net.first(x).add_(x).relu()),
    "called twice": lambda net, x, _: net.head(net.first(net.first(x).relu()).relu()),
    "norm, dropout, buffer": lambda net, x, _: net.head(net.drop(net.norm(net.first(x * net.scale))).relu()),
    "reshaped": lambda net, x, _: net.head(net.first(x).reshape(2, -1, 6).relu().flatten(0, 1)),
    "transposed": lambda net, x, _: net.head(torch.permute(torch.permute(net.first(x), (1, 0)), (1, 0)).relu()),
    "slope inside": lambda net, x, _: net.head(net.first(torch.func.grad(lambda y: (y * y).sum())(x)).relu()),
    "shape asked": lambda net, x, _: net.head(net.first(x).relu() * x.shape[1] / x.size(1)),
    "tied": lambda net, x, _: net.head(functional.linear(net.first(x).relu(), net.first.weight.T).relu()),
    **{
        each.__name__.replace("_", " "): each
        for each in (
            other_activation,
            sometimes_around,
            other_tensor,
            one_more,
            written_later,
            into_another,
            in_a_tuple,
            other_setting,
            other_bound,
            batch_of_another_size,
            sometimes_nested,
            named_the_other_way_round,
            recurrent,
            other_part_of_a_tuple,
            other_slice,
            a_list_that_grows,
            other_length_of_a_list,
            a_list_or_a_tuple,
            other_part_of_a_list,
            lists_in_a_list,
        )
    },
}


def replace_layer(net: Any) -> None:
    net.first = nn.Linear(6, 6)


def replace_weight(net: Any) -> None:
    net.first.weight = nn.Parameter(torch.ones(6, 6))


def replace_buffer(net: Any) -> None:
    net.scale = torch.ones(6)


def leave(_: Any) -> None:
    """Change nothing."""


def events_of(forward: Callable[[Any, Any, int], Any], change: Callable[[Any], None] = leave) -> Seen:
    """Train for some steps, with a change in their midst; give what the forward passes showed."""
    torch.manual_seed(0)
    module = Written(forward)
    inputs, labels = torch.randn(30, 6), torch.arange(30) % 3
    network, seen = TorchNetwork(module), Seen()
    network.look(inputs.numpy()[:4])
    network.hooks.on(
        LayerForward,
        lambda event: seen.append(
            (event.step, event.layer, event.activation, event.inputs.tobytes(), event.outputs.tobytes())
        ),
    )
    steps = TorchSteps(network, module, guard=Guard(print), total_steps=STEPS)
    for step in range(1, STEPS + 1):
        module.step = step
        if step == STEPS - 2:
            change(module)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        outputs = module(inputs)
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        functional.cross_entropy(logits, labels[: len(logits)]).backward()
        optimizer.step()
    steps.end("completed")
    return seen


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, leave) for name in FORWARDS]
    + [("norm, dropout, buffer", change) for change in (replace_layer, replace_weight, replace_buffer)],
)
def test_repeated_passes_show_what_passes_followed_anew_show(
    name: str, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = events_of(FORWARDS[name], change)
    monkeypatch.setattr(torch_forward, "PATTERNS", 0)
    anew = events_of(FORWARDS[name], change)

    assert repeated == anew
    assert {step for step, *_ in anew} >= {1, 2, STEPS}


@pytest.mark.parametrize(
    ("name", "followed"),
    [
        ("functional", 1),
        ("norm, dropout, buffer", 1),
        ("transposed", 1),
        ("recurrent", 1),
        ("in place", STEPS),
        ("one more", STEPS - 2),
        ("other slice", STEPS - 2),
        ("other part of a list", STEPS - 2),
        ("a list that grows", STEPS - 2),
        ("other length of a list", STEPS - 2),
        ("a list or a tuple", STEPS - 2),
    ],
)
def test_only_passes_that_do_something_else_are_followed_anew(
    name: str, followed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished, finish = [], Trace.finish

    def count(trace: Trace, inputs: Any, outputs: Any) -> Any:
        finished.append(inputs)
        return finish(trace, inputs, outputs)

    monkeypatch.setattr(Trace, "finish", count)
    events_of(FORWARDS[name])

    assert len(finished) - 1 == followed  # the first is the look


def test_a_pattern_keeps_no_tensor_of_its_pass_alive() -> None:
    torch.manual_seed(0)
    module = Written(FORWARDS["functional"])
    network = TorchNetwork(module)
    with Trace(network.names.by_identity, network.names.buffers, remember=True) as trace:
        outputs = module(torch.randn(30, 6))
    calls = network.sort(trace.finish((), outputs), network.names)
    assert trace.made is not None
    pattern = Pattern.of(network.names, trace.made, outputs, calls)

    assert pattern is not None
    held = [each for step in pattern.steps for each in (*step.args, *step.kwargs.values(), step.result)]
    assert not [each for each in held if type(each) is torch.Tensor]
    again = [one.call for own in pattern.calls.values() for one in own]
    assert not any(each.tensor.numel() for call in again for each in (call.inputs, call.result, call.outputs) if each)


def test_a_trace_that_is_over_sees_nothing_of_what_follows() -> None:
    one, other = Trace({}, remember=True), Trace({}, remember=True)
    one.__enter__()
    with other:
        torch.ones(2).relu()
        one.__exit__(None, None, None)  # two monitors' hooks run in this order, and it is the other that it pops
        torch.ones(2).sigmoid()
    assert one.made is not None
    assert [made.function.__name__ for made in one.made] == ["ones", "relu"]
