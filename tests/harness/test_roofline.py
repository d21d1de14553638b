"""What a step asks of its device, which limit it comes near to, and what counts as a device's peak."""

from __future__ import annotations

import itertools
from threading import Event
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.adapter import Setting
from levelfield.adapters.registry import find
from levelfield.harness.judge.roofline import DISPATCH, rate, regime, work
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.measure import peak
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.peak import Candidate, Ceiling, Peak, PeakSubject, Trial, Work
from levelfield.harness.records.quantity import Measured, Unavailable
from levelfield.harness.run import peaks

positive = st.floats(1e-3, 1e12)
works = st.builds(Work, st.integers(1, 10**12), st.integers(1, 10**12))
ceilings = st.builds(Ceiling, positive, positive)


def exactly(seconds: float) -> Interval:
    return Interval(seconds, seconds, seconds, 6, 0.95)


def cell(optimizer: str = "momentum", batch: int = 32, **changes: object) -> Cell:
    recipe = NamedRecipe(name="r", optimizer=optimizer, learning_rate=0.1, batch_size=batch)  # type: ignore[arg-type]
    values = {
        "kind": "speed", "task": "digits", "model": NamedModel(name="m", hidden=(128,)), "recipe": recipe,
        "adapter": "torch-nn", "framework": "torch", "backend": None, "api": "mixed", "mode": "eager",
    }  # fmt: skip
    return Cell(**(values | changes))  # type: ignore[arg-type]


def test_the_work_of_a_cell_comes_from_its_model_batch_and_optimizer() -> None:
    found = work(cell(), {"features": 64, "outputs": 10})
    assert found is not None
    assert found.flops == 2 * 32 * (64 * 128 * 2 + 128 * 10 * 3)
    assert found.bytes == 4 * (8 * (64 * 128 + 128 + 128 * 10 + 10) + 3 * 32 * (64 + 128 + 10))
    plain = work(cell("sgd"), {"features": 64, "outputs": 10})
    assert plain is not None
    assert plain.flops == found.flops
    assert plain.bytes < found.bytes


@pytest.mark.parametrize("task", [{}, {"features": 64}, {"features": "many", "outputs": 10}])
def test_without_the_facts_of_its_task_a_cell_has_no_work(task: dict[str, object]) -> None:
    assert work(cell(), task) is None


@given(works, ceilings)
def test_what_is_attainable_lies_under_both_roofs_and_touches_one(step: Work, ceiling: Ceiling) -> None:
    attainable = ceiling.attainable(step.intensity)
    assert attainable <= ceiling.flops
    assert attainable <= step.intensity * ceiling.bandwidth
    assert step.flops / ceiling.least_seconds(step) == pytest.approx(attainable)


@given(works, ceilings, st.floats(0.01, 100))
def test_a_step_far_above_both_bounds_is_dispatch_bound_and_others_have_the_higher_roof(
    step: Work, ceiling: Ceiling, times: float
) -> None:
    found = regime(step, exactly(times * ceiling.least_seconds(step)), ceiling)
    if times > DISPATCH * 1.001:
        assert found == "dispatch-bound"
    elif times < DISPATCH * 0.999:
        assert found == ("compute-bound" if step.intensity >= ceiling.ridge else "memory-bound")


def test_a_step_whose_interval_straddles_the_line_is_between_regimes() -> None:
    step, ceiling = Work(1000, 10), Ceiling(1000.0, 1000.0)
    assert regime(step, Interval(4.0, 3.9, 4.1, 6, 0.95), ceiling) == "between regimes"


@given(positive, st.floats(1e-6, 1e3), st.floats(1, 3), st.floats(1, 3))
def test_the_interval_of_a_rate_holds_its_estimate(amount: float, seconds: float, down: float, up: float) -> None:
    found = rate(amount, Interval(seconds, seconds / down, seconds * up, 7, 0.95))
    assert found.low <= found.estimate <= found.high
    assert (found.n, found.confidence) == (7, 0.95)


def trial(operation: peak.Operation, size: int, *seconds: float) -> Trial:
    return Trial(operation=operation, size=size, seconds=seconds, itemsize=4)


