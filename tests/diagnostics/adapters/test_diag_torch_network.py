"""A module as an `Observable`: its layers, and every array of a probe against a computation by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array, LayerBackward, LayerForward, LossInfo, Observable

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - it needs PyTorch


class SquaredError:
    """The plainest of losses."""

    name = "mse"
    info = LossInfo("values")
    class_weight = None

    def sample_losses(self, outputs: Any, targets: Array) -> Any:
        """Average over the outputs."""
        return (outputs - torch.tensor(targets)).square().mean(dim=1)

    def mean(self, outputs: Any, targets: Array) -> Any:
        """Average over everything."""
        return self.sample_losses(outputs, targets).mean()

    def rows(self, outputs: Any) -> Any:
        """Give the outputs."""
        return outputs

    def scores(self, _outputs: Any, _targets: Array) -> Array | None:
        """Give none."""
        return None


class Eavesdropper:
    """Keeps copies of a probe's events."""

    def __init__(self) -> None:
        self.forward: dict[str, LayerForward] = {}
        self.backward: dict[str, LayerBackward] = {}

    def __call__(self, event: Any) -> None:
        """Keep an event."""
        kept = self.forward if isinstance(event, LayerForward) else self.backward
        assert event.layer not in kept
        kept[event.layer] = event


class Module(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A module whose forward is a function of it and its inputs."""

    def __init__(self, forward: Callable[[Any, Any], Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, nn.Parameter):
                self.register_parameter(name, part)
            else:
                self.add_module(name, part)
        self._run = forward

    def forward(self, x: Any) -> Any:
        """Run the function."""
        return self._run(self, x)


def look(module: Any, inputs: Any) -> TorchNetwork:
    network = TorchNetwork(module, SquaredError())
    network.look(np.asarray(inputs))
    return network


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def probe(network: TorchNetwork, inputs: Array, targets: Array) -> tuple[Eavesdropper, Any]:
    heard = Eavesdropper()
    return heard, network.probe(inputs, targets, heard, step=3)


def by_channel(tensor: Any) -> Array:
    """Give (samples, channels, height, width) as (samples · positions, channels), one number after the other."""
    samples, channels, height, width = tensor.shape
    rows = [tensor[n, :, i, j].detach().numpy() for n in range(samples) for i in range(height) for j in range(width)]
    return np.stack(rows).reshape(-1, channels)


def linear(fan_in: int = 4, fan_out: int = 5) -> Any:
    return nn.Linear(fan_in, fan_out)


BETWEEN = {"pooling before the activation", "residual"}
"""Modules that change pre-activations further before the activation gets them."""


def skipping(m: Any, x: Any) -> Any:
    hidden = m.a(x)
    return hidden + functional.relu(hidden)


def gated(m: Any, x: Any) -> Any:
    hidden = m.a(x)
    return hidden * torch.sigmoid(hidden)


def doubled(m: Any, x: Any) -> Any:
    hidden = m.a(x)
    return torch.cat([hidden.relu(), (-hidden).relu()], 1)


def last_step(m: Any, x: Any) -> Any:
    return m.r(x.flatten(2))[0][:, -1]


VECTOR, IMAGE = normal(6, 4), normal(6, 2, 5, 5)
MODULES: Mapping[str, tuple[Any, Array, list[tuple[str, str, int, int]]]] = {
    "sequential": (
        nn.Sequential(linear(), nn.Tanh(), linear(5, 3)),
        VECTOR,
        [("0", "tanh", 4, 5), ("2", "linear", 5, 3)],
    ),
    "functional": (Module(lambda m, x: functional.relu(m.a(x)), a=linear()), VECTOR, [("a", "relu", 4, 5)]),
    "method": (Module(lambda m, x: m.a(x).relu(), a=linear()), VECTOR, [("a", "relu", 4, 5)]),
    "in place": (Module(lambda m, x: m.a(x).relu_(), a=linear()), VECTOR, [("a", "relu", 4, 5)]),
    "clamp": (Module(lambda m, x: m.a(x).clamp(min=0), a=linear()), VECTOR, [("a", "relu", 4, 5)]),
    "clamp on both sides": (Module(lambda m, x: m.a(x).clamp(0, 1), a=linear()), VECTOR, [("a", "linear", 4, 5)]),
    "prelu": (nn.Sequential(linear(), nn.PReLU()), VECTOR, [("0", "prelu", 4, 5)]),
    "softmax": (nn.Sequential(linear(), nn.Softmax(dim=1)), VECTOR, [("0", "softmax", 4, 5)]),
    "softmax over samples": (nn.Sequential(linear(), nn.Softmax(dim=0)), VECTOR, [("0", "linear", 4, 5)]),
    "own parameter": (
        Module(lambda m, x: torch.sigmoid(functional.linear(x, m.w)), w=nn.Parameter(torch.randn(5, 4))),
        VECTOR,
        [("w", "sigmoid", 4, 5)],
    ),
    "matrix product": (
        Module(
            lambda m, x: torch.tanh(x @ m.w + m.b),
            w=nn.Parameter(torch.randn(4, 5)),
            b=nn.Parameter(torch.randn(5)),
        ),
        VECTOR,
        [("w", "tanh", 4, 5)],
    ),
    "matrix product with a sum": (
        Module(
            lambda m, x: torch.addmm(m.b, x, m.w).relu(),
            w=nn.Parameter(torch.randn(4, 5)),
            b=nn.Parameter(torch.randn(5)),
        ),
        VECTOR,
        [("w", "relu", 4, 5)],
    ),
    "matrix product with a sum, by name": (
        Module(
            lambda m, x: torch.addmm(input=m.b, mat1=x, mat2=m.w).relu(),
            w=nn.Parameter(torch.randn(4, 5)),
            b=nn.Parameter(torch.randn(5)),
        ),
        VECTOR,
        [("w", "relu", 4, 5)],
    ),
    "weight norm": (
        nn.Sequential(nn.utils.parametrizations.weight_norm(linear()), nn.ReLU()),
        VECTOR,
        [("0", "relu", 4, 5)],
    ),
    "spectral norm": (
        nn.Sequential(nn.utils.parametrizations.spectral_norm(linear()), nn.ReLU()),
        VECTOR,
        [("0", "relu", 4, 5)],
    ),
    "norm and dropout before the activation": (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(), nn.ReLU(), nn.Flatten(), nn.Linear(27, 1)),
        IMAGE,
        [("0", "relu", 18, 3), ("5", "linear", 27, 1)],
    ),
    "pooling before the activation": (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(3), nn.ReLU(), nn.Flatten()),
        IMAGE,
        [("0", "relu", 18, 3)],
    ),
    "reshape before the activation": (
        nn.Sequential(nn.Linear(4, 12), nn.Unflatten(1, (3, 2, 2)), nn.ReLU(), nn.Flatten()),
        VECTOR,
        [("0", "relu", 4, 12)],
    ),
    "grouped and transposed": (
        nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Flatten()),
        IMAGE,
        [("0", "relu", 9, 4), ("2", "linear", 18, 6)],
    ),
    "residual": (
        Module(lambda m, x: functional.relu(m.b(functional.relu(m.a(x))).add_(x)), a=linear(4, 4), b=linear(4, 4)),
        VECTOR,
        [("a", "relu", 4, 4), ("b", "relu", 4, 4)],
    ),
    "skip around the activation": (
        Module(skipping, a=linear()),
        VECTOR,
        [("a", "linear", 4, 5)],
    ),
    "gate": (Module(gated, a=linear()), VECTOR, [("a", "linear", 4, 5)]),
    "both signs": (
        Module(doubled, a=linear()),
        VECTOR,
        [("a", "linear", 4, 5)],
    ),
    "shared": (
        Module(lambda m, x: m.b(m.a(m.a(x).relu()).relu()), a=linear(4, 4), b=linear(4, 2)),
        VECTOR,
        [("a", "relu", 4, 4), ("b", "linear", 4, 2)],
    ),
    "shared with two activations": (
        Module(lambda m, x: m.a(m.a(x).relu()).tanh(), a=linear(4, 4)),
        VECTOR,
        [("a", "mixed", 4, 4)],
    ),
    "recurrent": (Module(last_step, r=nn.GRU(25, 7, batch_first=True)), IMAGE, [("r", "gru", 25, 7)]),
    "attention": (
        Module(lambda m, x: m.a(x, x, x)[0][:, 0], a=nn.MultiheadAttention(4, 2, batch_first=True)),
        normal(6, 3, 4),
        [("a", "linear", 4, 4)],
    ),
    "words": (
        Module(lambda m, x: m.a(m.e(x)).relu().mean(dim=1), e=nn.Embedding(9, 4), a=linear()),
        np.arange(12).reshape(6, 2) % 9,
        [("e", "linear", 9, 4), ("a", "relu", 4, 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_layer_is_an_operation_and_the_activation_that_all_its_output_goes_through(name: str) -> None:
    module, inputs, expected = MODULES[name]
    network = look(module, inputs)
    assert isinstance(network, Observable)
    assert [(info.name, info.activation, info.fan_in, info.fan_out) for info in network.layers] == expected
    for info in network.layers:
        weight = network.parameters_by_layer()[info.name]["weight"]
        assert not weight.flags.writeable
        if name not in {"recurrent", "attention", "weight norm"}:
            assert weight.shape == (info.fan_in, info.fan_out)


@pytest.mark.parametrize("name", MODULES)
def test_a_probe_changes_nothing_and_sends_arrays_of_samples_by_units(name: str) -> None:
    module, inputs, _ = MODULES[name]
    network = look(module, inputs)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    generators = torch.get_rng_state()
    with torch.no_grad():
        module.eval()
        expected = module(torch.tensor(inputs))
        module.train()
    targets = normal(*expected.shape, seed=3)
    heard, result = probe(network, inputs, targets)

    np.testing.assert_allclose(result.outputs, expected.numpy(), 1e-6, 1e-6)
    difference = expected.numpy() - targets
    np.testing.assert_allclose(result.losses, np.square(difference).mean(axis=1), 1e-5, 1e-6)
    np.testing.assert_allclose(result.grad_outputs, 2.0 * difference / difference.size, 1e-4, 1e-7)
    assert torch.equal(torch.get_rng_state(), generators)
    assert [part.training for part in module.modules()] == modes
    assert {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])} == set()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
    assert list(heard.forward) == [info.name for info in network.layers]
    for info in network.layers:
        event = heard.forward[info.name]
        assert (event.step, event.source) == (3, "probe")
        assert event.outputs.ndim == 2
        assert event.outputs.shape[1] == info.fan_out
        assert not event.outputs.flags.writeable
        if event.pre_activations is not None and info.activation == "relu" and name not in BETWEEN:
            np.testing.assert_array_equal(event.outputs, np.maximum(event.pre_activations, 0.0))
        if info.activation != "gru":
            assert heard.backward[info.name].grad_outputs.shape == event.outputs.shape


def test_a_convolution_agrees_with_one_computed_number_by_number() -> None:
    torch.manual_seed(0)
    first, head = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(75, 2)
    module = nn.Sequential(first, nn.ReLU(inplace=True), nn.Flatten(), head)
    inputs, targets = normal(4, 2, 5, 5), normal(4, 2, seed=1)
    heard, _ = probe(look(module, inputs), inputs, targets)

    weight, bias = first.weight.detach().numpy(), first.bias.detach().numpy()
    padded = np.pad(inputs, ((0, 0), (0, 0), (1, 1), (1, 1)))
    before = np.zeros((4, 5, 5, 3))
    for n, i, j, c in np.ndindex(before.shape):
        before[n, i, j, c] = (padded[n, :, i : i + 3, j : j + 3] * weight[c]).sum() + bias[c]
    outputs = np.maximum(before, 0.0)
    flat = outputs.transpose(0, 3, 1, 2).reshape(4, -1)
    error = flat @ head.weight.detach().numpy().T + head.bias.detach().numpy() - targets
    on_outputs = (2.0 * error / error.size) @ head.weight.detach().numpy()
    behind = on_outputs.reshape(4, 3, 5, 5).transpose(0, 2, 3, 1)

    event, back = heard.forward["0"], heard.backward["0"]
    assert event.pre_activations is not None
    np.testing.assert_allclose(event.pre_activations, before.reshape(-1, 3), 1e-5, 1e-5)
    np.testing.assert_allclose(event.outputs, outputs.reshape(-1, 3), 1e-5, 1e-5)
    np.testing.assert_allclose(back.grad_outputs, behind.reshape(-1, 3), 1e-5, 1e-6)
    np.testing.assert_allclose(back.grad_pre_activations, (behind * (before > 0.0)).reshape(-1, 3), 1e-5, 1e-6)


def test_an_lstm_shows_the_outputs_of_all_time_steps_and_no_gradient_within() -> None:
    torch.manual_seed(0)
    lstm, head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)
    module = Module(lambda m, x: m.head(m.lstm(x)[0][:, -1]), lstm=lstm, head=head)
    inputs, targets = normal(5, 6, 3), normal(5, 2, seed=1)
    heard, _ = probe(look(module, inputs), inputs, targets)

    into, across = (getattr(lstm, f"weight_{which}_l0").detach().numpy() for which in ("ih", "hh"))
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach().numpy()
    hidden, cell = np.zeros((5, 4)), np.zeros((5, 4))
    over_time = []
    for step in range(6):
        gates = inputs[:, step] @ into.T + hidden @ across.T + bias
        opened, forgot, candidate, shown = np.split(gates, 4, axis=1)
        cell = cell / (1 + np.exp(-forgot)) + np.tanh(candidate) / (1 + np.exp(-opened))
        hidden = np.tanh(cell) / (1 + np.exp(-shown))
        over_time.append(hidden)
    np.testing.assert_allclose(heard.forward["lstm"].outputs, np.stack(over_time, 1).reshape(-1, 4), 1e-5, 1e-6)
    assert heard.forward["lstm"].pre_activations is None
    assert list(heard.backward) == ["head"]


def test_all_calls_of_a_shared_module_are_samples_of_one_event() -> None:
    module = Module(lambda m, x: m.a(m.a(x).relu()).relu(), a=linear(4, 4))
    heard, _ = probe(look(module, VECTOR), VECTOR, normal(6, 4))
    with torch.no_grad():
        once = module.a(torch.tensor(VECTOR)).relu()
        twice = module.a(once).relu()
    np.testing.assert_array_equal(heard.forward["a"].outputs, torch.cat([once, twice]).numpy())
    np.testing.assert_array_equal(heard.forward["a"].inputs, torch.cat([torch.tensor(VECTOR), once]).numpy())
    assert heard.backward["a"].grad_outputs.shape == (12, 4)


def test_frozen_layers_get_the_gradient_that_passes_them_and_stay_frozen() -> None:
    module = nn.Sequential(linear(), nn.ReLU(inplace=True), linear(5, 3))
    free, _ = probe(look(module, VECTOR), VECTOR, normal(6, 3))
    module[0].requires_grad_(requires_grad=False)
    frozen, _ = probe(look(module, VECTOR), VECTOR, normal(6, 3))
    np.testing.assert_array_equal(frozen.backward["0"].grad_pre_activations, free.backward["0"].grad_pre_activations)
    assert not module[0].weight.requires_grad


@pytest.mark.parametrize(
    ("module", "inputs", "expected"),
    [
        (nn.Sequential(linear(), nn.ReLU(), nn.Dropout(), linear(5, 3), nn.Tanh()), VECTOR, True),
        (nn.Sequential(linear(), nn.BatchNorm1d(5), nn.ReLU()), VECTOR, False),
        (Module(lambda m, x: x + m.a(x), a=linear(4, 4)), VECTOR, False),
        (Module(lambda m, x: (x + m.a(x)).relu(), a=linear(4, 4)), VECTOR, False),
        (Module(lambda m, x: m.a(x).add_(x).relu_(), a=linear(4, 4)), VECTOR, False),
        (Module(lambda m, x: (2.0 * m.a(x)).relu(), a=linear()), VECTOR, False),
        (Module(lambda m, x: m.a(x).half().float().relu(), a=linear()), VECTOR, False),
        (Module(lambda m, x: m.a(2.0 * x), a=linear()), VECTOR, False),
        (Module(lambda m, x: 2.0 * m.a(x), a=linear()), VECTOR, False),
        (nn.Sequential(nn.Linear(4, 5, bias=False), nn.ReLU()), VECTOR, False),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()), IMAGE, False),
        (Module(lambda m, x: m.a(m.a(x).relu()), a=linear(4, 4)), VECTOR, False),
    ],
    ids=[
        "chain",
        "norm",
        "skip",
        "residual",
        "residual in place",
        "scaled",
        "rounded",
        "scaled inputs",
        "scaled outputs",
        "no bias",
        "convolution",
        "shared",
    ],
)
def test_only_a_plain_chain_can_be_computed_layer_by_layer(module: Any, inputs: Array, *, expected: bool) -> None:
    network = look(module, inputs)
    assert network.layerwise is expected
    if not expected:
        with pytest.raises(ValueError, match="no plain chain"):
            network.layer_outputs(0, inputs)
        return
    heard = Eavesdropper()
    network.observe(inputs, heard)
    rows = inputs
    for place, info in enumerate(network.layers):
        some = network.layer_outputs(place, rows, np.array([2, 0]))
        rows = network.layer_outputs(place, rows)
        np.testing.assert_array_equal(rows, heard.forward[info.name].outputs)
        np.testing.assert_allclose(some, rows[:, [2, 0]], 1e-6, 1e-6)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_precisions_are_shown_as_numbers_that_numpy_has(dtype: str) -> None:
    module = nn.Sequential(linear(), nn.ReLU(), linear(5, 3)).to(getattr(torch, dtype))
    network = look(module, VECTOR)
    heard = Eavesdropper()
    network.observe(VECTOR, heard)
    expected = np.float64 if dtype == "float64" else np.float32
    assert {event.outputs.dtype for event in heard.forward.values()} == {np.dtype(expected)}
    assert {each.dtype for own in network.parameters_by_layer().values() for each in own.values()} == {
        np.dtype(expected)
    }


def test_a_chain_is_no_longer_known_where_a_part_is_replaced_until_it_is_back() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    network = TorchNetwork(module)
    network.look(np.ones((2, 3), np.float32))
    assert network.layerwise
    part = module[1]
    module[1] = nn.Tanh()
    assert not network.layerwise
    module[1] = part
    assert network.layerwise
    module[0].weight.data = torch.ones(5, 3)
    assert not network.layerwise


def test_weights_on_the_cpu_are_seen_without_a_copy() -> None:
    module = nn.Sequential(linear())
    weight = look(module, VECTOR).parameters_by_layer()["0"]["weight"]
    with torch.no_grad():
        module[0].weight[2, 1] = 7.0
    assert weight[1, 2] == 7.0


def test_the_bias_of_a_matrix_product_with_a_sum_is_the_layers() -> None:
    module = MODULES["matrix product with a sum"][0]
    arrays = look(module, VECTOR).parameters_by_layer()["w"]
    np.testing.assert_array_equal(arrays["weight"], module.w.detach().numpy())
    np.testing.assert_array_equal(arrays["bias"], module.b.detach().numpy())


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: torch.einsum("ni,io->no", x, w),
        lambda x, w: torch.bmm(x[None], w[None])[0],
        lambda x, w: (x[:, :, None] * w).sum(dim=1),
    ],
    ids=["einsum", "bmm", "by hand"],
)
def test_weights_that_are_not_followed_are_named(product: Any) -> None:
    module = Module(lambda m, x: m.a(product(x, m.w).relu()), w=nn.Parameter(torch.randn(4, 5)), a=linear(5, 2))
    network = look(module, VECTOR)
    assert network.unfollowed == ("w",)
    assert [info.name for info in network.layers] == ["a"]


def test_modules_that_a_forward_does_not_come_by_are_named() -> None:
    parts = {"used": linear(), "spare": linear(), "norm": nn.LayerNorm(5), "spare_norm": nn.LayerNorm(5)}
    module = Module(lambda m, x: m.norm(m.used(x)), **parts, attention=nn.MultiheadAttention(4, 2))
    assert look(module, VECTOR).never_called == ("spare", "spare_norm", "attention", "attention.out_proj")


def test_inputs_that_do_not_fit_are_said_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"Sequential fails on the data's inputs, of shape \(6, 4\): .*list of such"):
        look(nn.Sequential(nn.Linear(3, 2)), VECTOR)
