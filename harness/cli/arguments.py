"""What can be said to ``levelfield``: its commands and options, and what is wrong with them.

The parser is argparse: importing the usual alternative takes four times as long as starting Python.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, get_args

import levelfield
from levelfield.adapters.choices import Replication, TimedPrecision, Track
from levelfield.harness.cli import values
from levelfield.harness.doctor.parts import PARTS
from levelfield.tasks.errors import UserError

EXIT_CODES = {
    "run": """exit codes:
  0    done
  1    done, and a launch failed; or a timed comparison was asked for (the baseline
       and another one, certified) and no launch counts, or nothing is judged
       though three blocks or more were planned
  2    wrong usage or configuration     3    internal error
  5    nothing selected                 130  interrupted""",
    "versions": """exit codes:
  0    done, and with --bisect: found
  1    done, and a launch failed or nothing is judged; or the search found nothing
  2    wrong usage, or an environment cannot be built
  3    internal error                   130  interrupted""",
    "compare": """exit codes:
  0    compared
  1    what --fail-on names was found: a cell is materially slower, or its
       launches fail or are not made any more (slower); a cell common to both
       could not be decided (undecided)
  2    wrong usage, runs of different machines, or a cell that looks slower
       cannot be measured again (--confirm)
  3    internal error
  5    nothing could be compared""",
}
PRECISIONS, TRACKS, REPLICATIONS = (get_args(choice) for choice in (TimedPrecision, Track, Replication))
VERBOSE = "show tracebacks: of internal errors, and of what an adapter raised"
PASSED = "pass this variable on to launches, with its value here or this one; repeatable"
SHARED: dict[str, dict[str, Any]] = {
    "--env": dict(action="append", type=values.variable, default=[], metavar="NAME[=VALUE]", help=PASSED),
    "--mode": dict(action="append", default=[], metavar="NAME", help="only this one; repeatable"),
    "--device": dict(type=values.device, metavar="NAME", help="cpu, gpu:0, tpu:0 (default: as the suite says)"),
    "--matmul-precision": dict(choices=PRECISIONS, default="float32", metavar="P", help=", ".join(PRECISIONS)),
    "--workload": dict(metavar="NAME", help="task, model and recipe, or a part: where the suite has several"),
    "--budget": dict(type=values.duration, metavar="TIME", help="add blocks until then: 90s, 10m, 1h"),
    "--threshold": dict(type=values.percent, default=0.03, metavar="P", help="the margin of a tie: 3%%"),
    "--data-dir": dict(type=Path, metavar="DIR", help="where the MNIST files are, or shall be"),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command. Raises UserError for bad usage."""
    for word in arguments:
        if "\0" in word:  # not from a shell, but from Python; as a path it would raise wherever it is first used
            raise UserError(f"{word!r} holds a null character", "leave it out: no file name has one")
    first = next((word for word in arguments if not word.startswith("-")), None)
    return _parser(first if first in COMMANDS else "").parse_args(arguments)


def command(options: argparse.Namespace) -> str:
    """The line whose `parse` gives these options: made from the parser's own actions, so that none is forgotten."""
    (commands,) = (a.choices for a in _parser(options.command)._actions if isinstance(a, argparse._SubParsersAction))
    positional: list[str] = []
    words: list[str] = []
    for action in commands[options.command]._actions:
        value = getattr(options, action.dest, action.default)
        if action.dest == "help" or value == action.default:
            continue
        several = isinstance(action, argparse._AppendAction) or action.nargs == "*"
        given = value if several else [value]
        if not action.option_strings:
            positional += map(str, given)
        elif action.nargs == 0:
            words.append(action.option_strings[-1])
        else:
            for one in given:
                words += _option(action, values.WRITTEN.get(action.type, str)(one))
    # What looks like an option is none behind two hyphens
    behind = ["--", *positional] if any(word.startswith("-") for word in positional) else []
    return shlex.join(["levelfield", options.command, *([] if behind else positional), *words, *behind])


def _option(action: argparse.Action, value: str) -> list[str]:
    return [f"{action.option_strings[-1]}={value}"] if value.startswith("-") else [action.option_strings[0], value]


class Parser(argparse.ArgumentParser):
    """Reports bad usage as every other error: what is wrong, and what would be right."""

    add = argparse.ArgumentParser.add_argument

    def shared(self, *names: str) -> None:
        """Options that several commands have."""
        for name in names:
            self.add(name, **SHARED[name])

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            from levelfield.tasks.errors import unknown

            what = "command" if action.dest == "command" else action.dest
            raise unknown(what, str(value), [str(choice) for choice in action.choices])


class Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal. argparse asks shutil, whose import takes a sixth of a bare start of Python."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size().columns
        except (ValueError, OSError):  # stdout is no terminal
            columns = 0
        super().__init__(prog, width=(columns or 80) - 2)


class Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes as long as starting Python."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"levelfield {levelfield.__version__}")
        parser.exit()


def _list(parser: Parser) -> None:
    parser.add("what", nargs="?", choices=["adapters", "tasks", "suites", "devices"], metavar="WHAT")
    parser.add("--json", action="store_true", help="for programs")


def _table(parser: Parser) -> None:
    parser.add("file", type=Path, metavar="FILE", help="CSV, Parquet, Feather, npz, ARFF, xlsx, LIBSVM")
    parser.add("--label", metavar="NAME", help="the column to be learnt, or its place (default: the last)")


def _run(parser: Parser) -> None:
    parser.add("suite", nargs="?", metavar="SUITE", help="a name of 'levelfield list suites' or a .toml file")
    parser.add("-a", "--adapter", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    parser.add("-t", "--task", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    parser.shared("--mode")
    parser.add("--track", action="append", default=[], choices=TRACKS, help="only this one; repeatable")
    parser.shared("--device")
    parser.add("--matmul-precision", choices=PRECISIONS, metavar="P", help=", ".join(PRECISIONS))
    parser.add("--threads", type=values.positive, metavar="N", help="of speed launches (default: as the suite says)")
    parser.add("--blocks", type=values.positive, metavar="N", help="of speed launches")
    parser.shared("--budget")
    parser.add("--precision", type=values.percent, metavar="P", help="add blocks until intervals are ± this: 2%%")
    parser.add("--cold", action="store_true", help="a fresh process for every launch, nothing imported before")
    parser.add("--seeds", type=values.positive, metavar="N", help="of learning launches")
    parser.add("--full", action="store_true", help="the larger number of seeds, where the suite has two")
    parser.shared("--data-dir")
    parser.add("--launcher", type=values.launcher, default="local", metavar="WHERE", help="local, or ray[://HOST:PORT]")
    parser.add("--no-certify", action="store_true", help="certify nothing; there are no verdicts then")
    explain = "then say what each pair of the framework tax is made of (2 minutes a pair)"
    parser.add("--explain", action="store_true", help=explain)
    parser.add("--no-probes", action="store_true", help="sample nothing beside speed launches")
    parser.add("--resume", type=Path, metavar="RUN", help="make the launches that this run has no record of")
    parser.add("--allow-changes", action="store_true", help="resume though the suite, data or versions changed")
    parser.add("--dry-run", action="store_true", help="print the plan, start nothing")
    parser.add("--anonymous", action="store_true", help="leave the host's name out of the records")
    parser.add("-o", "--output", type=Path, metavar="DIR", help="the run's folder (default: runs/TIME-SUITE)")
    parser.add("--json", action="store_true", help="print the result as JSON")


def _duel(parser: Parser) -> None:
    parser.add("first", metavar="ADAPTER[:MODE]", help="one side; without a mode its first one")
    parser.add("second", metavar="ADAPTER[:MODE]", help="the other; the verdict is about the first against it")
    parser.add("--suite", metavar="SUITE", help="whose speed work they do (default: the first of suite default)")
    parser.shared("--workload")
    parser.add("--budget", type=values.duration, default=60.0, metavar="TIME", help="stop then (default: 60s)")
    parser.add("--pairs", type=values.positive, default=1000, metavar="N", help="at most so many")
    parser.add("--precision", type=values.percent, default=0.01, metavar="P", help="stop at ± this (default: 1%%)")
    parser.shared("--threshold", "--data-dir")
    parser.add("--json", action="store_true", help="the verdict and every pair")


def _explain(parser: Parser) -> None:
    parser.add("adapter", metavar="ADAPTER[:MODE]", help="the one to explain; without a mode its first one")
    below = "compare with this one (default: the low-level API of the same framework, if it has one)"
    parser.add("--against", metavar="ADAPTER[:MODE]", help=below)
    parser.add("--suite", metavar="SUITE", help="whose speed work it does (default: the first of suite default)")
    parser.shared("--workload")
    parser.add("--budget", type=values.duration, default=180.0, metavar="TIME", help="add no block then (default: 3m)")
    parser.add("--blocks", type=values.positive, default=20, metavar="N", help="at most so many")
    width = "stop at ± this of the longest step (default: 2%%)"
    parser.add("--precision", type=values.percent, default=0.02, metavar="P", help=width)
    parser.add("--threads", type=values.positive, default=1, metavar="N", help="of each launch, and cores (default: 1)")
    parser.add("--trace", type=Path, metavar="DIR", help="write traces there, in Chrome's format")
    parser.shared("--data-dir")
    parser.add("--json", action="store_true", help="for programs; times in seconds")


def _doctor(parser: Parser) -> None:
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="within a minute")
    much.add_argument("--full", action="store_true", help="three adapters, also beside a neighbour; 34 minutes")
    only = f"these parts alone, each to its end: {', '.join(PARTS)}"
    parser.add("--only", type=values.names, default=[], metavar="PART,…", help=only)
    parser.add("-a", "--adapter", action="append", default=[], metavar="NAME", help="these; repeatable")
    parser.add("--budget", type=values.duration, metavar="TIME", help="stop measuring then: 90s, 10m, 1h")
    parser.add("--threads", type=values.positive, metavar="N", help="default: all cores")
    parser.add("--json", action="store_true", help="everything, the recorded series included")


def _versions(parser: Parser) -> None:
    parser.add("package", nargs="?", metavar="PACKAGE", help="torch, jax, numpy, …")
    which = "a release, a requirement, the path of a wheel or a checkout"
    parser.add("versions", nargs="*", metavar="VERSION", help=which)
    parser.add("--suite", metavar="SUITE", help="its speed parts (default: the first of suite default, short)")
    own = "default: those of the package; repeatable"
    parser.add("-a", "--adapter", action="append", default=[], metavar="NAME", help=own)
    parser.shared("--mode", "--device")
    parser.add("--threads", type=values.positive, metavar="N", help="default: as the suite says")
    parser.add("--blocks", type=values.positive, metavar="N", help="default: 8, or as the suite says")
    parser.shared("--budget")
    parser.add("--precision", type=values.percent, metavar="P", help="add blocks until intervals are ± this: 1%%")
    parser.shared("--threshold")
    search = "between two releases, find the one that became slower by more than this: slower:3%%"
    parser.add("--bisect", type=values.slower, metavar="slower:P", help=search)
    parser.add("--installer", choices=["uv", "pip"], help="default: uv if it is on the PATH, else pip")
    parser.shared("--data-dir")
    parser.add("-o", "--output", type=Path, metavar="DIR", help="default: runs/TIME-versions-PACKAGE")
    parser.add("--list", action="store_true", help="the environments that were built, and their size")
    parser.add("--remove", metavar="NAME", help="remove this environment, or all")
    parser.add("--json", action="store_true", help="for programs")


def _certify(parser: Parser) -> None:
    parser.add("adapter", nargs="*", metavar="ADAPTER", help="default: all that are installed")
    parser.shared("--mode")
    parser.add("--device", type=values.device, default="cpu", metavar="NAME", help="cpu (default), gpu:0, tpu:0")
    parser.shared("--matmul-precision")
    parser.add("--replicas", type=values.positive, default=1, metavar="N", help="over which each batch is split")
    parser.add("--replication", choices=REPLICATIONS, help="how they are made (default: each way an adapter has)")
    parser.add("--quick", action="store_true", help="the short form that 'run' uses")
    parser.add("--cached", action="store_true", help="be content with certificates that still hold")
    parser.add("--json", action="store_true", help="the certificates, one JSON object a line")


def _preview(parser: Parser) -> None:
    parser.add("chip", metavar="CHIP", help="tpu:v5e, tpu:v6e, tpu:v4, tpu:v5p, tpu:tpu7x, gpu:h100")
    parser.add("adapter", nargs="*", metavar="ADAPTER", help="default: all over JAX that are installed")
    parser.shared("--mode", "--matmul-precision")
    parser.add("--replicas", type=values.positive, default=1, metavar="N", help="devices that share each batch")
    parser.add("--hidden", type=values.widths, default=[128], metavar="N,…", help="widths of the hidden layers")
    parser.add("--json", action="store_true", help="the previews, one JSON object a line")


def _new_adapter(parser: Parser) -> None:
    parser.add("name", metavar="NAME", help="lower-case words and hyphens")
    where = "as a package of its own (default folder: levelfield-NAME), not into levelfield's checkout"
    parser.add("--package", nargs="?", const=Path(), type=Path, metavar="DIR", help=where)


def _report(parser: Parser) -> None:
    parser.add("runs", nargs="*", type=Path, metavar="RUN", help="folders of one machine's runs (the newest)")
    parser.add("--history", type=Path, metavar="DIR", help="instead: the series of all runs in this folder")
    parser.add("-o", "--output", type=Path, metavar="FILE", help="default: report.html in the run's folder")
    parser.add("--baseline", metavar="ADAPTER", help="compare with this one (default: as the suite says)")
    parser.add("--format", choices=["html", "markdown"], default="html")
    parser.add("--image", type=values.image, metavar="FILE", help="instead: the first picture alone, .svg or .png")
    parser.add("--open", action="store_true", help="open it in the browser")


def _export(parser: Parser) -> None:
    parser.add("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    formats = ["csv", "json", "parquet", "markdown", "pytest-benchmark"]
    parser.add("--format", choices=formats, default="csv", help=", ".join(formats))
    parser.add("-o", "--output", type=Path, metavar="FILE", help="default: stdout")


def _compare(parser: Parser) -> None:
    parser.add("base", type=Path, metavar="BASE", help="a run's folder")
    parser.add("new", type=Path, metavar="NEW", help="another one")
    parser.shared("--threshold")
    fail = "exit with 1 for: slower, undecided"
    parser.add("--fail-on", type=values.failures, action="extend", default=[], metavar="WHAT,…", help=fail)
    again = "measure what looks slower again: both environments in turns; only what that shows counts as slower"
    parser.add("--confirm", action="store_true", help=again)
    side = "of the side base or new, to measure again (default: the interpreter that made the run)"
    parser.add("--environment", action="append", type=values.environment, default=[], metavar="SIDE=PYTHON", help=side)
    each = "for each cell measured again (default: 60s)"
    parser.add("--budget", type=values.duration, default=60.0, metavar="TIME", help=each)
    parser.add("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, to measure again")
    parser.add("--force", action="store_true", help="compare runs of different machines")
    parser.add("-o", "--output", type=Path, metavar="FILE", help="write it as an HTML page")
    parser.add("--json", action="store_true", help="for programs")


def _show(parser: Parser) -> None:
    parser.add("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    parser.add("cell", nargs="?", metavar="CELL", help="part of a cell's id: every record of those cells")
    parser.add("--json", action="store_true", help="the records, one JSON object a line")


COMMANDS: dict[str, tuple[Callable[[Parser], None], str]] = {
    "list": (_list, "What there is: adapters, tasks, suites; and the devices that frameworks see."),
    "table": (_table, "Look at a file of your own, and print the [tasks.x] that reads it."),
    "run": (_run, "Run a comparison suite, and write its report."),
    "duel": (_duel, "Which of two is faster? Their launches take turns, so that few of them suffice."),
    "explain": (_explain, "Why is it slower? Where the time of a training step goes, from arithmetic upwards."),
    "doctor": (_doctor, "How far this machine can be trusted: what disturbs it, false verdicts, what is found."),
    "versions": (_versions, "Since which version is it slower? Build environments, and time them beside each other."),
    "certify": (_certify, "Prove that adapters compute the specification, against a float64 reference."),
    "preview": (_preview, "Compile the certified step for a chip that is not here; nothing is run or timed."),
    "new-adapter": (_new_adapter, "Write the skeleton of an adapter, which runs and certifies at once."),
    "report": (_report, "Write the report of a run: one HTML file that needs no network."),
    "export": (_export, "Write a run in another tool's format."),
    "compare": (_compare, "Compare the speed of two runs, cell by cell."),
    "show": (_show, "Print a run, or one of its cells, in the terminal."),
}
WITH_ENV = ("list", "run", "duel", "explain", "certify")  # who starts launches


@cache
def _parser(name: str | None = None) -> Parser:
    """Of all commands; with a name, without the options of the others: to make those of all takes as long as Python
    takes to start."""
    text = "A level playing field for neural-network frameworks."
    parser = Parser(prog="levelfield", description=text, formatter_class=Formatter)
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for command, (fill, text) in COMMANDS.items():
        made = commands.add_parser(
            command,
            help=text,
            description=text,
            epilog=EXIT_CODES.get(command),
            formatter_class=Formatter,
        )
        if name in (None, command):
            made.add("-v", "--verbose", action="store_true", help=VERBOSE)
            made.add("-q", "--quiet", action="store_true", help="no progress")
            if command in WITH_ENV:
                made.shared("--env")
            fill(made)
    return parser
