"""What can be proved of the idiomatic track: there the weights and the order are the framework's own.

The proof of the matched track holds for its arithmetic. Here it is seen that the initial weights are its own and
follow the seed, that its optimizer makes the step of SGD from them, and that its loader visits every sample once an
epoch, in batches of the recipe's size, shuffled anew. Weights are only read: nothing is given to the adapter.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from levelfield.adapters.adapter import Precision
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.cases import Case, Silent
from levelfield.harness.certify.observe import Recorder, Subject, flat
from levelfield.harness.certify.order import read_epoch
from levelfield.harness.certify.trajectory import describe, distance, judge, require, told_events
from levelfield.harness.records.certificate import Check

# One step of weights below 1
TOLERANCE = {"float32": 2.0**-20, "float64": 1e-10}


def own_start(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """The initial weights, and one epoch of one step from them on all samples at once."""
    name = case.named(precision)
    adapter = subject.build(case, precision)
    start = adapter.get_weights()
    first, canonical = flat(start), flat(case.model.initial_weights(0))
    again, other = (flat(subject.build(case, precision, seed=seed).get_weights()) for seed in (0, 1))
    recorder = Recorder(adapter)
    adapter.fit(case.split, None, recorder)
    model = NumpyManual(case.setting("eager", "float64"))
    model.set_weights(start)
    model.fit(case.split, case.order, Silent())
    right = flat(model.get_weights())
    got = flat(recorder.weights[0]) if recorder.weights else np.full_like(right, np.nan)
    checks = [
        judge("own initial weights", name + ", equal seeds", distance(first, again), 0.0, "one seed gives two starts"),
        require("own initial weights", name + ", two seeds", distance(first, other) > 0, "they do not follow the seed"),
        require(
            "own initial weights",
            name + ", not ours",
            distance(first, canonical) > 1e-3 and bool(np.any(first != 0)),
            "they are those of the matched track, or zero",
        ),
        told_events(recorder.events, case, name),
    ]
    deviation = distance(got, right)
    reason = "" if deviation <= TOLERANCE[precision] else describe(got, right, first)
    return [*checks, judge("own first step", name, deviation, TOLERANCE[precision], reason)]


def own_loader(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """Three epochs on the unit vectors, whose order is read back from the weights (see `harness.certify.order`)."""
    name = case.named(precision)
    adapter = subject.build(case, precision)
    start = adapter.get_weights()
    recorder = Recorder(adapter)
    adapter.fit(case.split, None, recorder)
    checks = [told_events(recorder.events, case, name)]
    if len(recorder.weights) != case.recipe.epochs:
        return checks
    layers = [start[0], *(epoch[0] for epoch in recorder.weights)]
    read = [read_epoch(case, before, after) for before, after in pairwise(layers)]
    sizes = [part.stop - part.start for part in case.order.slices()]
    unread = sum(case.samples - sum(map(len, batches)) for batches in read)
    reason = f"{unread} of {len(read) * case.samples} samples were not trained on once, in their batch"
    checks.append(judge("own loader, each sample once", name, unread, 0, reason))
    if unread:
        return checks
    wrong = [list(map(len, batches)) for batches in read if list(map(len, batches)) != sizes]
    checks.append(require("own loader, batch sizes", name, not wrong, f"batches of {wrong[:1]}, not {sizes}"))
    data = [set(range(case.samples)[part]) for part in case.order.slices()]
    shuffled = data not in read and all(a != b for a, b in pairwise(read))
    return [*checks, require("own loader, shuffling", name, shuffled, "epochs follow each other in one order")]
