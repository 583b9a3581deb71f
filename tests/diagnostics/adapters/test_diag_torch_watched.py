"""Data and loss put together as rules read them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.constant_predictor import ConstantPredictor
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.watch import watch

torch: Any = pytest.importorskip("torch", reason="the adapter of PyTorch needs PyTorch")

from torch import nn  # noqa: E402 - only where there is PyTorch

from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss  # noqa: E402
from gradvitals.diagnostics.adapters.torch_data import DataArrays  # noqa: E402
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss  # noqa: E402
from gradvitals.diagnostics.adapters.torch_loss import adapt_loss  # noqa: E402
from gradvitals.diagnostics.adapters.torch_watched import prepare, watch_arrays  # noqa: E402

SAMPLES, CLASSES, LENGTH = 60, 4, 5
GENERATOR = np.random.default_rng(11)
LABELS = GENERATOR.choice(CLASSES, SAMPLES, p=[0.5, 0.3, 0.15, 0.05])
TOKENS = GENERATOR.choice(CLASSES, (SAMPLES, LENGTH), p=[0.5, 0.3, 0.15, 0.05])
LOGITS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, CLASSES)).astype(np.float32))
MAPS = torch.from_numpy(GENERATOR.normal(size=(SAMPLES, CLASSES, LENGTH)).astype(np.float32))


def test_samples_without_a_label_are_no_part_of_the_watched_data() -> None:
    targets = np.where(np.arange(SAMPLES) % 3 == 0, -100, LABELS)
    inputs = np.arange(SAMPLES, dtype=np.float32)[:, None]
    adapted = adapt_loss(nn.CrossEntropyLoss(), LOGITS, targets)
    watched = watch_arrays(DataArrays(inputs, targets, complete=True, total=SAMPLES), adapted, LOGITS)
    np.testing.assert_array_equal(watched.inputs[:, 0], np.flatnonzero(targets >= 0))
    np.testing.assert_array_equal(watched.targets.argmax(axis=1), targets[targets >= 0])
    assert (watched.complete, watched.total) == (False, SAMPLES)


def test_preparing_leaves_generators_and_the_model_as_they_were() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, CLASSES))
    inputs = torch.randn(SAMPLES, 2, 3)
    before = torch.get_rng_state()
    watched, adapted = prepare(
        (inputs, torch.from_numpy(LABELS)),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda rows, _: model(torch.from_numpy(rows) + 0.0 * torch.rand(())),
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert watched.inputs.shape == (SAMPLES, 2, 3)
    assert (watched.complete, watched.discrete) == (True, False)
    assert isinstance(watched.constant, ConstantPredictor)
    assert isinstance(adapted, KnownTorchLoss)
    np.testing.assert_array_equal(watched.targets, np.eye(CLASSES)[LABELS])


def test_token_ids_are_told_from_quantities_and_a_validation_set_is_written_alike() -> None:
    data = torch.from_numpy(TOKENS), torch.from_numpy(LABELS)
    watched, adapted = prepare(
        data,
        lambda outputs, targets: 2.0 * nn.functional.cross_entropy(outputs, targets),
        lambda rows, _: LOGITS[: len(rows)],
        validation=data,
    )
    assert watched.discrete
    assert isinstance(adapted, CustomTorchLoss)
    assert watched.validation_inputs is not None
    np.testing.assert_array_equal(watched.validation_targets, watched.targets)


def test_rows_of_targets_too_long_for_memory_are_sampled() -> None:
    data = torch.zeros(SAMPLES, 1), torch.from_numpy(LABELS)
    watched, _ = prepare(data, nn.CrossEntropyLoss(), lambda rows, _: LOGITS[: len(rows)], most_bytes=10 * 4 * CLASSES)
    assert watched.targets.shape == (10, CLASSES)
    assert (watched.complete, watched.total) == (False, SAMPLES)


def test_without_a_loss_targets_are_rows_of_numbers() -> None:
    watched, adapted = prepare((MAPS, MAPS), None, lambda rows, _: torch.from_numpy(rows))
    assert adapted is None
    assert watched.targets.shape == (SAMPLES, CLASSES * LENGTH)


@pytest.mark.parametrize("squeezes", [True, False], ids=["squeezed in the loop", "broadcast"])
def test_only_a_loop_that_broadcasts_over_the_batch_is_told_so(*, squeezes: bool) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(200, 3)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5])
    model, loss = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1)), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=20, shuffle=True)
    with warnings.catch_warnings(), watch(model, data=loader, loss=loss, total_steps=200) as monitor:
        warnings.simplefilter("ignore")  # PyTorch warns of it, once
        for _ in range(20):
            for batch, wanted in loader:
                optimizer.zero_grad()
                outputs = model(batch)
                loss(outputs.squeeze(1) if squeezes else outputs, wanted).backward()
                optimizer.step()
    errors = [finding.id for finding in monitor.verdict.standing if finding.severity is Severity.ERROR]
    assert errors[:1] == ([] if squeezes else ["loss_mismatch"])
    assert not loss._forward_pre_hooks


def test_a_validation_loader_makes_memorising_judgeable_and_a_loss_alone_is_refused() -> None:
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((300, 5)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int64)
    whole = torch.utils.data.TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    sets = [torch.utils.data.Subset(whole, rows) for rows in (range(200), range(200, 300))]
    training, validation = (torch.utils.data.DataLoader(each, batch_size=20) for each in sets)
    model, loss = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    with watch(model, data=training, validation=validation, loss=loss, total_steps=200) as monitor:
        for _ in range(20):
            for some, labels in training:
                optimizer.zero_grad()
                loss(model(some), labels).backward()
                optimizer.step()
    assert {each.id: each.status for each in monitor.verdict.judgements}["memorising"] == "clear"
    with pytest.raises(ValueError, match="the loss is computed on a sample of the training set"):
        watch(model, loss=loss)


@pytest.mark.parametrize(
    ("validation", "kind", "said"),
    [
        ((torch.zeros(40, 7), torch.zeros(40)), ValueError, "mat1 and mat2 shapes cannot be multiplied"),
        ((torch.zeros(40, 5), torch.zeros(7)), ValueError, "data must have a target for every input"),
        ((torch.zeros(40, 5), torch.full((40,), 0.5)), ValueError, "class indices must be whole numbers"),
        ({"x": 1}, TypeError, "data must give"),
    ],
    ids=["features", "rows", "targets", "form"],
)
def test_a_validation_set_that_does_not_fit_is_told_by_its_name_before_a_file_is_made(
    validation: Any, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    model, loss = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), nn.CrossEntropyLoss()
    data = (torch.zeros(40, 5), torch.zeros(40, dtype=torch.int64))
    with pytest.raises(kind, match=f"^the validation set does not fit: {said}"):
        watch(model, data=data, validation=validation, loss=loss, logdir=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "mistake"),
    [
        (nn.ReLU(), {}),
        (nn.Linear(3, 2), {"data": object()}),
        (nn.Linear(3, 2), {"loss": 3}),
        (nn.Linear(3, 2), {"optimizer": 3}),
    ],
    ids=["module", "data", "loss", "optimizer"],
)
def test_a_call_of_watch_that_is_refused_leaves_no_file(tmp_path: Path, module: Any, mistake: dict[str, Any]) -> None:
    right = {"data": (torch.ones(8, 3), torch.zeros(8, dtype=torch.long)), "loss": nn.CrossEntropyLoss()}
    with pytest.raises(TypeError):
        watch(module, **(right | mistake), logdir=tmp_path)
    assert not list(tmp_path.iterdir())
    watch(nn.Linear(3, 2), **right, logdir=tmp_path).detach()
    assert list(tmp_path.iterdir())


def test_layers_of_another_optimizer_are_not_held_against_this_one() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(200, 6)
    targets = (inputs[:, 0] * inputs[:, 1] > 0).long()
    model, loss = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2)), nn.CrossEntropyLoss()
    optimizers = [torch.optim.Adam(model[part].parameters(), lr=0.01) for part in (0, 2)]
    with watch(model, data=(inputs, targets), loss=loss, total_steps=600) as monitor:
        for _ in range(300):
            for optimizer in optimizers:
                optimizer.zero_grad()
                loss(model(inputs), targets).backward()
                optimizer.step()
    assert [str(finding.key) for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []
    assert len(monitor.record.series("update_ratio/0").steps) > 3  # those of the sampled steps that are its own


@pytest.mark.filterwarnings("ignore:Using `torch.compile")
def test_a_module_is_watched_although_something_around_it_is_compiled() -> None:
    torch.manual_seed(0)
    inputs, targets = torch.randn(64, 8), torch.randint(0, 3, (64,))
    model, loss = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)), nn.CrossEntropyLoss()
    compiled, optimizer = torch.compile(model, backend="eager"), torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, data=(inputs, targets), loss=loss, total_steps=20) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            loss(compiled(inputs), targets).backward()
            optimizer.step()
    assert len(monitor.record.series("gradient_norm/0").steps) > 5
