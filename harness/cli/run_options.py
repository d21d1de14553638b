"""What a run is asked for and the words of a command: those that repeat it, and those that it goes on with."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import fields, replace
from typing import Any

from levelfield.harness.cli import arguments
from levelfield.harness.records.record import Run
from levelfield.harness.run.options import RunOptions
from levelfield.tasks.errors import UserError

_NAMES = tuple(field.name for field in fields(RunOptions))
# Which records are meant, where they lie, and how much is told of them
NOT_REPEATED = ("resume", "allow_changes", "dry_run", "output", "quiet")
# What may be said beside ``--resume RUN`` alone: none of it changes which launches are planned
BESIDE = ("resume", "dry_run", "allow_changes", "quiet", "data_dir", "explain")


def asked(words: argparse.Namespace) -> RunOptions:
    """What a run is asked for, as the command line has understood it."""
    said = {name: getattr(words, name) for name in _NAMES}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}
    return RunOptions(**values)


def command(options: RunOptions) -> str:
    """The command that repeats this run, wherever its records lie and however much of it is told."""
    plain = arguments.parse(["run"])
    said = {name: getattr(options, name) for name in _NAMES if name not in NOT_REPEATED}
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    return arguments.command(argparse.Namespace(**vars(plain) | lists))


def repeatable(options: RunOptions) -> tuple[RunOptions, str]:
    """The options in the form that the command line gives them, and the command that repeats this run.

    Raises UserError for a value that the command line would refuse.
    """
    line = command(options)
    again = asked(arguments.parse(shlex.split(line)[1:]))
    return replace(again, **{name: getattr(options, name) for name in _NAMES if name in NOT_REPEATED}), line


def begun_with(options: RunOptions, head: Run) -> RunOptions:
    """The options that a run was begun with, from its head, and of `options` those `BESIDE`.

    Raises UserError for any other word: a run goes on as it was planned.
    """
    folder = shlex.quote(str(options.resume))
    try:
        words = arguments.parse(shlex.split(head.command)[1:])
        if words.command != "run" or words.suite is None or words.resume is not None:
            raise ValueError(head.command)
    except (ValueError, UserError, SystemExit):
        shown = head.command if len(head.command) <= 80 else head.command[:77] + "..."
        raise UserError(
            f"{options.resume}/run.json: command: {shown!r} does not begin a run",
            f"name the suite too: levelfield run SUITE --resume {folder}",
        ) from None
    begun, plain = asked(words), RunOptions()
    said = {
        name: getattr(options, name)
        for name in _NAMES
        if name not in (*BESIDE, "suite") and getattr(options, name) not in (getattr(plain, name), getattr(begun, name))
    }
    if said:
        words_said = command(replace(plain, **said)).removeprefix("levelfield run ")
        raise UserError(
            f"{words_said} would change the plan of {folder}, begun as: {head.command}",
            f"leave it out: levelfield run --resume {folder}; or begin another run",
        )
    kept = {name: getattr(options, name) for name in BESIDE if name != "data_dir" or options.data_dir is not None}
    return replace(begun, **kept | {"explain": begun.explain or options.explain})
