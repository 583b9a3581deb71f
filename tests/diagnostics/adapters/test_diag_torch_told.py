"""What a loop shows of its data and its loss, where `watch` is given the module alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.adapters.row_sample import MOST_ROWS
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.health import NotJudged
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.start_notes import BatchLabels
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

from gradvitals.diagnostics.adapters.torch_told_loss import SquareFit, count_of, read  # noqa: E402 - only where there is PyTorch

INPUTS, LABELS = blobs()
SIZE, EPOCHS = 32, 12

Loss = Callable[[Any, Any], Any]
Batches = Callable[[Any], Iterator[tuple[Any, Any]]]


def make(outputs: int = 4, *end: Any) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(INPUTS.shape[1], 16), nn.ReLU(), nn.Linear(16, outputs), *end)


def shuffled(inputs: Any, targets: Any, size: int = SIZE) -> Batches:
    """Give batches of an epoch, in a new order each time."""

    def epoch(generator: Any) -> Iterator[tuple[Any, Any]]:
        for rows in torch.randperm(len(inputs), generator=generator).split(size):
            yield inputs[rows], targets[rows]

    return epoch


def train(
    module: Any,
    criterion: Loss,
    batches: Batches,
    *,
    rate: float = 0.05,
    epochs: int = EPOCHS,
    end_epoch: Callable[[], None] = lambda: None,
    **given: Any,
) -> Monitor:
    optimizer, generator = torch.optim.SGD(module.parameters(), lr=rate), torch.Generator().manual_seed(1)
    with watch(module, **given) as monitor:
        for _ in range(epochs):
            for inputs, targets in batches(generator):
                optimizer.zero_grad()
                criterion(module(inputs), targets).backward()
                optimizer.step()
            end_epoch()
    return monitor


def told_loss(monitor: Monitor) -> str:
    context = monitor.record.context
    assert context is not None
    return context.loss


def tell(outputs: Any, gradient: Any) -> Any:
    """Read what a whole batch tells."""
    return read(outputs.detach().double().numpy(), gradient.double().numpy(), torch.finfo(outputs.dtype).eps)


CLASSES = torch.randint(4, (32,), generator=torch.Generator().manual_seed(3))
MANY = torch.randint(4, (32, 5), generator=torch.Generator().manual_seed(4))
YES = torch.randint(2, (32, 4), generator=torch.Generator().manual_seed(5)).float()


@pytest.mark.parametrize(
    ("loss", "shape", "targets", "kind"),
    [
        (functional.cross_entropy, (32, 4), CLASSES, "classes"),
        (lambda o, t: 65536.0 * functional.cross_entropy(o, t, reduction="sum"), (32, 4), CLASSES, "classes"),
        (lambda o, t: -o.log_softmax(1).gather(1, t[:, None]).mean(), (32, 4), CLASSES, "classes"),
        (lambda o, t: functional.cross_entropy(o.reshape(-1, 4), t.reshape(-1)), (32, 5, 4), MANY, "classes_last"),
        (lambda o, t: functional.cross_entropy(o.transpose(1, 2), t), (32, 5, 4), MANY, "classes_last"),
        (functional.cross_entropy, (32, 4, 5), MANY, "classes"),
        (functional.nll_loss, (32, 4), CLASSES, "log_classes"),
        (functional.binary_cross_entropy_with_logits, (32, 4), YES, "logits"),
        (lambda o, t: functional.binary_cross_entropy(torch.sigmoid(o), t), (32, 4), YES, "logits"),
        (lambda o, t: functional.binary_cross_entropy_with_logits(o[:, 0], t[:, 0]), (32, 1), YES[:, :1], "logits"),
    ],
)
def test_a_batch_tells_a_loss_and_its_targets(loss: Loss, shape: tuple[int, ...], targets: Any, kind: str) -> None:
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss(outputs, targets).backward()
    told = tell(outputs, outputs.grad)
    assert told is not None
    assert list(told) == [kind]
    np.testing.assert_array_equal(told[kind].targets, targets.numpy())


def test_probabilities_are_told_from_logits() -> None:
    outputs = torch.rand((32, 4), generator=torch.Generator().manual_seed(0)).clamp(0.02, 0.98).requires_grad_()
    functional.binary_cross_entropy(outputs, YES).backward()
    told = tell(outputs, outputs.grad)
    assert told is not None
    assert list(told) == ["probabilities"]
    np.testing.assert_array_equal(told["probabilities"].targets, YES.numpy())
    assert told["probabilities"].factor == pytest.approx(1.0 / YES.numel())


def test_answers_that_are_surely_right_have_no_gradient_and_count() -> None:
    outputs = torch.tensor([[30.0], [-90.0], [40.0], [1.0]], requires_grad=True)
    targets = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    functional.binary_cross_entropy_with_logits(outputs, targets).backward()
    assert outputs.grad[0] == 0.0
    assert tell(outputs, outputs.grad)["logits"].targets.tolist() == targets.tolist()
    shares = torch.sigmoid(outputs.detach()).requires_grad_()
    functional.binary_cross_entropy(shares, targets).backward()
    told = tell(shares, shares.grad)
    assert told["probabilities"].targets.tolist() == targets.tolist()
    assert told["probabilities"].factor == pytest.approx(0.25)


def test_what_is_left_out_has_no_label() -> None:
    outputs = torch.randn((32, 4), generator=torch.Generator().manual_seed(0)).requires_grad_()
    functional.cross_entropy(outputs, torch.where(CLASSES == 2, -100, CLASSES)).backward()
    told = tell(outputs, outputs.grad)
    assert told is not None
    np.testing.assert_array_equal(told["classes"].targets, torch.where(CLASSES == 2, -100, CLASSES).numpy())
    assert count_of("classes", outputs.grad.numpy()) == int((CLASSES != 2).sum())


def test_where_a_share_is_1_its_class_is_the_label() -> None:
    outputs = torch.tensor([[50.0, 0.0, -20.0], [50.0, 0.0, -20.0]], requires_grad=True)
    functional.cross_entropy(outputs, torch.tensor([0, 2])).backward()
    assert not (outputs.grad[0] < 0.0).any()
    told = tell(outputs, outputs.grad)
    assert told is not None
    assert told["classes"].targets.tolist() == [0, 2]


@pytest.mark.parametrize(
    "loss",
    [
        functional.mse_loss,
        lambda o, t: functional.l1_loss(o, 0.3 * t),
        lambda o, t: functional.multi_margin_loss(o, t.argmax(1)),
        lambda o, t: functional.cross_entropy(o, t.argmax(1), label_smoothing=0.1),
        lambda o, t: functional.cross_entropy(o, t.argmax(1), weight=torch.tensor([1.0, 2.0, 3.0, 4.0])),
        lambda o, t: functional.cross_entropy(torch.softmax(o, dim=1), t.argmax(1)),
        lambda o, t: functional.cross_entropy(o, t.argmax(1)) + 0.1 * o.square().mean(),
        lambda o, t: -functional.cross_entropy(o, t.argmax(1)),
    ],
)
def test_of_any_other_loss_a_batch_tells_nothing(loss: Loss) -> None:
    outputs = torch.randn((32, 4), generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss(outputs, YES).backward()
    assert tell(outputs, outputs.grad) == {}


def test_no_gradient_and_an_infinite_one_tell_nothing_either_way() -> None:
    outputs = torch.randn((8, 4))
    assert tell(outputs, torch.zeros((8, 4))) is None
    assert tell(outputs, torch.full((8, 4), torch.inf)) is None


@pytest.mark.parametrize(
    ("loss", "factor", "is_sum"),
    [
        (functional.mse_loss, 1.0, False),
        (lambda o, t: functional.mse_loss(o, t, reduction="sum"), 1.0, True),
        (lambda o, t: 0.5 * functional.mse_loss(o, t), 2.0, False),
        (functional.smooth_l1_loss, None, False),
        (functional.l1_loss, None, False),
    ],
)
def test_two_looks_tell_a_squared_error(loss: Loss, factor: float | None, *, is_sum: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    targets, looks = 3.0 * torch.randn((64, 2), generator=generator), []
    for rows in (torch.arange(64), torch.arange(48)):  # batches of two sizes
        outputs = torch.randn((len(rows), 2), generator=generator).double().requires_grad_()
        loss(outputs, targets[rows].double()).backward()
        looks.append((outputs.detach().numpy(), outputs.grad.numpy()))
    fit, (first, second) = SquareFit(), looks
    for row in range(48):
        fit.add((first[0][row], second[0][row]), (first[1][row], second[1][row]), (128, 96))
    found = fit.factors()
    assert (found is None) is (factor is None)
    if found is not None:
        assert found[0] == pytest.approx(factor)
        assert found[1] is is_sum


ONE_HOT = functional.one_hot(LABELS, 4).float()


@pytest.mark.parametrize(
    ("loss", "targets", "outputs", "name", "rate"),
    [
        (nn.CrossEntropyLoss(), LABELS, 4, "cross_entropy", 0.05),
        (nn.CrossEntropyLoss(), LABELS, 4, "cross_entropy", 1e-6),
        (nn.BCEWithLogitsLoss(), ONE_HOT, 4, "binary_cross_entropy", 0.05),
        (nn.BCEWithLogitsLoss(), ONE_HOT, 4, "binary_cross_entropy", 1e-6),
        (nn.MSELoss(), INPUTS[:, :2].sin(), 2, "mse", 0.05),
        (nn.MSELoss(), INPUTS[:, :2].sin(), 2, "mse", 1e-5),  # outputs that stay where they are tell no squared error
    ],
)
def test_alone_says_what_is_said_with_data_and_loss(
    loss: Loss, targets: Any, outputs: int, name: str, rate: float
) -> None:
    inputs, targets = INPUTS[:200], targets[:200]  # so many that a look sees them all
    batches, epochs = shuffled(inputs, targets, 10), 30
    alone = train(make(outputs), loss, batches, rate=rate, epochs=epochs)
    given = train(make(outputs), loss, batches, rate=rate, epochs=epochs, data=(inputs, targets), loss=loss)
    assert told_loss(alone) == told_loss(given) == name
    said, theirs = (
        [each.key for each in one.verdict.standing if each.severity > Severity.INFO] for one in (alone, given)
    )
    assert said == theirs
    assert bool(said) is (rate < 1e-3)
    looks = zip(alone.record.notes(Probe), given.record.notes(Probe), strict=True)
    for ours, other in looks:
        assert ours.step == other.step
        assert ours.loss == pytest.approx(other.loss, rel=1e-4)


def silent(monitor: Monitor) -> bool:
    """Tell whether nothing was taken for data, and nothing said."""
    standing = [each for each in monitor.verdict.standing if each.severity > Severity.INFO]
    return told_loss(monitor) == "unknown" and not monitor.record.notes(Probe) and not standing


def test_a_network_is_trained_to_the_bit_as_without() -> None:
    def run(*, watched: bool) -> tuple[list[Any], Any]:
        module = make(4, nn.Dropout(0.1))
        optimizer, generator = torch.optim.Adam(module.parameters()), torch.Generator().manual_seed(1)
        monitor = watch(module) if watched else None
        for _ in range(EPOCHS):
            for inputs, targets in shuffled(INPUTS, LABELS)(generator):
                optimizer.zero_grad()
                functional.cross_entropy(module(inputs), targets).backward()
                optimizer.step()
        if monitor is not None:
            monitor.detach()
            assert told_loss(monitor) == "cross_entropy"
        return [*module.parameters()], torch.get_rng_state()

    (alone, state), (watched, other) = run(watched=False), run(watched=True)
    assert torch.equal(state, other)
    assert all(map(torch.equal, alone, watched))


def test_what_never_comes_back_is_not_believed() -> None:
    def stream(generator: Any) -> Iterator[tuple[Any, Any]]:
        for rows in torch.randperm(len(INPUTS), generator=generator).split(SIZE):
            yield INPUTS[rows] + 1e-3 * torch.randn(INPUTS[rows].shape, generator=generator), LABELS[rows]

    assert silent(train(make(), nn.CrossEntropyLoss(), stream))


def test_targets_that_change_are_not_believed() -> None:
    """As those of a Q-network, which come of what it gave itself an epoch ago."""
    module, targets = make(1), torch.zeros((len(INPUTS), 1))

    def refresh() -> None:
        with torch.no_grad():
            targets.copy_(INPUTS[:, :1] + 0.9 * module(INPUTS).roll(1, 0))

    assert silent(train(module, nn.MSELoss(), shuffled(INPUTS, targets), end_epoch=refresh, rate=0.01))


def test_labels_that_change_are_not_believed() -> None:
    labels = LABELS.clone()

    def refresh() -> None:
        labels.copy_((labels + (torch.arange(len(labels)) < 8)) % 4)

    assert silent(train(make(), nn.CrossEntropyLoss(), shuffled(INPUTS, labels), end_epoch=refresh))


def test_half_of_a_discriminators_batches_is_no_data_set() -> None:
    """Real examples come again, made ones never do."""

    def both(generator: Any) -> Iterator[tuple[Any, Any]]:
        for rows in torch.randperm(len(INPUTS), generator=generator).split(SIZE):
            yield INPUTS[rows], torch.ones((len(rows), 1))
            yield torch.randn(INPUTS[rows].shape, generator=generator), torch.zeros((len(rows), 1))

    assert silent(train(make(1), nn.BCEWithLogitsLoss(), both))


def test_forwards_without_a_gradient_are_not_taken_for_training() -> None:
    module = make()

    def validate() -> None:
        module(2.0 * INPUTS + 1.0)

    monitor = train(module, nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS), end_epoch=validate)
    assert told_loss(monitor) == "cross_entropy"


def test_a_sample_is_of_the_whole_epoch_in_whatever_order() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((3 * MOST_ROWS, INPUTS.shape[1]), generator=generator)
    labels = torch.arange(len(inputs)) // MOST_ROWS

    def in_order(_: Any) -> Iterator[tuple[Any, Any]]:
        yield from zip(inputs.split(64), labels.split(64), strict=True)

    monitor = train(make(), nn.CrossEntropyLoss(), in_order, epochs=3)
    context = monitor.record.context
    assert context is not None
    assert context.constant_loss == pytest.approx(np.log(3.0), abs=0.01)


@pytest.mark.parametrize("size", [1, 7, len(INPUTS)])
def test_batches_of_any_size_tell(size: int) -> None:
    assert told_loss(train(make(), nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS, size))) == "cross_entropy"


def test_other_outputs_of_which_there_is_a_loss_leave_it_open() -> None:
    class TwoHeads(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = make(), make()

        def forward(self, inputs: Any) -> Any:
            return self.first(inputs), self.second(inputs)

    def of_both(outputs: Any, targets: Any) -> Any:
        return sum(functional.cross_entropy(each, targets) for each in outputs)

    def of_one(outputs: Any, targets: Any) -> Any:
        return functional.cross_entropy(outputs[0], targets)

    batches = shuffled(INPUTS, LABELS)
    assert silent(train(TwoHeads(), of_both, batches))
    assert told_loss(train(TwoHeads(), of_one, batches)) == "cross_entropy"


def test_positions_that_are_folded_into_the_batch_are_unfolded() -> None:
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(12, (256, 6), generator=generator)

    class Tagger(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(12, 8), nn.Linear(8, 3)

        def forward(self, inputs: Any) -> Any:
            return self.head(self.embedding(inputs)).reshape(-1, 3)

    def loss(outputs: Any, targets: Any) -> Any:
        return functional.cross_entropy(outputs, targets.reshape(-1))

    monitor = train(Tagger(), loss, shuffled(words, words % 3), rate=1.0)
    assert told_loss(monitor) == "cross_entropy of every position"
    assert monitor.record.notes(Probe)[-1].samples == 256


def test_memory_that_others_share_is_not_written_to() -> None:
    module = make()
    module.share_memory()
    assert silent(train(module, nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS)))


def test_a_limit_on_dead_units_still_wants_the_whole_training_set() -> None:
    monitor = train(make(), nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS))
    assert monitor.record.notes(Scan)
    with pytest.raises(NotJudged, match="add data"):
        monitor.assert_healthy(max_dead=0.1)


def test_layers_that_died_are_found_on_what_was_shown() -> None:
    module = make()
    with torch.no_grad():
        module[0].bias.fill_(-100.0)
    verdict = train(module, nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS), epochs=60).verdict
    assert verdict.standing[0].key == "dead_units@0"
    assert "training examples looked at, a sample of the training set" in verdict.standing[0].evidence
    assert verdict.standing[0].severity is Severity.ERROR


def test_modules_that_fail_by_themselves_are_left_alone() -> None:
    class OnlyInTraining(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.body = make()

        def forward(self, inputs: Any) -> Any:
            if not self.training:
                raise RuntimeError
            return self.body(inputs)

    assert silent(train(OnlyInTraining(), nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS)))


ONE_EACH = INPUTS[:, :1].sin() + 3.0


@pytest.mark.parametrize("size", [SIZE, len(INPUTS)], ids=["batches", "all at once"])
def test_outputs_that_meet_the_targets_of_all_samples_are_told_by_batches(size: int) -> None:
    def squares(outputs: Any, targets: Any) -> Any:
        return ((outputs - targets[:, 0]) ** 2).mean()

    monitor = train(make(1), squares, shuffled(INPUTS, ONE_EACH, size), epochs=40)
    found = [each for each in monitor.verdict.standing if each.severity > Severity.INFO]
    assert told_loss(monitor) == "unknown"
    assert [each.key for each in found] == ["loss_mismatch"] * (size == SIZE)
    assert not found or "meet targets of shape (batch,)" in found[0].evidence


def test_batches_of_one_target_each_are_no_such_outputs() -> None:
    """As of two critics in turns, or of data in order: what comes again is pulled to the same."""
    groups = torch.arange(len(INPUTS)) // SIZE

    def in_order(generator: Any) -> Iterator[tuple[Any, Any]]:
        for group in torch.randperm(len(INPUTS) // SIZE, generator=generator):
            rows = groups == group
            yield INPUTS[rows], group * torch.ones((int(rows.sum()), 1))

    monitor = train(make(1), nn.MSELoss(), in_order, epochs=40, rate=0.01)
    assert "loss_mismatch" not in [each.id for each in monitor.verdict.findings if each.severity > Severity.INFO]


def test_short_trainings_are_looked_at_on_the_way() -> None:
    batches = shuffled(INPUTS, LABELS, 80)  # five steps an epoch
    alone = train(make(), nn.CrossEntropyLoss(), batches, epochs=6)
    given = train(make(), nn.CrossEntropyLoss(), batches, epochs=6, data=(INPUTS, LABELS), loss=nn.CrossEntropyLoss())
    steps = [probe.step for probe in given.record.notes(Probe)]
    assert steps == [probe.step for probe in alone.record.notes(Probe)] == [0, 5, 13, 20, 30]


def test_of_longer_ones_the_looks_are_the_usual_ones() -> None:
    batches = shuffled(INPUTS, LABELS, 10)
    for given in ({}, {"data": (INPUTS, LABELS), "loss": nn.CrossEntropyLoss()}):
        monitor = train(make(), nn.CrossEntropyLoss(), batches, epochs=8, **given)
        assert [probe.step for probe in monitor.record.notes(Probe)] == [0, 100, 200, 300, 320]


@pytest.mark.parametrize("in_order", [True, False])
def test_batches_of_one_class_are_told(*, in_order: bool) -> None:
    order = LABELS.argsort() if in_order else torch.arange(len(LABELS))
    inputs, labels = INPUTS[order], LABELS[order]

    def batches(_: Any) -> Iterator[tuple[Any, Any]]:
        yield from zip(inputs.split(SIZE), labels.split(SIZE), strict=True)

    monitor = train(make(), nn.CrossEntropyLoss(), batches, epochs=30)
    found = monitor.record.notes(BatchLabels)
    assert len(found) == 1
    assert (found[0].one_class > found[0].batches / 2) is in_order


def test_sequences_padded_to_another_length_in_every_epoch_leave_it_open() -> None:
    class Pooled(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 4)

        def forward(self, inputs: Any) -> Any:
            return self.last(torch.relu(self.first(inputs[:, :, None])).mean(dim=1))

    def padded(generator: Any) -> Iterator[tuple[Any, Any]]:
        for number, (inputs, labels) in enumerate(shuffled(INPUTS, LABELS)(generator)):
            yield functional.pad(inputs, (0, 3 if number % 2 else 0)), labels

    by_length = [(functional.pad(INPUTS[:200], (0, 3)), LABELS[:200]), (INPUTS[200:], LABELS[200:])]
    for batches in (padded, lambda _: iter(by_length)):
        assert silent(train(Pooled(), nn.CrossEntropyLoss(), batches))


def test_of_large_outputs_fewer_examples_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradvitals.diagnostics.adapters.row_sample.MOST_BYTES", 40_000)
    monkeypatch.setattr("gradvitals.diagnostics.adapters.torch_told_loss.MOST_NUMBERS", 1_000)
    targets = torch.randn((len(INPUTS), 50), generator=torch.Generator().manual_seed(2))
    monitor = train(make(50), nn.MSELoss(), shuffled(INPUTS, targets))
    assert told_loss(monitor) == "mse"
    assert monitor.record.notes(Probe)[-1].samples == 40_000 // (2 * 8 * 50 + 4 * 10)


def test_a_loss_that_counts_otherwise_in_every_batch_is_not_believed() -> None:
    """As where a reward is the factor of a policy's gradient."""
    generator = torch.Generator().manual_seed(7)

    def rewarded(outputs: Any, targets: Any) -> Any:
        return (0.1 + torch.rand((), generator=generator)) * functional.cross_entropy(outputs, targets)

    assert silent(train(make(), rewarded, shuffled(INPUTS, LABELS)))


