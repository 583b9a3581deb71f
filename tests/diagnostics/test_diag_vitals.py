"""The fixture's monitors: what is made of a test that gives them what does not fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradvitals.diagnostics.requirements import Requirements
from gradvitals.diagnostics.vitals import Vitals, make_run_folder
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network


def test_what_cannot_be_watched_leaves_no_folder(
    digits: WatchedData, make_network: Callable[..., Network], tmp_path: Path
) -> None:
    vitals = Vitals(Requirements(), lambda: make_run_folder(tmp_path, "a.py::t"))
    with pytest.raises(ValueError, match="data must be"):
        vitals.watch(make_network(digits), data=(np.zeros(3), np.zeros(3)))
    assert (list(tmp_path.iterdir()), vitals.folders, vitals.monitors) == ([], [], [])
    vitals.watch(make_network(digits), data=digits)
    assert vitals.folders == [next(tmp_path.iterdir()) / "1"]
    vitals.watch(make_network(digits), data=digits, logdir=tmp_path / "own")
    assert len(vitals.folders) == 1
    assert (tmp_path / "own").is_dir()
    vitals.close()


def test_the_call_site_is_the_line_in_the_test(
    digits: WatchedData, make_network: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    vitals = Vitals(Requirements())
    line = test_the_call_site_is_the_line_in_the_test.__code__.co_firstlineno + 6
    site = vitals.watch(make_network(digits)).call_site
    vitals.close()
    assert site is not None
    assert (Path(site.file).name, site.line) == (Path(__file__).name, line)
