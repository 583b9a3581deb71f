"""The five peers of the bake-off, each from its published definition."""

from collections.abc import Callable, Mapping

from peer_alarms import Alarm
from peer_autotrainer import autotrainer_alarms
from peer_deepchecker import deepchecker_alarms
from peer_deepdiagnosis import deepdiagnosis_alarms
from peer_sagemaker import sagemaker_alarms
from peer_trace import Trace
from peer_umlaut import umlaut_alarms

PEERS: Mapping[str, Callable[[Trace], list[Alarm]]] = {
    "SageMaker Debugger": sagemaker_alarms,
    "AutoTrainer": autotrainer_alarms,
    "DeepDiagnosis": deepdiagnosis_alarms,
    "UMLAUT": umlaut_alarms,
    "TheDeepChecker": deepchecker_alarms,
}
