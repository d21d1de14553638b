"""Bias and variance of a learner from its predictions on one test set after training on disjoint splits.

Squared loss and cross-entropy after Yang et al., "Rethinking Bias-Variance Trade-off for Generalization of Neural
Networks" (ICML 2020); 0-1 loss after Domingos, "A Unified Bias-Variance Decomposition" (ICML 2000).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Parts(NamedTuple):
    """Means over the test samples; `bias` is bias² for the squared loss. bias + variance is the mean loss of a fit."""

    bias: float
    variance: float


def squared(predictions: np.ndarray, targets: np.ndarray) -> Parts:
    """Of `predictions` (fits, samples, outputs) against `targets` (samples, outputs); errors summed over outputs.

    Unbiased for fits on independent training sets: the variance divides by fits − 1, and bias² is the mean loss less
    that, so it may come out below zero.
    """
    loss = np.square(predictions - targets).sum(axis=2).mean()
    variance = predictions.var(axis=0, ddof=1).sum(axis=1).mean()
    return Parts(float(loss - variance), float(variance))


def cross_entropy(log_probabilities: np.ndarray, y: np.ndarray) -> Parts:
    """Of (fits, samples, classes): the negative log-likelihood of the geometric mean p̄, and the mean KL(p̄ ‖ p)."""
    mean = log_probabilities.mean(axis=0)
    norm = np.log(np.exp(mean).sum(axis=1))
    nll = -mean[np.arange(len(y)), y]
    return Parts(float((nll + norm).mean()), float(-norm.mean()))


def zero_one(classes: np.ndarray, y: np.ndarray) -> Parts:
    """Of predicted `classes` (fits, samples): the error of the most frequent one (the smallest of equals), and the
    net variance: what straying from it adds to the error where it is right, less what it saves where it is wrong."""
    votes = np.stack([(classes == c).sum(axis=0) for c in range(int(max(classes.max(), y.max())) + 1)])
    bias = float((votes.argmax(axis=0) != y).mean())
    return Parts(bias, float((classes != y).mean() - bias))
