"""A forward pass that is run again to find a fault in it: the training, and whoever looks on, must not notice."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from gradvitals.diagnostics.notes import Incident
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
F: Any = nn.functional

from gradvitals.diagnostics.adapters.torch_network import TorchNetwork  # noqa: E402 - it needs PyTorch

STEPS, MASKED_FROM = 6, 4
"""Steps taken, and the one from which logits are masked: minus infinity is nothing bad there."""


class Masked(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Linear layers whose last logit is masked once the mask says so, and what else a user's forward may do."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: list[Any] = []
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 4)
        self.register_buffer("mask", torch.zeros(4, dtype=torch.bool))

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.head(self.hidden(x)).masked_fill(self.mask, -torch.inf)

    def hidden(self, x: Any) -> Any:
        """Give what the head reads."""
        return self.first(x)


class Normalised(Masked):
    """Keeps running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def hidden(self, x: Any) -> Any:
        """Normalise."""
        return self.norm(self.first(x))


class Fading(Masked):
    """Writes into a buffer that its gradients need."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(8))

    def hidden(self, x: Any) -> Any:
        """Scale by less every time."""
        self.scale.mul_(0.9)
        return self.first(x) * self.scale


class Scaling(Masked):
    """Writes into its inputs."""

    def hidden(self, x: Any) -> Any:
        """Halve the inputs."""
        return self.first(x.mul_(0.5))


class Teaching(Masked):
    """Moves parameters in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = nn.Linear(6, 8).requires_grad_(requires_grad=False)

    def hidden(self, x: Any) -> Any:
        """Let the teacher follow."""
        with torch.no_grad():
            self.teacher.weight.mul_(0.9).add_(self.first.weight, alpha=0.1)
        return self.first(x) + self.teacher(x)


class Collecting(Masked):
    """Adds to a list of its own, of which the loss is made too."""

    def hidden(self, x: Any) -> Any:
        """Collect what the head reads."""
        self.cache.append(self.first(x))
        return self.cache[-1]


class Hooked(Masked):
    """Has a hook of the user that collects outputs, of which the loss is made too."""

    def __init__(self) -> None:
        super().__init__()
        self.first.register_forward_hook(lambda *seen: self.cache.append(seen[-1]))


