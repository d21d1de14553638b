"""Adapters that are slower by a known time: a delay is busily waited for in every step.

`DelayedAdapter` classes are made on demand, so that a warm parent can find them as it finds any adapter, by module and
name: ``getattr(delay, "levelfield.adapters.numpy.manual:NumpyManual:2.5e-06")`` is `NumpyManual` with 2.5 µs more
in each step than the same with 0 µs. `delayed` gives the registry's entry of such a class.

Delays of 1 % of a step are below a microsecond, and the wrapper itself costs a third of one: compare delayed adapters
with each other (one of them delayed by 0), never with the bare one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.registry import AdapterInfo
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split

# The method that an adapter calls once a step and that returns when the step is done. For others the delays of all
# steps are waited for at the end of each epoch, on a synchronised device: between asynchronous dispatches, or inside a
# loop that the framework owns, a delay could hide behind the computing and would not be a known one.
STEPS = {"numpy-manual": "update", "torch-autograd": "update"}


def delayed(info: AdapterInfo, label: str, seconds: float) -> AdapterInfo:
    """The adapter with `seconds` more in every step, as `label`; shares the warm parent of the original."""
    return replace(info.but(name=label), module=__name__, qualname=f"{info.module}:{info.qualname}:{seconds!r}")


def wait(seconds: float) -> None:
    """Keep the core busy, as real work would."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def lengthened(step: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """`step` with `seconds` more than the same with 0 seconds takes; the wrapper's own cost is in both."""

    def longer(*arguments: Any) -> Any:
        wait(seconds)
        return step(*arguments)

    return longer


class DelayedWatch:
    """Waits at the end of each epoch, inside the clock."""

    def __init__(self, watch: Watch, adapter: Adapter, seconds: float) -> None:
        self.watch, self.adapter, self.seconds = watch, adapter, seconds

    def ready(self) -> None:
        self.watch.ready()

    def epoch_end(self, epoch: int) -> bool:
        self.adapter.synchronize()
        wait(self.seconds)
        return self.watch.epoch_end(epoch)


def __getattr__(name: str) -> Any:
    """The class for ``module:class:seconds``."""
    module, colon, rest = name.partition(":")
    if not colon:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    qualname, _, seconds = rest.partition(":")
    return _make(getattr(importlib.import_module(module), qualname), float(seconds))


def _make(adapter: type[Adapter], seconds: float) -> type[Adapter]:
    step = STEPS.get(adapter.name)

    class DelayedAdapter(adapter):  # type: ignore[valid-type, misc]
        def __init__(self, setting: Setting) -> None:
            super().__init__(setting)
            if step is not None:
                setattr(self, step, lengthened(getattr(self, step), seconds))

        def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
            if step is None:
                watch = DelayedWatch(watch, self, seconds * order.steps)
            super().fit(train, order, watch)

    return DelayedAdapter
