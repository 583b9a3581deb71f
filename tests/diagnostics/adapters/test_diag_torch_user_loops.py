"""Loops as people write them, each beside its healthy twin: what the loop shows is told, and the twin is silent."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.start_notes import BatchLabels
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
F: Any = torch.nn.functional

from gradvitals.diagnostics.adapters.torch_batches import MISSES, BatchFinder  # noqa: E402 - only where there is PyTorch

EPOCHS, BATCH = 25, 20


def standing(monitor: Monitor) -> dict[str, Finding]:
    return {finding.key: finding for finding in monitor.verdict.standing}


def alarms(monitor: Monitor) -> set[str]:
    return {key for key, finding in standing(monitor).items() if finding.severity > Severity.INFO}


def train(
    module: Any,
    data: tuple[Any, Any],
    step: Callable[[Any, Any], Any],
    *,
    loss: Any,
    shuffle: bool = True,
    epochs: int = EPOCHS,
    lr: float = 0.01,
) -> Monitor:
    """Train for some epochs, watched, with data where the loss is given; `step` gives the loss of a batch."""
    inputs, targets = data
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    with watch(module) if loss is None else watch(module, data=data, loss=loss) as monitor:
        for _ in range(epochs):
            order = torch.randperm(len(inputs)) if shuffle else torch.arange(len(inputs))
            for rows in order.split(BATCH):
                optimizer.zero_grad()
                step(inputs[rows], targets[rows]).backward()
                optimizer.step()
    return monitor


class ByHand(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Shares of 1, by no function that is called a softmax."""

    def forward(self, logits: Any) -> Any:
        """Divide exponentials by their sum."""
        powers = torch.exp(logits - logits.amax(dim=1, keepdim=True))
        return powers / powers.sum(dim=1, keepdim=True)


def mlp(*behind: Any, outputs: int = 4, width: int = 10) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 24), nn.Tanh(), nn.Linear(24, outputs), *behind)


@pytest.mark.parametrize("is_sick", [True, False], ids=["sick", "healthy"])
def test_a_softmax_written_out_before_a_loss_of_logits_is_told(*, is_sick: bool) -> None:
    module, loss = mlp(*[ByHand()] * is_sick), nn.CrossEntropyLoss()
    monitor = train(module, blobs(), lambda x, y: loss(module(x), y), loss=lambda *given: loss(*given).mean())
    assert ("loss_mismatch" in alarms(monitor)) is is_sick
    if is_sick:
        assert "outputs of a softmax" in standing(monitor)["loss_mismatch"].evidence


@pytest.mark.parametrize("is_sick", [True, False], ids=["sick", "healthy"])
def test_a_softmax_in_the_loop_before_a_loss_of_logits_is_told(*, is_sick: bool) -> None:
    module, loss = mlp(), nn.CrossEntropyLoss()
    monitor = train(
        module, blobs(), lambda x, y: loss(F.softmax(module(x), dim=1) if is_sick else module(x), y), loss=loss
    )
    assert alarms(monitor) == ({"loss_mismatch"} if is_sick else set())


def several_labels() -> tuple[Any, Any]:
    inputs, _ = blobs()
    return inputs, (inputs[:, :5] > 0.0).float()


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.Sigmoid()], ids=["softmax", "sigmoid"])
def test_a_softmax_over_labels_that_come_together_is_told(last: Any) -> None:
    module, loss = mlp(last, outputs=5), nn.BCELoss()
    monitor = train(module, several_labels(), lambda x, y: loss(module(x), y), loss=loss)
    assert ("loss_mismatch" in alarms(monitor)) is isinstance(last, nn.Softmax)


def test_a_softmax_of_two_under_a_loss_of_each_is_left_alone_where_one_label_holds() -> None:
    inputs, labels = blobs(classes=2)
    module, loss = mlp(nn.Softmax(dim=1), outputs=2), nn.BCELoss()
    monitor = train(module, (inputs, F.one_hot(labels, 2).float()), lambda x, y: loss(module(x), y), loss=loss)
    assert alarms(monitor) == set()


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_one_class_in_the_users_loop_are_told(*, shuffle: bool) -> None:
    inputs, labels = blobs(classes=2)
    order = labels.argsort()
    data = inputs[order].double(), labels[order]
    module, loss = mlp(outputs=2), nn.CrossEntropyLoss()
    monitor = train(
        module, data, lambda x, y: loss(module(x.float()), y), loss=loss, shuffle=shuffle, epochs=8, lr=0.003
    )
    notes = monitor.record.notes(BatchLabels)
    assert notes[-1].batches == 12
    assert (notes[-1].one_class >= 10) is not shuffle
    said = [finding for finding in monitor.verdict.findings if finding.id == "data_faults"]
    assert any("hold examples of one class only" in finding.evidence for finding in said) is not shuffle


