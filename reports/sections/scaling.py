"""Throughput over batch size and width."""

from __future__ import annotations

from reports.findings import Evidence
from reports.section import Section

ORDER, SHORT, TITLE = 50, "Scaling", "Batch and width scaling"


def section(evidence: Evidence) -> Section:
    sizes = sorted({c.workload.recipe.batch_size for c in evidence.speed})
    return Section(
        missing=f"Its speed launches use {_sizes(sizes)}; a sweep over batch sizes and widths is a suite of its own."
    )


def _sizes(sizes: list[int]) -> str:
    if not sizes:
        return "no batch size at all"
    return f"batch size {sizes[0]} only" if len(sizes) == 1 else f"the batch sizes {', '.join(map(str, sizes))} only"
