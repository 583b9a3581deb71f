"""The modules of the PyTorch zoo: what people build of convolutions, norms, shortcuts, recurrence and attention."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Build = Callable[[int, int], nn.Module]
"""Makes a module of the number of features (channels, words) of a sample's parts, and the number of outputs."""

WIDTH = 32


class Shortcut(nn.Module):  # type: ignore[misc]  # it has no types
    """What a branch makes of its inputs, added to them; as many write it, in place where `in_place` says so."""

    def __init__(self, branch: nn.Module, *, in_place: bool = False) -> None:
        super().__init__()
        self.branch, self.in_place = branch, in_place

    def forward(self, inputs: Tensor) -> Tensor:
        """Give inputs + branch(inputs), of the inputs' shape."""
        outputs: Tensor = self.branch(inputs)
        if self.in_place:
            outputs += inputs
            return outputs
        return inputs + outputs


class Functional(nn.Module):  # type: ignore[misc]  # it has no types
    """Three linear layers whose activations and dropout are functions."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, 64), nn.Linear(64, WIDTH)
        self.last = nn.Linear(WIDTH, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give outputs `(batch, outputs)` of `(batch, features)`."""
        hidden = functional.dropout(functional.relu(self.first(inputs)), 0.2, self.training)
        outputs: Tensor = self.last(functional.gelu(self.second(hidden)))
        return outputs


