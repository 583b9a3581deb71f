"""A PyTorch user's loss, `loss(outputs, targets)`, as our diagnostics need it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradvitals.diagnostics.adapters.target_coding import TargetCoding
from gradvitals.diagnostics.adapters.torch_custom_loss import CustomTorchLoss
from gradvitals.diagnostics.adapters.torch_exchange import exchanges_targets
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_loss_kinds import recognise
from gradvitals.diagnostics.adapters.torch_loss_sense import ignores_outputs, not_logarithms, prefers_wrong
from gradvitals.diagnostics.adapters.torch_meeting import meet
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, main_tensor
from gradvitals.diagnostics.adapters.torch_seen_loss import see_through
from gradvitals.engine.events import Array

TorchLoss: TypeAlias = KnownTorchLoss | CustomTorchLoss


def adapt_loss(loss: Callable[..., Any], outputs: Outputs, targets: Array) -> TorchLoss:
    """Adapt a loss to a model and its data.

    Args:
        loss: A loss module or any function of (outputs, targets) that gives a scalar tensor.
        outputs: What the model gives for some samples; a few are enough.
        targets: Of the same samples, as the data give them, `(samples, …)`.

    Raises:
        TypeError: If it is no function.
        ValueError: If the loss cannot be computed of these, or class indices are none.
    """
    loss = getattr(loss, "_orig_mod", loss)  # of a compiled one
    if isinstance(loss, type) or not callable(loss):
        what = f"the class {loss.__name__}, of which one must be made" if isinstance(loss, type) else f"{loss!r:.60}"
        msg = f"loss must be a function of (outputs, targets) such as nn.MSELoss(), got {what}"
        raise TypeError(msg)
    main = main_tensor(outputs)
    known = recognise(loss)
    meeting = meet(known, tuple(main.shape), targets) if known is not None else None
    coding = TargetCoding(targets.shape[1:], truths=targets.dtype == np.bool_)
    adapted: TorchLoss = (
        CustomTorchLoss(loss, coding, tuple(main.shape), len(main) // len(targets))
        if known is None or meeting is None
        else KnownTorchLoss(loss, known, meeting, tuple(main.shape))
    )
    adapted.coding.encode(targets[adapted.labelled(targets)])  # whose complaints need no context
    try:
        adapted.try_out(outputs, targets)
    except Exception as error:
        msg = (
            f"loss(outputs, targets) fails on outputs of shape {tuple(main.shape)} and targets of shape {targets.shape}"
            f" ({str(error).splitlines()[0] if str(error) else type(error).__name__}): give a function of what the"
            " model returns and what the data give, such as loss=lambda outputs, targets: criterion(…)"
        )
        raise ValueError(msg) from error
    if not isinstance(adapted, CustomTorchLoss):
        adapted.ignores = adapted.info is None and ignores_outputs(adapted, outputs, targets)
        return adapted
    seen = see_through(adapted, outputs, targets)
    if seen is not None:
        return seen
    if exchanges_targets(adapted, outputs, targets):
        adapted.exchanges, adapted.separable = True, False
    adapted.ignores = ignores_outputs(adapted, outputs, targets)
    adapted.prefers_wrong = prefers_wrong(adapted, outputs, targets)
    adapted.not_logarithms = not_logarithms(adapted, outputs, targets)
    return adapted
