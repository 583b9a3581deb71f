"""Inputs of uneven scale count by what a layer has weights for: features, not pixels."""

from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402 - only where there is PyTorch

ROWS = 64
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randn(ROWS, 2, 6, 6, generator=GENERATOR)
DIMMED = IMAGES * torch.linspace(-3, 0, 6).mul(2.3).exp()[:, None]  # rows of pixels, up to 1000-fold apart
SERIES = torch.randn(ROWS, 8, 3, generator=GENERATOR)
LABELS = torch.arange(ROWS) % 3


class Last(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Classifies by the last state of a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        return self.out(self.recurrent(x)[0][:, -1])


def convolution() -> Any:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def flat() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.ReLU(), nn.Linear(8, 3))


def signs(module: Any, inputs: Any) -> list[Finding]:
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    with watch(module, data=(inputs, LABELS), loss=nn.functional.cross_entropy) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs), LABELS).backward()
            optimizer.step()
    findings = [each for each in monitor.verdict.standing if each.id == "unscaled_inputs"]
    return [each for each in findings if "standard deviations go from" in each.evidence]


def test_pixels_of_different_spread_are_no_sign_to_a_convolution() -> None:
    assert signs(convolution(), DIMMED) == []
    assert len(signs(flat(), DIMMED)) == 1


def test_features_of_different_spread_are_a_sign_to_a_recurrent_layer() -> None:
    assert len(signs(Last(), SERIES * torch.tensor([1.0, 1.0, 1000.0]))) == 1
    assert signs(Last(), SERIES) == []
