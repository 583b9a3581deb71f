"""Programs of the kind that people ask about, each beside its answer: the fault is named, and the answer is silent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - only where there is PyTorch

STEPS = 300
BATCH = 32


@dataclass
class Program:
    """A loop as somebody wrote it: what is watched, what `watch` is given besides, and what a step does."""

    module: Any
    optimizer: Any
    criterion: Any = None
    data: Any = None
    loss: Any = None
    after_step: Callable[[], None] = lambda: None
    steps: int = STEPS

    def run(self) -> Monitor:
        """Train, watched."""
        inputs, targets = self.data or blobs()
        criterion = self.criterion or nn.CrossEntropyLoss()
        with watch(self.module, data=(inputs, targets), loss=self.loss or criterion, total_steps=self.steps) as monitor:
            for _ in range(self.steps):
                rows = torch.randint(0, len(inputs), (BATCH,))
                self.optimizer.zero_grad()
                criterion(self.module(inputs[rows]), targets[rows]).backward()
                self.optimizer.step()
                self.after_step()
        return monitor


def mlp(outputs: int = 4) -> Any:
    return nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, outputs))


def adam(module: Any, lr: float = 0.01) -> Any:
    return torch.optim.Adam(module.parameters(), lr=lr)


def yes_or_no() -> tuple[Any, Any]:
    inputs, labels = blobs(classes=2)
    return inputs, labels.float()


def many_classes() -> tuple[Any, Any]:
    return blobs(classes=12)


def rings() -> tuple[Any, Any]:
    """Make samples that no straight line parts."""
    inputs = torch.randn(600, 2, generator=torch.Generator().manual_seed(3))
    return inputs, (inputs.norm(dim=1) > 1.2).long()


class Hidden(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A network that keeps its hidden layers in a list."""

    def __init__(self, keep: Callable[[list[Any]], Any]) -> None:
        super().__init__()
        self.hidden = keep([nn.Linear(2, 6), nn.Linear(6, 2)])
        self.last = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.last(x)


def in_a_list(keep: Callable[[list[Any]], Any]) -> Program:
    module = Hidden(keep)
    return Program(module, adam(module), data=rings())


def with_a_schedule(steps: int) -> Program:
    module = mlp(12)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=steps, gamma=0.1)
    return Program(module, optimizer, data=many_classes(), after_step=schedule.step)


def of_another_model() -> Program:
    optimizer = adam(mlp())
    return Program(mlp(), optimizer)


def with_a_new_head(*, before: bool) -> Program:
    module = mlp(7)
    optimizer = adam(module[2]) if before else None
    for parameter in module.parameters():
        parameter.requires_grad = False
    module[2] = nn.Linear(24, 4)
    return Program(module, optimizer or adam(module[2]))


def without_its_features(*, spread: float) -> Program:
    """Train a head on features that say next to nothing, and no optimizer holds."""
    module = nn.Sequential(nn.Linear(10, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 4))
    for layer in (module[0], module[2]):
        nn.init.normal_(layer.weight, std=spread)
    return Program(module, torch.optim.SGD(module[4].parameters(), lr=0.1))


def standing(monitor: Monitor) -> dict[str, Finding]:
    return {finding.key: finding for finding in monitor.verdict.standing if finding.severity > Severity.INFO}


def seeded(make: Callable[[], Program]) -> Monitor:
    torch.manual_seed(0)
    return make().run()


@pytest.mark.parametrize(
    ("make", "says", "severity", "asks"),
    [
        (lambda: in_a_list(list), "hidden[0].weight, hidden[0].bias", Severity.WARNING, "nn.ModuleList"),
        (lambda: in_a_list(tuple), "hidden[1].weight, hidden[1].bias", Severity.WARNING, "nn.ModuleList"),
        (of_another_model, f"optimizers took {STEPS} steps", Severity.ERROR, "this model's parameters"),
        (lambda: with_a_new_head(before=True), "none of them holds a parameter", Severity.ERROR, "once the model is"),
    ],
    ids=["layers in a list", "layers in a tuple", "the optimizer of another model", "a head replaced afterwards"],
)
def test_parameters_that_no_optimizer_gets_are_named(
    make: Callable[[], Program], says: str, severity: Severity, asks: str
) -> None:
    found = standing(seeded(make))
    frozen = found["frozen_parameters"]
    assert (frozen.severity, frozen.explained_by) == (severity, None)
    assert says in frozen.evidence
    assert asks in frozen.prescriptions[0].why
    assert all(finding.explained_by == frozen.key for finding in found.values() if finding is not frozen)


