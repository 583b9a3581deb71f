"""What is known of a training before its first step, put together from the network, the event and the data."""

from collections.abc import Mapping
from typing import Any

from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, ConstantPredictor
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.recurrence import unseen_recurrence
from gradvitals.engine.events import Observable, TrainingStarted


def context_of(
    network: Observable,
    event: TrainingStarted,
    *,
    total_steps: int | None,
    samples: int,
    constant: ConstantPredictor | None,
    config: Mapping[str, Any] | None,
    call_site: CallSite | None,
) -> Context:
    """Give the context that a record begins with.

    Args:
        network: What is trained.
        event: Of its start.
        total_steps: Planned updates; None where nobody knows.
        samples: Of the training set; 0 without one.
        constant: The best constant output; None where it is not known.
        config: The resolved config by dotted keys; None where there is none.
        call_site: The line of the user's that watches.
    """
    return Context(
        layers=tuple(network.layers),
        loss=network.loss_name,
        total_steps=total_steps,
        batch_size=event.batch_size,
        samples=samples or None,
        constant_loss=None if constant is None else constant.mean_loss,
        classes=len(constant.best) if constant is not None and constant.loss in OF_ONE_CLASS else None,
        config=config,
        by_layer=event.by_layer,
        unheld=event.unheld,
        unobserved={**event.unobserved, **unseen_recurrence(network.parameters_by_layer())},
        never_called=event.never_called,
        call_site=call_site,
        optimizer=event.optimizer,
    )
