"""Loops as people write them: each is watched with one line more, trains as without, and is found healthy."""

import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.diagnostics.adapters.torch_models import Functional, Recurrent, Residual, Transformer, blobs, sentences

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

STEPS = 120
BATCH = 32


@dataclass
class Loop:
    """A loop to watch: the module, what `watch` is given besides, and the training itself."""

    module: Any
    watching: dict[str, Any]
    run: Callable[[], None]


def batches(inputs: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
    for _ in range(STEPS):
        chosen = torch.randint(0, len(inputs), (BATCH,))
        yield inputs[chosen], labels[chosen]


def classify(module: Any, shape: tuple[int, ...], *, lr: float = 0.05, optimizer: Any = None) -> Loop:
    """Make the plainest of loops."""
    inputs, labels = blobs(shape)
    criterion = nn.CrossEntropyLoss()
    optimizer = optimizer or torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9)

    def run() -> None:
        for x, y in batches(inputs, labels):
            optimizer.zero_grad()
            criterion(module(x), y).backward()
            optimizer.step()

    return Loop(module, {"data": (inputs, labels), "loss": criterion, "total_steps": STEPS}, run)


def mlp(**settings: Any) -> Any:
    return nn.Sequential(
        nn.Linear(10, 24), nn.ReLU(**settings), nn.Linear(24, 16), nn.ReLU(**settings), nn.Linear(16, 4)
    )


def plain() -> Loop:
    return classify(mlp(), (10,))


def in_place_relu() -> Loop:
    return classify(mlp(inplace=True), (10,))


def with_workers() -> Loop:
    loop = plain()
    inputs, labels = blobs((10,))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, labels), BATCH, shuffle=True, num_workers=2
    )
    optimizer, criterion = torch.optim.Adam(loop.module.parameters(), lr=0.005), nn.CrossEntropyLoss()

    def run() -> None:
        for _ in range(4):
            for x, y in loader:
                optimizer.zero_grad()
                criterion(loop.module(x), y).backward()
                optimizer.step()

    return Loop(loop.module, {"data": loader, "loss": criterion}, run)


