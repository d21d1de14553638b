"""Losses and accuracy from logits: one piece of NumPy for every adapter, in float64."""

from __future__ import annotations

import numpy as np

from levelfield.tasks.task import Kind, Task


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(n, classes) log-probabilities in float64."""
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def loss(logits: np.ndarray, y: np.ndarray, kind: Kind) -> float:
    """Mean softmax cross-entropy in nats, or mean squared error over samples and outputs; no penalty term."""
    if kind == "classification":
        return float(-log_softmax(logits)[np.arange(len(y)), y].mean())
    return float(np.square(np.asarray(logits, np.float64) - y).mean())


def accuracy(logits: np.ndarray, y: np.ndarray, kind: Kind) -> float | None:
    """Share of samples whose largest logit is their class; None for regression."""
    if kind == "classification":
        return float((np.asarray(logits).argmax(axis=1) == y).mean())
    return None


def guess(task: Task) -> dict[str, float]:
    """What is reached on each split without looking at a sample: of a classification the accuracy of always naming
    the most frequent class of the training split; of a regression the loss of always naming its mean, in the label's
    own unit, squared."""
    splits = {"train": task.train.y, "validation": task.validation.y, "test": task.test.y}
    if task.kind == "classification":
        most = int(np.bincount(task.train.y).argmax())
        return {name: float((y == most).mean()) for name, y in splits.items()}
    mean = task.train.y.mean(axis=0, dtype=np.float64)
    return {name: float(np.square(y - mean).mean()) * task.label[1] ** 2 for name, y in splits.items()}
