"""Drawing: often enough to see a training, seldom enough to cost little, and without a trace in it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from gradvitals.diagnostics.drawing import Drawer
from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.schedule import plan_probes
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train

MakeNetwork: TypeAlias = Callable[..., Network]
HISTOGRAMS = {"weights/output": reduce_histogram([1.0, 2.0])}


class Gallery(RunWriter):
    """Writes, and remembers what was drawn when."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.histograms_at: list[int] = []
        self.pictures_at: list[int] = []
        self.tags: set[str] = set()

    def histograms(self, step: int, histograms: Any) -> None:
        """Write histograms."""
        self.histograms_at.append(step)
        super().histograms(step, histograms)

    def pictures(self, step: int, pictures: Any) -> None:
        """Write pictures."""
        self.pictures_at.append(step)
        self.tags |= set(pictures)
        super().pictures(step, pictures)


@pytest.fixture
def plane() -> WatchedData:
    inputs = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)
    return WatchedData(inputs, np.eye(2, dtype=np.float32)[(inputs[:, 0] > 0).astype(int)])


@pytest.fixture
def network(make_network: MakeNetwork, plane: WatchedData) -> Network:
    return make_network(plane, hidden=[4])


@pytest.fixture
def watch_by(network: Network, plane: WatchedData, tmp_path: Path) -> Callable[..., Gallery]:
    """Go through the looks of a training as a monitor does; give what was drawn."""

    def draw(looks: Sequence[int], total: int | None, every: float) -> Gallery:
        with closing(Gallery(tmp_path)) as gallery:
            drawer = Drawer(network, [gallery])
            drawer.plan(total, every)
            drawer.paint_on(plane.inputs, Prober(network, plane).sample)
            drawer.draw(looks[0], HISTOGRAMS)
            for step in looks[1:-1]:
                if drawer.wants(step):
                    drawer.draw(step, HISTOGRAMS)
            drawer.draw(looks[-1], HISTOGRAMS, ended=True)
        return gallery

    return draw


@pytest.mark.parametrize("total", [4, 5, 7, 69, 100, 901, 5000, 123_457])
@pytest.mark.parametrize(("cost", "every"), [(1.0, 1.0), (1.0, 1e9), (341.0, 1.0), (341.0, 1e9)])
def test_start_end_and_a_few_to_fifty_between_are_drawn_and_ten_are_painted(
    total: int, cost: float, every: float, watch_by: Callable[..., Gallery]
) -> None:
    looks = plan_probes(total, 32, cost)
    gallery = watch_by(looks, total, every)
    assert (gallery.histograms_at[0], gallery.histograms_at[-1]) == (0, total)
    assert 5 <= len(gallery.histograms_at) <= 52
    assert (gallery.pictures_at[0], gallery.pictures_at[-1]) == (0, total)
    assert 4 <= len(gallery.pictures_at) <= 10
    assert max(np.diff(gallery.histograms_at)) <= total / 4 + max(np.diff(looks))


def test_an_open_ended_training_is_drawn_whenever_it_is_twice_as_long(watch_by: Callable[..., Gallery]) -> None:
    gallery = watch_by([*plan_probes(None, 32, 341.0)[:30], 40_000], None, 1e9)
    assert gallery.histograms_at[:4] == [0, 100, 200, 400]
    assert len(gallery.histograms_at) < 12
    assert gallery.pictures_at == gallery.histograms_at


def test_a_training_cut_short_where_it_was_just_drawn_is_not_drawn_twice(watch_by: Callable[..., Gallery]) -> None:
    gallery = watch_by([0, 50, 50], 100, 1.0)
    assert gallery.histograms_at == gallery.pictures_at == [0, 50]


def test_without_data_the_weights_are_drawn_at_both_ends(network: Network, plane: WatchedData, tmp_path: Path) -> None:
    gallery, samples = Gallery(tmp_path), Samples(plane.inputs, plane.targets)
    with Monitor(network, sinks=[gallery]):
        train(network, samples, Sgd(0.1), epochs=3, batch_size=30, generator=np.random.default_rng(0))
    assert gallery.histograms_at == [0, 30]
    assert gallery.pictures_at == []


def test_drawing_changes_neither_the_training_nor_what_is_recorded_and_found(
    plane: WatchedData, train_watched: Any, tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path)
    drawn = train_watched(plane, hidden=[8, 6], epochs=20, batch_size=30, sinks=[gallery])
    plain = train_watched(plane, hidden=[8, 6], epochs=20, batch_size=30)
    assert gallery.tags == {"decision_boundary"}
    assert len(gallery.pictures_at) >= 5
    assert np.array_equal(drawn.network.parameters, plain.network.parameters)
    assert drawn.monitor.verdict == plain.monitor.verdict
    assert drawn.monitor.record.notes(Probe) == plain.monitor.record.notes(Probe)
    assert drawn.monitor.record.tags() == plain.monitor.record.tags()


def test_drawing_leaves_a_modules_training_and_every_generator_as_they_are(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gradvitals import watch

    def trained(**watching: Any) -> tuple[Any, Any, Any]:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the user's own generator, which nobody may touch
        model = torch.nn.Sequential(
            torch.nn.Linear(2, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.ReLU(),
            torch.nn.Dropout(),
            torch.nn.Linear(16, 2),
        )
        inputs = torch.randn(200, 2)
        targets, loss = (inputs[:, 0] > 0).long(), torch.nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        with watch(model, data=(inputs, targets), loss=loss, total_steps=40, **watching):
            for _ in range(40):
                optimizer.zero_grad()
                loss(model(inputs), targets).backward()
                optimizer.step()
        return model.state_dict(), torch.get_rng_state(), np.random.random()  # noqa: NPY002

    (drawn, *drawn_states), (plain, *plain_states) = trained(logdir=tmp_path), trained()
    assert all(torch.equal(drawn[name], plain[name]) for name in plain)
    assert torch.equal(drawn_states[0], plain_states[0])
    assert drawn_states[1] == plain_states[1]
    assert next(tmp_path.glob("*tfevents*")).read_bytes().count(b"decision_boundary") >= 5