def test_batches_are_not_looked_for_where_labels_are_mixed() -> None:
    module, loss = mlp(), nn.CrossEntropyLoss()
    monitor = train(module, blobs(), lambda x, y: loss(module(x), y), loss=loss, epochs=1)
    assert monitor.record.notes(BatchLabels) == []


SORTED = np.arange(40.0).reshape(20, 2), np.eye(2)[np.repeat([0, 1], 10)]


def test_a_batch_is_found_among_the_data_whatever_its_order_and_precision() -> None:
    finder, rows = BatchFinder(*SORTED), np.array([3, 17, 3, 0])
    finder.read(torch.from_numpy(SORTED[0][rows]).float())
    np.testing.assert_array_equal(finder.take(), SORTED[1][rows])
    assert finder.take() is None


def test_inputs_that_have_been_changed_are_soon_looked_for_no_more() -> None:
    finder = BatchFinder(*SORTED)
    for _ in range(MISSES):
        assert finder.is_curious
        finder.read(torch.from_numpy(SORTED[0][:4] + 0.5))
    assert not finder.is_curious
    assert finder.take() is None


def test_the_same_inputs_with_two_labels_do_not_tell_which_is_meant() -> None:
    finder = BatchFinder(np.zeros((20, 2)), SORTED[1])
    finder.read(torch.zeros((4, 2), dtype=torch.float64))
    assert finder.take() is None


class TwoHeads(nn.Module):  # type: ignore[misc]
    """Classes and a quantity, of one body."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classes, self.quantity = nn.Linear(10, 16), nn.Linear(16, 4), nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        """Give both."""
        hidden = torch.tanh(self.body(x))
        return self.classes(hidden), self.quantity(hidden)


@pytest.mark.parametrize("is_sick", [True, False], ids=["sick", "healthy"])
def test_a_head_whose_loss_is_cut_off_is_named(*, is_sick: bool) -> None:
    torch.manual_seed(0)
    module = TwoHeads()

    def step(x: Any, y: Any) -> Any:
        logits, quantity = module(x)
        other = F.mse_loss(quantity[:, 0], x[:, 0])
        return F.cross_entropy(logits, y) + (other.item() if is_sick else other)

    monitor = train(module, blobs(), step, loss=None, epochs=3)
    assert alarms(monitor) == ({"frozen_parameters"} if is_sick else set())
    if is_sick:
        evidence = standing(monitor)["frozen_parameters"].evidence
        assert evidence.startswith("quantity.weight, quantity.bias: held by the optimizer")
        assert "the model returns what comes of it" in evidence


class Encoded(nn.Module):  # type: ignore[misc]
    """A head on features, which may be cut off, and a part whose result is dropped."""

    def __init__(self, cut: Callable[[Any], Any]) -> None:
        super().__init__()
        self.encoder, self.pooler = nn.Sequential(nn.Linear(10, 6), nn.Tanh()), nn.Linear(6, 6)
        self.head, self.cut = nn.Linear(6, 12), cut

    def forward(self, x: Any) -> Any:
        """Give logits."""
        features = self.cut(self.encoder(x))
        self.pooler(features)
        return self.head(features)


def without_a_graph(features: Any) -> Any:
    return torch.from_numpy(features.detach().numpy())


@pytest.mark.parametrize("cut", [without_a_graph, lambda features: features], ids=["sick", "healthy"])
def test_an_encoder_that_is_cut_off_is_named_and_a_warning_where_it_costs(cut: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    module, loss = Encoded(cut), nn.CrossEntropyLoss()
    monitor = train(module, blobs(classes=12), lambda x, y: loss(module(x), y), loss=loss, epochs=60)
    found = standing(monitor)["frozen_parameters"]
    if cut is without_a_graph:
        assert found.severity is Severity.WARNING
        assert "encoder.0.weight, encoder.0.bias, pooler.weight" in found.evidence
    else:  # what is dropped may be meant so
        assert (found.severity, alarms(monitor)) == (Severity.INFO, set())
        assert found.evidence.startswith("pooler.weight, pooler.bias: held")


def test_heads_that_take_turns_are_not_said_to_have_no_gradient() -> None:
    torch.manual_seed(0)
    module, turns = TwoHeads(), iter(range(10_000))

    def step(x: Any, y: Any) -> Any:
        logits, quantity = module(x)
        return F.cross_entropy(logits, y) if next(turns) % 7 else F.mse_loss(quantity[:, 0], x[:, 0])

    assert alarms(train(module, blobs(), step, loss=None, epochs=3)) == set()


class Scaled(nn.Module):  # type: ignore[misc]
    """A network that scales what it is given."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by, self.layers = by, mlp(outputs=12, width=10)

    def forward(self, x: Any) -> Any:
        """Divide, then compute."""
        return self.layers(x / self.by)