class Spectral(Masked):
    """Has a part that works by hooks of PyTorch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.utils.spectral_norm(self.first)


@dataclass
class Result:
    """Outputs in which no tensors are looked for."""

    logits: Any


class Wrapping(Masked):
    """Gives an object."""

    def forward(self, x: Any) -> Any:
        """Give the logits in an object."""
        return Result(super().forward(x))


KINDS = [Masked, Normalised, Fading, Scaling, Teaching, Collecting, Hooked, Spectral]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """List what the passes that are run again gave, by layer."""
    found: list[Any] = []
    run_again = TorchNetwork.run_again

    def note(network: TorchNetwork, args: Any, kwargs: Any) -> Any:
        found.append(None)
        found[-1] = run_again(network, args, kwargs)
        return found[-1]

    monkeypatch.setattr(TorchNetwork, "run_again", note)
    return found


def train(kind: Callable[[], Any], *, is_watched: bool, masked_from: int = MASKED_FROM) -> tuple[list[Any], Any]:
    """Take some steps; give all that they leave, and the incidents."""
    torch.manual_seed(0)
    module, incidents = kind(), []
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    inputs, labels = torch.randn(STEPS, 10, 6), torch.arange(10) % 3
    monitor = watch(module, every=1) if is_watched else None
    for step in range(1, STEPS + 1):
        module.mask[3] = step >= masked_from
        optimizer.zero_grad()
        loss = F.cross_entropy(module(inputs[step - 1]), labels)
        (loss + sum(each.square().mean() for each in module.cache[-1:])).backward()
        optimizer.step()
    if monitor is not None:
        monitor.detach()
        incidents = list(monitor.record.notes(Incident))
    state = [*copy.deepcopy(module.state_dict()).values(), torch.get_rng_state(), inputs]
    return [*state, torch.tensor(len(module.cache))], incidents


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_run_again_changes_nothing_in_the_training(kind: Callable[[], Any], runs: list[Any]) -> None:
    watched, incidents = train(kind, is_watched=True)
    alone, _ = train(kind, is_watched=False)
    for one, other in zip(watched, alone, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert [list(each) for each in runs] == [list(runs[0])]
    assert {"first", "head"} <= set(runs[0])
    assert incidents == []


@pytest.mark.parametrize("kind", [Normalised, Wrapping])
def test_where_the_first_pass_shows_no_finite_outputs_none_is_run_again(
    kind: Callable[[], Any], runs: list[Any]
) -> None:
    if kind is Wrapping:
        assert incident_of_a_poisoned_head(kind, lambda outputs: outputs.logits) == "head"
    else:
        train(kind, is_watched=True, masked_from=1)
    assert runs == []


def test_a_pass_run_again_leaves_no_casts_without_gradients_to_autocast(runs: list[Any]) -> None:
    passes = []

    class Alternating(Masked):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.Linear(6, 8)

        def hidden(self, x: Any) -> Any:
            passes.append(x)
            return self.first(x) if len(passes) % 2 else self.other(x)

    module = Alternating()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    inputs, labels = torch.randn(10, 6), torch.arange(10) % 3
    with watch(module, every=1):
        for step in range(2):
            optimizer.zero_grad()
            module.mask[3] = step == 1
            passes.clear()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(module(inputs), labels)
                passes[:] = [inputs]
                (loss + F.cross_entropy(module(inputs), labels)).backward()
            assert module.other.weight.grad is not None
            optimizer.step()
    assert len(runs) == 1


def test_nothing_is_run_again_in_one_of_several_processes(runs: list[Any], tmp_path: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        train(Normalised, is_watched=True)
    finally:
        torch.distributed.destroy_process_group()
    assert runs == []


def test_outputs_of_which_no_sum_can_be_taken_do_not_stop_the_forward() -> None:
    class Tiny(Masked):
        def forward(self, x: Any) -> Any:
            logits = super().forward(x)
            return logits, logits.detach().to(torch.float8_e5m2)

    module = Tiny()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as monitor:
        for _ in range(STEPS):
            module(torch.randn(10, 6))[0].sum().backward()
            optimizer.step()
    assert monitor.record.notes(Incident) == []


def test_a_monitor_of_a_part_is_not_seen_by_that_of_the_whole(runs: list[Any]) -> None:
    class Offset(nn.Linear):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__(6, 8)
            self.register_buffer("offset", torch.zeros(8))

        def forward(self, x: Any) -> Any:
            return super().forward(x) + self.offset

    found = []
    for is_part_watched in (False, True):
        torch.manual_seed(0)
        whole = nn.Sequential(Offset(), nn.ReLU(), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(whole.parameters(), lr=0.1)
        with watch(whole, every=1) as monitor, watch(whole[0], every=1) if is_part_watched else nullcontext():
            for step in range(1, STEPS + 1):
                whole[0].offset[0] = -torch.inf if step == MASKED_FROM else 0.0
                optimizer.zero_grad()
                whole(torch.randn(10, 6)).square().mean().backward()
                optimizer.step()
        found.append({tag: monitor.record.series(tag).values.tobytes() for tag in monitor.record.tags()})
    assert any("inactive" in tag for tag in found[0])
    assert found[0] == found[1]
    assert len(runs) == 1


class Mapping(nn.Module):  # type: ignore[misc]  # as above
    """Maps a layer over samples inside."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.head(torch.vmap(self.first)(x))


class Ragged(Masked):
    """Takes samples of several lengths."""

    def hidden(self, x: Any) -> Any:
        """Take means of the samples."""
        return self.first(torch.stack([each.mean(0) for each in x.unbind()]))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", [Mapping, Ragged])
def test_forwards_with_tensors_of_unknown_values_or_sizes_go_on(kind: Callable[[], Any]) -> None:
    inputs = torch.ones(4, 6)
    if kind is Ragged:
        inputs = torch.nested.nested_tensor([torch.ones(length, 6) for length in (1, 2, 3)])
    module = kind()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as monitor:
        for _ in range(STEPS):
            optimizer.zero_grad()
            module(inputs).square().mean().backward()
            optimizer.step()
    assert monitor.record.last_step == STEPS
    assert monitor.record.notes(Incident) == []


def incident_of_a_poisoned_head(kind: Callable[[], Any], logits_of: Callable[[Any], Any]) -> str | None:
    torch.manual_seed(0)
    module = kind()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, every=1) as monitor:
        for step in range(STEPS):
            if step == MASKED_FROM:
                module.head.weight.data.fill_(3e38)
            optimizer.zero_grad()
            logits_of(module(torch.randn(10, 6).abs())).square().mean().backward()
            optimizer.step()
    incident: Incident = monitor.record.notes(Incident)[0]
    assert incident.what == "outputs"
    return incident.layer
