"""An MLP of pure functions in JAX, compiled by the step or by the epoch."""

from __future__ import annotations

from time import perf_counter

import jax
import jax.numpy as jnp
from plain_setup import BATCH, MOMENTUM, RATE, batch_order, begin, initial_weights, report, training_data


def loss(parameters, x, y):
    *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for k, b in hidden:
        x = jax.nn.relu(x @ k + b)
    return -jnp.take_along_axis(jax.nn.log_softmax(x @ kernel + bias), y[:, None], axis=1).mean()


def step(x, y, state, indices):
    parameters, velocities = state
    gradients = jax.grad(loss)(parameters, x[indices], y[indices])
    velocities = [MOMENTUM * v + g for v, g in zip(velocities, gradients, strict=True)]
    return [w - RATE * v for w, v in zip(parameters, velocities, strict=True)], velocities


def epoch(x, y, state, indices):
    state, _ = jax.lax.scan(lambda s, batch: (step(x, y, s, batch), None), state, indices.reshape(-1, BATCH))
    return state


def main():
    mode, goes_on = begin("jit", "scan")
    x, y = map(jnp.array, training_data())
    parameters = [jnp.array(w) for w in initial_weights()]
    state = parameters, [jnp.zeros_like(w) for w in parameters]
    train = jax.jit(epoch if mode == "scan" else step)
    marks = [perf_counter()]
    while goes_on(marks):
        indices = batch_order(len(marks) - 1)
        if mode == "scan":
            state = train(x, y, state, indices)
        else:
            for i in range(0, len(indices), BATCH):
                state = train(x, y, state, indices[i : i + BATCH])
        jax.block_until_ready(state)
        marks.append(perf_counter())
    report(marks, state[0])


if __name__ == "__main__":
    main()
