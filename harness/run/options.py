"""What a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from levelfield.harness.plan.launches import Selection


@dataclass(frozen=True, kw_only=True)
class RunOptions(Selection):
    """Fields are named as the options of ``levelfield run``, whose help explains them; `budget` in seconds, `precision`
    as a share."""

    suite: str | None = None
    budget: float | None = None
    precision: float | None = None
    cold: bool = False
    data_dir: Path | None = None
    launcher: str = "local"
    no_certify: bool = False
    no_probes: bool = False
    explain: bool = False
    resume: Path | None = None
    allow_changes: bool = False
    dry_run: bool = False
    anonymous: bool = False
    output: Path | None = None
    env: tuple[tuple[str, str], ...] = ()
    quiet: bool = False
