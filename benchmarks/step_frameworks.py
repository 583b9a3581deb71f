"""The step benchmark's contenders by other people: PyTorch eager, JAX, scikit-learn; what is missing is left out.

All do what our step does: gather the batch by its rows, forward, loss, right answers, backward, update, and give the
loss of every step; from the same weights, with the same batches. Only scikit-learn's `fit` cannot be told its weights
and batches, counts no right answers, and has one output where there are two classes; it shuffles by itself.
"""

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from step_problem import BETA1, BETA2, EPSILON, LEARNING_RATE, MOMENTUM, Array, Contender, Problem, as_vector

STEPS_IN_SCAN = 8


def make_torch(problem: Problem) -> Contender:
    """Train a `Sequential` in the usual loop, with the fused optimizer, which is the fastest of PyTorch's."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    linear = []
    for weight, bias in problem.weights():
        layer = nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)
        linear.append(layer)
    modules = [module for layer in linear[:-1] for module in (layer, nn.ReLU())]
    model, loss_of = nn.Sequential(*modules, linear[-1]), nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = (
        torch.optim.SGD(parameters, LEARNING_RATE, momentum=MOMENTUM, fused=True)
        if problem.rule == "sgd"
        else torch.optim.Adam(parameters, LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=True)
    )
    inputs, labels = torch.from_numpy(problem.inputs), torch.from_numpy(problem.labels)

    def step(rows: Any) -> tuple[float, int]:  # noqa: ANN401 - a tensor
        targets = labels[rows]
        logits = model(inputs[rows])
        loss = loss_of(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item(), int((logits.argmax(1) == targets).sum())

    def train(batches: Array) -> list[float]:
        torch.set_flush_denormal(True)
        losses = [step(rows)[0] for rows in torch.from_numpy(batches)]
        torch.set_flush_denormal(False)
        return losses

    return Contender(
        train,
        lambda: as_vector([(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]),
    )


def make_jax(problem: Problem, *, scan: bool) -> Contender:
    """Train a function compiled by XLA, of one step or, as a scan, of several; the old state's memory is reused.

    The update is written out, as the libraries for it are not JAX itself.
    """
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_cpu_enable_async_dispatch", False)  # noqa: FBT003 - every step's loss is waited for
    inputs, targets = jnp.asarray(problem.inputs), jnp.asarray(problem.targets)
    layers = [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in problem.weights()]
    zeros = jax.tree.map(jnp.zeros_like, layers)
    state = (layers, zeros, jax.tree.map(jnp.zeros_like, layers) if problem.rule == "adam" else (), jnp.zeros(()))

    def loss_of(layers: Any, batch: Any, wanted: Any) -> Any:  # noqa: ANN401 - traced arrays
        *hidden, (weight, bias) = layers
        for hidden_weight, hidden_bias in hidden:
            batch = jnp.maximum(batch @ hidden_weight + hidden_bias, 0.0)
        logits = batch @ weight + bias
        loss = -(jax.nn.log_softmax(logits) * wanted).sum(axis=1).mean()
        return loss, (logits.argmax(axis=1) == wanted.argmax(axis=1)).sum()

    def sgd(state: Any, gradients: Any) -> Any:  # noqa: ANN401 - as above
        layers, velocity, _, steps = state
        velocity = jax.tree.map(lambda old, new: MOMENTUM * old + new, velocity, gradients)
        return jax.tree.map(lambda old, by: old - LEARNING_RATE * by, layers, velocity), velocity, (), steps

    def adam(state: Any, gradients: Any) -> Any:  # noqa: ANN401 - as above
        layers, mean, squares, steps = state
        steps += 1
        mean = jax.tree.map(lambda old, new: BETA1 * old + (1.0 - BETA1) * new, mean, gradients)
        squares = jax.tree.map(lambda old, new: BETA2 * old + (1.0 - BETA2) * new * new, squares, gradients)
        rate, to_root = LEARNING_RATE / (1.0 - BETA1**steps), 1.0 / jnp.sqrt(1.0 - BETA2**steps)
        layers = jax.tree.map(
            lambda old, by, root: old - rate * by / (jnp.sqrt(root) * to_root + EPSILON), layers, mean, squares
        )
        return layers, mean, squares, steps

    update = sgd if problem.rule == "sgd" else adam

    def step(inputs: Any, targets: Any, state: Any, rows: Any) -> Any:  # noqa: ANN401 - as above
        found = jax.value_and_grad(loss_of, has_aux=True)(state[0], inputs[rows], targets[rows])
        (loss, correct), gradients = found
        return update(state, gradients), (loss, correct)

    def scanned(inputs: Any, targets: Any, state: Any, rows: Any) -> Any:  # noqa: ANN401 - as above
        return jax.lax.scan(partial(step, inputs, targets), state, rows)

    compiled = jax.jit(scanned if scan else step, donate_argnums=2)

    def train(batches: Array) -> Array:
        nonlocal state
        rows, losses = batches.astype(np.int32), []
        for some in np.split(rows, range(STEPS_IN_SCAN, len(rows), STEPS_IN_SCAN)) if scan else rows:
            state, (loss, correct) = compiled(inputs, targets, state, some)
            losses.append(np.atleast_1d(loss))
            np.asarray(correct)  # as everybody else, it is waited for
        return np.concatenate(losses)

    return Contender(train, lambda: as_vector([(np.asarray(weight), np.asarray(bias)) for weight, bias in state[0]]))


def make_sklearn(problem: Problem) -> Contender:
    """Train with `MLPClassifier.fit`, as many passes over as many batches as there are to be."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    batch, batches_there = problem.shape.batch, len(problem.batches)

    def train(batches: Array) -> None:
        count = min(len(batches), batches_there)
        rows = slice(0, count * batch)
        model = MLPClassifier(
            problem.shape.sizes[1:-1],
            alpha=0.0,
            solver=problem.rule,
            learning_rate_init=LEARNING_RATE,
            momentum=MOMENTUM,
            nesterovs_momentum=False,
            beta_1=BETA1,
            beta_2=BETA2,
            epsilon=EPSILON,
            batch_size=batch,
            max_iter=len(batches) // count,
            n_iter_no_change=len(batches),
            random_state=0,
        )
        model.fit(problem.inputs[rows], problem.labels[rows])

    return Contender(train)


_KNOWN: tuple[tuple[str, str, Callable[[Problem], Contender]], ...] = (
    ("PyTorch eager, fused", "torch", make_torch),
    ("JAX jit", "jax", partial(make_jax, scan=False)),
    (f"JAX scan of {STEPS_IN_SCAN}", "jax", partial(make_jax, scan=True)),
    ("scikit-learn fit", "sklearn", make_sklearn),
)
"""Title, the package it takes, and how it is made."""


def installed() -> dict[str, Callable[[Problem], Contender]]:
    """Give the contenders that can take part."""
    return {title: make for title, package, make in _KNOWN if importlib.util.find_spec(package)}


def absent() -> list[str]:
    """Name those that cannot, as their package is not installed."""
    return [title for title, package, _ in _KNOWN if not importlib.util.find_spec(package)]
