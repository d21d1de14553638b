"""An MLP of modules in Flax NNX, with an optax optimizer."""

from __future__ import annotations

from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from plain_setup import BATCH, MOMENTUM, RATE, WIDTHS, batch_order, begin, initial_weights, report, training_data


class Network(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(WIDTHS[0], WIDTHS[1], rngs=rngs)
        self.output = nnx.Linear(WIDTHS[1], WIDTHS[2], rngs=rngs)

    def __call__(self, x):
        return self.output(nnx.relu(self.hidden(x)))


def main():
    _, goes_on = begin("jit")
    x, y = map(jnp.array, training_data())
    network = Network(nnx.Rngs(0))
    weights = initial_weights()
    network.hidden.kernel[...], network.hidden.bias[...] = map(jnp.array, weights[:2])
    network.output.kernel[...], network.output.bias[...] = map(jnp.array, weights[2:])
    optimizer = nnx.Optimizer(network, optax.sgd(RATE, MOMENTUM), wrt=nnx.Param)

    def loss(network, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(network(x), y).mean()

    @nnx.jit
    def step(network, optimizer, x, y, i):
        optimizer.update(network, nnx.grad(loss)(network, x[i], y[i]))

    marks = [perf_counter()]
    while goes_on(marks):
        indices = batch_order(len(marks) - 1)
        for i in range(0, len(indices), BATCH):
            step(network, optimizer, x, y, indices[i : i + BATCH])
        jax.block_until_ready((nnx.state(network), nnx.state(optimizer)))
        marks.append(perf_counter())
    layers = [network.hidden, network.output]
    report(marks, [np.array(w[...]) for layer in layers for w in (layer.kernel, layer.bias)])


if __name__ == "__main__":
    main()
