"""The recurrent network against `torch.nn.RNN`: gradients, and 100 steps of training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Optimizer, Sgd
from gradvitals.engine.recurrent import CELLS
from gradvitals.engine.training import Samples, Trainer

torch: Any = pytest.importorskip("torch")

MakeRecurrent = Callable[..., Any]
EVERY_CELL = pytest.mark.parametrize("cell", sorted(CELLS))


class Twin:
    """`torch.nn.RNN` and a linear layer with the same parameters; its second bias stays 0."""

    def __init__(self, network: Network) -> None:
        *hidden, output = network.layers
        self.features = hidden[0].fan_in
        units = {info.fan_out for info in hidden}
        assert len(units) == 1  # nn.RNN has one width
        self.rnn = torch.nn.RNN(
            self.features,
            hidden[0].fan_out,
            num_layers=len(hidden),
            nonlinearity=hidden[0].activation,
            batch_first=True,
            dtype=torch.float64,
        )
        self.head = torch.nn.Linear(output.fan_in, output.fan_out, dtype=torch.float64)
        self.loss = {"mse": torch.nn.functional.mse_loss, "cross_entropy": torch.nn.functional.cross_entropy}[
            network.loss_name
        ]
        self.tensors: list[tuple[Any, bool]] = []
        """In the order of our flat vector, and whether PyTorch has the matrix transposed."""
        for index in range(len(hidden)):
            for name, transposed in (("weight_ih", True), ("bias_ih", False), ("weight_hh", True)):
                self.tensors.append((getattr(self.rnn, f"{name}_l{index}"), transposed))
            second = getattr(self.rnn, f"bias_hh_l{index}")
            second.requires_grad_(False)  # noqa: FBT003 - PyTorch's signature
            second.zero_()
        self.tensors += [(self.head.weight, True), (self.head.bias, False)]
        with torch.no_grad():
            arrays = [array for group in network.parameters_by_layer().values() for array in group.values()]
            for (tensor, transposed), array in zip(self.tensors, arrays, strict=True):
                tensor.copy_(torch.tensor((array.T if transposed else array).copy()))

    def mean_loss(self, samples: Samples) -> Any:
        """Compute the mean loss, ready for `backward`."""
        sequence = torch.tensor(samples.inputs.reshape(len(samples), -1, self.features))
        return self.loss(self.head(self.rnn(sequence)[0][:, -1]), torch.tensor(samples.targets))

    def flat(self, *, gradients: bool = False) -> Array:
        """Give all parameters or gradients as one vector."""
        chosen = [(tensor.grad if gradients else tensor.detach(), transposed) for tensor, transposed in self.tensors]
        return np.concatenate([(tensor.T if transposed else tensor).numpy().ravel() for tensor, transposed in chosen])


TORCH_SHAPES = [
    pytest.param((2, 3, 2), 1, 4, id="one step"),
    pytest.param((3, 5, 2), 9, 1, id="batch of 1"),
    pytest.param((3, 5, 2), 9, 8, id="one layer"),
    pytest.param((3, 5, 5, 5, 2), 6, 8, id="three layers"),
]


@pytest.mark.parametrize(("sizes", "length", "count"), TORCH_SHAPES)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@EVERY_CELL
def test_loss_and_gradients_equal_autograd(  # noqa: PLR0917 - filled by name
    cell: str, loss: str, sizes: tuple[int, ...], length: int, count: int, make_recurrent: MakeRecurrent
) -> None:
    both = make_recurrent(sizes, cell, loss, length=length, count=count)
    network, samples = both.network, both.samples
    twin = Twin(network)
    expected = twin.mean_loss(samples)
    expected.backward()
    circuit = both.run()
    assert float(circuit.values["loss"]) == pytest.approx(float(expected.detach()), rel=1e-12)
    np.testing.assert_allclose(network.gradients, twin.flat(gradients=True), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@EVERY_CELL
def test_a_hundred_steps_of_training_equal_torch(cell: str, optimizer: str, make_recurrent: MakeRecurrent) -> None:
    sizes, length = (3, 6, 6, 2), 8
    both = make_recurrent(sizes, cell, length=length, count=60)
    network, samples = both.network, both.samples
    start, twin = network.parameters.copy(), Twin(network)
    learned = [tensor for tensor, _ in twin.tensors]
    pairs: dict[str, tuple[Optimizer, Any]] = {
        "sgd": (Sgd(0.002, momentum=0.9), torch.optim.SGD(learned, lr=0.002, momentum=0.9)),
        "adam": (Adam(0.003), torch.optim.Adam(learned, lr=0.003)),
    }
    ours, theirs = pairs[optimizer]
    trainer, generator = Trainer(network, ours), np.random.default_rng(5)
    for _ in range(100):
        rows = generator.integers(0, 60, 16)
        taken = trainer.step(samples, rows)
        theirs.zero_grad()
        expected = twin.mean_loss(Samples(samples.inputs[rows], samples.targets[rows]))
        expected.backward()
        theirs.step()
        assert taken == pytest.approx(float(expected.detach()), rel=1e-8)
    assert float(np.abs(network.parameters - start).max()) > 0.05  # it did train
    assert float(np.abs(network.parameters - twin.flat()).max()) < 1e-10
