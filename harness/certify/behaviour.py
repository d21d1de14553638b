"""What the contract asks for besides arithmetic: copies, current weights, no state shared, NaN not hidden, waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from levelfield.adapters.adapter import Adapter, Precision, Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.cases import Case
from levelfield.harness.certify.observe import COARSE, Subject, comparable, flat, observe
from levelfield.harness.certify.trajectory import compare, distance, judge, require, twin, weights_form
from levelfield.harness.measure import train_in_ranks
from levelfield.harness.measure.adapter_checks import BrokenContract
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import Layer, copy_layers
from levelfield.tasks.task import Split

# Share of an epoch that reading the weights may wait for after synchronize: nothing but a moment of bad luck
WAITING = 0.15
# Seconds in which work that was still queued would change the weights
PAUSE = 0.02


def conduct(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """An instance that is trained while another one stands by: each keeps to itself, and to the weights it has now."""
    name = case.named(precision)
    others = [Layer(-k, b + 1) for k, b in case.weights(precision)]
    trained, bystander = subject.build(case, precision), subject.build(case, precision)
    wrong = form(bystander, others, case, precision)
    if not wrong.passed:  # nothing that follows would lead to the fault
        return [wrong]
    checks = copies(bystander, others, name)
    trace = observe(trained, case, precision)
    checks += compare(trace, case, precision)
    if subject.replicas > 1:
        checks.append(distributed(trained, subject, subject.setting(case, precision), name))
    leak = distance(flat(bystander.get_weights()), flat(others))
    checks.append(judge("instances apart", name, leak, 0.0, "training one instance changes the weights of another"))
    model = NumpyManual(case.setting("eager", "float64"))
    stale = 0.0
    for weights in (others, case.weights(precision)):
        model.set_weights(weights)
        bystander.set_weights(weights)
        logits, right = bystander.predict(case.split.x), model.predict(case.split.x)
        stale = max(stale, distance(comparable(logits, case), comparable(right, case)))
    reason = "predict does not follow set_weights"
    checks.append(judge("predict on current weights", name, stale, COARSE[precision], reason))
    return [*checks, *twin(subject, bystander, trace, case, precision)]


def distributed(adapter: Adapter, subject: Subject, setting: Setting, name: str) -> Check:
    """The batches were really split over the replicas; one device that does it all gives the same weights.

    Of ranks, that all have the same network to the last bit.
    """
    reason = ""
    try:
        train_in_ranks.placement(adapter, setting, subject.ranks)
    except BrokenContract as error:
        reason = str(error)
    return require("work distributed", name, not reason, reason)


def form(adapter: Adapter, weights: list[Layer], case: Case, precision: Precision) -> Check:
    """What get_weights returns has the shapes and the type that it was given."""
    adapter.set_weights(copy_layers(weights))
    wrong = weights_form(adapter.get_weights(), case, precision)
    return require("shapes and types", case.named(precision), not wrong, "; ".join(wrong))


def copies(adapter: Adapter, weights: list[Layer], name: str) -> list[Check]:
    """Neither the arrays given to set_weights nor those that get_weights returned are the model's own."""
    given = copy_layers(weights)
    adapter.set_weights(given)
    first = flat(adapter.get_weights())
    _overwrite(given)
    taken = adapter.get_weights()
    inward = distance(flat(taken), first)
    _overwrite(taken)
    outward = distance(flat(adapter.get_weights()), first)
    return [
        judge("set_weights copies", name, inward, 0.0, "a change of the caller's arrays later changes the model"),
        judge("get_weights copies", name, outward, 0.0, "a change of what get_weights returned changes the model"),
    ]


def _overwrite(layers: list[Layer]) -> None:
    for array in (a for layer in layers for a in layer if a.flags.writeable):
        array[...] = 7


def nan_trains(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """A NaN in the training data shows in the weights, unless the framework refuses it.

    Not with ReLU, which some frameworks compute as a maximum that turns NaN into zero.
    """
    x = case.split.x.copy()
    x[:, 0] = np.nan
    adapter = subject.build(case, precision)
    try:
        trace = observe(adapter, case, precision, Split(x, case.split.y))
    except (ValueError, ArithmeticError):
        shown = True
    else:
        shown = bool(trace.epochs) and bool(np.isnan(flat(trace.epochs[-1])).any())
    return [require("NaN in the input", f"{case.named(precision)}, trained on it", shown, "training hides it")]


@dataclass
class Stopwatch:
    """A watch that times how long the weights are waited for after `synchronize`, and whether they are final."""

    adapter: Adapter
    last: int
    started: float = 0.0
    final: bool = True
    shares: list[float] = field(default_factory=list)

    def ready(self) -> None:
        self.started = time.perf_counter()

    def epoch_end(self, epoch: int) -> bool:
        self.adapter.synchronize()
        returned = time.perf_counter()
        first = self.adapter.get_weights()
        read = time.perf_counter()
        self.adapter.get_weights()
        again = time.perf_counter()
        if epoch == self.last:
            time.sleep(PAUSE)
        second = self.adapter.get_weights()
        self.final &= np.array_equal(flat(first), flat(second), equal_nan=True)
        waited = (read - returned) - (again - read)  # beyond what copying takes
        self.shares.append(max(waited, 0.0) / (read - self.started))
        self.started = time.perf_counter()
        return True


def synchronize(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """After `synchronize` the weights are there: reading them waits for nothing and gives what it gives later.

    An epoch's arithmetic takes far longer than queueing it and than copying the weights. Where `synchronize` returns
    early, reading the weights waits for the rest of the epoch, every time. The median over the epochs after the first,
    which compiles, stands a stall of the machine in one of them either way. It is the one check that a busy machine can
    fail, so that a failure is looked at a second time.
    """
    watch, share = _waited(subject, case, precision)
    again = ""
    if not share <= WAITING and watch.final:
        watch, share = _waited(subject, case, precision)
        again = ", in a second look too"
    name = case.named(precision)
    reason = f"after synchronize, {share:.0%} of the epoch were still to be waited for{again}"
    return [
        require("synchronize", name, watch.final, "the weights still change after synchronize has returned"),
        judge("synchronize", name + ", waiting", share, WAITING, f"{reason} (the one check that times something)"),
    ]


def _waited(subject: Subject, case: Case, precision: Precision) -> tuple[Stopwatch, float]:
    """The watch of one training, and the median share of an epoch that was waited for after `synchronize`."""
    adapter = subject.build(case, precision)
    adapter.set_weights(case.weights(precision))
    watch = Stopwatch(adapter, case.recipe.epochs - 1)
    adapter.fit(case.split, case.order, watch)
    return watch, median(watch.shares[1:]) if len(watch.shares) > 1 else float("nan")