@pytest.mark.parametrize(
    "make",
    [lambda: in_a_list(nn.ModuleList), lambda: with_a_new_head(before=False)],
    ids=["layers in a ModuleList", "a head replaced before"],
)
def test_parameters_that_the_optimizer_gets_are_not_spoken_of(make: Callable[[], Program]) -> None:
    assert standing(seeded(make)) == {}


def test_what_is_kept_in_a_list_and_trained_or_left_alone_on_purpose_is_not_spoken_of() -> None:
    def trained_by_hand() -> Program:
        module = Hidden(list)
        others = [each for layer in module.hidden for each in layer.parameters()]
        return Program(module, torch.optim.Adam([*module.parameters(), *others], lr=0.01), data=rings())

    def without_gradients() -> Program:
        module = Hidden(lambda layers: [layer.requires_grad_(requires_grad=False) for layer in layers])
        return Program(module, adam(module), data=rings())

    assert standing(seeded(trained_by_hand)) == {}
    assert "frozen_parameters" not in standing(seeded(without_gradients))


def test_what_is_kept_in_a_list_and_never_used_is_not_spoken_of() -> None:
    class Spare(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.spare = mlp(), [nn.Linear(10, 4)]

        def forward(self, inputs: Any) -> Any:
            return self.layers(inputs)

    def make() -> Program:
        module = Spare()
        return Program(module, adam(module), data=blobs())

    assert standing(seeded(make)) == {}


def test_a_model_that_has_no_gradients_is_not_said_to_be_left_out_of_other_steps() -> None:
    torch.manual_seed(0)
    watched, other, (inputs, labels) = mlp(), mlp(), blobs()
    optimizer = adam(other)
    with watch(watched, data=(inputs, labels), loss=nn.CrossEntropyLoss()) as monitor:
        for _ in range(5):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(other(inputs) + watched(inputs).detach(), labels).backward()
            optimizer.step()
    assert monitor.verdict.standing == ()
    assert monitor.record.context is None


def test_layers_that_no_optimizer_holds_are_an_error_where_nothing_is_learned_and_else_a_warning() -> None:
    ruined = standing(seeded(lambda: without_its_features(spread=1e-3)))
    assert ruined["frozen_parameters@0"].severity is Severity.ERROR
    assert ruined["no_learning"].explained_by == "frozen_parameters@0"
    harmless = standing(seeded(lambda: without_its_features(spread=1.0)))
    assert harmless["frozen_parameters@0"].severity is Severity.WARNING
    assert {finding.severity for finding in harmless.values()} == {Severity.WARNING}


def test_a_rate_that_falls_to_nothing_too_soon_leaves_a_network_behind_simple_models() -> None:
    monitor = seeded(lambda: with_a_schedule(3))
    found = standing(monitor)["underfitting"]
    assert (found.severity, found.explained_by) == (Severity.WARNING, None)
    assert found.evidence.endswith("; the loss has come to rest")
    assert "schedule" in found.prescriptions[-1].why
    assert standing(seeded(lambda: with_a_schedule(1000))) == {}


def test_a_network_that_is_behind_simple_models_and_still_learns_is_left_alone() -> None:
    def slow() -> Program:
        module = mlp(12)
        return Program(module, torch.optim.SGD(module.parameters(), lr=0.01), data=many_classes())

    monitor = seeded(slow)
    assert judge_gate(monitor.record).checks[-1].behind
    assert "underfitting" not in standing(monitor)


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, targets: nn.functional.binary_cross_entropy_with_logits(outputs.squeeze(), targets),
        lambda outputs, targets: nn.functional.binary_cross_entropy_with_logits(
            outputs.squeeze(), targets, reduction="sum"
        ),
        lambda outputs, targets: nn.functional.binary_cross_entropy_with_logits(
            outputs.squeeze(), targets, reduction="none"
        ),
    ],
    ids=["mean", "sum", "none"],
)
def test_a_loss_that_squeezes_its_batch_is_watched_as_one_that_does_not(loss: Any) -> None:
    def program(given: Any) -> Program:
        module = mlp(1)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.001)
        return Program(module, optimizer, lambda *pair: loss(*pair).mean(), yes_or_no(), loss=given)

    def plain(outputs: Any, targets: Any) -> Any:
        return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets, reduction="none")

    squeezed, kept = seeded(lambda: program(loss)), seeded(lambda: program(plain))
    ours, theirs = ([probe.loss for probe in monitor.record.notes(Probe)] for monitor in (squeezed, kept))
    assert len(ours) > 3
    assert ours == pytest.approx(theirs, rel=1e-5)


