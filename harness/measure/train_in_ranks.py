"""One launch in several ranks: rank 0 is timed and decides, the others train along; at the end they must agree."""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.harness.measure.adapter_checks import Calls, check_agreement, check_placement
from levelfield.harness.measure.rank_group import Ranks
from levelfield.tasks.mlp import Layer


class Led(Watch, Protocol):
    """The watch of rank 0."""

    def resume(self) -> None:
        """All ranks go on now."""


class Leading:
    """Tells the other ranks what the watch of rank 0 has decided, and starts its clock again when they know."""

    def __init__(self, watch: Led, ranks: Ranks) -> None:
        self.watch, self.ranks = watch, ranks

    def ready(self) -> None:
        self.watch.ready()
        self.ranks.gather(True)
        self.watch.resume()

    def epoch_end(self, epoch: int) -> bool:
        goes_on = self.watch.epoch_end(epoch)
        self.ranks.gather(goes_on)
        self.watch.resume()
        return goes_on


class Following:
    """The watch of every other rank."""

    def __init__(self, model: Adapter, ranks: Ranks) -> None:
        self.model, self.ranks, self.calls = model, ranks, Calls()

    def ready(self) -> None:
        self.model.synchronize()
        self.calls.ready()
        self.ranks.gather(True)

    def epoch_end(self, epoch: int) -> bool:
        self.model.synchronize()
        self.calls.epoch_end(epoch)
        self.calls.goes_on = bool(self.ranks.gather(True)[0])
        return self.calls.goes_on


def placement(model: Adapter, setting: Setting, ranks: Ranks | None) -> dict[str, int]:
    """Device → samples of a batch that it computed, in all ranks. To be asked when training has just ended.

    Raises BrokenContract where the work was not distributed, or the ranks trained networks of their own.
    """
    own = model.placement()
    if ranks is None:
        check_placement(own, setting)
        return own
    # All of them check all, so that they come to the same end
    parts, digests = zip(*ranks.gather((own, digest(model.get_weights()))), strict=True)
    for part in parts:
        check_placement(part, setting)
    check_agreement(parts, digests, setting)
    return {f"rank {rank}, {device}": n for rank, part in enumerate(parts) for device, n in part.items()}


def digest(weights: list[Layer]) -> str:
    """Equal for equal weights, to the last bit."""
    return hashlib.sha256(b"".join(array.tobytes() for layer in weights for array in layer)).hexdigest()


def cores(ranks: Ranks) -> dict[str, str]:
    """Those that each rank is pinned to, as the system tells them, for the record."""
    return {f"cores of rank {rank}": told for rank, told in enumerate(ranks.gather(_cores()))}


def _cores() -> str:
    return ", ".join(map(str, sorted(os.sched_getaffinity(0)))) if hasattr(os, "sched_getaffinity") else "not told"
