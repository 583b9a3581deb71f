"""Models whose samples come second, behind an axis of one: the last state of a recurrent layer, as it is."""

from typing import Any

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn
functional: Any = torch.nn.functional

EPOCHS = 40


def sequences() -> tuple[Any, Any]:
    """Draw walks whose class is the third into which their end falls."""
    drawn = torch.randn((192, 6, 2), generator=torch.Generator().manual_seed(0))
    ends = drawn[:, -1, 0]
    return drawn, (ends > -0.4).long() + (ends > 0.4).long()


def make_classifier(*, softmax_dim: int | None) -> Any:
    """Make one that reads the last state, `(1, batch, units)`; a softmax without an axis takes the first of three."""
    torch.manual_seed(0)
    recurrent, head = nn.LSTM(2, 16, batch_first=True), nn.Linear(16, 3)
    model = nn.ModuleDict({"recurrent": recurrent, "head": head})

    def forward(inputs: Any) -> Any:
        scores = head(recurrent(inputs)[1][0])
        return scores if softmax_dim is None else functional.softmax(scores, dim=softmax_dim)

    model.forward = forward
    return model


def train(model: Any, loss: Any, *, squeeze: bool) -> Monitor:
    inputs, labels = sequences()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with watch(model, data=(inputs, labels), loss=loss) as monitor:
        for _ in range(EPOCHS):
            for rows in torch.arange(len(inputs)).split(48):
                optimizer.zero_grad()
                outputs = model(inputs[rows])
                (loss(outputs[0], labels[rows]) if squeeze else loss(outputs, labels[rows])).backward()
                optimizer.step()
    return monitor


def viewed(outputs: Any, labels: Any) -> Any:
    return functional.cross_entropy(outputs.view(-1, 3), labels)


@pytest.mark.parametrize(
    ("loss", "squeeze"), [(viewed, False), (nn.CrossEntropyLoss(), True)], ids=["in the loss", "in the loop"]
)
def test_its_loss_is_known_and_held_against_a_constant(loss: Any, *, squeeze: bool) -> None:
    monitor = train(make_classifier(softmax_dim=None), loss, squeeze=squeeze)
    context = monitor.record.context
    assert context is not None
    assert context.loss == "cross_entropy"
    assert context.classes == 3
    assert context.constant_loss == pytest.approx(entropy(sequences()[1]), rel=1e-5)
    assert not [finding for finding in monitor.verdict.standing if finding.severity > Severity.INFO]
    assert "underfitting" not in {each.id for each in monitor.verdict.not_judged}


def entropy(labels: Any) -> float:
    shares = torch.bincount(labels).double() / len(labels)
    return float(-(shares * shares.log()).sum())


def test_a_softmax_over_that_axis_is_named() -> None:
    monitor = train(make_classifier(softmax_dim=0), viewed, squeeze=False)
    keys = {finding.id for finding in monitor.verdict.standing if finding.severity is Severity.ERROR}
    assert {"collapsed_output", "no_learning"} <= keys
    (collapsed,) = [finding for finding in monitor.verdict.standing if finding.id == "collapsed_output"]
    assert "a softmax over an axis of length 1" in collapsed.prescriptions[0].why