@pytest.mark.parametrize("by", [300.0, 1.0], ids=["scaled in the model", "unscaled"])
def test_inputs_that_the_network_scales_itself_are_not_called_unscaled(by: float) -> None:
    inputs, labels = blobs(classes=12)
    module, loss = Scaled(by), nn.CrossEntropyLoss()
    monitor = train(module, (300.0 * inputs, labels), lambda x, y: loss(module(x), y), loss=loss, epochs=2)
    assert ("unscaled_inputs" in standing(monitor)) is (by == 1.0)


def _root(outputs: Any, targets: Any) -> Any:
    return torch.sqrt(((outputs - targets) ** 2).mean() + 1e-6)


def _quantiles(outputs: Any, targets: Any) -> Any:
    residual = targets - outputs[:, 0]
    return torch.maximum(0.9 * residual, -0.1 * residual).mean()


@pytest.mark.parametrize("loss", [_root, _quantiles])
@pytest.mark.parametrize("is_sick", [True, False], ids=["sick", "healthy"])
def test_a_loss_of_ones_own_that_broadcasts_over_the_batch_is_told(loss: Any, *, is_sick: bool) -> None:
    inputs, _ = blobs()
    targets = inputs[:, 0] + 0.5 * inputs[:, 1] ** 2
    targets = targets if is_sick is (loss is _root) else targets[:, None]
    module = mlp(outputs=1)
    monitor = train(module, (inputs, targets), lambda x, y: loss(module(x), y), loss=loss)
    assert ("loss_mismatch" in alarms(monitor)) is is_sick
    if is_sick:
        evidence = standing(monitor)["loss_mismatch"].evidence
        assert "the loss is the same however their targets are exchanged" in evidence
    else:
        assert alarms(monitor) == set()


def _of_pairs(outputs: Any, targets: Any) -> Any:
    """Bring samples of one target together and the others apart, as contrastive losses do."""
    apart, equal = (outputs - outputs.T).abs(), targets == targets.T
    return (apart * equal + (1.0 - apart).clamp(min=0.0) * ~equal).mean()


@pytest.mark.parametrize(
    "loss",
    [lambda outputs, _: outputs.square().mean(), lambda outputs, targets: ((outputs - targets) ** 4).mean(), _of_pairs],
    ids=["targets unread", "paired", "of pairs"],
)
def test_a_loss_that_no_exchange_of_targets_would_show_is_left_alone(loss: Any) -> None:
    inputs, _ = blobs()
    module = mlp(outputs=1)
    monitor = train(module, (inputs, inputs[:, :1]), lambda x, y: loss(module(x), y), loss=loss, epochs=2)
    assert "loss_mismatch" not in standing(monitor)


def test_a_loss_that_is_linear_on_either_side_is_asked_of_outputs_among_the_targets() -> None:
    inputs, _ = blobs()
    module = mlp(outputs=1)

    def loss(outputs: Any, targets: Any) -> Any:
        residual = targets - outputs
        return torch.maximum(0.9 * residual, -0.1 * residual).mean()

    data = inputs, 10.0 + inputs[:, :1]
    monitor = train(module, data, lambda x, y: loss(module(x), y), loss=loss, epochs=2)
    assert "loss_mismatch" not in standing(monitor)
