"""scikit-learn's MLPClassifier, trained an epoch at a time."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from plain_setup import BATCH, MOMENTUM, RATE, WIDTHS, batch_order, begin, initial_weights, report, training_data
from sklearn.neural_network import MLPClassifier


def main():
    _, goes_on = begin("default")
    x, y = training_data()
    network = MLPClassifier(
        hidden_layer_sizes=WIDTHS[1:-1],
        solver="sgd",
        alpha=0.0,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        batch_size=BATCH,
        shuffle=False,
    )
    network.partial_fit(x[:1], y[:1], classes=np.arange(WIDTHS[-1]))  # makes the weights, which are then replaced
    weights = initial_weights()
    for i in range(len(WIDTHS) - 1):
        network.coefs_[i][...], network.intercepts_[i][...] = weights[2 * i], weights[2 * i + 1]
    del network._optimizer  # with the momentum of that first step
    marks = [perf_counter()]
    while goes_on(marks):
        indices = batch_order(len(marks) - 1)
        network.partial_fit(x[indices], y[indices])
        marks.append(perf_counter())
    report(marks, [w for layer in zip(network.coefs_, network.intercepts_, strict=True) for w in layer])


if __name__ == "__main__":
    main()
