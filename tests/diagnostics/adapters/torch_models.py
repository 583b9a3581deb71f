"""Modules as people write them, for the loops that are healthy and for those that are not."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional


class Residual(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A convolutional network with an in-place sum before its activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        x = functional.relu(self.stem(x))
        out = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        out += x
        return self.head(self.relu(out).mean(dim=(2, 3)))


class Functional(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A network whose activations are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(10, 24), nn.Linear(24, 16), nn.Linear(16, 4)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.last(torch.relu(self.second(functional.relu(self.first(x)))))


class Recurrent(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """An LSTM that says at the end of a sequence of what class it was."""

    def __init__(self, end: Any = None) -> None:
        super().__init__()
        self.lstm, self.head, self.end = nn.LSTM(3, 16, batch_first=True), nn.Linear(16, 4), end or nn.Identity()

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.end(self.head(self.lstm(x)[0][:, -1]))


class Transformer(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """A causal language model of one block."""

    def __init__(self, words: int = 12, width: int = 16, length: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.position = nn.Parameter(0.1 * torch.randn(length, width))
        self.block = nn.TransformerEncoderLayer(width, 2, 32, batch_first=True, dropout=0.0)
        self.head = nn.Linear(width, words)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        hidden = self.block(self.embedding(x) + self.position, src_mask=mask, is_causal=True)
        return self.head(hidden).transpose(1, 2)


def blobs(shape: tuple[int, ...] = (10,), classes: int = 4, rows: int = 400) -> tuple[Any, Any]:
    """Make samples of a few classes that differ in their means."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(0, classes, (rows,), generator=generator)
    centres = torch.randn((classes, *shape), generator=generator)
    return centres[labels] + 0.5 * torch.randn((rows, *shape), generator=generator), labels


def sentences() -> tuple[Any, Any]:
    """Make sequences of tokens, each of which tells the next."""
    generator = torch.Generator().manual_seed(6)
    start = torch.randint(0, 12, (300, 1), generator=generator)
    tokens = (start + 3 * torch.arange(9)) % 12
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
