"""An MLP of pure functions in JAX, compiled by the step or by the epoch."""

import jax
import jax.numpy as jnp

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def loss(parameters, x, y):
    *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for k, b in hidden:
        x = jax.nn.relu(x @ k + b)
    logits = jax.nn.log_softmax(x @ kernel + bias)
    return -jnp.take_along_axis(logits, y[:, None], axis=1).mean()


def step(x, y, state, indices):
    parameters, velocities = state
    gradients = jax.grad(loss)(parameters, x[indices], y[indices])
    velocities = [MOMENTUM * v + g for v, g in zip(velocities, gradients, strict=True)]
    return [w - RATE * v for w, v in zip(parameters, velocities, strict=True)], velocities


def epoch(x, y, state, indices):
    batches = indices.reshape(-1, BATCH)
    return jax.lax.scan(lambda state, batch: (step(x, y, state, batch), None), state, batches)[0]


def train(x, y, weights, epochs, mode="jit"):
    x, y = jnp.array(x), jnp.array(y)
    parameters = [jnp.array(w) for w in weights]
    state = parameters, [jnp.zeros_like(w) for w in parameters]
    advance = jax.jit(epoch if mode == "scan" else step)
    for indices in epochs:
        if mode == "scan":
            state = advance(x, y, state, indices)
        else:
            for i in range(0, len(indices), BATCH):
                state = advance(x, y, state, indices[i : i + BATCH])
        jax.block_until_ready(state)
    return state[0]
