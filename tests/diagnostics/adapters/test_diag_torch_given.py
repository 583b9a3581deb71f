"""Models of several inputs: what they are given is read as rows, and goes apart again as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it
from torch.utils.data import DataLoader, Dataset, TensorDataset  # noqa: E402

from gradvitals.diagnostics.adapters.torch_data import read_data  # noqa: E402
from gradvitals.diagnostics.adapters.torch_given import read_call  # noqa: E402

ROWS, EPOCHS = 240, 20
GENERATOR = torch.Generator().manual_seed(0)
LIKE = torch.empty(0)
X = torch.randn(ROWS, 6, generator=GENERATOR)
Z = torch.randn(ROWS, 2, 3, generator=GENERATOR)
Y = (X[:, 0] + Z[:, 0, 0] > 0).long() + (X[:, 1] > 0.5).long()
IDS = torch.randint(3, 40, (ROWS, 7), generator=GENERATOR)
SERIES = torch.randn(ROWS, 5, 4, generator=GENERATOR)
SIGNS = (SERIES[..., 0].sum(1) > 0).long()

Call = Callable[[Any, Any], Any]


class TwoInputs(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Two towers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(6, 12), nn.Linear(6, 12), nn.Linear(24, 3)

    def forward(self, x: Any, z: Any) -> Any:
        """Give the logits."""
        return self.out(torch.cat([self.first(x).relu(), self.second(z.flatten(1)).relu()], 1))


class OneInput(nn.Module):  # type: ignore[misc]  # as above
    """The same of one input, which holds both."""

    def __init__(self) -> None:
        super().__init__()
        self.two = TwoInputs()

    def forward(self, both: Any) -> Any:
        """Give the logits."""
        return self.two(both[:, :6], both[:, 6:].reshape(-1, 2, 3))


class Stateful(nn.Module):  # type: ignore[misc]  # as above
    """Is given a state."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.LSTM(4, 10, batch_first=True), nn.Linear(10, 2)

    def forward(self, x: Any, state: Any) -> Any:
        """Give the logits."""
        outputs, state = self.recurrent(x, state)
        return self.out(outputs[:, -1]), state


class WithLabels(nn.Module):  # type: ignore[misc]  # as above
    """Computes its loss itself, as text models of a known library do."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(40, 8), nn.Linear(8, 2)

    def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None) -> Any:
        """Give the logits."""
        read = self.words(input_ids) * attention_mask[..., None]
        logits = self.out(read.sum(1))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def train(module: Any, parts: tuple[Any, ...], step: Call, *, rate: float, **given: Any) -> Monitor:
    """Train on shuffled batches; `step` gets the module and a batch, and gives the loss."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    loader = DataLoader(TensorDataset(*parts), batch_size=30, shuffle=True)
    with watch(module, **given) as monitor:
        for _ in range(EPOCHS):
            for batch in loader:
                optimizer.zero_grad()
                step(module, batch).backward()
                optimizer.step()
    return monitor


def make(kind: type[Any]) -> Any:
    torch.manual_seed(0)
    return kind()


def of_two(module: Any, batch: Any) -> Any:
    return F.cross_entropy(module(batch[0], batch[1]), batch[2])


def of_state(module: Any, batch: Any) -> Any:
    zeros = torch.zeros(1, len(batch[0]), 10)
    return F.cross_entropy(module(batch[0], (zeros, zeros.clone()))[0], batch[1])


def of_labels(module: Any, batch: Any) -> Any:
    return module(input_ids=batch[0], attention_mask=batch[1], labels=batch[2])["loss"]


MASK = (torch.arange(7) < torch.randint(3, 8, (ROWS, 1), generator=GENERATOR)).long()
WORDS = ((IDS < 12) * MASK).sum(1).gt(1).long()


def alarms(monitor: Monitor) -> list[str]:
    return [finding.key for finding in monitor.verdict.standing if finding.severity is not Severity.INFO]


def told_loss(monitor: Monitor) -> str:
    context = monitor.record.context
    assert context is not None
    return context.loss


