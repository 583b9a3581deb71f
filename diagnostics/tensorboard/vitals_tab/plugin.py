"""The plugin: which address answers with what."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from gradvitals.diagnostics.tensorboard.run_writer import MEASUREMENTS
from gradvitals.diagnostics.tensorboard.strict_json import Json, encode_json
from gradvitals.diagnostics.tensorboard.vitals_tab.first_steps import start_command
from gradvitals.diagnostics.tensorboard.vitals_tab.histograms import layer_histograms
from gradvitals.diagnostics.tensorboard.vitals_tab.hyperparameters import config_values
from gradvitals.diagnostics.tensorboard.vitals_tab.loader import PLUGIN_NAME
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import Logs
from gradvitals.diagnostics.tensorboard.vitals_tab.run_index import KnownRun, RunIndex
from gradvitals.diagnostics.tensorboard.vitals_tab.run_view import brief_run, head_run, view_run
from gradvitals.diagnostics.tensorboard.vitals_tab.sweep_map import draw_sweep_map
from gradvitals.diagnostics.tensorboard.vitals_tab.unit_deaths import tell_deaths

Route: TypeAlias = Callable[..., Any]

STATIC = "gradvitals.diagnostics.tensorboard.vitals_tab"
TYPES = {".js": "text/javascript", ".css": "text/css"}


class VitalsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # TensorBoard has no types
    """The tab "Vitals". What it knows comes from TensorBoard's data provider, with either of its loaders."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        self._provider, self._logdir = context.data_provider, str(context.logdir or "")
        folder = Path(self._logdir)
        self._folder = folder if self._logdir and folder.is_dir() else None
        self._index = RunIndex()

    def is_active(self) -> bool:
        """Say no: TensorBoard itself finds out whether there are series of ours."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Name the tab and its script."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Vitals")

    def get_plugin_apps(self) -> Mapping[str, Route]:
        """Give what answers, by its address below the plugin's."""
        return {
            **{f"/{name}": _serve(file) for name, file in _static_files().items()},
            "/runs": self._answer(self._runs),
            "/map": self._answer(self._map),
            "/run": self._answer(self._run),
            "/histograms": self._answer(self._histograms),
            "/units": self._answer(self._units),
        }

    def _answer(self, ask: Callable[[Logs, Mapping[str, str]], Json]) -> Route:
        """Make a route of what turns arguments into JSON; what is wrong with these is 400, what is not there 404."""

        @wrappers.Request.application
        def route(request: wrappers.Request) -> wrappers.Response:
            environment = request.environ
            asked, experiment = plugin_util.context(environment), plugin_util.experiment_id(environment)
            logs = Logs(self._provider, asked, experiment, self._folder)
            content = encode_json(ask(logs, request.args))
            answer: wrappers.Response = http_util.Respond(request, content.decode("ascii"), "application/json")
            return answer

        return route

    def _runs(self, logs: Logs, _: Mapping[str, str]) -> Json:
        runs: list[Json] = [brief_run(run) for run in self._index.runs(logs).values()]
        return {"logdir": self._logdir, "start": start_command(self._logdir or "logs"), "runs": runs}

    def _map(self, logs: Logs, arguments: Mapping[str, str]) -> Json:
        sweep = arguments.get("sweep", "")
        runs = [run for run in self._index.runs(logs).values() if run.sweep == sweep]
        if not runs:
            msg = f"no gradvitals runs in {sweep!r}" if sweep else "no gradvitals runs at the top of the logs"
            raise errors.NotFoundError(msg)
        try:
            return draw_sweep_map(self._with_values(logs, runs), arguments.get("columns"), arguments.get("rows"))
        except ValueError as error:
            raise errors.InvalidArgumentError(str(error)) from error

    def _run(self, logs: Logs, arguments: Mapping[str, str]) -> Json:
        run = self._known_run(logs, arguments)
        return view_run(logs, run, self._index.contexts(logs, [run])[run.name])

    def _histograms(self, logs: Logs, arguments: Mapping[str, str]) -> Json:
        run, layer, step = self._known_run(logs, arguments), _argument(arguments, "layer"), _argument(arguments, "step")
        if not step.isdecimal() or len(step) > 18:
            msg = f"step: {step!r} is no count of updates"
            raise errors.InvalidArgumentError(msg)
        return layer_histograms(logs, run.name, layer, int(step))

    def _units(self, logs: Logs, arguments: Mapping[str, str]) -> Json:
        run = self._known_run(logs, arguments)
        context = self._index.contexts(logs, [run])[run.name]
        layers = [] if context is None else context.layer_names()
        return {**head_run(run, context), **tell_deaths(logs.read_all_notes(run.name, MEASUREMENTS), layers)}

    def _known_run(self, logs: Logs, arguments: Mapping[str, str]) -> KnownRun:
        name = _argument(arguments, "run")
        run = self._index.runs(logs).get(name)
        if run is None:
            msg = f"no gradvitals run {name!r}"
            raise errors.NotFoundError(msg)
        return run

    def _with_values(self, logs: Logs, runs: list[KnownRun]) -> list[KnownRun]:
        """Give runs with their places: those that are of no sweep differ by their configs."""
        if all(run.values for run in runs):
            return runs
        values = config_values(self._index.contexts(logs, runs))
        return [run if run.values else replace(run, values=values.get(run.name, {})) for run in runs]


def _argument(arguments: Mapping[str, str], name: str) -> str:
    if name not in arguments:
        msg = f"{name}: missing; the address needs ?{name}=…"
        raise errors.InvalidArgumentError(msg)
    return arguments[name]


def _static_files() -> dict[str, Traversable]:
    """List the page's own files: only what is listed is served."""
    return {
        file.name: file
        for file in resources.files(STATIC).joinpath("static").iterdir()
        if file.name.endswith(tuple(TYPES))
    }


def _serve(file: Traversable) -> Route:
    kind = next(kind for ending, kind in TYPES.items() if file.name.endswith(ending))

    @wrappers.Request.application
    def route(request: wrappers.Request) -> wrappers.Response:
        answer: wrappers.Response = http_util.Respond(request, file.read_text(encoding="utf-8"), kind)
        return answer

    return route
