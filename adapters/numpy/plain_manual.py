"""An MLP by hand in NumPy."""

import numpy as np

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def forward(parameters, x):
    values, factors = [x], []
    kernels, biases = parameters[::2], parameters[1::2]
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        h = np.maximum(values[-1] @ kernel + bias, 0)
        values.append(h)
        factors.append((h > 0).astype(np.float32))
    values.append(values[-1] @ kernels[-1] + biases[-1])
    return values, factors


def backward(parameters, x, y):
    values, factors = forward(parameters, x)
    logits = values[-1]
    delta = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    gradients = []
    for i in reversed(range(len(parameters) // 2)):
        gradients += [delta.sum(axis=0), values[i].T @ delta]
        if i:
            delta = (delta @ parameters[2 * i].T) * factors[i - 1]
    return gradients[::-1]


def train(x, y, parameters, epochs):
    velocities = [np.zeros_like(w) for w in parameters]
    for indices in epochs:
        x_epoch, y_epoch = x[indices], y[indices]
        for i in range(0, len(indices), BATCH):
            batch = slice(i, i + BATCH)
            gradients = backward(parameters, x_epoch[batch], y_epoch[batch])
            for w, g, v in zip(parameters, gradients, velocities, strict=True):
                v *= MOMENTUM
                v += g
                w -= RATE * v
    return parameters
