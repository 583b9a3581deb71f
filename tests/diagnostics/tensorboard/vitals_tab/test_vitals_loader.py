"""What TensorBoard loads at its start: harmless whatever is broken, and with all of our series kept."""

import argparse
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin

from gradvitals.diagnostics.tensorboard import summaries
from gradvitals.diagnostics.tensorboard.run_writer import MEASUREMENTS
from gradvitals.diagnostics.tensorboard.vitals_tab import loader
from gradvitals.diagnostics.tensorboard.vitals_tab.loader import VitalsLoader
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import Logs

STATIC = Path(loader.__file__).parent / "static"


def test_the_tab_is_made() -> None:
    context = base_plugin.TBContext(data_provider=None, logdir="")
    plugin = VitalsLoader().load(context)
    assert plugin.plugin_name == summaries.PLUGIN_NAME == "gradvitals"
    assert plugin.frontend_metadata().tab_name == "Vitals"
    assert plugin.frontend_metadata().es_module_path in plugin.get_plugin_apps()


def test_a_broken_installation_makes_no_tab_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "gradvitals.diagnostics.tensorboard.vitals_tab.plugin", None)
    assert VitalsLoader().load(base_plugin.TBContext()) is None
    assert "cannot be shown" in caplog.text


def test_loading_the_entry_point_loads_nothing_that_may_be_broken() -> None:
    program = (
        "import sys; import gradvitals.diagnostics.tensorboard.vitals_tab.loader; "
        "print([name for name in ('numpy', 'pydantic', 'rich', 'google_crc32c', 'werkzeug') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {"gradvitals": 0}),
        ({"scalars": 5}, {"scalars": 5, "gradvitals": 0}),
        ({"gradvitals": 7}, {"gradvitals": 7}),
    ],
)
def test_all_of_our_points_are_kept_unless_the_user_says_otherwise(given: dict[str, int], kept: dict[str, int]) -> None:
    flags = argparse.Namespace(samples_per_plugin=given)
    VitalsLoader().fix_flags(flags)
    assert flags.samples_per_plugin == kept


@pytest.mark.parametrize("flags", [SimpleNamespace(), SimpleNamespace(samples_per_plugin=None)])
def test_flags_of_another_tensorboard_are_left_alone(flags: SimpleNamespace) -> None:
    VitalsLoader().fix_flags(flags)
    assert "gradvitals" not in str(flags)


def test_the_page_asks_nobody_outside() -> None:
    own = [path for path in STATIC.glob("*.js") if not path.name.startswith("uPlot")]
    assert len(own) > 10
    for path in [*own, STATIC / "vitals.css"]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "//cdn" not in text


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
)
def test_no_text_becomes_markup(word: str) -> None:
    own = [path for path in STATIC.glob("*.js") if not path.name.startswith("uPlot")]
    assert [path.name for path in own if word in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("run", ["../elsewhere", "linked", "/etc", "no such run"])
def test_notes_are_read_from_no_folder_outside_the_logs(run: str, make_run: object, tmp_path: Path) -> None:
    assert callable(make_run)
    make_run(tmp_path / "elsewhere")
    make_run(tmp_path / "logs" / "here")
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "elsewhere")
    provider = data_provider.MultiplexerDataProvider(plugin_event_multiplexer.EventMultiplexer(), "")
    logs = Logs(provider, RequestContext(), "", tmp_path / "logs")
    assert logs.read_all_notes("here", MEASUREMENTS)
    assert logs.read_all_notes(run, MEASUREMENTS) == []
