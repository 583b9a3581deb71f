"""What is known of a training before its first step, put together from the network, the event and the data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradvitals.diagnostics.call_site import CallSite
from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, ConstantPredictor
from gradvitals.diagnostics.looker import Looker
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.recurrence import unseen_recurrence
from gradvitals.engine.events import Observable, TrainingStarted


def context_of(
    network: Observable,
    event: TrainingStarted,
    looker: Looker | None,
    *,
    total_steps: int | None,
    config: Mapping[str, Any] | None,
    call_site: CallSite | None,
) -> Context:
    """Give the context that a record begins with.

    Args:
        network: What is trained.
        event: Of its start.
        looker: Looks at it on data; None without any.
        total_steps: Planned updates; None where nobody knows.
        config: The resolved config by dotted keys; None where there is none.
        call_site: The line of the user's that watches.
    """
    samples = 0 if looker is None else looker.data.total or len(looker.data.inputs)
    context = Context(
        layers=(),
        loss="",
        total_steps=total_steps,
        batch_size=event.batch_size,
        samples=samples or None,
        constant_loss=None,
        classes=None,
        config=config,
        by_layer=event.by_layer,
        unheld=event.unheld,
        unobserved={**event.unobserved, **unseen_recurrence(network.parameters_by_layer())},
        never_called=event.never_called,
        call_site=call_site,
        optimizer=event.optimizer,
    )
    return with_data(context, network, None if looker is None else looker.prober.constant)


def with_data(context: Context, network: Observable, constant: ConstantPredictor | None) -> Context:
    """Put into a context what the network and its data tell of layers and loss.

    Args:
        context: What else is known.
        network: What is trained.
        constant: The best constant output; None where it is not known.
    """
    return replace(
        context,
        layers=tuple(network.layers),
        loss=network.loss_name,
        constant_loss=None if constant is None else constant.mean_loss,
        classes=len(constant.best) if constant is not None and constant.loss in OF_ONE_CLASS else None,
    )
