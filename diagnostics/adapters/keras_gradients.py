"""A frozen pass through a Keras model, and the gradients in it, on every backend that gives any."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import keras

from gradvitals.diagnostics.adapters.keras_backend import Tensor

Meet: TypeAlias = Callable[[Tensor], Tensor]
"""Is shown a tensor whose gradient is wanted, and gives the one to go on with."""

Plan = TypeVar("Plan")
"""What a pass tells of itself that is no tensor, and the same for all inputs of a shape."""

Run: TypeAlias = Callable[..., tuple[Tensor, Sequence[Tensor], Plan]]
"""A pass: from a `Meet`, inputs and other tensors to the scalar to differentiate, further tensors, and a plan."""

Seen: TypeAlias = tuple[Sequence[Tensor], Sequence[Tensor | None], Plan]
"""The further tensors; the gradient of the scalar on each that was met, None where it has none; the plan."""


def run_pass(run: Run[Plan], given: Sequence[Tensor], *, gradients: bool) -> Seen[Plan]:
    """Run forward, and backward if gradients are wanted.

    Args:
        run: Meets every tensor whose gradient is wanted, in the same order each time.
        given: Inputs first.
        gradients: Whether to differentiate.

    Raises:
        TypeError: If the backend gives no gradients.
    """
    if not gradients:
        _, further, plan = run(lambda tensor: tensor, *given)
        return further, [], plan
    match keras.backend.backend():
        case "torch":
            return _by_torch(run, given)
        case "jax":
            return _by_jax(run, given)
        case "tensorflow":
            return _by_tensorflow(run, given)
        case other:
            msg = f"Keras on {other} gives no gradients: use torch, jax or tensorflow"
            raise TypeError(msg)


def is_compiled(model: Any) -> bool:  # noqa: ANN401 - Keras has no types for us
    """Tell whether Keras itself compiles this model's steps with JAX, so that passes may be compiled too."""
    return bool(keras.backend.backend() == "jax" and not model.run_eagerly and model.jit_compile)


class CompiledPasses(Generic[Plan]):
    """Frozen passes on JAX, compiled once for each shape.

    Run one operation after the other, a loop over time would be compiled at each pass anew.
    """

    def __init__(self, model: Any, run: Run[Plan]) -> None:  # noqa: ANN401 - as above
        """Take a model, and a pass through it."""
        self._model, self._run = model, run
        self._known: dict[tuple[object, ...], tuple[Callable[..., Any], list[Plan]]] = {}

    def __call__(self, given: Sequence[Tensor], *, gradients: bool) -> Seen[Plan]:
        """Run a pass; see `run_pass`."""
        variables = self._variables  # in another order once a part has been frozen
        key = (gradients, *map(id, variables), *((each.shape, str(each.dtype)) for each in given))
        if key not in self._known:
            self._known[key] = self._compile(gradients=gradients)
        compiled, plans = self._known[key]
        further, found = compiled([variable.value for variable in variables], *given)
        return further, found, plans[-1]

    @property
    def _variables(self) -> list[Any]:
        return [*self._model.trainable_variables, *self._model.non_trainable_variables]

    def _compile(self, *, gradients: bool) -> tuple[Callable[..., Any], list[Plan]]:
        import jax

        plans: list[Plan] = []

        def traced(values: list[Tensor], *given: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
            def alone(*all_of: Any) -> Any:  # noqa: ANN401 - as `Run`
                """Run with the given values: what one tracing of the pass draws or counts is not seen by the next."""
                with keras.StatelessScope(zip(self._variables, values, strict=True)):
                    return self._run(*all_of)

            further, found, plan = run_pass(alone, given, gradients=gradients)
            plans.append(plan)
            return further, found

        return jax.jit(traced), plans


def without_computing(function: Callable[..., Plan], *given: Tensor) -> Plan:
    """Call a function of tensors for what it tells of itself; on JAX on shapes alone, so that nothing is compiled."""
    import jax

    told: list[Plan] = []

    def abstract(*tensors: Tensor) -> None:
        told.append(function(*tensors))

    jax.eval_shape(abstract, *given)
    return told[0]


def _by_torch(run: Run[Plan], given: Sequence[Tensor]) -> Seen[Plan]:
    import torch

    met: list[Tensor] = []

    def meet(tensor: Tensor) -> Tensor:
        met.append(tensor)
        return tensor

    inputs, *others = given
    with torch.enable_grad():
        if inputs.is_floating_point():
            inputs = inputs.detach().clone().requires_grad_()  # so that frozen layers get gradients too
        scalar, further, plan = run(meet, inputs, *others)
    able = [tensor for tensor in met if tensor.requires_grad]
    if not scalar.requires_grad or not able:
        return further, [None] * len(met), plan
    found = dict(zip(map(id, able), torch.autograd.grad(scalar, able, allow_unused=True), strict=True))
    return further, [found.get(id(tensor)) for tensor in met], plan


def _by_jax(run: Run[Plan], given: Sequence[Tensor]) -> Seen[Plan]:
    """Differentiate by zeros added to every tensor that is met."""
    import jax

    plans: list[Plan] = []

    def meetings(*tensors: Tensor) -> list[Tensor]:
        met: list[Tensor] = []

        def meet(tensor: Tensor) -> Tensor:
            met.append(tensor)
            return tensor

        run(meet, *tensors)
        return met

    zeros = [jax.numpy.zeros(each.shape, each.dtype) for each in jax.eval_shape(meetings, *given)]

    def scalar_of(added: list[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        remaining = iter(added)
        scalar, further, plan = run(lambda tensor: tensor + next(remaining), *given)
        plans.append(plan)
        return scalar, further

    gradients, further = jax.grad(scalar_of, has_aux=True)(zeros)
    return further, list(gradients), plans[-1]


def _by_tensorflow(run: Run[Plan], given: Sequence[Tensor]) -> Seen[Plan]:
    import tensorflow as tf

    met: list[Tensor] = []

    def meet(tensor: Tensor) -> Tensor:
        tape.watch(tensor)
        met.append(tensor)
        return tensor

    with tf.GradientTape() as tape:
        scalar, further, plan = run(meet, *given)
    return further, list(tape.gradient(scalar, met)), plan
