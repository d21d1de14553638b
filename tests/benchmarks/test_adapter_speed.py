"""One training step, one epoch and one prediction of an adapter; `make bench` runs them for all."""

from __future__ import annotations

from itertools import count
from time import perf_counter

import numpy as np
import pytest

SECONDS = 1.0


@pytest.mark.benchmark(group="training step (batch of 32, mean over an epoch of 196)")
def test_training_step(benchmark, subject, long_epochs):
    """`fit` has no door to a single step: of the calls that make a round, the first does an epoch and they share it."""
    calls, steps = count(), long_epochs.steps
    assert steps == 196

    def step():
        if next(calls) % steps == 0:
            long_epochs.advance()

    start = perf_counter()
    long_epochs.advance()
    rounds = min(max(int(SECONDS / (perf_counter() - start)), 5), 200)
    benchmark.pedantic(step, iterations=steps, rounds=rounds)


@pytest.mark.benchmark(group="epoch (digits, 39 batches of 32)")
def test_epoch(benchmark, subject, epochs):
    assert epochs.steps == 39
    benchmark(epochs.advance)


@pytest.mark.benchmark(group="prediction (batch of 32)")
def test_prediction(benchmark, subject, model, task):
    logits = benchmark(model.predict, task.test.x[:32])
    assert logits.shape == (32, task.outputs)
    assert np.isfinite(logits).all()
