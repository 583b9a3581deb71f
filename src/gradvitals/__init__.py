"""Why is this network not learning, and what would fix it?

The root is lazy: importing `gradvitals` loads no numpy; a name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradvitals.diagnostics.findings import Finding
    from gradvitals.diagnostics.guard import WatchingFailed
    from gradvitals.diagnostics.health import NotJudged, UnhealthyTraining, UnjudgedWarning
    from gradvitals.diagnostics.monitor import Monitor
    from gradvitals.diagnostics.watch import watch
    from gradvitals.engine.network import Network
    from gradvitals.engine.perceptron import perceptron
    from gradvitals.engine.stack import Training
    from gradvitals.engine.train_many import train_many
    from gradvitals.engine.training import Samples, train

__version__ = "0.1.0"

__all__ = [
    "Finding",
    "Monitor",
    "Network",
    "NotJudged",
    "Samples",
    "Training",
    "UnhealthyTraining",
    "UnjudgedWarning",
    "WatchingFailed",
    "__version__",
    "perceptron",
    "train",
    "train_many",
    "watch",
]

_HOMES = {
    "Finding": "gradvitals.diagnostics.findings",
    "Monitor": "gradvitals.diagnostics.monitor",
    "Network": "gradvitals.engine.network",
    "NotJudged": "gradvitals.diagnostics.health",
    "Samples": "gradvitals.engine.training",
    "Training": "gradvitals.engine.stack",
    "UnhealthyTraining": "gradvitals.diagnostics.health",
    "UnjudgedWarning": "gradvitals.diagnostics.health",
    "WatchingFailed": "gradvitals.diagnostics.guard",
    "perceptron": "gradvitals.engine.perceptron",
    "train": "gradvitals.engine.training",
    "train_many": "gradvitals.engine.train_many",
    "watch": "gradvitals.diagnostics.watch",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        msg = f"module 'gradvitals' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
