"""Which charts a run's record has."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.scales import Kind
from gradvitals.diagnostics.seen_scores import seen_scores
from gradvitals.diagnostics.signs import symbol_of
from gradvitals.diagnostics.tensorboard.run_record import RunRecord
from gradvitals.experiments.html_report.chart import STYLES, Chart, Curve, draw_chart

LAYERS: tuple[tuple[str, str, Kind], ...] = (
    ("gradient_norm", "Gradient norm by layer", "log"),
    ("update_ratio", "Update ratio by layer", "log"),
    ("dead_fraction", "Share of dead units by layer", "share"),
    ("saturated_fraction", "Share of saturated units by layer", "share"),
)
"""Metric, title and axis of the charts with a line for each layer."""

WHOLE = "global"
"""What stands in a layer's place for all of them together."""


def draw_curves(run: RunRecord, standing: Sequence[Finding]) -> tuple[Chart, ...]:
    """Draw the charts of a run for which there are points.

    Args:
        run: As read back.
        standing: The findings whose beginning is marked, roots first.
    """
    layers = _layers(run)
    began = _began(standing)
    named = [finding.layer for finding in standing if finding.layer is not None]
    charts: list[tuple[str, list[Curve], Kind, str]] = [
        ("Loss", _scores(run, "epoch_loss"), "auto", ""),
        ("Accuracy", _scores(run, "epoch_accuracy"), "share", ""),
    ]
    if not charts[0][1]:
        of_constant = _recorded(run, "loss_ratio", "training")
        charts = [("Loss relative to the best constant output's", of_constant, "auto", ""), *_seen(run)]
    for metric, title, kind in LAYERS:
        curves = [curve for layer in layers.get(metric, []) for curve in _recorded(run, f"{metric}/{layer}", layer)]
        shown = _few(curves, named)
        left_out = f"{len(shown)} of {len(curves)} layers" if len(shown) < len(curves) else ""
        charts.append((title, shown, kind, left_out))
    steps = [int(curve.steps[-1]) for _, curves, _, _ in charts for curve in curves]
    last_step = max([run.record.last_step, *steps, *began])
    return tuple(
        draw_chart(title, curves, kind, began, last_step, note=note) for title, curves, kind, note in charts if curves
    )


def _began(standing: Sequence[Finding]) -> Mapping[int, Sequence[tuple[str, str]]]:
    began: dict[int, list[tuple[str, str]]] = {}
    for finding in standing:
        if finding.severity > Severity.INFO:
            began.setdefault(max(finding.first_step, 0), []).append((symbol_of(finding.id), finding.key))
    return began


def _scores(run: RunRecord, tag: str) -> list[Curve]:
    """Give the scores of every epoch, on the training set and on the validation set."""
    parts = {"training": run.training, "validation": run.validation}
    return [
        _curve(name, series[tag].steps, series[tag].values)
        for name, series in parts.items()
        if tag in series and len(series[tag].values)
    ]


def _seen(run: RunRecord) -> list[tuple[str, list[Curve], Kind, str]]:
    """Give what was seen at the looks, for runs that tell of no epochs."""
    seen = seen_scores(run.record.context, run.record.notes(Probe))
    if seen is None:
        return []
    titled: list[tuple[str, Sequence[float], Kind]] = [
        ("Loss", seen.losses, "auto"),
        ("Accuracy", seen.accuracies, "share"),
    ]
    return [
        (title, [_curve(seen.where, np.array(seen.steps), np.array(values))], kind, "")
        for title, values, kind in titled
        if values
    ]


def _recorded(run: RunRecord, tag: str, name: str) -> list[Curve]:
    series = run.record.series(tag)
    return [_curve(name, series.steps, series.values)] if len(series.steps) else []


def _curve(name: str, steps: np.ndarray, values: np.ndarray) -> Curve:
    order = np.argsort(steps, kind="stable")
    return Curve(name, steps[order], values[order])


def _layers(run: RunRecord) -> Mapping[str, Sequence[str]]:
    """Name the layers of every metric, in the network's order; without any, all of them together."""
    known = [] if run.record.context is None else run.record.context.layer_names()
    places = {name: place for place, name in enumerate(known)}
    found: dict[str, list[str]] = {}
    for tag in run.record.tags():
        metric, _, layer = tag.partition("/")
        found.setdefault(metric, []).append(layer)
    for layers in found.values():
        layers.sort(key=lambda layer: places.get(layer, len(places)))
        if len(layers) > 1 and WHOLE in layers:
            layers.remove(WHOLE)
    return found


def _few(curves: Sequence[Curve], named: Sequence[str]) -> list[Curve]:
    """Choose as many lines as can be told apart: those with findings, the ends, and some in between."""
    if len(curves) <= STYLES:
        return list(curves)
    wanted = [place for place, curve in enumerate(curves) if curve.name in named][: STYLES - 2]
    spread = np.linspace(0, len(curves) - 1, STYLES).round().astype(int).tolist()
    chosen = list(dict.fromkeys([*wanted, spread[0], spread[-1], *spread[1:-1]]))[:STYLES]
    return [curves[place] for place in sorted(chosen)]
