"""What the doctor measures of an adapter, in this order.

The command's help names these, so nothing is imported here before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from levelfield.adapters.registry import AdapterInfo
    from levelfield.harness.doctor.against_itself import Trial
    from levelfield.harness.doctor.examine import AdapterStep, Effort
    from levelfield.harness.doctor.series import Bench


LAUNCHES = 5  # in a block


class Part:
    """A series of an adapter against itself, in at most so many `blocks`; if `noisy` with a neighbour."""

    def __init__(self, name: str, about: str, blocks: int, noisy: bool = False) -> None:
        """`about`: what is told before, after the adapter's name."""
        self.name, self.about, self.blocks, self.noisy = name, about, blocks, noisy

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[AdapterStep]:
        """A step for each adapter that the effort names, in its first mode."""
        from levelfield.harness.doctor.examine import AdapterStep, launch_seconds

        chosen = [adapters[name] for name in effort.adapters]
        return [
            AdapterStep(
                part=self,
                title=f"{info.name} {self.about}",
                seconds=LAUNCHES * self.blocks * launch_seconds(info),
                info=info,
                mode=info.modes[0],
                pairs=self.blocks,
            )
            for info in chosen
        ]

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> Trial:
        """Until the step's pairs are made or it is `enough`; a trial that failed says why."""
        from levelfield.harness.doctor.against_itself import launched

        return launched(bench, step, enough, self.noisy)


PARTS = {
    part.name: part
    for part in (
        Part("itself", "against itself, and slowed down by 1, 2 and 5 %", blocks=100),
        Part("neighbour", "against itself with a neighbour", blocks=120, noisy=True),
    )
}
