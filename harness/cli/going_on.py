"""The words of a run: those that repeat it, and those that it goes on with."""

from __future__ import annotations

import argparse
import shlex

from levelfield.harness.cli import arguments
from levelfield.harness.records.record import Run
from levelfield.tasks.errors import UserError

# Which records are meant, where they lie, and how much is told of them
NOT_REPEATED = ("resume", "allow_changes", "dry_run", "output", "quiet", "verbose", "json")
# What may be said beside ``--resume RUN`` alone: none of it changes which launches are planned
BESIDE = ("resume", "dry_run", "allow_changes", "quiet", "verbose", "json", "data_dir")


def command(options: argparse.Namespace) -> str:
    """The command that repeats this run, wherever its records lie and however much of it is told."""
    plain = arguments.parse(["run"])
    elsewhere = {name: getattr(plain, name) for name in NOT_REPEATED}
    return arguments.command(argparse.Namespace(**vars(options) | elsewhere))


def begun_with(options: argparse.Namespace, head: Run) -> argparse.Namespace:
    """The options that a run was begun with, from its head, and of `options` those `BESIDE`.

    Raises UserError for any other word: a run goes on as it was planned.
    """
    folder = shlex.quote(str(options.resume))
    try:
        begun = arguments.parse(shlex.split(head.command)[1:])
        if begun.command != "run" or begun.suite is None or begun.resume is not None:
            raise ValueError(head.command)
    except (ValueError, UserError, SystemExit):
        shown = head.command if len(head.command) <= 80 else head.command[:77] + "..."
        raise UserError(
            f"{options.resume}/run.json: command: {shown!r} does not begin a run",
            f"name the suite too: levelfield run SUITE --resume {folder}",
        ) from None
    plain = arguments.parse(["run"])
    others = {name for name in vars(plain) if name not in (*BESIDE, "suite")}
    said = [name for name in others if getattr(options, name) not in (getattr(plain, name), getattr(begun, name))]
    if said:
        words = arguments.command(argparse.Namespace(**vars(plain) | {name: getattr(options, name) for name in said}))
        raise UserError(
            f"{words.removeprefix('levelfield run ')} would change the plan of {folder}, begun as: {head.command}",
            f"leave it out: levelfield run --resume {folder}; or begin another run",
        )
    kept = {name: getattr(options, name) for name in BESIDE if name != "data_dir" or options.data_dir is not None}
    return argparse.Namespace(**vars(begun) | kept)
