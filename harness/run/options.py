"""What a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from levelfield.adapters.choices import TimedPrecision, Track
from levelfield.harness.plan.launches import Selection


@dataclass(frozen=True)
class RunOptions:
    """Fields are named as the options of ``levelfield run``, whose help explains them; `budget` in seconds, `precision`
    as a share. Empty or None: as the suite says."""

    suite: str | None = None
    adapter: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    track: tuple[Track, ...] = ()
    device: str | None = None
    matmul_precision: TimedPrecision | None = None
    threads: int | None = None
    blocks: int | None = None
    budget: float | None = None
    precision: float | None = None
    cold: bool = False
    seeds: int | None = None
    full: bool = False
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

    @property
    def selection(self) -> Selection:
        """What of the suite is run."""
        return Selection(
            adapters=self.adapter,
            tasks=self.task,
            modes=self.mode,
            tracks=self.track,
            blocks=self.blocks,
            seeds=self.seeds,
            threads=self.threads,
            device=self.device,
            precision=self.matmul_precision,
            full=self.full,
        )
