"""A launch that is slower by a known time: a delay is busily waited for in every step.

Delays of 1 % of a step are below a microsecond, and waiting itself costs a third of one: compare delayed launches
with each other (one of them delayed by 0), never with a bare one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Literal

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.harness.measure.train_in_ranks import Led
from levelfield.harness.system.frozen import Frozen

# The method that an adapter calls once a step and that returns when the step is done. For others the delays of all
# steps are waited for at the end of each epoch, on a synchronised device: between asynchronous dispatches, or inside a
# loop that the framework owns, a delay could hide behind the computing and would not be a known one.
STEPS = {"numpy-manual": "update", "torch-autograd": "update"}


class Delay(Frozen):
    """`seconds` more in every step than a delay of 0 seconds costs."""

    what: Literal["delay"] = "delay"
    seconds: float

    @property
    def proves(self) -> bool:
        """A delay changes no weights."""
        return True

    @contextmanager
    def around(self, model: Adapter, watch: Led, setting: Setting, steps: int) -> Iterator[Led]:
        """Of one call of `fit` with `steps` an epoch: the watch that it gets in place of `watch`."""
        if (step := STEPS.get(model.name)) is None:
            yield DelayedWatch(watch, model, self.seconds * steps)
        else:
            setattr(model, step, lengthened(getattr(model, step), self.seconds))
            yield watch


class DelayedWatch:
    """Waits at the end of each epoch, inside the clock."""

    def __init__(self, watch: Led, model: Adapter, seconds: float) -> None:
        self.watch, self.model, self.seconds = watch, model, seconds

    def ready(self) -> None:
        self.watch.ready()

    def epoch_end(self, epoch: int) -> bool:
        self.model.synchronize()
        wait(self.seconds)
        return self.watch.epoch_end(epoch)

    def resume(self) -> None:
        self.watch.resume()


def lengthened(step: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """`step` with `seconds` more than the same with 0 seconds takes; the wrapper's own cost is in both."""

    def longer(*arguments: Any) -> Any:
        wait(seconds)
        return step(*arguments)

    return longer


def wait(seconds: float) -> None:
    """Keep the core busy, as real work would."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
