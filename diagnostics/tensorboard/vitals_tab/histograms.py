"""What a layer's activations, gradients and weights were at a step."""

from gradvitals.diagnostics.tensorboard.strict_json import Json
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import Logs
from gradvitals.diagnostics.tensorboard.vitals_tab.run_view import KINDS


def layer_histograms(logs: Logs, run: str, layer: str, step: int) -> list[Json]:
    """Give a layer's histograms that were taken nearest to a step, with the steps at which there are others."""
    found: list[Json] = []
    for kind in KINDS:
        series = logs.read_histograms(run, f"{kind}/{layer}")
        if not series:
            continue
        nearest, bins = min(series, key=lambda each: (abs(each[0] - step), each[0]))
        found.append(
            {
                "kind": kind,
                "step": nearest,
                "steps": [each for each, _ in series],
                "lefts": bins[:, 0].tolist(),
                "rights": bins[:, 1].tolist(),
                "counts": bins[:, 2].tolist(),
            }
        )
    return found
