"""Units of PyTorch modules that die: to the update in a plain chain, from scan to scan in a convolutional network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch import nn  # noqa: E402 - it may not be there

from gradvitals.diagnostics.monitor import Monitor  # noqa: E402
from gradvitals.diagnostics.notes import Scan  # noqa: E402
from gradvitals.diagnostics.unit_death import UnitDeath  # noqa: E402
from gradvitals.diagnostics.watch import watch  # noqa: E402

STEPS, STRUCK = 100, 37


def train(module: nn.Module, inputs: Any, at: nn.Module, units: Sequence[int]) -> tuple[Monitor, dict[int, Any]]:
    """Train under a monitor, strike the biases of some units once, and save all parameters after every update."""
    labels = torch.arange(len(inputs)) % 3
    optimizer, saved = torch.optim.SGD(module.parameters(), lr=0.01), {}
    loss = nn.CrossEntropyLoss()
    with watch(module, data=(inputs, labels), loss=loss, optimizer=optimizer, total_steps=STEPS) as monitor:
        for step in range(1, STEPS + 1):
            rows = torch.arange(16 * step, 16 * step + 16) % len(inputs)
            optimizer.zero_grad()
            loss(module(inputs[rows]), labels[rows]).backward()
            if step == STRUCK:
                with torch.no_grad():
                    at.bias[list(units)] = -90.0
            optimizer.step()
            saved[step] = {name: each.detach().clone() for name, each in module.state_dict().items()}
    return monitor, saved


def strike_anew(module: nn.Module, state: Any, inputs: Any, part: str) -> Any:
    """Run the module as it was, and give what one of its parts put out, units last."""
    module.load_state_dict(state)
    module.eval()
    seen = []
    handle = module.get_submodule(part).register_forward_hook(lambda *given: seen.append(given[2].detach()))
    with torch.no_grad():
        module(inputs)
    handle.remove()
    (found,) = seen
    return found.movedim(1, -1).reshape(-1, found.shape[1]).numpy()


@pytest.mark.parametrize("place", ["0", "2"])
def test_in_a_plain_chain_the_update_is_known(place: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3))
    inputs = torch.randn(300, 6)
    monitor, saved = train(module, inputs, module.get_submodule(place), [1, 4])
    deaths = [note for note in monitor.record.notes(UnitDeath) if note.unit in {1, 4} and note.layer == place]
    assert [(note.killed_by, note.of, note.rows) for note in deaths] == [(STRUCK, "pre_activations", 300)] * 2
    before, after = (strike_anew(module, saved[step], inputs, place) for step in (STRUCK - 1, STRUCK))
    for note in deaths:
        assert note.fired_rows == (before[:, note.unit] > 0.0).sum()
        assert note.largest_before == pytest.approx(before[:, note.unit].max(), rel=1e-3)
        assert note.largest_after == pytest.approx(after[:, note.unit].max(), rel=1e-3)
        assert note.bias_after == saved[STRUCK][f"{place}.bias"][note.unit].item()
    (finding,) = [each for each in monitor.verdict.findings if each.key == f"dead_units@{place}"]
    assert f"update {STRUCK} killed unit" in finding.evidence


@pytest.mark.parametrize("normalised", [False, True], ids=["plain", "normalised"])
def test_a_channel_of_a_convolution_is_described_from_scan_to_scan(*, normalised: bool) -> None:
    torch.manual_seed(0)
    norm = [nn.BatchNorm2d(5)] if normalised else []
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), *norm, nn.ReLU(), nn.Flatten(), nn.Linear(80, 3)
    )
    inputs = torch.randn(200, 1, 8, 8)
    struck = module[3] if normalised else module[2]
    monitor, saved = train(module, inputs, struck, [2])
    (note,) = monitor.record.notes(UnitDeath)
    scans = [scan.step for scan in monitor.record.notes(Scan)]
    step = min(step for step in scans if step >= STRUCK)
    since = max(each for each in scans if each < step)
    assert (note.layer, note.unit, note.fired_after, note.silent_after) == ("2", 2, since, step)
    assert (note.certain, note.killed_by) == (True, None)
    before, after = (strike_anew(module, saved[each], inputs, "4" if normalised else "2") for each in (since, step))
    assert 0 < note.rows <= 1024
    share = (note.fired_rows or 0) / note.rows
    assert share == pytest.approx((before[:, 2] > 0.0).mean(), abs=0.05)
    assert note.fired_rows == sum(note.before[note.edges.index(0.0) :])
    if normalised:
        assert (note.of, note.largest_before, note.largest_with_new_bias) == ("outputs", None, None)
        return
    assert note.of == "pre_activations"
    assert (note.largest_before or 0.0) <= before[:, 2].max() + 1e-5
    assert (note.largest_before or 0.0) == pytest.approx(before[:, 2].max(), rel=0.3)
    assert note.largest_after == pytest.approx(after[:, 2].max(), rel=0.01)
    biases = [saved[each]["2.bias"][2].item() for each in (since, step)]
    assert [note.bias_before, note.bias_after] == biases
    assert note.largest_with_new_bias == pytest.approx((note.largest_before or 0.0) + biases[1] - biases[0])
    weights = [saved[each]["2.weight"][2].numpy() for each in (since, step)]
    assert note.weight_change == pytest.approx(np.linalg.norm(weights[1] - weights[0]), rel=1e-3)


def test_a_layer_put_in_anothers_place_stops_nothing() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    inputs, labels = torch.randn(200, 6), torch.arange(200) % 3
    loss = nn.CrossEntropyLoss()
    with watch(module, data=(inputs, labels), loss=loss, total_steps=60) as monitor:
        for step in range(60):
            if step == 30:
                module[0], module[1] = nn.Linear(6, 12), nn.Sequential(nn.ReLU(), nn.LayerNorm(12))
                module[0].bias.data[3] = -90.0
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
            optimizer.zero_grad()
            loss(module(inputs), labels).backward()
            optimizer.step()
    assert monitor.record.notes(Scan)[-1].step == 60
    assert all(note.unit == 3 for note in monitor.record.notes(UnitDeath))