def mixed_precision() -> Loop:
    loop = plain()
    inputs, labels = loop.watching["data"]
    optimizer, criterion = torch.optim.SGD(loop.module.parameters(), lr=0.05), nn.CrossEntropyLoss()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def run() -> None:
        for x, y in batches(inputs, labels):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = criterion(loop.module(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    return Loop(loop.module, loop.watching, run)


def accumulating() -> Loop:
    loop = plain()
    inputs, labels = loop.watching["data"]
    optimizer, criterion = torch.optim.SGD(loop.module.parameters(), lr=0.1), nn.CrossEntropyLoss()

    def run() -> None:
        for number, (x, y) in enumerate(batches(inputs, labels), start=1):
            (criterion(loop.module(x), y) / 4).backward()
            if number % 4 == 0:
                torch.nn.utils.clip_grad_norm_(loop.module.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()

    return Loop(loop.module, {**loop.watching, "total_steps": STEPS // 4}, run)


def adversarial() -> Loop:
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    for_generator = torch.optim.Adam(generator.parameters(), lr=1e-3)
    for_critic = torch.optim.Adam(critic.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()

    def run() -> None:
        for _ in range(STEPS):
            real, fake = 0.5 * torch.randn(BATCH, 2) + 1.0, generator(torch.randn(BATCH, 4))
            for_critic.zero_grad()
            seen = critic(torch.cat([real, fake.detach()]))
            criterion(seen, torch.cat([torch.ones(BATCH, 1), torch.zeros(BATCH, 1)])).backward()
            for_critic.step()
            for_generator.zero_grad()
            criterion(critic(fake), torch.ones(BATCH, 1)).backward()
            for_generator.step()

    return Loop(critic, {"total_steps": STEPS}, run)


def frozen_backbone() -> Loop:
    module = nn.Sequential(nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU()), nn.Linear(16, 4))
    module[0].requires_grad_(requires_grad=False)
    return classify(module, (10,), optimizer=torch.optim.SGD(module[1].parameters(), lr=0.05))


def residual() -> Loop:
    return classify(Residual(), (1, 6, 6))


def functional_relu() -> Loop:
    return classify(Functional(), (10,))


def lstm() -> Loop:
    module = Recurrent()
    return classify(module, (7, 3), optimizer=torch.optim.Adam(module.parameters(), lr=0.01))


def convolutional() -> Loop:
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(32, 4),
    )
    return classify(module, (1, 6, 6))


def transformer() -> Loop:
    module = Transformer()
    inputs, targets = sentences()
    optimizer, criterion = torch.optim.Adam(module.parameters(), lr=0.01), nn.CrossEntropyLoss()

    def run() -> None:
        for x, y in batches(inputs, targets):
            optimizer.zero_grad()
            criterion(module(x), y).backward()
            optimizer.step()

    return Loop(module, {"data": (inputs, targets), "loss": criterion, "total_steps": STEPS}, run)


def warm_up() -> Loop:
    loop = plain()
    inputs, labels = loop.watching["data"]
    optimizer, criterion = torch.optim.SGD(loop.module.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 40, 1.0))

    def run() -> None:
        for x, y in batches(inputs, labels):
            optimizer.zero_grad()
            criterion(loop.module(x), y).backward()
            optimizer.step()
            schedule.step()

    return Loop(loop.module, loop.watching, run)


def with_closure() -> Loop:
    loop = plain()
    inputs, labels = loop.watching["data"]
    optimizer, criterion = torch.optim.LBFGS(loop.module.parameters(), lr=0.5, max_iter=4), nn.CrossEntropyLoss()

    def run() -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = criterion(loop.module(inputs), labels)
            loss.backward()
            return loss

        for _ in range(10):
            optimizer.step(closure)

    return Loop(loop.module, {**loop.watching, "total_steps": 10}, run)


def compiled() -> Loop:
    module = mlp()
    loop = classify(module, (10,))
    inputs, labels = loop.watching["data"]
    fast, criterion = torch.compile(module, backend="eager"), loop.watching["loss"]
    optimizer = torch.optim.SGD(fast.parameters(), lr=0.05, momentum=0.9)

    def run() -> None:
        for x, y in batches(inputs, labels):
            optimizer.zero_grad()
            criterion(fast(x), y).backward()
            optimizer.step()

    return Loop(fast, loop.watching, run)


class Stateful(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A network that carries a state on from batch to batch, counts its calls, and draws from a generator it has."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.RNN(10, 24, batch_first=True), nn.Linear(24, 4)
        self.state: Any = None
        self.noise = torch.Generator().manual_seed(3)
        self.sums = torch.zeros(4)
        self.calls: Any
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        """Give the logits, which depend a little on all that is kept."""
        hidden, state = self.rnn(x[:, None], self.state)
        self.state, self.calls = state.detach(), self.calls + 1.0
        logits = self.head(hidden[:, -1]) + 0.01 * torch.randn(4, generator=self.noise)
        self.sums += logits.detach().mean(dim=0)
        return logits + 1e-3 * (self.calls / STEPS + self.sums / STEPS)


def stateful() -> Loop:
    return classify(Stateful(), (10,))


def without_a_rate() -> Loop:
    class Own(torch.optim.Optimizer):  # type: ignore[misc]  # torch has no types for us
        """Descends by a rate of its own."""

        def step(self, closure: Any = None) -> None:
            """Take a step."""
            assert closure is None
            with torch.no_grad():
                for parameter in self.param_groups[0]["params"]:
                    parameter.sub_(parameter.grad, alpha=0.1)

    module = mlp()
    return classify(module, (10,), optimizer=Own(module.parameters(), {}))


def sample_by_sample() -> Loop:
    loop = plain()
    inputs, labels = loop.watching["data"]
    optimizer, criterion = torch.optim.SGD(loop.module.parameters(), lr=0.05, momentum=0.9), nn.CrossEntropyLoss()

    def run() -> None:
        for x, y in batches(inputs, labels):
            optimizer.zero_grad()
            logits = torch.func.vmap(lambda one: loop.module(one[None])[0])(x)
            criterion(logits, y).backward()
            optimizer.step()

    return Loop(loop.module, loop.watching, run)


LOOPS = [
    plain, with_workers, mixed_precision, accumulating, adversarial, frozen_backbone, in_place_relu, residual,
    functional_relu, lstm, convolutional, transformer, warm_up, with_closure, compiled,
    stateful, without_a_rate, sample_by_sample,
]  # fmt: skip


def run_seeded(make: Callable[[], Loop], *, watched: bool) -> tuple[dict[str, Any], Any, Monitor | None]:
    """Train from fixed seeds; give the module's state, those of all generators, and the monitor."""
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - what users draw from
    random.seed(1)
    loop = make()
    with watch(loop.module, **loop.watching) if watched else nullcontext() as monitor:
        loop.run()
    state = {name: value.clone() for name, value in loop.module.state_dict().items()}
    of_numpy: Any = np.random.get_state()  # noqa: NPY002 - what users draw from
    return state, (torch.get_rng_state(), of_numpy[1], random.getstate()), monitor


@pytest.mark.parametrize("make", LOOPS, ids=lambda make: make.__name__)
def test_a_healthy_loop_trains_as_without_and_gets_no_warning(make: Callable[[], Loop]) -> None:
    alone, generators_alone, _ = run_seeded(make, watched=False)
    watched, generators, monitor = run_seeded(make, watched=True)
    assert monitor is not None

    assert alone.keys() == watched.keys()
    assert {name for name in alone if not torch.equal(alone[name], watched[name])} == set()
    assert torch.equal(generators[0], generators_alone[0])
    assert (generators[1] == generators_alone[1]).all()
    assert generators[2] == generators_alone[2]

    assert monitor.record.context is not None
    assert monitor.record.context.layers
    assert any(tag.startswith("gradient_norm/") for tag in monitor.record.tags())
    standing = [finding.evidence for finding in monitor.verdict.standing if finding.severity is not Severity.INFO]
    assert standing == []
