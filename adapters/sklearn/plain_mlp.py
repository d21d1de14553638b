"""scikit-learn's MLPClassifier, trained an epoch at a time."""

import numpy as np
from sklearn.neural_network import MLPClassifier

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def train(x, y, weights, epochs):
    network = MLPClassifier(
        hidden_layer_sizes=(128,),
        solver="sgd",
        alpha=0.0,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        batch_size=BATCH,
        shuffle=False,
    )
    network.partial_fit(x[:1], y[:1], classes=np.arange(10))  # makes weights, to be replaced
    for i in range(2):
        network.coefs_[i][...] = weights[2 * i]
        network.intercepts_[i][...] = weights[2 * i + 1]
    del network._optimizer  # with the momentum of that first step
    for indices in epochs:
        network.partial_fit(x[indices], y[indices])
    return [w for layer in zip(network.coefs_, network.intercepts_, strict=True) for w in layer]
