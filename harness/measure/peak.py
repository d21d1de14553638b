"""How fast one framework computes and moves data here: the trials that a peak is made of. Runs in the worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import Runtime, operands
from levelfield.harness.records.peak import Operation, PeakSubject, Trial
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

PRODUCTS = {"cpu": (1024, 2048), "other": (4096, 8192)}  # rows of the square matrices
ADDITIONS = {"cpu": 2**24, "other": 2**28}  # elements: larger than any cache
LEAST, STEADY = 3, 4  # repeats at least; repeats in a row that bring nothing new
GAIN = 0.005  # what counts as new: half a percent faster than the best before
SECONDS = 0.4  # for the repeats of one operation
PATIENCE = 5.0  # seconds of one product: what takes longer is arithmetic in software, of which less is tried


def measure(runtime: Runtime, subject: PeakSubject, clock: Callable[[], float] = time.perf_counter) -> list[Trial]:
    """All trials of one framework; runs in the worker."""
    setting = Setting(
        MLP((1, 1)),
        Recipe(),
        device=subject.device,
        threads=subject.threads,
        precision=subject.precision,
    )
    runtime.configure(setting)
    kind = "cpu" if setting.kind_of_device == "cpu" else "other"
    itemsize = 2 if operands(subject.precision) == "bfloat16" else 4
    sizes: list[tuple[Operation, int]] = [("product", n) for n in PRODUCTS[kind]]
    trials: list[Trial] = []
    for operation, size in (*sizes, ("addition", ADDITIONS[kind])):
        if operation == "product" and trials and trials[-1].seconds_at(size) > PATIENCE:
            continue
        call = runtime.product(setting, size) if operation == "product" else runtime.addition(setting, size)
        trials.append(
            Trial(operation=operation, size=size, seconds=tuple(repeat(call, SECONDS, clock)), itemsize=itemsize)
        )
    return trials


def repeat(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """The times of `call`, after one to warm up: `LEAST`, then more until they get no better or `seconds` are over.

    One is enough where the one to warm up took longer than `PATIENCE`.
    """
    start = clock()
    call()
    warm = clock()
    least = LEAST if warm - start <= PATIENCE else 1
    times: list[float] = []
    end = warm + seconds
    while len(times) < least or (clock() < end and not steady(times)):
        start = clock()
        call()
        times.append(clock() - start)
    return times


def steady(times: Sequence[float]) -> bool:
    """Whether the last `STEADY` repeats were no better than the best before them."""
    return len(times) > STEADY and min(times[-STEADY:]) >= (1 - GAIN) * min(times[:-STEADY])
