"""What a probe is. Whatever goes wrong in one becomes `Unavailable` with the reason, never an exception or a zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import ClassVar, NamedTuple

from levelfield.adapters.choices import DEVICE_KINDS
from levelfield.harness.records.quantity import Estimated, Measured, Quantity, Unavailable

LONGEST_REASON = 200  # characters


class Window(NamedTuple):
    """The steady epochs, in seconds on the system-wide monotonic clock."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Watched(NamedTuple):
    """What is probed: a process, the device it computes on and the number of cores it may use.

    `family`: it is the processes below that one which compute, together.
    """

    pid: int
    device: str = "cpu"
    cores: int = 1
    family: bool = False

    @property
    def kind(self) -> str:
        return self.device.partition(":")[0]


class Probe(ABC):
    """One source of quantities. Made anew for every launch; its methods are called in the order in which they stand."""

    names: ClassVar[tuple[str, ...]]  # of all quantities that it gives
    kinds: ClassVar[tuple[str, ...]] = DEVICE_KINDS  # of the devices it tells something about
    every: ClassVar[float] = 0.1  # seconds between samples

    def __init__(self, watched: Watched) -> None:
        self.watched = watched

    @abstractmethod
    def available(self) -> str | None:
        """Why it cannot tell anything here, in one line; None when it can."""

    def start(self) -> None:
        """The launch has begun; by default its first sample is taken."""
        self.sample()

    def sample(self) -> None:
        """Called every `every` seconds from `start` to `stop`."""
        return

    @abstractmethod
    def stop(self, window: Window) -> Mapping[str, Quantity]:
        """What was found about the window, by name, and the reason for each of `names` that was not."""

    def strip(self, window: Window) -> list[float]:
        """Shares of the core mask over equal parts of the window: only the probe of the busy strip has them."""
        return []


def unavailable(names: Iterable[str], reason: str) -> dict[str, Quantity]:
    line = (reason.strip().splitlines() or ["it is not known why"])[0][:LONGEST_REASON]
    return {name: Unavailable(reason=line) for name in names}


def why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def complete(names: Iterable[str], found: Mapping[str, Quantity], who: str) -> dict[str, Quantity]:
    """Of `found` the promised names only, with a reason for each that is missing or is no finite quantity."""
    whole = unavailable(names, f"{who} did not give it")
    for name in whole:
        quantity = found.get(name)
        if isinstance(quantity, Unavailable):
            whole[name] = quantity
        elif isinstance(quantity, Measured | Estimated):
            whole |= (
                {name: quantity} if isfinite(quantity.value) else unavailable([name], f"{who} gave no finite number")
            )
        elif quantity is not None:
            whole |= unavailable([name], f"{who} gave {quantity!r}, which is no finite quantity")
    return whole


def contained(probe: Probe, act: Callable[[], Mapping[str, Quantity]]) -> dict[str, Quantity]:
    """What `act` found; an exception is the reason for all names of the probe."""
    try:
        return complete(probe.names, act(), type(probe).__name__)
    except Exception as error:
        return unavailable(probe.names, why(error))
