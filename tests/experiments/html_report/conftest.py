"""Reports on runs and on a sweep, read back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.html_report.page_tree import Element, Reader

from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.sweep import make_plan, run_sweep

SWEEP = """
name = "rates"
[data]
source = "moons"
n = 100
[model]
hidden = [8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
batch_size = 20
epochs = 10
[sweep]
"training.optimizer.learning_rate" = [0.1, 1.0, 1000000.0]
"model.init" = ["he_normal", "zeros"]
seed = [0, 1]
"""


@pytest.fixture
def reported(gradvitals: Callable[..., Any], tmp_path: Path) -> Callable[..., Element]:
    """Report on a folder, and read the page."""

    def report(folder: Path, *options: object) -> Element:
        said = gradvitals("report", folder, "-o", tmp_path / "page.html", "--force", *options)
        assert (said.code, said.err) == (0, "")
        return Reader().read(tmp_path / "page.html")

    return report


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep over two keys and two seeds: some train, some do not."""
    folder = tmp_path_factory.mktemp("sweep")  # of all tests: nobody may change it
    (folder / "rates.toml").write_text(SWEEP, encoding="utf-8")
    plan = make_plan(load_config(folder / "rates.toml"), folder / "logs")
    run_sweep(plan, "refuse", 1, lambda _: None, pin=False)
    return plan.folder
