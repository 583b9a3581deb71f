"""The contenders of the step benchmark that are NumPy: a step written out by hand, our engine, the products alone."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from step_problem import BETA1, BETA2, EPSILON, LEARNING_RATE, MOMENTUM, Array, Contender, Problem, Rule, as_vector

from gradvitals.engine.optimizers import FLUSH_EVERY, Adam, Sgd
from gradvitals.engine.training import Samples, Trainer


def make_inlined(problem: Problem) -> Contender:
    """Write the step out by hand, with every trick known to help.

    One flat parameter vector; each bias is the last column of an augmented weight `(fan_out, fan_in + 1)` and meets a
    row of ones in buffers `(units + 1, batch)`, so that no bias is added and none summed; `out=` everywhere; softmax
    over axis 0.
    """
    sizes, batch = problem.shape.sizes, problem.shape.batch
    fans = list(pairwise(sizes))
    flat = np.empty(sum((fan_in + 1) * fan_out for fan_in, fan_out in fans), np.float32)
    gradient = np.empty_like(flat)
    weights, weight_gradients = _augmented(flat, fans), _augmented(gradient, fans)
    for array, (weight, bias) in zip(weights, problem.weights(), strict=True):
        array[:, :-1], array[:, -1] = weight.T, bias

    samples = np.concatenate([problem.inputs, np.ones((len(problem.inputs), 1), np.float32)], axis=1)
    gathered = np.empty((batch, sizes[0] + 1), np.float32)
    hidden = [np.ones((size + 1, batch), np.float32) for size in sizes[1:-1]]
    hidden_gradients = [np.empty((size + 1, batch), np.float32) for size in sizes[1:-1]]
    logits = np.empty((sizes[-1], batch), np.float32)
    probs, one_hot = np.empty_like(logits), np.empty_like(logits)
    largest, sums = np.empty(batch, np.float32), np.empty(batch, np.float32)
    labels, eye = np.empty(batch, problem.labels.dtype), np.eye(sizes[-1], dtype=np.float32)
    per_sample = np.float32(1.0 / batch)

    # What each call needs, bound once: the product, its operand and where it goes.
    layer_inputs = [gathered.T, *hidden]
    rectified = [(array[:-1], np.zeros_like(array[:-1])) for array in hidden]
    forwards = [
        (weight.dot, inputs, output, zeros)
        for weight, inputs, (output, zeros) in zip(weights, layer_inputs, rectified, strict=False)
    ]
    delta_views = [*(array[:-1] for array in hidden_gradients), probs]
    masks = [np.empty(array.shape, np.bool_) for array, _ in rectified]
    backwards = [
        (
            delta_views[index].dot,
            layer_inputs[index].T,
            weight_gradients[index],
            weights[index].T.dot,
            delta_views[index],
            hidden_gradients[index - 1],
            hidden[index - 1][:-1],
            masks[index - 1],
            delta_views[index - 1],
        )
        for index in range(len(fans) - 1, 0, -1)
    ]
    last_product = weights[-1].dot
    zero = np.float32(0.0)
    correct = np.zeros(1, np.intp)
    update = _make_update(problem.rule, flat, gradient)

    def step(rows: Array) -> float:
        samples.take(rows, 0, gathered, "clip")
        problem.labels.take(rows, 0, labels, "clip")
        for product, inputs, output, zeros in forwards:
            product(inputs, output)
            np.maximum(output, zeros, out=output)
        last_product(layer_inputs[-1], logits)
        correct[0] = np.count_nonzero(logits.argmax(0) == labels)

        np.maximum.reduce(logits, axis=0, out=largest)
        np.subtract(logits, largest, logits)
        np.exp(logits, probs)
        np.add.reduce(probs, axis=0, out=sums)
        np.divide(probs, sums, probs)
        eye.take(labels, 1, one_hot, "clip")
        np.log(sums, sums)
        loss = (float(np.add.reduce(sums)) - float(np.vdot(one_hot, logits))) / batch

        np.subtract(probs, one_hot, probs)
        np.multiply(probs, per_sample, probs)
        for weight_product, inputs, out, input_product, delta, wide, fired, mask, narrow in backwards:
            weight_product(inputs, out)
            input_product(delta, wide)
            np.greater(fired, zero, mask)
            np.multiply(narrow, mask, narrow)
        delta_views[0].dot(gathered, weight_gradients[0])
        update()
        return loss

    return Contender(
        lambda batches: [step(rows) for rows in batches],
        lambda: as_vector([(array[:, :-1].T, array[:, -1]) for array in weights]),
    )


def _make_update(rule: Rule, flat: Array, gradient: Array) -> Callable[[], None]:
    """Write the update out by hand: 4 passes of NumPy over the parameters for SGD, 10 for Adam.

    Adam's means are kept as sums, without their factors 1 − beta, which go into the learning rate and epsilon.
    """
    velocity, squares, scratch = np.zeros_like(flat), np.zeros_like(flat), np.empty_like(flat)
    momentum, rate = np.float32(MOMENTUM), np.float32(LEARNING_RATE)
    beta1, beta2 = np.float32(BETA1), np.float32(BETA2)
    steps = 0

    def flush() -> None:
        """Make 0 of what is subnormal, as a dead unit's velocity soon is: arithmetic on it is slow."""
        for array in (velocity, squares):
            array[np.abs(array) < np.finfo(np.float32).tiny] = 0.0

    def sgd() -> None:
        nonlocal steps
        steps += 1
        if not steps % FLUSH_EVERY:
            flush()
        np.multiply(velocity, momentum, velocity)
        np.add(velocity, gradient, velocity)
        np.multiply(velocity, rate, scratch)
        np.subtract(flat, scratch, flat)

    def adam() -> None:
        nonlocal steps
        steps += 1
        if not steps % FLUSH_EVERY:
            flush()
        np.multiply(velocity, beta1, velocity)
        np.add(velocity, gradient, velocity)
        np.multiply(gradient, gradient, scratch)
        np.multiply(squares, beta2, squares)
        np.add(squares, scratch, squares)
        to_root = math.sqrt((1.0 - BETA2**steps) / (1.0 - BETA2))
        np.sqrt(squares, scratch)
        np.add(scratch, np.float32(EPSILON * to_root), scratch)
        np.divide(velocity, scratch, scratch)
        corrected = LEARNING_RATE * (1.0 - BETA1) / (1.0 - BETA1**steps)
        np.multiply(scratch, np.float32(corrected * to_root), scratch)
        np.subtract(flat, scratch, flat)

    return sgd if rule == "sgd" else adam


