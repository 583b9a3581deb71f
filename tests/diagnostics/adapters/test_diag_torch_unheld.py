"""Weights that are computed with in another form, and that no optimizer holds."""

from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402 - only where there is PyTorch

INPUTS, LABELS = blobs()


class Quantised(nn.Linear):  # type: ignore[misc]  # torch has no types for us
    """Rounds its weight, and hands the gradient on."""

    def forward(self, x: Any) -> Any:
        """Give the outputs."""
        rounded = torch.round(self.weight * 32) / 32
        return nn.functional.linear(x, self.weight + (rounded - self.weight).detach(), self.bias)


def found(held: str, *, width: int = 8) -> list[Finding]:
    """Train a network of which the optimizer holds all, all but the first layer, or that once it is late."""
    torch.manual_seed(0)
    module = nn.Sequential(Quantised(INPUTS.shape[1], width), nn.ReLU(), nn.Linear(width, 4))
    if held == "frozen":
        module[0].requires_grad_(requires_grad=False)
    optimizers = [torch.optim.SGD((module if held == "all" else module[2]).parameters(), lr=0.1)]
    with watch(module, data=(INPUTS, LABELS), loss=nn.functional.cross_entropy) as monitor:
        for epoch in range(40):
            if epoch == 1 and held.startswith("late"):
                optimizers.append(torch.optim.SGD(module[0].parameters(), lr=0.1 if held == "late" else 0.0))
            for rows in torch.randperm(len(INPUTS)).split(32):
                module.zero_grad()
                nn.functional.cross_entropy(module(INPUTS[rows]), LABELS[rows]).backward()
                for optimizer in optimizers:
                    optimizer.step()
    findings = [each for each in monitor.verdict.standing if each.id == "frozen_parameters"]
    return [each for each in findings if "held by no optimizer" in each.evidence]


def test_what_no_optimizer_holds_is_told_if_the_network_is_the_worse_for_it() -> None:
    (finding,) = found("the last", width=256)
    assert finding.severity is Severity.INFO  # drawn features will do
    assert finding.evidence.startswith("0.weight")
    (finding,) = found("the last")
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("held", ["all", "late", "late, and does not move", "frozen"])
def test_what_is_held_sooner_or_later_or_is_to_stay_is_left_alone(held: str) -> None:
    assert found(held) == []