class Last(nn.Module):  # type: ignore[misc]  # it has no types
    """A recurrent layer over `(batch, time, features)`, and a linear one on its last states."""

    def __init__(self, recurrent: nn.Module, states: int, outputs: int) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(states, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give outputs `(batch, outputs)`."""
        outputs: Tensor = self.head(self.recurrent(inputs)[0][:, -1])
        return outputs


class Attention(nn.Module):  # type: ignore[misc]  # it has no types
    """Transformer blocks over tokens `(batch, time)` or vectors `(batch, time, features)`.

    A causal one gives logits `(batch, outputs, time)` for every token's successor; another `(batch, outputs)`, of the
    mean over time.
    """

    def __init__(self, entry: nn.Module, outputs: int, *, causal: bool = False, norm_first: bool = False) -> None:
        super().__init__()
        self.entry, self.causal = entry, causal
        self.position = nn.Parameter(0.1 * torch.randn(64, WIDTH))
        block = nn.TransformerEncoderLayer(
            WIDTH, 4, 64, 0.0 if causal else 0.1, batch_first=True, norm_first=norm_first
        )
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the outputs."""
        hidden = self.entry(inputs)
        hidden = hidden + self.position[: hidden.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(hidden.shape[1]) if self.causal else None
        hidden = self.blocks(hidden, mask=mask, is_causal=self.causal)
        outputs: Tensor = self.head(hidden).transpose(1, 2) if self.causal else self.head(hidden.mean(dim=1))
        return outputs


def _stack(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(*parts)


def _normed(norm: Callable[[int], nn.Module], activation: Callable[[], nn.Module]) -> Build:
    def build(features: int, outputs: int) -> nn.Module:
        first = (nn.Linear(features, 64), norm(64), activation())
        return _stack(*first, nn.Linear(64, WIDTH), norm(WIDTH), activation(), nn.Linear(WIDTH, outputs))

    return build


def _residual(features: int, outputs: int) -> nn.Module:
    def block() -> nn.Module:
        return Shortcut(_stack(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH)))

    return _stack(nn.Linear(features, WIDTH), block(), block(), block(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, outputs))


def _plain_residual(features: int, outputs: int) -> nn.Module:
    def block() -> nn.Module:
        return Shortcut(_stack(nn.Linear(WIDTH, WIDTH), nn.ReLU(inplace=True), nn.Linear(WIDTH, WIDTH)), in_place=True)

    return _stack(nn.Linear(features, WIDTH), nn.ReLU(), block(), nn.ReLU(), block(), nn.Linear(WIDTH, outputs))


def _convolutional(norm: Callable[[int], nn.Module] | None) -> Build:
    def build(channels: int, outputs: int) -> nn.Module:
        first, second = nn.Conv2d(channels, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        norms = [norm(8), norm(16)] if norm else [nn.Identity(), nn.Identity()]
        parts = (first, norms[0], nn.ReLU(), nn.MaxPool2d(2), second, norms[1], nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        return _stack(*parts, nn.Flatten(), nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, outputs))

    return build


def _resnet(channels: int, outputs: int) -> nn.Module:
    def block() -> nn.Module:
        convolution = (nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(2))
        first, second = convolution
        branch = _stack(first, nn.BatchNorm2d(8), nn.ReLU(inplace=True), second, nn.BatchNorm2d(8))
        return _stack(Shortcut(branch, in_place=True), nn.ReLU(inplace=True))

    stem = (nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    return _stack(*stem, block(), block(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, outputs))


def _over_time(features: int, outputs: int) -> nn.Module:
    first, second = nn.Conv1d(features, 16, 3, padding=1), nn.Conv1d(16, 16, 3, padding=1)
    head = (nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, outputs))
    return _stack(_Transposed(), first, nn.BatchNorm1d(16), nn.ReLU(), second, nn.BatchNorm1d(16), nn.ReLU(), *head)


class _Transposed(nn.Module):  # type: ignore[misc]  # it has no types
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.transpose(1, 2)


FLAT: dict[str, Build] = {
    "mlp, batch norm": _normed(nn.BatchNorm1d, nn.ReLU),
    "mlp, layer norm": _normed(nn.LayerNorm, nn.GELU),
    "mlp, batch norm, tanh": _normed(nn.BatchNorm1d, nn.Tanh),
    "mlp, silu": _normed(lambda _: nn.Identity(), nn.SiLU),
    "mlp, functions": Functional,
    "residual mlp, layer norm": _residual,
    "residual mlp, in place": _plain_residual,
}
IMAGES: dict[str, Build] = {
    "cnn": _convolutional(None),
    "cnn, batch norm": _convolutional(nn.BatchNorm2d),
    "cnn, group norm": _convolutional(lambda channels: nn.GroupNorm(4, channels)),
    "resnet": _resnet,
}
SERIES: dict[str, Build] = {
    "lstm": lambda features, outputs: Last(nn.LSTM(features, WIDTH, batch_first=True), WIDTH, outputs),
    "lstm, both ways": lambda features, outputs: Last(
        nn.LSTM(features, 16, batch_first=True, bidirectional=True), 32, outputs
    ),
    "gru, two layers": lambda features, outputs: Last(nn.GRU(features, WIDTH, 2, batch_first=True), WIDTH, outputs),
    "rnn": lambda features, outputs: Last(nn.RNN(features, WIDTH, batch_first=True), WIDTH, outputs),
    "cnn over time": _over_time,
    "transformer": lambda features, outputs: Attention(nn.Linear(features, WIDTH), outputs),
    "transformer, norm first": lambda features, outputs: Attention(
        nn.Linear(features, WIDTH), outputs, norm_first=True
    ),
}
TOKENS: dict[str, Build] = {
    "embedding, lstm": lambda words, outputs: _stack(
        nn.Embedding(words, 16), Last(nn.LSTM(16, WIDTH, batch_first=True), WIDTH, outputs)
    ),
    "embedding, transformer": lambda words, outputs: Attention(nn.Embedding(words, WIDTH), outputs),
}
LANGUAGE: dict[str, Build] = {
    "causal transformer": lambda words, outputs: Attention(nn.Embedding(words, WIDTH), outputs, causal=True),
    "causal transformer, norm first": lambda words, outputs: Attention(
        nn.Embedding(words, WIDTH), outputs, causal=True, norm_first=True
    ),
}