def test_what_a_call_was_given_goes_apart_as_it_was() -> None:
    causal = torch.full((7, 7), float("-inf")).triu(1)
    zeros = (torch.zeros(2, ROWS, 5), torch.zeros(2, ROWS, 5))
    kwargs = {"mask": MASK.bool(), "causal": causal, "state": zeros, "flag": True, "none": None, "word": "mean"}
    read = read_call((IDS, Z), kwargs)
    assert read is not None
    rows, form = read
    assert rows.shape == (ROWS, 7 + 6 + 7)
    assert not form.are_quantities
    args, given = form.apart(rows[:9], LIKE)
    for found, wanted in zip([*args, given["mask"]], [IDS, Z, MASK.bool()], strict=True):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted[:9])
    assert torch.equal(given["causal"], causal)
    assert [each.shape for each in given["state"]] == [(2, 9, 5)] * 2
    assert (given["flag"], given["none"], given["word"]) == (True, None, "mean")
    assert set(given) == set(kwargs)


def test_large_token_ids_beside_floats_are_kept_to_the_last_digit() -> None:
    ids = torch.tensor([[2**40 + 1], [3]])
    read = read_call((ids, torch.rand(2, 1)), {})
    assert read is not None
    assert torch.equal(read[1].apart(read[0], LIKE)[0][0], ids)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((SERIES, torch.ones(1, ROWS, 10)), {}),
        ((SERIES, (torch.zeros(1, ROWS, 10), torch.ones(1, ROWS, 10))), {}),
        ((SERIES,), {"graph": object()}),
        ((SERIES,), {"names": ["a"] * ROWS}),
        ((None, True), {}),
    ],
    ids=["a state carried over", "one of two states", "an object", "text", "nothing"],
)
def test_what_cannot_be_told_apart_by_sample_is_not_read(args: Any, kwargs: Any) -> None:
    assert read_call(args, kwargs) is None


def test_forms_are_one_where_all_that_is_fixed_is_the_same() -> None:
    def form(**kwargs: Any) -> Any:
        read = read_call((X,), kwargs)
        assert read is not None
        return read[1]

    first = form(scale=2.0, mask=torch.eye(3), nothing=None)
    assert first.is_like(form(scale=2.0, mask=torch.eye(3), nothing=None))
    assert not first.is_like(form(scale=2.5, mask=torch.eye(3), nothing=None))
    assert not first.is_like(form(scale=2.0, mask=2 * torch.eye(3), nothing=None))
    assert not first.is_like(form(scale=2.0, mask=torch.eye(3), nothing=0))
    assert not first.is_like(form(scale=2.0, mask=torch.eye(3)))


@pytest.mark.parametrize("rate", [0.1, 50.0])
@pytest.mark.parametrize("is_told", [True, False])
def test_two_inputs_are_judged_as_one_that_holds_both(*, rate: float, is_told: bool) -> None:
    """The same network, of one tensor, is what the diagnostics always knew."""
    both = torch.cat([X, Z.flatten(1)], 1)
    loss = F.cross_entropy
    given: dict[str, Any] = {} if is_told else {"data": ((X, Z), Y), "loss": loss}
    same: dict[str, Any] = {} if is_told else {"data": (both, Y), "loss": loss}
    several = train(make(TwoInputs), (X, Z, Y), of_two, rate=rate, **given)
    one = train(make(OneInput), (both, Y), lambda m, b: loss(m(b[0]), b[1]), rate=rate, **same)
    keys = [(each.severity, each.key) for each in several.verdict.standing]
    assert keys == [(each.severity, each.key.replace("two.", "")) for each in one.verdict.standing]
    assert (alarms(several) == []) == (rate < 1.0)
    assert told_loss(several) == "cross_entropy"


@pytest.mark.parametrize(
    ("kind", "parts", "loss", "sick", "sound"),
    [
        (TwoInputs, (X, Z, Y), of_two, 50.0, 0.1),
        (Stateful, (SERIES, SIGNS), of_state, 100.0, 0.5),
        (WithLabels, (IDS, MASK, WORDS), of_labels, 5.0, 0.3),
    ],
    ids=["two", "a state", "labels"],
)
def test_the_loop_alone_tells_what_is_wrong_and_what_is_not(
    kind: type[Any], parts: tuple[Any, ...], loss: Call, sick: float, sound: float
) -> None:
    healthy, found = (train(make(kind), parts, loss, rate=rate) for rate in (sound, sick))
    assert (told_loss(healthy), alarms(healthy)) == ("cross_entropy", [])
    assert told_loss(found) == "cross_entropy"
    assert "learning_rate_too_high" in alarms(found)


def test_the_labels_among_the_inputs_are_not_shown_to_simple_models() -> None:
    monitor = train(make(WithLabels), (IDS, MASK, WORDS), of_labels, rate=0.3)
    assert [facts.columns for facts in monitor.record.notes(DataFacts)] == [14]


