"""Records as tidy tables: one row a launch, an epoch, or a prediction; the base of every export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from levelfield.harness.judge import roofline
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.peak import NO_PEAK, Peak
from levelfield.harness.records.quantity import Measured, Unavailable
from levelfield.harness.records.record import EpochScores, Record, step_seconds
from levelfield.harness.results.proved import peak_of
from levelfield.harness.system.variables import shown

Row = dict[str, Any]

# column → quantity of a record's `utilisation`
UTILISATION = {
    "cores_busy": "cores_busy",
    "cpu_share": "cpu_share",
    "memory_peak_bytes": "memory_peak",
    "memory_above_floor_bytes": "memory_above_floor",
    "allocator_peak_bytes": "allocator_peak",
    "energy_joules": "energy",
}


def value(record: Record, name: str) -> float | None:
    """Of a measured quantity; None where it was estimated, could not be had, or was not asked for."""
    quantity = record.utilisation.get(name)
    return quantity.value if isinstance(quantity, Measured) else None


def launches(
    records: Iterable[Record], tasks: Mapping[str, Mapping[str, Any]] | None = None, peaks: Sequence[Peak] = ()
) -> list[Row]:
    """One row a launch. What was not measured is None; FLOP/s need the run's `tasks`, shares its `peaks`."""
    return [
        {
            **_cell(record.cell),
            "block": record.block,
            "seed": record.seed,
            "status": record.status,
            "reason": record.reason,
            "started": record.started,
            "cold": record.cold,
            "cache": record.cache,
            "contaminated": record.contaminated,
            "unproved": record.unproved,
            "parameters": record.parameters,
            "wall_seconds": record.wall_seconds,
            "step_seconds": step_seconds(record),
            **_roofline(record, tasks or {}, peaks),
            **{
                f"{name}_seconds": record.phases.get(name)
                for name in ("import", "build", "place", "first_epoch", "predict", "evaluate", "proof")
            },
            **{column: value(record, name) for column, name in UTILISATION.items()},
            **_scores(record.final, "final_"),
            "versions": " ".join(f"{name}=={version}" for name, version in sorted(record.versions.items())),
            "kept_variables": shown(tuple(sorted(record.kept.items()))),
        }
        for record in records
    ]


def _roofline(record: Record, tasks: Mapping[str, Mapping[str, Any]], peaks: Sequence[Peak]) -> Row:
    cell = record.cell
    step, work = step_seconds(record), roofline.work(cell, tasks.get(cell.task, {}))
    own = peak_of(record, peaks)
    achieved = roofline.achieved(work, step)
    share = roofline.share(achieved, own.flops if own else NO_PEAK)
    return {
        "flops_per_step": work.flops if work and cell.kind == "speed" else None,
        "bytes_per_step": work.bytes if work and cell.kind == "speed" else None,
        "achieved_flops": None if isinstance(achieved, Unavailable) else achieved.value,
        "share_of_peak": None if isinstance(share, Unavailable) else share.value,
    }


def epochs(records: Iterable[Record]) -> list[Row]:
    """One row for each epoch of each launch: its scores (learning) or its seconds (speed; the first is epoch 1)."""
    rows: list[Row] = []
    for record in records:
        key = {**_cell(record.cell), "block": record.block, "seed": record.seed}
        for scores in record.epochs:
            rows.append({**key, "epoch": scores.epoch, "seconds": None, **_scores(scores)})
        if record.epoch_seconds:
            for number, seconds in enumerate([record.phases.get("first_epoch"), *record.epoch_seconds], 1):
                rows.append({**key, "epoch": number, "seconds": seconds, **_scores(None)})
    return rows


def predictions(records: Iterable[Record]) -> list[Row]:
    """One row for each timed prediction call."""
    return [
        {**_cell(record.cell), "block": record.block, "batch": int(batch), "call": call, "seconds": seconds}
        for record in records
        for batch, values in record.predict_seconds.items()
        for call, seconds in enumerate(values)
    ]


def _scores(scores: EpochScores | None, prefix: str = "") -> Row:
    return {
        f"{prefix}{split}_{what}": getattr(getattr(scores, split), what) if scores else None
        for split in ("train", "validation", "test")
        for what in ("loss", "accuracy")
    }


def _cell(cell: Cell) -> Row:
    return {
        "kind": cell.kind,
        "task": cell.task,
        "model": cell.model.name,
        "recipe": cell.recipe.name,
        "adapter": cell.adapter,
        "mode": cell.mode,
        "framework": cell.framework,
        "backend": cell.backend,
        "api": cell.api,
        "feed": cell.feed,
        "track": cell.track,
        "device": cell.device,
        "threads": cell.threads,
        "precision": cell.precision,
        "replicas": cell.replicas,
        "replication": cell.replication,
        "environment": cell.environment,
        "variables": shown(cell.variables),
    }
