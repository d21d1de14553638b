"""An adapter's training held against the float64 reference, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from levelfield.adapters.adapter import Adapter, Precision, storage
from levelfield.harness.certify.cases import Case
from levelfield.harness.certify.observe import (
    FLOAT32_FLOOR,
    SAFETY,
    Recorder,
    Subject,
    Trace,
    flat,
    observe,
    quantities,
    reference,
    runs,
    tolerances,
)
from levelfield.harness.certify.rounded import UNIT
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import Layer
from levelfield.tasks.task import Split

# A precision is in force where results are at most this many times nearer to float64 than rounded products can be
NEARER = 4.0
INSIDE = "predict inside epoch_end changes what is learnt after it"
GLOBAL = (
    ": does something draw from a generator that others move? A framework's global one is moved by other instances, "
    "and by predict where that makes a data loader or leaves evaluation mode on"
)
# A quantity with so many right digits is computed rightly, in too low a precision
ROUNDED = 5


def judge(name: str, case: str, deviation: float, tolerance: float, otherwise: str) -> Check:
    """A check that passes up to `tolerance`; a deviation that is not a number fails. `otherwise` is the reason."""
    passed = bool(deviation <= tolerance)
    return Check(
        name=name,
        case=case,
        deviation=float(deviation),
        tolerance=float(tolerance),
        passed=passed,
        reason=None if passed else otherwise,
    )


def require(name: str, case: str, passed: bool, otherwise: str) -> Check:
    """A check that is a plain yes or no."""
    return Check(name=name, case=case, passed=bool(passed), reason=None if passed else otherwise)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest absolute difference; infinite where the shapes differ, NaN where there is one."""
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else float("inf")