def test_a_peak_is_the_fastest_repeat_of_all_frameworks_and_sizes_and_names_it() -> None:
    numpy = (trial("product", 100, 2.0, 1.0), trial("addition", 10, 1.0))
    torch = (trial("product", 100, 0.5, 3.0), trial("product", 200, 5.0))
    candidates = (
        Candidate(framework="numpy", version="2.4.6", trials=numpy),
        Candidate(framework="torch", version="2.13.0", trials=torch),
        Candidate(framework="jax", version="0.10.2", reason="ended by SIGSEGV"),
    )
    found = Peak(device="cpu", precision="float32", threads=2, date="2024-05-17", candidates=candidates)
    assert found.flops == Measured(value=2 * 100**3 / 0.5, unit="FLOP/s", source="100 × 100 product, torch 2.13.0")
    assert found.bandwidth == Measured(
        value=3 * 10 * 4 / 1.0, unit="B/s", source="addition of 10 elements, numpy 2.4.6"
    )
    assert found.ceiling == Ceiling(4e6, 120.0)


def test_a_peak_that_nobody_could_measure_has_the_reasons() -> None:
    broken = Candidate(framework="jax", version=None, reason="ended by SIGSEGV")
    found = Peak(device="cpu", precision="float32", threads=1, date="now", candidates=(broken,))
    assert found.flops == Unavailable(reason="jax: ended by SIGSEGV")
    assert found.ceiling is None


def ticking(durations: list[float]) -> tuple[object, object]:
    """A clock, and a call that takes the next of `durations` on it; the last one again and again."""
    now, rest = [0.0], itertools.chain(durations, itertools.repeat(durations[-1]))

    def call() -> None:
        now[0] += next(rest)

    return call, lambda: now[0]


def test_repeats_leave_out_the_first_and_end_when_they_get_no_better() -> None:
    call, clock = ticking([5.0, 3.0, 2.0, 1.0])
    assert peak.repeat(call, 1000.0, clock) == [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]  # type: ignore[arg-type]


def test_repeats_end_with_their_time_but_are_three_at_least() -> None:
    call, clock = ticking([4.0, 8.0, 7.0, 6.0, 5.0])
    assert peak.repeat(call, 1.0, clock) == [8.0, 7.0, 6.0]  # type: ignore[arg-type]


def test_arithmetic_in_software_is_not_waited_for() -> None:
    """bfloat16 on a CPU without it: one repeat, and no larger product."""
    call, clock = ticking([peak.PATIENCE + 1])
    assert len(peak.repeat(call, 1.0, clock)) == 1  # type: ignore[arg-type]
    tried: list[int] = []

    def product(setting: Setting, size: int) -> object:
        tried.append(size)
        return call

    runtime = SimpleNamespace(configure=lambda setting: None, product=product, addition=lambda *_: call)
    peak.measure(runtime, PeakSubject("cpu", "bfloat16", 1), clock)  # type: ignore[arg-type]
    assert tried == [peak.PRODUCTS["cpu"][0]]


class Everywhere:
    """A launcher that measures the same everywhere."""

    def peak(self, adapter: str, subject: PeakSubject) -> Candidate:
        return Candidate(framework=adapter, version=None, trials=(trial("product", 10, 1.0),))


def test_every_installed_framework_is_asked_once_for_each_device_precision_and_number_of_threads() -> None:
    subjects = [PeakSubject("cpu", "float32", 1), PeakSubject("cpu", "float32", 2)]
    adapters = find().adapters
    found = list(peaks.obtain(subjects, adapters, Everywhere(), Event()))
    assert [p.subject for p in found] == subjects
    asked = [adapters[candidate.framework].runtime for candidate in found[0].candidates]
    assert len(asked) == len(set(asked))
    assert "numpy" in asked


def test_no_half_measured_peak_is_kept_when_an_end_was_asked_for() -> None:
    stop = Event()
    stop.set()
    assert list(peaks.obtain([PeakSubject("cpu", "float32", 1)], find().adapters, Everywhere(), stop)) == []
