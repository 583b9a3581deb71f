"""Layers that are built in the forward pass are told; parameters that are somebody's are left alone."""

from typing import Any

import pytest
from tests.diagnostics.adapters.torch_models import blobs

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402 - only where there is PyTorch

INPUTS, LABELS = blobs()
WIDTH = INPUTS.shape[1]


class Builder(nn.Module):  # type: ignore[misc]  # torch has no types for us
    """Builds what stands before its output layer, or has it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.out = kind, nn.Linear(8, 4)
        self.first, self.kept = nn.Linear(WIDTH, 8), [nn.Linear(8, 8)]

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        if self.kind == "all":
            return self.out(nn.Linear(8, 8)(nn.Linear(WIDTH, 8)(x).relu()).relu())
        if self.kind == "replaced":
            self.first.bias = nn.Parameter(self.first.bias.detach().clone())
        x = self.first(x).relu()
        if self.kind == "one":
            x = nn.Linear(8, 8)(x).relu()
        if self.kind == "kept":
            x = self.kept[0](x).relu()
        if self.kind == "without gradient":
            with torch.no_grad():
                x = x + nn.Linear(8, 8)(x).relu()
        if self.kind == "a tensor":
            x = x * torch.ones(8, requires_grad=True)
        return self.out(x)


def found(kind: str) -> list[Finding]:
    torch.manual_seed(0)
    module = Builder(kind)
    optimizer = torch.optim.SGD([each for each in module.parameters() if each is not module.first.bias], lr=0.1)
    with watch(module, data=(INPUTS, LABELS), loss=nn.functional.cross_entropy) as monitor:
        for _ in range(40):
            for rows in torch.randperm(len(INPUTS)).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(INPUTS[rows]), LABELS[rows]).backward()
                optimizer.step()
    findings = [each for each in monitor.verdict.standing if each.id == "frozen_parameters"]
    return [each for each in findings if "forward passes" in each.evidence]


def test_layers_built_in_the_forward_are_told_with_their_shapes() -> None:
    (finding,) = found("all")
    assert finding.severity is not Severity.INFO
    assert all(shape in finding.evidence for shape in (f"8 × {WIDTH}", "8 × 8"))
    assert finding.prescriptions[0].why.startswith("build the layers in __init__()")
    (finding,) = found("one")
    assert "8 × 8" in finding.evidence


@pytest.mark.parametrize("kind", ["none", "kept", "replaced", "without gradient", "a tensor"])
def test_other_parameters_are_left_alone(kind: str) -> None:
    assert found(kind) == []
