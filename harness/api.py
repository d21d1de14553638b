"""For notebooks and scripts: `levelfield.run` a suite, `levelfield.load` what it measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas

    from levelfield.adapters.choices import TimedPrecision, Track


class Results(NamedTuple):
    """A run as tidy pandas frames, see `harness.results.tables`: one row a launch, an epoch, a timed prediction."""

    folder: Path
    launches: pandas.DataFrame
    epochs: pandas.DataFrame
    predictions: pandas.DataFrame


def load(folder: str | Path) -> Results:
    """What is recorded in a run's folder. Raises UserError when there is no run."""
    import pandas

    from levelfield.harness.records import store
    from levelfield.harness.results import tables
    from levelfield.harness.results.proved import judged

    stored = store.read(Path(folder))
    records = judged(stored.records, stored.run.tasks, stored.peaks)
    launches = tables.launches(records, stored.run.tasks, stored.peaks)
    others = (pandas.DataFrame(table(stored.records)) for table in (tables.epochs, tables.predictions))
    return Results(Path(folder), pandas.DataFrame(launches), *others)


def run(
    suite: str | Path,
    *,
    adapters: Sequence[str] = (),
    tasks: Sequence[str] = (),
    modes: Sequence[str] = (),
    tracks: Sequence[Track] = (),
    device: str | None = None,
    matmul_precision: TimedPrecision | None = None,
    threads: int | None = None,
    blocks: int | None = None,
    seeds: int | None = None,
    budget: float | None = None,
    precision: float | None = None,
    cold: bool = False,
    data_dir: str | Path | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
    output: str | Path | None = None,
    quiet: bool = True,
) -> Results:
    """Run a suite, by name or file, as ``levelfield run`` does, and load its results; launches get `env`.

    `budget` is in seconds, `precision` a share: 0.02 adds blocks until intervals are ± 2 %. Raises UserError for what
    the command would refuse, and where nothing was selected.
    """
    from levelfield.harness.cli.run_options import repeatable
    from levelfield.harness.run import session
    from levelfield.harness.run.options import RunOptions
    from levelfield.tasks.errors import UserError

    options = RunOptions(
        suite=str(suite),
        adapter=tuple(adapters),
        task=tuple(tasks),
        mode=tuple(modes),
        track=tuple(tracks),
        device=device,
        matmul_precision=matmul_precision,
        threads=threads,
        blocks=blocks,
        seeds=seeds,
        budget=budget,
        precision=precision,
        cold=cold,
        data_dir=None if data_dir is None else Path(data_dir),
        env=tuple(env.items()),
        output=None if output is None else Path(output),
        quiet=quiet,
    )
    outcome = session.run(*repeatable(options))
    if outcome.folder is None:
        raise UserError("nothing was selected", "levelfield list adapters, levelfield list suites")
    return load(outcome.folder)
