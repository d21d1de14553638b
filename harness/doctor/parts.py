"""What the doctor measures of an adapter, in this order.

The command's help names these, so nothing is imported here before it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from levelfield.adapters.registry import AdapterInfo
    from levelfield.harness.doctor.against_itself import Trial
    from levelfield.harness.doctor.examine import AdapterStep, Effort, Step
    from levelfield.harness.doctor.series import Bench


class Part(ABC):
    """A series of an adapter against itself: so many `launches` in each of at most `blocks` blocks."""

    name: str
    about: str  # what is told before, after the adapter's name
    launches: int
    blocks: int

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        """A step for each adapter that the effort names, in its first mode."""
        from levelfield.harness.doctor.examine import AdapterStep, launch_seconds

        chosen = [adapters[name] for name in effort.adapters]
        return [
            AdapterStep(
                part=self,
                title=f"{info.name} {self.about}",
                seconds=self.launches * self.blocks * launch_seconds(info),
                info=info,
                mode=info.modes[0],
                pairs=self.blocks,
            )
            for info in chosen
        ]

    @abstractmethod
    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> Trial:
        """Until the step's pairs are made or it is `enough`; a trial that failed says why."""


class Itself(Part):
    name = "itself"
    about = "against itself, and slowed down by 1, 2 and 5 %"
    launches = 5
    blocks = 100

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> Trial:
        from levelfield.harness.doctor.against_itself import launched

        return launched(bench, step, enough)


class Neighbour(Part):
    name = "neighbour"
    about = "against itself with a neighbour"
    launches = 5
    blocks = 120

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> Trial:
        from levelfield.harness.doctor.against_itself import launched

        return launched(bench, step, enough, noisy=True)


PARTS: dict[str, Part] = {part.name: part for part in (Itself(), Neighbour())}