class Last(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A network that reads series, and answers at their end, or at what it takes for their end."""

    def __init__(self, cell: Any, *, gives_states: bool = True) -> None:
        super().__init__()
        self.cell, self.head, self.gives_states = cell, nn.Linear(16, 4), gives_states

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        read = self.cell(x)[0] if self.gives_states else self.cell(x)
        return self.head(read[:, -1])


class Turned(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A network that exchanges two axes, or only writes the numbers down in another shape."""

    def __init__(self, turn: Callable[[Any], Any]) -> None:
        super().__init__()
        self.first, self.last, self.turn = nn.Linear(5, 8), nn.Linear(8, 4), turn

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.last(torch.tanh(self.first(self.turn(x))).mean(dim=0))


def series(width: int = 16) -> tuple[Any, Any]:
    return blobs((5, width))


def of_series(cell: Any, **settings: Any) -> Program:
    module = Last(cell, **settings)
    return Program(module, adam(module), data=series())


def turned(turn: Callable[[Any], Any]) -> Program:
    module = Turned(turn)
    return Program(module, adam(module), data=series(5))


def ending_in(*parts: Any, criterion: Any = None) -> Program:
    module = nn.Sequential(*mlp(), *parts)
    return Program(module, adam(module), criterion)


def attention(*, batch_first: bool) -> Any:
    return nn.TransformerEncoderLayer(16, 2, 16, dropout=0.0, batch_first=batch_first)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (lambda: of_series(nn.LSTM(16, 16)), lambda: of_series(nn.LSTM(16, 16, batch_first=True))),
        (
            lambda: of_series(attention(batch_first=False), gives_states=False),
            lambda: of_series(attention(batch_first=True), gives_states=False),
        ),
        (
            lambda: turned(lambda x: x.reshape(5, len(x), 5)),
            lambda: turned(lambda x: x.transpose(0, 1)),
        ),
        (
            lambda: ending_in(nn.LogSoftmax(dim=0), criterion=nn.NLLLoss()),
            lambda: ending_in(nn.LogSoftmax(dim=1), criterion=nn.NLLLoss()),
        ),
        (
            lambda: ending_in(
                nn.Softmax(dim=0), criterion=lambda ours, labels: -ours.gather(1, labels[:, None]).mean()
            ),
            lambda: ending_in(nn.BatchNorm1d(4)),
        ),
    ],
    ids=["an LSTM", "attention", "a view for a transpose", "a log softmax", "a softmax, and a batch norm"],
)
def test_a_wrong_axis_that_lets_samples_into_each_other_is_named(
    wrong: Callable[[], Program], right: Callable[[], Program]
) -> None:
    found = standing(seeded(wrong))["loss_mismatch"]
    assert "every other one was replaced" in found.evidence
    assert any("batch_first=True" in cure.why and "dim=1" in cure.why for cure in found.prescriptions)
    assert found.explained_by is None
    assert "loss_mismatch" not in standing(seeded(right))