def test_examples_of_which_a_batch_has_several_are_not_believed() -> None:
    inputs, labels = INPUTS[:20].repeat(20, 1), LABELS[:20].repeat(20)
    assert silent(train(make(), nn.CrossEntropyLoss(), shuffled(inputs, labels)))


class Refused(torch.autograd.Function):  # type: ignore[misc]  # torch has no types for us
    """Gives what it is given, and no gradient."""

    @staticmethod
    def forward(_: Any, inputs: Any) -> Any:
        """Copy."""
        return inputs.clone()

    @staticmethod
    def backward(*_: Any) -> Any:
        """Refuse."""
        raise RuntimeError


def test_modules_that_fail_on_the_way_back_are_left_alone() -> None:
    class Backwards(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.body = make()

        def forward(self, inputs: Any) -> Any:
            outputs = self.body(inputs)
            return outputs if self.training else Refused.apply(outputs)

    assert silent(train(Backwards(), nn.CrossEntropyLoss(), shuffled(INPUTS, LABELS)))


@pytest.mark.filterwarnings("error")
def test_complex_inputs_leave_it_open() -> None:
    class Spectrum(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def __init__(self) -> None:
            super().__init__()
            self.body = make()

        def forward(self, inputs: Any) -> Any:
            return self.body(inputs.abs())

    assert silent(train(Spectrum(), nn.CrossEntropyLoss(), shuffled(INPUTS + 0j, LABELS)))


class OverTime(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A recurrent layer that takes the first axis for time."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.GRU(1, 12), nn.Linear(12, 1)

    def forward(self, x: Any) -> Any:
        """Give an output for every position."""
        return self.out(self.recurrent(x)[0])


def test_points_in_time_are_not_taken_for_samples_unless_they_are_shuffled() -> None:
    series = torch.randn(40, 6, 1, generator=torch.Generator().manual_seed(0))
    sums = series + torch.cat([torch.zeros(1, 6, 1), series[:-1]])

    def whole(_: Any) -> Iterator[tuple[Any, Any]]:
        yield series, sums

    torch.manual_seed(0)
    over_time = train(OverTime(), functional.mse_loss, whole, rate=0.3, epochs=150)
    assert told_loss(over_time) == "unknown"
    assert [each.key for each in over_time.verdict.standing if each.severity is not Severity.INFO] == []
    targets = series.mean(1, keepdim=True).expand(-1, 6, -1)  # of rows that are samples, the axes are exchanged
    torch.manual_seed(0)
    exchanged = train(OverTime(), functional.mse_loss, shuffled(series, targets, 10), rate=0.3, epochs=40)
    (finding,) = [each for each in exchanged.verdict.standing if each.id == "loss_mismatch"]
    assert "every other one was replaced" in finding.evidence
