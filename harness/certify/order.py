"""The order of the samples, recovered from what an adapter learns.

The data are the unit vectors, the model has no hidden layer and the optimizer is SGD: each sample owns one row of the
kernel, which moves once an epoch, by ``−η/|batch| · (softmax(row + bias) − target)``. The bias moves with every step,
so that a row's change tells at which step it was made: rows that fit the bias at hand are a batch, together they
give the next bias. No order is assumed; the result is compared with the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from levelfield.adapters.adapter import Adapter, Precision
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.cases import Case, Silent
from levelfield.harness.certify.observe import Subject, flat, observe, reference, tolerances
from levelfield.harness.certify.trajectory import compare, distance, judge, require
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.score import log_softmax

# A float32 row is known to some 1e-7; cases are chosen so that the changes at two steps differ by much more
FIT = 2e-5
SEPARATION = 10 * FIT
TELLING = 1.5  # tolerances that another order must be off by, where the order is not read


def read_epoch(case: Case, before: Layer, after: Layer) -> list[set[int]]:
    """The batches that one epoch trained on, as far as they can be read.

    Reading ends at the first step that no row's change fits. A row that never moved belongs to no batch.
    """
    kernel, bias = (np.asarray(a, np.float64) for a in before)
    moved = np.asarray(after.kernel, np.float64) - kernel
    waiting = {i for i in range(case.samples) if np.any(moved[i] != 0)}
    batches = []
    for part in case.order.slices():
        misfit = _misfit(case, kernel + bias, moved, part.stop - part.start)
        batch = {i for i in waiting if misfit[i] < FIT}
        if not batch:
            break
        batches.append(batch)
        waiting -= batch
        bias = bias + moved[sorted(batch)].sum(axis=0)
    return batches


def _misfit(case: Case, logits: np.ndarray, moved: np.ndarray, size: int) -> np.ndarray:
    """How far each row's change is from that of a step on a batch of this size."""
    error = np.exp(log_softmax(logits))
    error[np.arange(case.samples), case.split.y] -= 1
    return np.abs(moved + case.recipe.learning_rate / size * error).max(axis=1)


def readable(case: Case) -> bool:
    """Whether the reference's order can be read, and no row would fit any step but its own."""
    truth = reference(case, "float32")
    layers = [truth.start[0], *(epoch[0] for epoch in truth.epochs)]
    for epoch in range(case.recipe.epochs):
        batches = [set(b.tolist()) for b in case.order.batches(epoch)]
        if read_epoch(case, layers[epoch], layers[epoch + 1]) != batches:
            return False
        kernel, bias = layers[epoch]
        moved = layers[epoch + 1].kernel - kernel
        for batch in batches:
            misfit = _misfit(case, kernel + bias, moved, len(batch))
            others = [i for i in range(case.samples) if i not in batch]
            if misfit[others].min() < SEPARATION:
                return False
            bias = bias + moved[sorted(batch)].sum(axis=0)
    return True


class _Shifted(BatchOrder):
    def epoch(self, epoch: int) -> np.ndarray:
        return super().epoch(epoch + 1)


class _Sorted(BatchOrder):
    def epoch(self, epoch: int) -> np.ndarray:
        return np.sort(super().epoch(epoch))


def telling(case: Case, precision: Precision) -> bool:
    """Whether another order leads so far away that the tolerances of a low precision, which no row is read in, show it.

    Tried: that of the next epoch, that of the data, and all samples but the partial last batch.
    """
    right = flat(reference(case, precision).epochs[-1])
    allowed = tolerances(case, precision)[f"{case.recipe.optimizer} after {case.recipe.epochs} epochs"]
    given = (case.samples, case.recipe.batch_size, case.recipe.epochs, case.seed)
    for order in (_Shifted(*given), _Sorted(*given), BatchOrder(*given, partial=False)):
        model = NumpyManual(case.setting("eager", "float64"))
        model.set_weights(case.weights(precision))
        model.fit(case.split, order, Silent())
        if distance(flat(model.get_weights()), right) < TELLING * allowed:
            return False
    return True