def test_answers_that_the_model_needs_leave_it_open() -> None:
    class Margin(TwoInputs):
        def forward(self, x: Any, z: Any) -> Any:  # the second are the labels
            """Give the logits."""
            logits = super().forward(x, torch.zeros(len(x), 2, 3))
            return logits - 0.1 * F.one_hot(z, 3) if self.training else logits

    monitor = train(make(Margin), (X, Y), lambda m, b: F.cross_entropy(m(b[0], b[1]), b[1]), rate=0.1)
    assert told_loss(monitor) == "unknown"


def test_states_carried_from_batch_to_batch_leave_it_open() -> None:
    state: Any = None

    def carried(module: Any, batch: Any) -> Any:
        nonlocal state
        state = (torch.zeros(1, 30, 10),) * 2 if state is None else tuple(each.detach() for each in state)
        outputs, state = module(batch[0], state)
        return F.cross_entropy(outputs, batch[1])

    assert told_loss(train(make(Stateful), (SERIES, SIGNS), carried, rate=0.1)) == "unknown"


def test_a_call_of_another_form_leaves_it_open() -> None:
    def changing(module: Any, batch: Any) -> Any:
        scale = 1.0 if batch[2][0] == 0 else 2.0
        return F.cross_entropy(module(batch[0], batch[1]) * scale, batch[2])

    class Scaled(TwoInputs):
        def forward(self, x: Any, z: Any, scale: float = 1.0) -> Any:
            """Give the logits."""
            return super().forward(x, z) * scale

    def with_scale(module: Any, batch: Any) -> Any:
        return F.cross_entropy(module(batch[0], batch[1], scale=1.0 + float(batch[2][0])), batch[2])

    assert told_loss(train(make(Scaled), (X, Z, Y), with_scale, rate=0.1)) == "unknown"
    assert told_loss(train(make(TwoInputs), (X, Z, Y), changing, rate=0.1)) == "unknown"


def test_what_decoders_are_fed_is_not_held_against_them() -> None:
    """Of values fed back, each is the target of the position before, which a linear model of the row would read."""

    class Decoder(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.GRU(4, 8, batch_first=True), nn.GRU(1, 8, batch_first=True)
            self.out = nn.Linear(8, 1)

        def forward(self, source: Any, fed: Any) -> Any:
            _, state = self.encoder(source)
            return self.out(self.decoder(fed, state)[0])

    noise = torch.randn(ROWS, 6, 1, generator=GENERATOR)
    series = 0.6 * SERIES[:, -1:, :1] + noise.cumsum(1)
    fed = torch.cat([torch.zeros(ROWS, 1, 1), series[:, :-1]], 1)
    given = {"data": ((SERIES, fed), series), "loss": F.mse_loss}
    monitor = train(make(Decoder), (SERIES, fed, series), lambda m, b: F.mse_loss(m(*b[:2]), b[2]), rate=0.3, **given)
    assert alarms(monitor) == []
    assert "underfitting" not in [finding.id for finding in monitor.verdict.standing]


def test_watching_several_inputs_changes_nothing() -> None:
    for kind, parts, loss in (
        (TwoInputs, (X, Z, Y), of_two),
        (Stateful, (SERIES, SIGNS), of_state),
        (WithLabels, (IDS, MASK, WORDS), of_labels),
    ):
        watched, alone = make(kind), make(kind)
        train(watched, parts, loss, rate=0.1)
        torch.manual_seed(1)
        optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(*parts), batch_size=30, shuffle=True)
        for _ in range(EPOCHS):
            for batch in loader:
                optimizer.zero_grad()
                loss(alone, batch).backward()
                optimizer.step()
        for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
            assert torch.equal(one, other)


class Rows(Dataset):  # type: ignore[misc]  # as above
    """Rows of any form."""

    def __init__(self, row: Callable[[int], Any]) -> None:
        self._row = row

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> Any:
        return self._row(index)