def test_samples_are_not_said_to_mix_where_that_cannot_be_told() -> None:
    torch.manual_seed(0)
    inputs = blobs()[0].numpy()
    without_statistics = nn.Sequential(nn.Linear(10, 4), nn.BatchNorm1d(4, track_running_stats=False))
    noisy = nn.Sequential(nn.Linear(10, 4), Noise())
    of_all = Summary()
    for module in (mlp(), without_statistics, noisy, of_all):
        assert TorchNetwork(module).mixing(inputs) is None
    assert TorchNetwork(nn.Sequential(nn.Linear(10, 4), nn.Softmax(dim=0))).mixing(inputs) is not None
    assert TorchNetwork(nn.Sequential(nn.Linear(10, 4), nn.Softmax(dim=0))).mixing(inputs[:3]) is None
    assert TorchNetwork(nn.Sequential(nn.Linear(10, 4), nn.Softmax(dim=0))).mixing(inputs[:4]) is not None


class Noise(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Noise from a generator of its own that nobody can put back."""

    def forward(self, x: Any) -> Any:
        """Add it."""
        return x + torch.from_numpy(np.random.default_rng().normal(size=tuple(x.shape))).float()


class Summary(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Outputs that are not one for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 8)

    def forward(self, x: Any) -> Any:
        """Give as many rows as there are columns."""
        return self.linear(x).T


def quantities(*, sort: bool = False) -> tuple[Any, Any]:
    """Make a regression with targets `(rows,)`, in two levels where they are sorted."""
    inputs = torch.randn(400, 10, generator=torch.Generator().manual_seed(7))
    targets = inputs[:, 0] - inputs[:, 1] * inputs[:, 2]
    return (inputs, (targets > 0).float().sort().values) if sort else (inputs, targets)


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")  # PyTorch's own word
@pytest.mark.parametrize("loss", [nn.functional.mse_loss, nn.MSELoss()], ids=["a function", "another of its kind"])
@pytest.mark.parametrize("squeezes", [False, True], ids=["broadcast", "squeezed"])
def test_a_squared_error_broadcast_over_the_batch_is_told_by_its_gradient(loss: Any, *, squeezes: bool) -> None:
    def program() -> Program:
        module = mlp(1)

        def criterion(outputs: Any, targets: Any) -> Any:
            return nn.functional.mse_loss(outputs.squeeze(1) if squeezes else outputs, targets)

        return Program(module, adam(module), criterion, quantities(), loss=loss)

    found = standing(seeded(program))
    if squeezes:
        assert "loss_mismatch" not in found
        return
    assert "broadcasts to (batch, batch)" in found["loss_mismatch"].evidence
    assert found["loss_mismatch"].explained_by is None


def test_batches_whose_targets_are_all_the_same_are_not_taken_for_broadcast() -> None:
    torch.manual_seed(0)
    module, (inputs, targets) = mlp(1), quantities(sort=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    with watch(module, data=(inputs, targets), loss=nn.functional.mse_loss, total_steps=120) as monitor:
        for step in range(120):
            rows = slice(20 * (step % 10), 20 * (step % 10) + 20)
            optimizer.zero_grad()
            nn.functional.mse_loss(module(inputs[rows]).squeeze(1), targets[rows]).backward()
            optimizer.step()
    assert len(set(targets[:200].tolist())) == 1
    assert "loss_mismatch" not in standing(monitor)


@pytest.mark.parametrize("makes_one", [True, False])
def test_the_logarithm_of_a_softmax_over_one_output_is_named_and_a_sigmoid_is_not(*, makes_one: bool) -> None:
    last = nn.LogSoftmax(dim=1) if makes_one else nn.Sigmoid()
    module = nn.Sequential(*mlp(outputs=1), last)
    inputs, labels = yes_or_no()
    verdict = Program(module, adam(module), nn.BCELoss(), (inputs, labels[:, None])).run().verdict
    found = [finding.evidence for finding in verdict.standing if finding.id == "loss_mismatch"]
    assert found == (["the logarithm of a softmax over a single output"] if makes_one else [])


class Table(nn.Module):  # type: ignore[misc]
    """A table of scores that is only indexed, or whose rows are the means of a mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.unused = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.zeros(3))

    def forward(self, indices: Any) -> Any:
        """Give rows of it."""
        return self.rows[indices]