def batch_order(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """Three epochs with three permutations and a partial last batch."""
    adapter = subject.build(case, precision)
    trace = observe(adapter, case, precision)
    name = case.named(precision)
    checks = compare(trace, case, precision)
    if not checks[0].passed:  # of shapes and types: no order can be read
        return checks
    checks.append(nan_shows(adapter, case, name))
    if len(trace.epochs) != case.recipe.epochs:
        return [*checks, require("batch order", name, False, f"{len(trace.epochs)} epochs were reported")]
    layers = [trace.start[0], *(epoch[0] for epoch in trace.epochs)]
    read = [read_epoch(case, before, after) for before, after in pairwise(layers)]
    asked = [[set(b.tolist()) for b in case.order.batches(e)] for e in range(case.recipe.epochs)]
    lost = sum(misplaced(got, due[:-1]) for got, due in zip(read, asked, strict=True))
    checks.append(judge("batch order", name, lost, 0, explain(case, read, asked)))
    if not lost:  # else the last batch cannot be told from the others
        left = sum(misplaced(got[len(due) - 1 :], due[-1:]) for got, due in zip(read, asked, strict=True))
        checks.append(judge("partial last batch", name, left, 0, explain_last(case, layers, asked)))
    return checks


def nan_shows(adapter: Adapter, case: Case, name: str) -> Check:
    """A NaN in one sample's features shows in its logits, and in no other sample's. Refusing it is fine too.

    Without a hidden layer there is no ReLU, which some frameworks compute as a maximum that turns NaN into zero.
    """
    clean = np.asarray(adapter.predict(case.split.x))
    x = case.split.x.copy()
    x[0, 0] = np.nan
    try:
        logits = np.asarray(adapter.predict(x))
    except (ValueError, ArithmeticError):
        return require("NaN in the input", name, True, "")
    hidden = not np.isnan(logits[0]).any()
    spread = not np.array_equal(logits[1:], clean[1:])
    return require(
        "NaN in the input",
        name,
        not hidden and not spread,
        "predict hides it" if hidden else "the logits of other samples change",
    )


def misplaced(got: Sequence[set[int]], due: Sequence[set[int]]) -> int:
    """Samples that were not trained on at the step where they belong."""
    return sum(len(batch - (got[i] if i < len(got) else set())) for i, batch in enumerate(due))


def explain(case: Case, read: list[list[set[int]]], asked: list[list[set[int]]]) -> str:
    """Which order it was instead, where it is one that can be named."""
    if not any(read):
        return "no sample's change fits the first step: it is not a step of SGD on the mean of a batch"
    known = {f"in the order of epoch {e}": list(case.order.batches(e)) for e in range(case.recipe.epochs + 1)}
    known["backwards"] = []
    known["in the order of the data"] = [np.arange(case.samples)[part] for part in case.order.slices()]
    for epoch, (got, due) in enumerate(zip(read, asked, strict=True)):
        if got == due:
            continue
        known["backwards"] = list(case.order.batches(epoch))[::-1]
        for order, batches in known.items():
            if got[:3] == [set(batch.tolist()) for batch in batches][:3]:
                return f"epoch {epoch} trained {order}"
        if len(got) < len(due):
            return f"epoch {epoch}: no sample's change fits step {len(got)}: dropped, repeated, or weighted otherwise"
        return f"epoch {epoch} trained in an order that was not asked for"
    return ""


def explain_last(case: Case, layers: list[Layer], asked: list[list[set[int]]]) -> str:
    last = sorted(asked[0][-1])
    samples = f"the last {len(last)} of {case.samples} samples of epoch 0 were not trained on"
    still = np.array_equal(layers[1].kernel[last], layers[0].kernel[last])
    return samples if still else f"{samples} as a batch of {len(last)}"
