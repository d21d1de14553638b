"""For notebooks and scripts: `levelfield.run` a suite, `levelfield.load` what it measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas


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
    suite: str,
    *,
    adapters: Sequence[str] = (),
    tasks: Sequence[str] = (),
    modes: Sequence[str] = (),
    blocks: int | None = None,
    seeds: int | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
    output: str | Path | None = None,
    quiet: bool = True,
) -> Results:
    """Run a suite, by name or file, as ``levelfield run`` does, and load its results; launches get `env`."""
    from levelfield.harness.cli import arguments
    from levelfield.harness.cli.going_on import command
    from levelfield.harness.run import session
    from levelfield.tasks.errors import UserError

    words = ["run", suite, *(["--quiet"] if quiet else [])]
    for flag, values in (("-a", adapters), ("-t", tasks), ("--mode", modes)):
        words += [word for value in values for word in (flag, value)]
    for flag, number in (("--blocks", blocks), ("--seeds", seeds)):
        words += [flag, str(number)] if number is not None else []
    words += [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    words += ["-o", str(output)] if output is not None else []
    options = arguments.parse(words)
    outcome = session.run(options, command(options))
    if outcome.folder is None:
        raise UserError("nothing was selected", "levelfield list adapters, levelfield list suites")
    return load(outcome.folder)