@pytest.mark.parametrize(
    "data",
    [
        ((X, Z), Y),
        ({"x": X, "z": Z}, Y),
        Rows(lambda row: ((X[row], Z[row]), Y[row])),
        Rows(lambda row: {"x": X[row], "z": Z[row], "labels": Y[row]}),
        DataLoader(Rows(lambda row: ({"x": X[row], "z": Z[row]}, Y[row])), batch_size=50, shuffle=True),
        [((X[:100], Z[:100]), Y[:100]), ((X[100:], Z[100:]), Y[100:])],
    ],
    ids=["a tuple", "names", "a data set", "dictionaries", "a loader", "a list of batches"],
)
def test_several_inputs_are_read_side_by_side(data: Any) -> None:
    read = read_data(data)
    np.testing.assert_array_equal(read.inputs, torch.cat([X, Z.flatten(1)], 1).numpy())
    np.testing.assert_array_equal(read.targets, Y.numpy())
    assert read.complete
    assert read.form is not None
    args, kwargs = read.form.apart(read.inputs, LIKE)
    for found, wanted in zip([*args, *kwargs.values()], (X, Z), strict=True):
        assert torch.equal(found, wanted)
    assert set(kwargs) in ({"x", "z"}, set())


def test_a_key_that_the_model_does_not_take_is_named() -> None:
    with pytest.raises(ValueError, match=r"x: \(6,\) and z: \(2, 3\) and index: \(\).*'index'"):
        watch(make(TwoInputs), data=({"x": X, "z": Z, "index": torch.arange(ROWS)}, Y), loss=F.cross_entropy)


def test_a_validation_set_of_other_inputs_is_refused() -> None:
    data = ((X, Z), Y)
    with pytest.raises(ValueError, match="validation must have the same inputs as data"):
        watch(make(TwoInputs), data=data, validation=((X, X), Y), loss=F.cross_entropy)
    watch(make(TwoInputs), data=data, validation=data, loss=F.cross_entropy).detach()