def _augmented(flat: Array, fans: Sequence[tuple[int, int]]) -> list[Array]:
    views, start = [], 0
    for fan_in, fan_out in fans:
        end = start + (fan_in + 1) * fan_out
        views.append(flat[start:end].reshape(fan_out, fan_in + 1))
        start = end
    return views


def make_engine(problem: Problem) -> Contender:
    """Take the step with the engine, nobody watching."""
    network = problem.network()
    optimizer = (
        Sgd(LEARNING_RATE, momentum=MOMENTUM)
        if problem.rule == "sgd"
        else Adam(LEARNING_RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
    )
    trainer = Trainer(network, optimizer)
    samples = Samples(problem.inputs, problem.targets)
    return Contender(
        lambda batches: [trainer.step(samples, rows) for rows in batches],
        lambda: as_vector([(layer["weight"], layer["bias"]) for layer in network.parameters_by_layer().values()]),
    )


def make_products(problem: Problem) -> Contender:
    """Compute the step's matrix products and nothing else, over arrays without gaps: no NumPy step can be below."""
    generator, batch = np.random.default_rng(2), problem.shape.batch
    values = [generator.standard_normal((size, batch), np.float32) for size in problem.shape.sizes]
    deltas = [generator.standard_normal((size, batch), np.float32) for size in problem.shape.sizes]
    fans = list(pairwise(problem.shape.sizes))
    weights = [np.zeros((fan_out, fan_in), np.float32) for fan_in, fan_out in fans]  # so that values stay finite
    products = [(weight.dot, values[index], values[index + 1]) for index, weight in enumerate(weights)]
    products += [
        (deltas[index + 1].dot, values[index].T, np.empty_like(weight)) for index, weight in enumerate(weights)
    ]
    products += [(weight.T.dot, deltas[index + 1], deltas[index]) for index, weight in enumerate(weights) if index]

    def train(batches: Array) -> None:
        for _ in batches:
            for product, operand, out in products:
                product(operand, out)

    return Contender(train)