def trajectory(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """One case from its initial weights to the end: everything that a single training shows."""
    x, y = case.split.x.copy(), case.split.y.copy()
    trace = observe(subject.build(case, precision), case, precision, Split(x, y))
    kept = np.array_equal(x, case.split.x) and np.array_equal(y, case.split.y)
    reason = "fit or predict changed the arrays that it was given"
    return [*compare(trace, case, precision), require("caller's arrays", case.named(precision), kept, reason)]


def compare(trace: Trace, case: Case, precision: Precision) -> list[Check]:
    """Each quantity of a trace against the reference; only its form where that is already wrong."""
    name, truth = case.named(precision), reference(case, precision)
    checks = [kinds(trace, case, precision), told_events(trace.events, case, name)]
    if not checks[0].passed:
        return checks
    checks.insert(1, round_trip(trace, case, precision))
    if len(trace.epochs) != len(truth.epochs):
        return checks
    right, seen, allowed = quantities(truth, case), quantities(trace, case), tolerances(case, precision)
    start = flat(truth.start)
    for quantity, value in seen.items():
        deviation, tolerance = distance(value, right[quantity]), allowed[quantity]
        reason = "" if deviation <= tolerance else describe(value, right[quantity], start)
        if reason and case.kind == "classification" and quantity.startswith(("logits", "loss")):
            reason = probabilities(trace.before) or reason
        checks.append(judge(quantity, name, deviation, tolerance, reason))
    if case.model.l2 and "gradients" in seen:
        checks.append(penalty(seen["gradients"], right["gradients"], truth, case, name, allowed["gradients"]))
    return checks


def in_force(subject: Subject, case: Case, precision: Precision) -> list[Check]:
    """Products are really rounded: logits and gradients are as far from the float64 run as rounding makes them.

    Measured by the emulation that comes nearest. One that computes in float32 is nearer by a factor of thousands.
    """
    name, right = case.named(precision), quantities(reference(case, precision), case)
    seen = quantities(observe(subject.build(case, precision), case, precision), case)
    rounded = [
        quantities(observe(make(case.setting("eager", "float32")), case, precision), case) for make in runs(precision)
    ]
    checks = []
    for quantity in ("logits", "gradients"):
        least = min(distance(emulated[quantity], right[quantity]) for emulated in rounded)
        off = distance(seen[quantity], right[quantity])
        nearer = least / off if off else float("inf")
        reason = f"{quantity} are off by {off:.1e}, with {precision} products it would be {least:.1e} at least"
        checks.append(judge(f"{precision} in force", f"{name}, {quantity}", nearer, NEARER, reason))
    return checks


def twin(subject: Subject, other: Adapter, trace: Trace, case: Case, precision: Precision) -> list[Check]:
    """A second build, disturbed inside `epoch_end` and stopped before its end, repeats the first bit by bit.

    Where sums have no fixed order: up to their rounding, which other random numbers exceed by far.
    """
    name = case.named(precision)
    other.set_weights(case.weights(precision))
    until = case.recipe.epochs // 2
    recorder = Recorder(other, stop_after=until, disturb=case.split.x)
    other.fit(case.split, case.order, recorder)
    first = distance(flat(recorder.weights[0]), flat(trace.epochs[0])) if recorder.weights else np.inf
    rest = max(
        (distance(flat(a), flat(b)) for a, b in zip(recorder.weights[1:until], trace.epochs[1:until], strict=False)),
        default=np.inf,
    )
    ran = len(recorder.weights)
    near = 0.0 if subject.repeats else max(SAFETY * FLOAT32_FLOOR, UNIT[precision] * case.recipe.learning_rate)
    return [
        judge("building twice", name, first, near, f"a second build with the same seed gives other weights{GLOBAL}"),
        judge("predict inside epoch_end", name, rest, near, f"{INSIDE}{GLOBAL}"),
        require("stopping", name, ran == until, f"told to stop after {until} epochs, it trained {ran}"),
    ]


def kinds(trace: Trace, case: Case, precision: Precision) -> Check:
    """Shapes and types of what predict and get_weights return."""
    wrong, due = [], storage(precision)
    for what, logits in (("predict before", trace.before), ("predict after", trace.after)):
        expected = (case.samples, case.model.widths[-1])
        if not isinstance(logits, np.ndarray):
            wrong.append(f"{what} training gives {type(logits).__name__}")
        elif logits.shape != expected or logits.dtype != due:
            wrong.append(f"{what} training gives {logits.dtype} {logits.shape}, not {due} {expected}")
    for layers in (trace.start, *trace.epochs[-1:]):
        wrong += weights_form(layers, case, precision)
    return require("shapes and types", case.named(precision), not wrong, "; ".join(dict.fromkeys(wrong)))


def weights_form(layers: Sequence[Layer], case: Case, precision: Precision) -> list[str]:
    """What is wrong with the shapes and types of the weights, beside what is due."""
    wrong, due = [], storage(precision)
    for what, shapes, right in (
        ("kernels", [layer.kernel.shape for layer in layers], case.model.shapes),
        ("biases", [layer.bias.shape for layer in layers], [(m,) for _, m in case.model.shapes]),
    ):
        if shapes != right:
            turned = " (they are transposed)" if [shape[::-1] for shape in shapes] == right else ""
            got, asked = (", ".join(map(str, some)) for some in (shapes, right))
            wrong.append(f"get_weights gives {what} of shape {got}, not {asked}{turned}")
    types = {str(a.dtype) for layer in layers for a in layer}
    if types != {due}:
        wrong.append(f"get_weights gives {', '.join(sorted(types))}, not {due}")
    return wrong


def round_trip(trace: Trace, case: Case, precision: Precision) -> Check:
    given, got = case.weights(precision), trace.start
    reason = "get_weights does not return the bits that set_weights was given"
    if any(
        not np.array_equal(a.kernel, b.kernel) and np.array_equal(a.kernel, b.kernel.T)
        for a, b in zip(got, given, strict=True)
    ):
        reason += ": a kernel comes back transposed"
    return judge("weight round trip", case.named(precision), distance(flat(got), flat(given)), 0.0, reason)


def told_events(events: Sequence[str | int], case: Case, name: str) -> Check:
    expected: Sequence[str | int] = ["ready", *range(case.recipe.epochs)]
    return require(
        "ready and epochs",
        name,
        events == expected,
        f"the watch was told {short(events)}, not {short(expected)}",
    )


def short(events: Sequence[str | int]) -> str:
    shown = ", ".join(map(str, events[:5]))
    return f"[{shown}{', …' if len(events) > 5 else ''}]"


def penalty(seen: np.ndarray, right: np.ndarray, truth: Trace, case: Case, name: str, tolerance: float) -> Check:
    """What the first gradient holds beyond that of the data: 2·l2·kernel on kernels, nothing on biases."""
    layers = truth.start
    full = 2 * case.model.l2 * flat(layers)
    due = 2 * case.model.l2 * flat([Layer(k, np.zeros_like(b)) for k, b in layers])
    extra = seen - (right - due)
    kernels = share(extra, due)
    biases = share(extra - due, full - due)
    return judge(
        "L2 penalty",
        name,
        distance(extra, due),
        tolerance,
        f"kernels feel {kernels:.3f} of their penalty, biases {biases:.3f} of one that they must not feel",
    )


def share(value: np.ndarray, unit: np.ndarray) -> float:
    """Least-squares coefficient of `unit` in `value`."""
    return float(value @ unit / (unit @ unit))


def probabilities(logits: np.ndarray) -> str:
    """Words for logits that are none, because they have gone through a softmax; empty for others."""
    if logits.min() >= 0 and np.abs(logits.sum(axis=1) - 1).max() <= 1e-2:
        return "each row of what predict returns sums to 1: these are probabilities, not logits"
    return ""


def describe(value: np.ndarray, right: np.ndarray, start: np.ndarray) -> str:
    """How a quantity is off, in words that help to find the fault."""
    if not np.isfinite(value).all():
        return "not finite"
    if value.shape != right.shape:
        return f"shape {value.shape}, not {right.shape}"
    if value.shape == start.shape and np.array_equal(value, start):
        return "the weights did not move"
    value, right = value.ravel(), right.ravel()
    digits = -np.log10(max(distance(value, right), 1e-300) / max(float(np.abs(right).max()), 1e-300))
    if digits > ROUNDED:
        return f"right to {digits:.0f} digits only"
    if value.shape == start.shape and np.abs(right - start).max() > 0 and np.abs(right - start).max() < 10:
        moved, due = value - start, right - start
        factor = share(moved, due)
        if distance(moved, factor * due) < 0.01 * abs(factor) * np.abs(due).max():
            return f"the weights moved {factor:.4g} times as far as they must"
    elif right @ right > 0:
        factor = share(value, right)
        if distance(value, factor * right) < 0.01 * np.abs(value).max():
            return f"{factor:.4g} times what it must be"
    return f"element {int(np.abs(value - right).argmax())} is off most"
