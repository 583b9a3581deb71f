"""A run as the tab shows it: its verdict, its curves, its heat maps, and where its findings began."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.scales import Kind
from gradvitals.diagnostics.seen_scores import NO_LOSS, TELL_LOSS
from gradvitals.diagnostics.signs import sign_of
from gradvitals.diagnostics.tensorboard.run_writer import MEASUREMENTS
from gradvitals.diagnostics.tensorboard.strict_json import Json
from gradvitals.diagnostics.tensorboard.vitals_tab.finding_words import tell_findings
from gradvitals.diagnostics.tensorboard.vitals_tab.heat_maps import describe_scale, heat_maps
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import Logs, Points
from gradvitals.diagnostics.tensorboard.vitals_tab.run_index import SCORES, KnownRun, part_of
from gradvitals.diagnostics.tensorboard.vitals_tab.run_notes import find_scores

CURVES: tuple[tuple[str, str, Kind], ...] = (
    ("epoch_loss", "Loss", "auto"),
    ("epoch_accuracy", "Accuracy", "share"),
)
OF_CONSTANT = "loss_ratio"
"""The loss at the looks over that of the best constant, for runs that tell of no epochs."""

KINDS = ("activations", "gradients", "weights")
"""Of histograms, in their order on the page."""

Parts = Mapping[str, Mapping[str, Points]]
"""Scalars by part of the run, then by tag."""


def brief_run(run: KnownRun) -> dict[str, Json]:
    """Give what a list shows of a run."""
    return {
        "name": run.name,
        "sweep": run.sweep,
        "verdict": run.outcome,
        "sign": sign_of(run.outcome),
        "root": run.root,
        "look": asdict(run.look),
        "status": run.status,
        "step": run.last_step,
        "time": run.last_time,
        "scores": {name.removeprefix("epoch_"): run.scores[name] for name in SCORES if name in run.scores},
        "scored_on": run.scored_on,
    }


def head_run(run: KnownRun, context: Context | None) -> dict[str, Json]:
    """Give what stands above every view of a run."""
    return {
        **brief_run(run),
        "total_steps": None if context is None else context.total_steps,
        "facts": _facts(context),
    }


def view_run(logs: Logs, run: KnownRun, context: Context | None) -> dict[str, Json]:
    """Give all that the page of a run needs but its histograms."""
    names = {"": run.name, "training": part_of(run.name, "train"), "validation": part_of(run.name, "validation")}
    read = logs.read_scalars(names.values(), None)
    parts = {part: read.get(name, {}) for part, name in names.items()}
    layers = [] if context is None else list(context.layers)
    return {
        **head_run(run, context),
        "layers": [
            {"name": info.name, "activation": info.activation, "fan_in": info.fan_in, "fan_out": info.fan_out}
            for info in layers
        ],
        "curves": _curves(parts) or _seen_curves(logs, run.name, parts[""]),
        "told": TELL_LOSS if context is not None and context.loss == NO_LOSS else "",
        "heat": heat_maps(parts[""], [info.name for info in layers]),
        "histograms": _histogram_layers(logs, run.name),
        "recorded": run.verdict is not None,
        "findings": {"roots": [], "asides": {}} if run.verdict is None else tell_findings(run.verdict),
    }


def _facts(context: Context | None) -> dict[str, Json]:
    if context is None:
        return {}
    facts: dict[str, Json] = {"batch size": context.batch_size, "samples": context.samples}
    if context.loss != NO_LOSS:
        facts = {"loss": context.loss, **facts}
    config, told = context.config or {}, context.optimizer  # a loop tells its first step's rate
    kind, rate = (None, None) if told is None else (told.kind, told.learning_rate)
    facts["optimizer"] = config.get("training.optimizer.kind", kind)
    facts["learning rate"] = config.get("training.optimizer.learning_rate", rate)
    if context.call_site is not None:
        facts["watched at"] = f"{context.call_site.file}:{context.call_site.line}"
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float)}


def _curves(parts: Parts) -> list[Json]:
    """Give the charts of a run's scores."""
    return [chart for curve in CURVES if (chart := _chart(parts, *curve))]


def _seen_curves(logs: Logs, run: str, own: Mapping[str, Points]) -> list[Json]:
    """Give the charts of what was seen at the looks, for runs that tell of no epochs."""
    seen = find_scores(logs.read_all_notes(run, MEASUREMENTS))
    charts = [_chart({"at looks": own}, OF_CONSTANT, "Loss relative to the best constant output's", "auto")]
    if seen is not None:
        values = {"epoch_loss": seen.losses, "epoch_accuracy": seen.accuracies}
        points = {tag: Points(np.array(seen.steps), np.array(of)) for tag, of in values.items() if of}
        charts = [*(_chart({seen.where: points}, *curve) for curve in CURVES), *charts]
    return [chart for chart in charts if chart]


def _chart(parts: Parts, tag: str, title: str, kind: Kind) -> Json:
    lines = {part: tags[tag] for part, tags in parts.items() if tag in tags and len(tags[tag].steps)}
    if not lines:
        return None
    steps = np.unique(np.concatenate([points.steps for points in lines.values()]))
    values = np.concatenate([points.values for points in lines.values()])
    return {
        "title": title,
        "scale": describe_scale(values, kind),
        "steps": steps.tolist(),
        "lines": [{"name": name, "values": _spread(steps.tolist(), points)} for name, points in lines.items()],
    }


def _spread(steps: list[int], points: Points) -> Json:
    at = dict(zip(points.steps.tolist(), points.values.tolist(), strict=True))
    return [at.get(step) for step in steps]


def _histogram_layers(logs: Logs, run: str) -> Json:
    """Name by layer the kinds of histograms that there are."""
    tags = [tag.partition("/") for tag in logs.list_series("histograms", [run]).get(run, {})]
    layers = sorted({layer for kind, _, layer in tags if kind in KINDS})
    return {layer: [kind for kind in KINDS if (kind, "/", layer) in tags] for layer in layers}
