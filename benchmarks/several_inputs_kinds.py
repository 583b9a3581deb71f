"""Trainings of PyTorch modules of several inputs, on made data: what they are called with, and how they learn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 500

Step = Callable[[nn.Module, Sequence[Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Kind:
    """A training.

    Attributes:
        module: Before its first update.
        parts: What a batch has rows of.
        step: Gives the loss of a batch.
        given: `data` and `loss` for `watch`, where they can be given.
        rate: Adam's learning rate.
        trivial: Mean loss of the best constant answer; None where nobody knows it.
    """

    module: nn.Module
    parts: tuple[Tensor, ...]
    step: Step
    given: Mapping[str, Any] | None = None
    rate: float = 5e-3
    trivial: float | None = None


class Made(nn.Module):  # type: ignore[misc]  # it has no types
    """Parts, and a function that runs them."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        """Run the function."""
        return self.run(self, *args, **kwargs)


def _normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _whole(most: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, most, shape, generator=torch.Generator().manual_seed(seed))


def _variance(targets: Tensor) -> float:
    return float((targets - targets.mean(0)).square().mean())


def _entropy(labels: Tensor) -> float:
    """Give that of the labels, at every position by itself."""
    columns = labels.reshape(len(labels), -1).T
    counts = [column.unique(return_counts=True)[1] / len(labels) for column in columns]
    return sum(-float((share * share.log()).sum()) for share in counts) / len(columns)


def _by_position(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs.transpose(1, 2), targets)


TRIVIAL: Mapping[Any, Callable[[Tensor], float]] = {
    functional.mse_loss: _variance,
    functional.cross_entropy: _entropy,
    functional.binary_cross_entropy_with_logits: _entropy,
    _by_position: _entropy,
}


def _plain(module: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, loss: Any, rate: float = 5e-3) -> Kind:  # noqa: ANN401
    """Give a training that calls the module with all of its inputs in order."""

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        found: Tensor = loss(called(*batch[:-1]), batch[-1])
        return found

    trivial = TRIVIAL[loss](targets) if loss in TRIVIAL else None
    return Kind(module, (*inputs, targets), step, {"data": (inputs, targets), "loss": loss}, rate, trivial)


def siamese() -> Kind:
    """Two images of one encoder under a contrastive loss."""

    def contrast(pair: tuple[Tensor, Tensor], same: Tensor) -> Tensor:
        distance = (pair[0] - pair[1]).norm(dim=1)
        return (same * distance**2 + (1 - same) * functional.relu(1 - distance) ** 2).mean()

    first, second, means = _whole(4, ROWS), _whole(4, ROWS, seed=1), 3 * _normal(4, 10, seed=5)
    encoder = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 8))
    module = Made(lambda m, a, b: (m.encoder(a), m.encoder(b)), encoder=encoder)
    inputs = means[first] + _normal(ROWS, 10, seed=2), means[second] + _normal(ROWS, 10, seed=3)
    return _plain(module, inputs, (first == second).float(), contrast, 1e-3)


def factors() -> Kind:
    """Ratings by users and items: a factorisation."""
    users, items = _whole(30, 4 * ROWS), _whole(40, 4 * ROWS, seed=2)
    ratings = (_normal(30, 3)[users] * _normal(40, 3, seed=1)[items]).sum(-1)
    module = Made(
        lambda m, u, v: (m.users(u) * m.items(v)).sum(-1), users=nn.Embedding(30, 8), items=nn.Embedding(40, 8)
    )
    return _plain(module, (users, items), ratings, functional.mse_loss, 1e-2)


def reversal() -> Kind:
    """A sequence reversed, by an encoder and a decoder that is fed what it should have said."""

    def run(m: Any, source: Tensor, fed: Tensor) -> Any:  # noqa: ANN401
        _, state = m.encoder(m.words(source))
        return m.out(m.decoder(m.words(fed), state)[0])

    source = _whole(10, ROWS, 5) + 2
    targets = source.flip(1)
    fed = torch.cat([torch.ones(ROWS, 1).long(), targets[:, :-1]], 1)
    parts = {"encoder": nn.GRU(16, 32, batch_first=True), "decoder": nn.GRU(16, 32, batch_first=True)}
    module = Made(run, words=nn.Embedding(12, 16), out=nn.Linear(32, 12), **parts)
    return _plain(module, (source, fed), targets, _by_position)


def zero_state() -> Kind:
    """An LSTM that is given zeros for a state with every batch."""

    def run(m: Any, series: Tensor, state: tuple[Tensor, Tensor]) -> Any:  # noqa: ANN401
        outputs, state = m.recurrent(series, state)
        return m.out(outputs[:, -1]), state

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        zeros = torch.zeros(1, len(batch[0]), 16)
        return functional.mse_loss(called(batch[0], (zeros, zeros.clone()))[0], batch[1])

    series = _normal(ROWS, 7, 3)
    module = Made(run, recurrent=nn.LSTM(3, 16, batch_first=True), out=nn.Linear(16, 1))
    targets = series[:, :, 0].mean(1, keepdim=True)
    return Kind(module, (series, targets), step, trivial=_variance(targets))


def graph() -> Kind:
    """Nodes of one graph, whose adjacency is the same at every call."""

    def run(m: Any, nodes: Tensor, adjacency: Tensor) -> Any:  # noqa: ANN401
        hidden = (adjacency @ m.second((adjacency @ m.first(nodes)).relu())).relu()
        return m.out(hidden.mean(1))

    links = ((torch.rand(6, 6, generator=torch.Generator().manual_seed(0)) < 0.4) | torch.eye(6).bool()).float()
    adjacency = links / links.sum(1, keepdim=True)
    nodes = _normal(ROWS, 6, 4)
    labels = (nodes[:, :, 0].mean(1) + nodes[:, :, 1].abs().mean(1) > 0.8).long()
    module = Made(run, first=nn.Linear(4, 16), second=nn.Linear(16, 16), out=nn.Linear(16, 2))

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        return functional.cross_entropy(called(batch[0], adjacency), batch[1])

    return Kind(module, (nodes, labels), step, trivial=_entropy(labels))


def wide_and_deep() -> Kind:
    """A category beside numbers."""
    names, numbers = _whole(9, ROWS), _normal(ROWS, 5)
    targets = (_normal(9, seed=4)[names] + numbers[:, 0] * numbers[:, 1] > 0).float()
    deep = nn.Sequential(nn.Linear(9, 24), nn.ReLU(), nn.Linear(24, 1))
    module = Made(lambda m, c, x: m.deep(torch.cat([m.words(c), x], 1)).squeeze(1), words=nn.Embedding(9, 4), deep=deep)
    return _plain(module, (names, numbers), targets, functional.binary_cross_entropy_with_logits)


def critic() -> Kind:
    """The value of an action in a state."""
    state, action = _normal(ROWS, 4), _normal(ROWS, 2, seed=1)
    values = -(state[:, :2] - action).pow(2).sum(1, keepdim=True)
    deep = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    module = Made(lambda m, s, a: m.deep(torch.cat([s, a], 1)), deep=deep)
    return _plain(module, (state, action), values, functional.mse_loss, 1e-3)


def margin() -> Kind:
    """Cosines with a margin at the label, which the module is given in training."""

    def run(m: Any, x: Tensor, label: Tensor | None = None) -> Tensor:  # noqa: ANN401
        cosines = functional.normalize(m.body(x)) @ functional.normalize(m.head.weight).T
        return 10 * (cosines if label is None else cosines - 0.2 * functional.one_hot(label, 4))

    labels = _whole(4, ROWS)
    inputs = 2 * _normal(4, 10, seed=5)[labels] + _normal(ROWS, 10, seed=6)
    body = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 16))
    module = Made(run, body=body, head=nn.Linear(16, 4, bias=False))
    given = {"data": (inputs, labels), "loss": functional.cross_entropy}

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        return functional.cross_entropy(called(*batch), batch[1])

    return Kind(module, (inputs, labels), step, given, trivial=_entropy(labels))


def conditional_vae() -> Kind:
    """A variational autoencoder that is told the class."""

    def run(m: Any, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        mean, spread = m.encoder(torch.cat([x, condition], 1)).chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * (spread / 2).exp()
        return m.decoder(torch.cat([drawn, condition], 1)), mean, spread

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        rebuilt, mean, spread = called(*batch)
        divergence = -0.5 * (1 + spread - mean**2 - spread.exp()).sum(1).mean()
        return functional.mse_loss(rebuilt, batch[0], reduction="sum") / len(rebuilt) + divergence

    labels = _whole(4, ROWS)
    inputs = 2 * _normal(4, 10, seed=5)[labels] + 0.5 * _normal(ROWS, 10, seed=6)
    decoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 10))
    module = Made(run, encoder=nn.Linear(14, 8), decoder=decoder)
    return Kind(module, (inputs, functional.one_hot(labels, 4).float()), step, rate=3e-3)


def image_and_table() -> Kind:
    """Images beside numbers."""
    images, table = _normal(ROWS, 1, 8, 8), _normal(ROWS, 4, seed=2)
    labels = (images[:, 0, :4].mean((1, 2)) * 4 + table[:, 0] > 0).long() + (table[:, 1] > 0.5).long()
    seen = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    parts = {"seen": seen, "read": nn.Linear(4, 8), "out": nn.Linear(32, 3)}
    module = Made(lambda m, i, t: m.out(torch.cat([m.seen(i), m.read(t).relu()], 1)), **parts)
    return _plain(module, (images, table), labels, functional.cross_entropy, 1e-2)


def masked_set() -> Kind:
    """Sets of two to six, with a mask by name."""
    rows, sizes = _normal(ROWS, 6, 3), _whole(5, ROWS, 1) + 2
    mask = torch.arange(6) < sizes
    values = (rows[..., 0].abs() * mask).sum(1, keepdim=True)
    out = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    module = Made(lambda m, x, mask: m.out((m.each(x).relu() * mask[..., None]).sum(1)), each=nn.Linear(3, 16), out=out)
    given = {"data": ({"x": rows, "mask": mask}, values), "loss": functional.mse_loss}

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        return functional.mse_loss(called(x=batch[0], mask=batch[1]), batch[2])

    return Kind(module, (rows, mask, values), step, given, trivial=_variance(values))


def conditioned() -> Kind:
    """Features scaled and shifted by a condition of small numbers."""

    def run(m: Any, x: Tensor, condition: Tensor) -> Any:  # noqa: ANN401
        scale, shift = m.condition(condition).chunk(2, 1)
        return m.out((m.read(x) * scale + shift).relu())

    inputs, condition = _normal(ROWS, 6), 0.01 * _normal(ROWS, 2, seed=1)
    module = Made(run, read=nn.Linear(6, 32), condition=nn.Linear(2, 64), out=nn.Linear(32, 1))
    return _plain(module, (inputs, condition), 2 * inputs[:, :1] + inputs[:, 1:2], functional.mse_loss)


def accumulated() -> Kind:
    """Two calls to a step."""

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        halves = zip(*(part.chunk(2) for part in batch), strict=True)
        return 0.5 * sum((functional.cross_entropy(called(a, b), y) for a, b, y in halves), torch.zeros(()))

    first, second = _normal(ROWS, 8), _normal(ROWS, 8, seed=1)
    labels = ((first + second)[:, 0].abs() > 1).long()
    module = Made(lambda m, a, b: m.out((m.read(a) + m.read(b)).relu()), read=nn.Linear(8, 16), out=nn.Linear(16, 2))
    return Kind(module, (first, second, labels), step, rate=1e-2, trivial=_entropy(labels))


def attention() -> Kind:
    """One sequence that looks at another."""

    def run(m: Any, asked: Tensor, known: Tensor) -> Any:  # noqa: ANN401
        weights = torch.softmax(m.query(asked) @ m.key(known).transpose(1, 2) / 4, -1)
        return m.out((weights @ m.value(known)).relu()).squeeze(-1)

    asked, known = _normal(ROWS, 4, 2), _normal(ROWS, 5, 2, seed=1)
    parts = {name: nn.Linear(2, 16) for name in ("query", "key", "value")}
    targets = known[..., 0].mean(1, keepdim=True).expand(-1, 4).clone()
    return _plain(Made(run, out=nn.Linear(16, 1), **parts), (asked, known), targets, functional.mse_loss, 3e-3)


def noised() -> Kind:
    """What was noise, told at a time: the loop draws both anew."""

    def step(called: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        noise, time = torch.randn_like(batch[0]), torch.rand(len(batch[0]), 1)
        return functional.mse_loss(called((1 - time) * batch[0] + time * noise, time), noise)

    deep = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    return Kind(Made(lambda m, x, t: m.deep(torch.cat([x, t], 1)), deep=deep), (_normal(ROWS, 2),), step, rate=1e-3)


KINDS: tuple[Callable[[], Kind], ...] = (
    siamese,
    factors,
    reversal,
    zero_state,
    graph,
    wide_and_deep,
    critic,
    margin,
    conditional_vae,
    image_and_table,
    masked_set,
    conditioned,
    accumulated,
    attention,
    noised,
)
