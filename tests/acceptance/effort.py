"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from levelfield.harness.doctor.examine import TYPICAL


@dataclass(frozen=True)
class Effort:
    """On the `named` adapters, or if there are none, on those that each part is for; `budget` in seconds for all."""

    named: tuple[str, ...] = ()
    budget: float | None = None

    @property
    def adapters(self) -> tuple[str, ...]:
        """Those of the parts that take typical ones."""
        return self.named or TYPICAL