def test_simple_models_are_not_asked_where_inputs_may_hold_the_answers() -> None:
    class Fed(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(10, 2)

        def forward(self, x: Any, fed: Any) -> Any:
            return self.out(torch.cat([x, fed], 1))

    def judged(targets: Any) -> Monitor:
        given = {"data": ((SERIES.flatten(1)[:, :8], answers), targets), "loss": F.mse_loss}
        parts = SERIES.flatten(1)[:, :8], answers, targets
        return train(make(Fed), parts, lambda m, b: F.mse_loss(m(b[0], b[1]), b[2]), rate=1e-5, **given)

    answers = torch.randn(ROWS, 2, generator=GENERATOR)
    assert judged(answers.flip(1)).record.notes(Shortfall) == []
    assert judged(answers.flip(1)).record.notes(Signal) == []


def test_an_input_that_is_the_target_is_no_copied_column() -> None:
    class Conditioned(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(7, 1)

        def forward(self, x: Any, y: Any) -> Any:
            return self.out(torch.cat([x, y], 1))

    y = X.mean(1, keepdim=True) + torch.randn(ROWS, 1, generator=GENERATOR)
    given = {"data": ((X, y), y), "loss": F.mse_loss}
    monitor = train(make(Conditioned), (X, y), lambda m, b: F.mse_loss(m(b[0], b[1]), b[1]), rate=0.1, **given)
    assert [facts.copied_column for facts in monitor.record.notes(DataFacts)] == [None]
    assert alarms(monitor) == []


def test_a_second_input_that_no_layer_reads_changes_no_verdict() -> None:
    class Plain(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
            nn.init.constant_(self.hidden.bias, -50.0)

        def forward(self, x: Any, z: Any = None) -> Any:
            assert z is None or len(z) == len(x)
            return self.out(self.hidden(x).relu())

    given = {"data": ((X, Z), Y), "loss": F.cross_entropy}
    several = train(make(Plain), (X, Z, Y), of_two, rate=0.1, **given)
    one = train(
        make(Plain), (X, Y), lambda m, b: F.cross_entropy(m(b[0]), b[1]), rate=0.1, data=(X, Y), loss=F.cross_entropy
    )
    assert [each.key for each in several.verdict.standing] == [each.key for each in one.verdict.standing]
    assert "dead_units@hidden" in alarms(several)


def test_two_numbers_given_apart_are_no_plane_to_draw(tmp_path: Path) -> None:
    class Lookup(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.words, self.out = nn.Embedding(5, 4), nn.Linear(5, 3)

        def forward(self, word: Any, x: Any) -> Any:
            return self.out(torch.cat([self.words(word[:, 0]), x], 1))

    words = Y[:, None] + 2
    given = {"data": ((words, X[:, :1]), Y), "loss": F.cross_entropy, "logdir": tmp_path}
    train(make(Lookup), (words, X[:, :1], Y), of_two, rate=0.1, **given)
    events = EventAccumulator(str(next(tmp_path.rglob("*tfevents*"))))
    events.Reload()
    assert [tag for tag in events.Tags()["tensors"] if "boundary" in tag] == []


def test_inputs_padded_batch_by_batch_are_padded_together() -> None:
    def pad(rows: list[tuple[Any, Any, int]]) -> tuple[tuple[Any, Any], Any]:
        sequences = nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True)
        return (sequences, torch.stack([row[1] for row in rows])), torch.tensor([row[2] for row in rows])

    rows = [(torch.full((1 + row % 5,), row), X[row], row % 3) for row in range(30)]
    read = read_data(DataLoader(Rows(lambda row: rows[row]), batch_size=4, sampler=range(30), collate_fn=pad))
    assert read.form is not None
    assert [read.form.fields[name].shape for name in read.form.names] == [(5,), (6,)]
    assert read.inputs[4].tolist() == [4.0] * 5 + X[4].double().tolist()


def test_numbers_that_overflow_between_layers_are_not_blamed_on_the_data() -> None:
    class Scaled(TwoInputs):
        gain = 1.0

        def forward(self, x: Any, z: Any) -> Any:
            hidden = torch.cat([self.first(x).relu(), self.second(z.flatten(1)).relu()], 1)
            return self.out(hidden * self.gain)

    count = 0

    def growing(module: Any, batch: Any) -> Any:
        nonlocal count
        count += 1
        module.gain = 1.0 if count < 30 else float("inf")
        return of_two(module, batch)

    monitor = train(make(Scaled), (X, Z, Y), growing, rate=0.1, data=((X, Z), Y), loss=F.cross_entropy)
    (finding,) = [each for each in monitor.verdict.standing if each.id == "non_finite"]
    assert finding.key == "non_finite@out"
    assert finding.evidence.startswith("what out reads is not finite")
    spoiled = X.clone()
    spoiled[3, 2] = float("nan")
    monitor = train(make(TwoInputs), (spoiled, Z, Y), of_two, rate=0.1, data=((spoiled, Z), Y), loss=F.cross_entropy)
    (finding,) = [each for each in monitor.verdict.standing if each.id == "non_finite"]
    assert finding.evidence.startswith("the training data hold values")


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("classes", [3, 2])
def test_classes_given_as_one_hot_rows_are_answers_to_simple_models(*, is_told: bool, classes: int) -> None:
    class Margin(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(6, classes)

        def forward(self, x: Any, own: Any) -> Any:
            return self.out(x) - 0.5 * own

    labels = Y.clamp(max=classes - 1)
    own = F.one_hot(labels, classes).float()
    given = {} if is_told else {"data": ((X, own), labels), "loss": F.cross_entropy}
    monitor = train(
        make(Margin), (X, own, labels), lambda m, b: F.cross_entropy(m(b[0], b[1]), b[2]), rate=0.1, **given
    )
    assert told_loss(monitor) == "cross_entropy"
    assert monitor.record.notes(Shortfall) == []


def test_answers_so_sure_that_right_ones_have_no_gradient_leave_it_open() -> None:
    class Sure(TwoInputs):
        def forward(self, x: Any, z: Any) -> Any:
            return 1e4 * super().forward(x, z)

    monitor = train(make(Sure), (X, Z, Y), of_two, rate=1e-6)
    assert told_loss(monitor) == "unknown"
    assert alarms(monitor) == []


def test_numbers_that_overflow_are_told_and_nothing_else_of_a_loop_that_shows_no_more() -> None:
    module = make(WithLabels)
    monitor = train(module, (IDS, MASK, WORDS), of_labels, rate=100.0)
    assert not all(bool(each.isfinite().all()) for each in module.parameters())
    assert told_loss(monitor) == "unknown"
    assert alarms(monitor) == ["non_finite@out"]


def test_a_module_may_write_into_what_it_is_given() -> None:
    class Writing(nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self.two = TwoInputs()

        def forward(self, x: Any, z: Any, scale: Any) -> Any:
            x *= scale
            z += 1.0
            scale *= 1.0001
            return self.two(x, z)

    def step(module: Any, batch: Any) -> Any:
        return F.cross_entropy(module(batch[0].clone(), batch[1].clone(), torch.full((6,), 2.0)), batch[2])

    monitor = train(make(Writing), (X, Z, Y), step, rate=0.1)
    assert told_loss(monitor) == "cross_entropy"
    assert alarms(monitor) == []