@pytest.mark.parametrize("is_called", [True, False], ids=["a table that is only indexed", "means of a mixture"])
def test_a_module_without_any_layer_is_watched_without_data(*, is_called: bool) -> None:
    """Its weights are read by no linear operation."""
    torch.manual_seed(0)
    module, samples = Table(), torch.randn(64, 2)
    indices, labels = torch.randint(0, 4, (64,)), torch.randint(0, 2, (64,))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module) as monitor:
        for _ in range(30):
            optimizer.zero_grad()
            if is_called:
                nn.functional.cross_entropy(module(indices), labels).backward()
            else:
                torch.cdist(samples, module.rows).min(dim=1).values.mean().backward()
            optimizer.step()
    assert monitor.record.last_step == 30
    assert all(finding.severity is Severity.INFO for finding in monitor.verdict.findings)


def test_a_language_model_that_returns_its_loss_beside_the_logits_is_known_by_a_function_that_takes_them_out() -> None:
    torch.manual_seed(0)

    class Model(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(10, 16), nn.Linear(16, 10)

        def forward(self, tokens: Any, targets: Any = None) -> tuple[Any, Any]:
            logits = self.head(self.embed(tokens))
            return logits, None if targets is None else loss_of((logits, None), targets)

    def loss_of(outputs: tuple[Any, Any], targets: Any) -> Any:
        return nn.functional.cross_entropy(outputs[0].view(-1, 10), targets.reshape(-1), ignore_index=-1)

    model, tokens = Model(), torch.randint(0, 10, (256, 6))
    targets = (tokens + 1) % 10
    targets[:, :3] = -1
    optimizer = adam(model)
    with watch(model, data=(tokens, targets), loss=loss_of, total_steps=STEPS) as monitor:
        for _ in range(STEPS):
            rows = torch.randint(0, 256, (BATCH,))
            optimizer.zero_grad()
            model(tokens[rows], targets[rows])[1].backward()
            optimizer.step()
    last = monitor.record.notes(Probe)[-1]
    assert last.loss_ratio is not None
    assert last.loss_ratio < 0.1
    assert monitor.verdict.outcome == "healthy"


def test_an_autoencoder_is_not_held_against_a_line_that_copies() -> None:
    """A narrow one cannot reach the loss of a linear fit from the inputs to themselves, which is 0."""
    torch.manual_seed(0)
    inputs = torch.tanh(torch.randn(600, 4) @ torch.randn(4, 30) + 0.3 * torch.randn(600, 30))
    layers = [nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 3), nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 30)]
    model = nn.Sequential(*layers)
    program = Program(model, adam(model, 3e-3), nn.MSELoss(), (inputs, inputs), steps=2 * STEPS)
    monitor = program.run()
    assert not monitor.record.notes(Shortfall)
    assert "underfitting" not in {finding.id for finding in monitor.verdict.findings}
    assert monitor.verdict.outcome == "healthy"


def test_a_line_through_a_few_points_is_not_blamed_for_targets_off_centre() -> None:
    torch.manual_seed(0)
    inputs = torch.linspace(2.0, 11.0, 15).reshape(-1, 1)
    targets = 0.25 * inputs + 0.8 + 0.4 * torch.randn(15, 1)
    model, criterion = nn.Linear(1, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    with watch(model, data=(inputs, targets), loss=criterion) as monitor:
        for _ in range(300):
            optimizer.zero_grad()
            criterion(model(inputs), targets).backward()
            optimizer.step()
    assert monitor.verdict.outcome == "healthy"
