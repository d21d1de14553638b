"""What can be said to ``levelfield``: its commands and options, and what is wrong with them.

The parser is argparse: importing the usual alternative takes four times as long as starting Python.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn, get_args

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


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command. Raises UserError for bad usage."""
    for word in arguments:
        if "\0" in word:  # not from a shell, but from Python; as a path it would raise wherever it is first used
            raise UserError(f"{word!r} holds a null character", "leave it out: no file name has one")
    return _parser().parse_args(arguments)


def command(options: argparse.Namespace) -> str:
    """The line whose `parse` gives these options: made from the parser's own actions, so that none is forgotten."""
    (commands,) = (a.choices for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
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

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            from levelfield.tasks.errors import unknown

            what = "command" if action.dest == "command" else action.dest
            raise unknown(what, str(value), [str(choice) for choice in action.choices])


class Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes as long as starting Python."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(_version())
        parser.exit()


@cache
def _parser() -> Parser:
    common = Parser(add_help=False)
    common.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show tracebacks: of internal errors, and of what an adapter raised",
    )
    common.add_argument("-q", "--quiet", action="store_true", help="no progress")

    parser = Parser(prog="levelfield", description="A level playing field for neural-network frameworks.")
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    env = Parser(add_help=False)
    passed = "pass this variable on to launches, with its value here or this one; repeatable"
    env.add_argument("--env", action="append", type=values.variable, default=[], metavar="NAME[=VALUE]", help=passed)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, text: str, *more: Parser) -> Parser:
        command: Parser = commands.add_parser(
            name,
            parents=[common, *more],
            help=text,
            description=text,
            epilog=EXIT_CODES.get(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return command

    listing = add("list", "What there is: adapters, tasks, suites; and the devices that frameworks see.", env)
    listing.add_argument("what", nargs="?", choices=["adapters", "tasks", "suites", "devices"], metavar="WHAT")
    listing.add_argument("--json", action="store_true", help="for programs")

    table = add("table", "Look at a file of your own, and print the [tasks.x] that reads it.")
    table.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet, Feather, npz, ARFF, xlsx, LIBSVM")
    table.add_argument("--label", metavar="NAME", help="the column to be learnt, or its place (default: the last)")

    run = add("run", "Run a comparison suite, and write its report.", env)
    run.add_argument("suite", nargs="?", metavar="SUITE", help="a name of 'levelfield list suites' or a .toml file")
    run.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    run.add_argument("-t", "--task", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    run.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    run.add_argument("--track", action="append", default=[], choices=TRACKS, help="only this one; repeatable")
    run.add_argument(
        "--device", type=values.device, metavar="NAME", help="cpu, gpu:0, tpu:0 (default: as the suite says)"
    )
    run.add_argument("--matmul-precision", choices=PRECISIONS, metavar="P", help=", ".join(PRECISIONS))
    run.add_argument(
        "--threads", type=values.positive, metavar="N", help="of speed launches (default: as the suite says)"
    )
    run.add_argument("--blocks", type=values.positive, metavar="N", help="of speed launches")
    run.add_argument("--budget", type=values.duration, metavar="TIME", help="add blocks until then: 90s, 10m, 1h")
    run.add_argument("--precision", type=values.percent, metavar="P", help="add blocks until intervals are ± this: 2%%")
    run.add_argument("--cold", action="store_true", help="a fresh process for every launch, nothing imported before")
    run.add_argument("--seeds", type=values.positive, metavar="N", help="of learning launches")
    run.add_argument("--full", action="store_true", help="the larger number of seeds, where the suite has two")
    run.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    run.add_argument(
        "--launcher", type=values.launcher, default="local", metavar="WHERE", help="local, or ray[://HOST:PORT]"
    )
    run.add_argument("--no-certify", action="store_true", help="prove nothing; no launch takes part in a verdict")
    run.add_argument("--no-probes", action="store_true", help="sample nothing beside speed launches")
    run.add_argument(
        "--explain",
        action="store_true",
        help="then say what each pair of the framework tax is made of (2 minutes a pair)",
    )
    run.add_argument("--resume", type=Path, metavar="RUN", help="make the launches that this run has no record of")
    run.add_argument("--allow-changes", action="store_true", help="resume though the suite, data or versions changed")
    run.add_argument("--dry-run", action="store_true", help="print the plan, start nothing")
    run.add_argument("--anonymous", action="store_true", help="leave the host's name out of the records")
    run.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run's folder (default: runs/TIME-SUITE)")
    run.add_argument("--json", action="store_true", help="print the result as JSON")

    duel = add("duel", "Which of two is faster? Their launches take turns, so that few of them suffice.", env)
    duel.add_argument("first", metavar="ADAPTER[:MODE]", help="one side; without a mode its first one")
    duel.add_argument("second", metavar="ADAPTER[:MODE]", help="the other; the verdict is about the first against it")
    duel.add_argument("--suite", metavar="SUITE", help="whose speed work they do (default: the first of suite default)")
    duel.add_argument(
        "--workload", metavar="NAME", help="task, model and recipe, or a part: where the suite has several"
    )
    duel.add_argument("--budget", type=values.duration, default=60.0, metavar="TIME", help="stop then (default: 60s)")
    duel.add_argument("--pairs", type=values.positive, default=1000, metavar="N", help="at most so many")
    duel.add_argument(
        "--precision", type=values.percent, default=0.01, metavar="P", help="stop at ± this (default: 1%%)"
    )
    duel.add_argument("--threshold", type=values.percent, default=0.03, metavar="P", help="the margin of a tie: 3%%")
    duel.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    duel.add_argument("--json", action="store_true", help="the verdict and every pair")

    explain = add("explain", "Why is it slower? Where the time of a training step goes, from arithmetic upwards.", env)
    explain.add_argument("adapter", metavar="ADAPTER[:MODE]", help="the one to explain; without a mode its first one")
    below = "compare with this one (default: the low-level API of the same framework, if it has one)"
    explain.add_argument("--against", metavar="ADAPTER[:MODE]", help=below)
    explain.add_argument(
        "--suite", metavar="SUITE", help="whose speed work it does (default: the first of suite default)"
    )
    explain.add_argument(
        "--workload", metavar="NAME", help="task, model and recipe, or a part: where the suite has several"
    )
    explain.add_argument(
        "--budget", type=values.duration, default=180.0, metavar="TIME", help="add no block then (default: 3m)"
    )
    explain.add_argument("--blocks", type=values.positive, default=20, metavar="N", help="at most so many")
    explain.add_argument(
        "--precision",
        type=values.percent,
        default=0.02,
        metavar="P",
        help="stop at ± this of the longest step (default: 2%%)",
    )
    explain.add_argument("--trace", type=Path, metavar="DIR", help="write traces there, in Chrome's format")
    explain.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    explain.add_argument("--json", action="store_true", help="for programs; times in seconds")

    doctor = add("doctor", "How far this machine can be trusted: what disturbs it, false verdicts, what is found.")
    much = doctor.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="within a minute")
    much.add_argument("--full", action="store_true", help="three adapters, also beside a neighbour; 34 minutes")
    only = f"these parts alone, each to its end: {', '.join(PARTS)}"
    doctor.add_argument("--only", type=values.names, default=[], metavar="PART,…", help=only)
    doctor.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="these; repeatable")
    doctor.add_argument("--budget", type=values.duration, metavar="TIME", help="stop measuring then: 90s, 10m, 1h")
    doctor.add_argument("--threads", type=values.positive, metavar="N", help="default: all cores")
    doctor.add_argument("--json", action="store_true", help="everything, the recorded series included")

    versions = add("versions", "Since which version is it slower? Build environments, and time them beside each other.")
    versions.add_argument("package", nargs="?", metavar="PACKAGE", help="torch, jax, numpy, …")
    versions.add_argument(
        "versions", nargs="*", metavar="VERSION", help="a release, a requirement, the path of a wheel or a checkout"
    )
    versions.add_argument(
        "--suite", metavar="SUITE", help="its speed parts (default: the first of suite default, short)"
    )
    versions.add_argument(
        "-a", "--adapter", action="append", default=[], metavar="NAME", help="default: those of the package; repeatable"
    )
    versions.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    versions.add_argument(
        "--device", type=values.device, metavar="NAME", help="cpu, gpu:0, tpu:0 (default: as the suite says)"
    )
    versions.add_argument("--threads", type=values.positive, metavar="N", help="default: as the suite says")
    versions.add_argument("--blocks", type=values.positive, metavar="N", help="default: 8, or as the suite says")
    versions.add_argument("--budget", type=values.duration, metavar="TIME", help="add blocks until then: 90s, 10m, 1h")
    versions.add_argument(
        "--precision", type=values.percent, metavar="P", help="add blocks until intervals are ± this: 1%%"
    )
    versions.add_argument(
        "--threshold", type=values.percent, default=0.03, metavar="P", help="the margin of a tie: 3%%"
    )
    search = "between two releases, find the one that became slower by more than this: slower:3%%"
    versions.add_argument("--bisect", type=values.slower, metavar="slower:P", help=search)
    versions.add_argument("--installer", choices=["uv", "pip"], help="default: uv if it is on the PATH, else pip")
    versions.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    versions.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: runs/TIME-versions-PACKAGE")
    versions.add_argument("--list", action="store_true", help="the environments that were built, and their size")
    versions.add_argument("--remove", metavar="NAME", help="remove this environment, or all")
    versions.add_argument("--json", action="store_true", help="for programs")

    certify = add("certify", "Prove that adapters compute the specification, against a float64 reference.", env)
    certify.add_argument("adapter", nargs="*", metavar="ADAPTER", help="default: all that are installed")
    certify.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    certify.add_argument(
        "--device", type=values.device, default="cpu", metavar="NAME", help="cpu (default), gpu:0, tpu:0"
    )
    certify.add_argument(
        "--matmul-precision", choices=PRECISIONS, default="float32", metavar="P", help=", ".join(PRECISIONS)
    )
    certify.add_argument(
        "--replicas", type=values.positive, default=1, metavar="N", help="over which each batch is split"
    )
    certify.add_argument(
        "--replication", choices=REPLICATIONS, help="how they are made (default: each way an adapter has)"
    )
    certify.add_argument("--quick", action="store_true", help="the short form that 'run' uses")
    certify.add_argument("--cached", action="store_true", help="be content with certificates that still hold")
    certify.add_argument("--json", action="store_true", help="the certificates, one JSON object a line")

    preview = add("preview", "Compile the certified step for a chip that is not here; nothing is run, no time is told.")
    preview.add_argument("chip", metavar="CHIP", help="tpu:v5e, tpu:v6e, tpu:v4, tpu:v5p, tpu:tpu7x, gpu:h100")
    preview.add_argument("adapter", nargs="*", metavar="ADAPTER", help="default: all over JAX that are installed")
    preview.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    preview.add_argument(
        "--matmul-precision", choices=PRECISIONS, default="float32", metavar="P", help=", ".join(PRECISIONS)
    )
    preview.add_argument(
        "--replicas", type=values.positive, default=1, metavar="N", help="devices that share each batch"
    )
    preview.add_argument(
        "--hidden", type=values.widths, default=[128], metavar="N,…", help="widths of the hidden layers"
    )
    preview.add_argument("--json", action="store_true", help="the previews, one JSON object a line")

    new = add("new-adapter", "Write the skeleton of an adapter, which runs and certifies at once.")
    new.add_argument("name", metavar="NAME", help="lower-case words and hyphens")
    where = "as a package of its own (default folder: levelfield-NAME), not into levelfield's checkout"
    new.add_argument("--package", nargs="?", const=Path(), type=Path, metavar="DIR", help=where)

    report = add("report", "Write the report of a run: one HTML file that needs no network.")
    report.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of one machine's runs (the newest)")
    report.add_argument("--history", type=Path, metavar="DIR", help="instead: the series of all runs in this folder")
    report.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: report.html in the run's folder")
    report.add_argument("--baseline", metavar="ADAPTER", help="compare with this one (default: as the suite says)")
    report.add_argument("--format", choices=["html", "markdown"], default="html")
    report.add_argument(
        "--image", type=values.image, metavar="FILE", help="instead: the first picture alone, .svg or .png"
    )
    report.add_argument("--open", action="store_true", help="open it in the browser")

    export = add("export", "Write a run in another tool's format.")
    export.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    formats = ["csv", "json", "parquet", "markdown", "pytest-benchmark"]
    export.add_argument("--format", choices=formats, default="csv", help=", ".join(formats))
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")

    compare = add("compare", "Compare the speed of two runs, cell by cell.")
    compare.add_argument("base", type=Path, metavar="BASE", help="a run's folder")
    compare.add_argument("new", type=Path, metavar="NEW", help="another one")
    compare.add_argument("--threshold", type=values.percent, default=0.03, metavar="P", help="the margin of a tie: 3%%")
    compare.add_argument(
        "--fail-on",
        type=values.failures,
        action="extend",
        default=[],
        metavar="WHAT,…",
        help="exit with 1 for: slower, undecided",
    )
    again = "measure what looks slower again: both environments in turns; only what that shows counts as slower"
    compare.add_argument("--confirm", action="store_true", help=again)
    compare.add_argument(
        "--environment",
        action="append",
        type=values.environment,
        default=[],
        metavar="SIDE=PYTHON",
        help="of the side base or new, to measure again (default: the interpreter that made the run)",
    )
    compare.add_argument(
        "--budget",
        type=values.duration,
        default=60.0,
        metavar="TIME",
        help="for each cell measured again (default: 60s)",
    )
    compare.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, to measure again")
    compare.add_argument("--force", action="store_true", help="compare runs of different machines")
    compare.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it as an HTML page")
    compare.add_argument("--json", action="store_true", help="for programs")

    show = add("show", "Print a run, or one of its cells, in the terminal.")
    show.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    show.add_argument("cell", nargs="?", metavar="CELL", help="part of a cell's id: every record of those cells")
    show.add_argument("--json", action="store_true", help="the records, one JSON object a line")
    return parser


def _version() -> str:
    return f"levelfield {levelfield.__version__}"
