"""An MLP of modules in Flax NNX, with an optax optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


class Network(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(64, 128, rngs=rngs)
        self.output = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x):
        return self.output(nnx.relu(self.hidden(x)))


def loss(network, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(network(x), y).mean()


@nnx.jit
def step(network, optimizer, x, y, indices):
    optimizer.update(network, nnx.grad(loss)(network, x[indices], y[indices]))


def train(x, y, weights, epochs):
    x, y = jnp.array(x), jnp.array(y)
    network = Network(nnx.Rngs(0))
    layers = network.hidden, network.output
    parameters = [w for layer in layers for w in (layer.kernel, layer.bias)]
    for parameter, value in zip(parameters, weights, strict=True):
        parameter[...] = jnp.array(value)
    optimizer = nnx.Optimizer(network, optax.sgd(RATE, MOMENTUM), wrt=nnx.Param)
    for indices in epochs:
        for i in range(0, len(indices), BATCH):
            step(network, optimizer, x, y, indices[i : i + BATCH])
        jax.block_until_ready((nnx.state(network), nnx.state(optimizer)))
    return [np.array(parameter[...]) for parameter in parameters]
