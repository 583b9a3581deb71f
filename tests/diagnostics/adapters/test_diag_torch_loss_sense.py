"""Losses that ignore the outputs, or reward wrong ones, are told; whatever makes sense is left alone."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402 - only where there is PyTorch
from torch.nn import functional as F  # noqa: E402, N812 - as everybody calls it

from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss  # noqa: E402
from gradvitals.diagnostics.adapters.torch_loss import adapt_loss  # noqa: E402
from gradvitals.diagnostics.watch import watch  # noqa: E402

GENERATOR = np.random.default_rng(5)
LABELS = np.array([0, 1, 2, 0, 1, 2, 2, 1])
VALUES = GENERATOR.normal(size=(8, 3)).astype(np.float32)
LOGITS = torch.from_numpy(GENERATOR.normal(size=(8, 3)).astype(np.float32))
MASKS = (GENERATOR.random((8, 1, 4, 4)) > 0.5).astype(np.float32)
MAPS = torch.from_numpy(GENERATOR.normal(size=(8, 1, 4, 4)).astype(np.float32))


def focal(ours: Any, theirs: Any) -> Any:
    likelihood = F.log_softmax(ours, 1).gather(1, theirs[:, None])
    return -((1 - likelihood.exp()) ** 2 * likelihood).mean()


def margin(ours: Any, theirs: Any) -> Any:
    own = ours.gather(1, theirs[:, None])
    return torch.relu(1 + ours - own).sum(1).mean()


def of_probabilities(ours: Any, theirs: Any) -> Any:
    return -(ours.gather(1, theirs[:, None]).clamp_min(1e-7) ** 0.5).mean()


def dice(ours: Any, theirs: Any) -> Any:
    found = ours.sigmoid()
    return 1 - 2 * (found * theirs).sum() / (found + theirs).sum()


def cosine(ours: Any, theirs: Any) -> Any:
    return 1 - F.cosine_similarity(ours, theirs).mean()


def with_penalty(ours: Any, theirs: Any) -> Any:
    return (ours - theirs).abs().pow(1.5).mean() + 0.1 * ours.pow(2).mean()


def clipped(ours: Any, theirs: Any) -> Any:
    return (ours - theirs).clamp(-0.01, 0.01).pow(2).mean()


def minus(loss: Any) -> Any:
    return lambda ours, theirs: -loss(ours, theirs)


SENSIBLE: dict[str, tuple[Any, Any, Array]] = {
    "focal": (focal, LOGITS, LABELS),
    "margin": (margin, LOGITS, LABELS),
    "of probabilities": (of_probabilities, LOGITS.softmax(1), LABELS),
    "of logarithms": (lambda o, t: -(o.gather(1, t[:, None]).exp() ** 0.5).mean(), LOGITS.log_softmax(1), LABELS),
    "dice": (dice, MAPS, MASKS),
    "cosine": (cosine, LOGITS, VALUES),
    "with a penalty": (with_penalty, LOGITS, VALUES),
    "felt near the targets alone": (clipped, LOGITS, VALUES),
    "of one class a row": (nn.MultiMarginLoss(), LOGITS, LABELS),
    "of decisions and their costs": (lambda o, t: (o.softmax(1) * t).sum(1).mean(), LOGITS, VALUES),
    "of probabilities and costs": (lambda o, t: (o * t).sum(1).mean(), LOGITS.softmax(1), VALUES),
    "of shares and costs up to 1": (lambda o, t: (o * t).sum(1).mean(), LOGITS.softmax(1), np.abs(VALUES) / 4),
    "of two outputs": (lambda o, t: o[0].pow(2).mean() + (o[1] - t).abs().pow(3).mean(), (LOGITS, LOGITS), VALUES),
}


ODD = {
    "of two outputs",
    "with a penalty",
    "of decisions and their costs",
    "of probabilities and costs",
    "of shares and costs up to 1",
}
"""Those whose right outputs nobody can tell, or that have another sense with the other sign."""


@pytest.mark.parametrize(("loss", "outputs", "targets"), SENSIBLE.values(), ids=SENSIBLE)
def test_a_loss_that_makes_sense_is_left_alone(loss: Any, outputs: Any, targets: Array) -> None:
    adapted = adapt_loss(loss, outputs, targets)
    assert not adapted.ignores
    assert not getattr(adapted, "prefers_wrong", False)


@pytest.mark.parametrize("name", [name for name in SENSIBLE if name not in ODD])
def test_the_same_with_the_wrong_sign_is_told(name: str) -> None:
    loss, outputs, targets = SENSIBLE[name]
    assert getattr(adapt_loss(minus(loss), outputs, targets), "prefers_wrong", False)


IGNORANT: dict[str, tuple[Any, Any, Array]] = {
    "a cross-entropy of one channel": (nn.CrossEntropyLoss(), MAPS, MASKS),
    "a softmax of one": (lambda o, t: ((o.softmax(1) - t) ** 2.5).abs().mean(), MAPS, MASKS),
    "of the targets alone": (lambda _, t: t.mean(), LOGITS, VALUES),
}


@pytest.mark.parametrize(("loss", "outputs", "targets"), IGNORANT.values(), ids=IGNORANT)
def test_a_loss_that_is_the_same_whatever_the_outputs_are_is_told(loss: Any, outputs: Any, targets: Array) -> None:
    assert adapt_loss(loss, outputs, targets).ignores


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["healthy", "sick"])
def test_a_training_by_a_loss_of_the_wrong_sign_is_warned_of(sign: float) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(300, 4)
    labels = (inputs[:, 0] > 0).long()
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    with watch(net, data=(inputs, labels), loss=lambda ours, theirs: sign * focal(ours, theirs)) as monitor:
        for _ in range(120):
            rows = torch.randint(0, 300, (32,))
            optimizer.zero_grad()
            (sign * focal(net(inputs[rows]), labels[rows])).backward()
            optimizer.step()
    found = [each for each in monitor.verdict.standing if each.id == "loss_mismatch"]
    assert [str(each.severity) for each in found] == ([] if sign > 0 else ["warning"])
    assert all("of right outputs the loss is larger than of wrong ones" in each.evidence for each in found)


@pytest.mark.parametrize("classes", [1, 2], ids=["sick", "healthy"])
def test_a_training_by_a_cross_entropy_of_one_channel_is_an_error(classes: int) -> None:
    torch.manual_seed(0)
    images = torch.randn(120, 1, 4, 4)
    masks = (images > 0).float() if classes == 1 else (images[:, 0] > 0).long()
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, classes, 1))
    optimizer, loss = torch.optim.Adam(net.parameters(), 1e-2), nn.CrossEntropyLoss()
    with watch(net, data=(images, masks), loss=loss) as monitor:
        for _ in range(120):
            rows = torch.randint(0, 120, (16,))
            optimizer.zero_grad()
            loss(net(images[rows]), masks[rows]).backward()
            optimizer.step()
    found = [each for each in monitor.verdict.standing if each.id == "loss_mismatch" and each.severity > 1]
    assert [str(each.severity) for each in found] == (["error"] if classes == 1 else [])


SHARES = torch.softmax(torch.from_numpy(VALUES), 1).numpy()


@pytest.mark.parametrize(
    "loss",
    [
        lambda ours, theirs: F.kl_div(ours.softmax(-1), theirs, reduction="batchmean"),
        lambda ours, theirs: nn.KLDivLoss(reduction="sum")(ours.softmax(1), theirs) + 0.1 * ours.pow(2).mean(),
        lambda ours, theirs: F.kl_div(theirs, ours.log_softmax(1), reduction="sum", log_target=True),
    ],
    ids=["a function", "a module in a sum", "arguments exchanged"],
)
def test_a_divergence_of_probabilities_is_told(loss: Any) -> None:
    adapted = adapt_loss(loss, LOGITS, SHARES)
    assert isinstance(adapted, CustomTorchLoss)
    assert adapted.not_logarithms is not None
    assert 0.0 < adapted.not_logarithms[0] < adapted.not_logarithms[1] < 1.0
    data = torch.from_numpy(VALUES), torch.from_numpy(SHARES)
    module = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    with watch(module, data=data, loss=loss) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            loss(module(data[0]), data[1]).backward()
            optimizer.step()
    (finding,) = [each for each in monitor.verdict.standing if each.id == "loss_mismatch"]
    assert str(finding.severity) == "error"
    assert "kl_div is given probabilities" in finding.evidence


@pytest.mark.parametrize(
    "loss",
    [
        lambda ours, theirs: F.kl_div(ours.log_softmax(1), theirs, reduction="batchmean"),
        lambda ours, theirs: F.kl_div(ours.sigmoid(), theirs, reduction="sum"),  # perhaps logarithms of densities
        lambda ours, theirs: (theirs * (theirs.log() - ours.log_softmax(1))).sum(),
    ],
    ids=["logarithms", "no shares", "by hand"],
)
def test_other_divergences_are_left_alone(loss: Any) -> None:
    adapted = adapt_loss(loss, LOGITS, SHARES)
    assert isinstance(adapted, CustomTorchLoss)
    assert adapted.not_logarithms is None
