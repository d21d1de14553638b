"""The command ``levelfield``: arguments in, exit code out. What is slow to import is imported where it is used.

Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 done, with failed launches or a missing
certificate; 2 usage or configuration; 3 internal error; 5 nothing selected; 130 interrupted.

The parser is argparse: importing the usual alternative takes four times as long as starting Python.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.record import Record
    from harness.store import Contents

PRECISIONS = ("float32", "tf32", "bfloat16")
OK, FAILED, USAGE, INTERNAL, NOTHING, INTERRUPTED = 0, 1, 2, 3, 5, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the console script's entry point."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        options = parse(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except UserError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if verbose:
            raise
        print(f"error: internal: {type(error).__name__}: {error}", file=sys.stderr)
        print("  hint: run it again with --verbose for the traceback, and please report it", file=sys.stderr)
        return INTERNAL


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command. Raises UserError for bad usage."""
    for word in arguments:
        if "\0" in word:  # not from a shell, but from Python; as a path it would raise wherever it is first used
            raise UserError(f"{word!r} holds a null character", "leave it out: no file name has one")
    return _parser().parse_args(arguments)


class Parser(argparse.ArgumentParser):
    """Reports bad usage as every other error: what is wrong, and what would be right."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            from tasks.errors import unknown

            what = "command" if action.dest == "what_command" else action.dest
            raise unknown(what, str(value), [str(choice) for choice in action.choices])


class Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes as long as starting Python."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(_version())
        parser.exit()


def _parser() -> Parser:
    common = Parser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="show tracebacks of internal errors")
    common.add_argument("-q", "--quiet", action="store_true", help="no progress")

    parser = Parser(prog="levelfield", description="A level playing field for neural-network frameworks.")
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="what_command", required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, function: Callable[[argparse.Namespace], int], text: str) -> Parser:
        command: Parser = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(command=function)
        return command

    listing = add("list", _list, "What there is: adapters, tasks, suites; and the devices that frameworks see.")
    listing.add_argument("what", nargs="?", choices=["adapters", "tasks", "suites", "devices"], metavar="WHAT")
    listing.add_argument("--json", action="store_true", help="for programs")

    run = add("run", _run, "Run a comparison suite, and write its report.")
    run.add_argument("suite", nargs="?", metavar="SUITE", help="a name of 'levelfield list suites' or a .toml file")
    run.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    run.add_argument("-t", "--task", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    run.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    tracks = ["matched", "idiomatic"]
    run.add_argument("--track", action="append", default=[], choices=tracks, help="only this one; repeatable")
    run.add_argument("--device", type=_device, metavar="NAME", help="cpu, gpu:0, tpu:0 (default: as the suite says)")
    run.add_argument("--matmul-precision", choices=PRECISIONS, metavar="P", help=", ".join(PRECISIONS))
    run.add_argument("--threads", type=_positive, metavar="N", help="of speed launches (default: as the suite says)")
    run.add_argument("--blocks", type=_positive, metavar="N", help="of speed launches")
    run.add_argument("--budget", type=_duration, metavar="TIME", help="add blocks until then: 90s, 10m, 1h")
    run.add_argument("--precision", type=_percent, metavar="P", help="add blocks until intervals are ± this: 2%%")
    run.add_argument("--cold", action="store_true", help="a fresh process for every launch, nothing imported before")
    run.add_argument("--seeds", type=_positive, metavar="N", help="of learning launches")
    run.add_argument("--full", action="store_true", help="the larger number of seeds, where the suite has two")
    run.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    run.add_argument("--launcher", type=_launcher, default="local", metavar="WHERE", help="local, or ray[://HOST:PORT]")
    run.add_argument("--no-certify", action="store_true", help="prove nothing; no launch takes part in a verdict")
    run.add_argument("--no-probes", action="store_true", help="sample nothing beside speed launches")
    run.add_argument("--resume", type=Path, metavar="RUN", help="make the launches that this run has no record of")
    run.add_argument("--allow-changes", action="store_true", help="resume though the suite, data or versions changed")
    run.add_argument("--dry-run", action="store_true", help="print the plan, start nothing")
    run.add_argument("--anonymous", action="store_true", help="leave the host's name out of the records")
    run.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run's folder (default: runs/TIME-SUITE)")
    run.add_argument("--json", action="store_true", help="print the result as JSON")

    duel = add("duel", _duel, "Which of two is faster? Their launches take turns, so that few of them suffice.")
    duel.add_argument("first", metavar="ADAPTER[:MODE]", help="one side; without a mode its first one")
    duel.add_argument("second", metavar="ADAPTER[:MODE]", help="the other; the verdict is about the first against it")
    duel.add_argument("--suite", default="default", metavar="SUITE", help="whose speed work they do (default: default)")
    duel.add_argument(
        "--workload", metavar="NAME", help="task, model and recipe, or a part: where the suite has several"
    )
    duel.add_argument("--budget", type=_duration, default=60.0, metavar="TIME", help="stop then (default: 60s)")
    duel.add_argument("--pairs", type=_positive, default=1000, metavar="N", help="at most so many")
    duel.add_argument("--precision", type=_percent, default=0.01, metavar="P", help="stop at ± this (default: 1%%)")
    duel.add_argument("--threshold", type=_percent, default=0.03, metavar="P", help="the margin of a tie: 3%%")
    duel.add_argument("--data-dir", type=Path, metavar="DIR", help="where the MNIST files are, or shall be")
    duel.add_argument("--json", action="store_true", help="the verdict and every pair")

    doctor = add("doctor", _doctor, "How far this machine and this tool can be trusted: look, and measure.")
    much = doctor.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="within a minute")
    much.add_argument("--full", action="store_true", help="every adapter and mode; 34 minutes")
    only = "these parts alone, each to its end: start, half, product, probed, itself, duel, overhead, cold, time"
    doctor.add_argument("--only", type=_names, default=[], metavar="PART,…", help=only)
    doctor.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="these; repeatable")
    doctor.add_argument("--budget", type=_duration, metavar="TIME", help="stop measuring then: 90s, 10m, 1h")
    doctor.add_argument("--threads", type=_positive, metavar="N", help="default: all cores")
    doctor.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the marks of a document")
    doctor.add_argument("--json", action="store_true", help="everything, the recorded series included")

    certify = add("certify", _certify, "Prove that adapters compute the specification, against a float64 reference.")
    certify.add_argument("adapter", nargs="*", metavar="ADAPTER", help="default: all that are installed")
    certify.add_argument("--mode", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    certify.add_argument("--device", type=_device, default="cpu", metavar="NAME", help="cpu (default), gpu:0, tpu:0")
    certify.add_argument(
        "--matmul-precision", choices=PRECISIONS, default="float32", metavar="P", help=", ".join(PRECISIONS)
    )
    certify.add_argument("--replicas", type=_positive, default=1, metavar="N", help="over which each batch is split")
    ways = ["devices", "ranks"]
    certify.add_argument("--replication", choices=ways, help="how they are made (default: each way an adapter has)")
    certify.add_argument("--quick", action="store_true", help="the short form that 'run' uses")
    certify.add_argument("--cached", action="store_true", help="be content with certificates that still hold")
    certify.add_argument("--json", action="store_true", help="the certificates, one JSON object a line")

    new = add("new-adapter", _new_adapter, "Write the skeleton of an adapter, which runs and certifies at once.")
    new.add_argument("name", metavar="NAME", help="lower-case words and hyphens")
    where = "as a package of its own (default folder: levelfield-NAME), not into levelfield's checkout"
    new.add_argument("--package", nargs="?", const=Path(), type=Path, metavar="DIR", help=where)

    report = add("report", _report, "Write the report of a run: one HTML file that needs no network.")
    report.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of one machine's runs (the newest)")
    report.add_argument("--history", type=Path, metavar="DIR", help="instead: the series of all runs in this folder")
    report.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: report.html in the run's folder")
    report.add_argument("--baseline", metavar="ADAPTER", help="compare with this one (default: as the suite says)")
    report.add_argument("--format", choices=["html", "markdown"], default="html")
    report.add_argument("--open", action="store_true", help="open it in the browser")

    export = add("export", _export, "Write a run in another tool's format.")
    export.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    formats = ["csv", "json", "parquet", "markdown", "pytest-benchmark"]
    export.add_argument("--format", choices=formats, default="csv", help=", ".join(formats))
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")

    compare = add("compare", _compare, "Compare the speed of two runs, cell by cell.")
    compare.add_argument("base", type=Path, metavar="BASE", help="a run's folder")
    compare.add_argument("new", type=Path, metavar="NEW", help="another one")
    compare.add_argument("--threshold", type=_percent, default=0.03, metavar="P", help="the margin of a tie: 3%%")
    compare.add_argument("--fail-on", choices=["slower"], help="exit with 1 when a cell became materially slower")
    compare.add_argument("--force", action="store_true", help="compare runs of different machines")
    compare.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it as an HTML page")
    compare.add_argument("--json", action="store_true", help="for programs")

    show = add("show", _show, "Print a run, or one of its cells, in the terminal.")
    show.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run's folder (default: the newest)")
    show.add_argument("cell", nargs="?", metavar="CELL", help="part of a cell's id: every record of those cells")
    show.add_argument("--json", action="store_true", help="the records, one JSON object a line")
    return parser


def _names(text: str) -> list[str]:
    return text.split(",")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text == "cpu" or (kind in ("gpu", "tpu") and (not colon or (number.isdecimal() and len(number) <= 3))):
        return text if text == "cpu" else f"{kind}:{int(number or 0)}"
    raise argparse.ArgumentTypeError(f"{text!r} is no device; write cpu, gpu:0 or tpu:0 (levelfield list devices)")


def _launcher(text: str) -> str:
    if text not in ("local", "ray") and not (text.startswith("ray://") and text[6:].rpartition(":")[2].isdigit()):
        from tasks.errors import unknown

        raise unknown("launcher", text, ["local", "ray", "ray://HOST:PORT"])
    return text


def _duration(text: str) -> float:
    from harness.suite import seconds

    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 90s, 10m or 1.5h") from None


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage between 0% and 100%; write 2%")
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"levelfield {version('levelfield')}"
    except PackageNotFoundError:
        return "levelfield (from a plain checkout)"


def _list(options: argparse.Namespace) -> int:
    from harness import listing

    listing.show(options.what, as_json=options.json)
    return OK


def _run(options: argparse.Namespace) -> int:
    from harness import session, store

    if options.resume is not None:
        head = store.read(options.resume).run
        if options.suite is None:
            again = _begun_with(options.resume, head.command)
            again.resume, again.dry_run, again.allow_changes = options.resume, options.dry_run, options.allow_changes
            again.quiet, again.json = options.quiet, options.json
            options = again
    elif options.suite is None:
        raise UserError("run needs a suite", "levelfield run default, or see levelfield list suites")
    outcome = session.run(options)
    if outcome.folder is not None:
        path = _write_report([outcome.folder], None, None, "html")
        for line in outcome.lines:
            print(line, file=sys.stderr)
        if options.json:
            import json

            print(json.dumps({"run": str(outcome.folder), "report": str(path), **outcome.counts}))
        else:
            print(path)
    return outcome.code


def _begun_with(folder: Path, command: str) -> argparse.Namespace:
    """The options that a run was begun with, from its head."""
    import shlex

    try:
        options = parse(shlex.split(command)[1:])
        if options.what_command == "run" and options.suite is not None and options.resume is None:
            return options
    except (ValueError, UserError, SystemExit):
        pass
    shown = command if len(command) <= 80 else command[:77] + "..."
    raise UserError(
        f"{folder}/run.json: command: {shown!r} does not begin a run",
        f"name the suite too: levelfield run SUITE --resume {shlex.quote(str(folder))}",
    )


def _certify(options: argparse.Namespace) -> int:
    from harness import certifying

    return certifying.run(options)


def _new_adapter(options: argparse.Namespace) -> int:
    from harness import kit

    name, package = options.name, options.package
    paths = kit.in_checkout(name) if package is None else kit.as_package(name, None if package == Path() else package)
    for path in paths:
        print(path)
    if not options.quiet:
        install = "" if package is None else f"pip install -e '{paths[0].parent}[test]' && "
        print(f"next: {install}levelfield certify {name}", file=sys.stderr)
    return OK


def _duel(options: argparse.Namespace) -> int:
    from harness import dueling

    return dueling.run(options)


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import command

    return command.run(options)


def _report(options: argparse.Namespace) -> int:
    from harness import store

    if options.history is not None:
        path = _write_history(options)
    else:
        folders = options.runs or [store.newest()]
        path = _write_report(folders, options.output, options.baseline, options.format)
    print(path)
    if options.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return OK


def _write_report(folders: Sequence[Path], output: Path | None, baseline: str | None, form: str) -> Path:
    """Beside the records of the (last) run, if `output` does not say where."""
    from harness import combine, export

    text = _page(combine.combine([_stored(folder) for folder in folders]), baseline, form)
    path = output or folders[-1] / ("report.html" if form == "html" else "report.md")
    export.write(text.encode(), path)
    return path


def _write_history(options: argparse.Namespace) -> Path:
    if options.runs or options.baseline or options.format != "html":
        raise UserError("--history takes a folder of runs alone", "levelfield report --history DIR [-o FILE]")
    from harness import export, history
    from reports import history_page

    path: Path = options.output or options.history / "history.html"
    export.write(history_page.build(history.read(options.history)).encode(), path)
    return path


def _page(stored: Contents, baseline: str | None, form: str) -> str:
    from adapters import registry
    from reports import markdown, page
    from reports.certificate import summary

    adapters = registry.find().adapters
    proofs = [summary(certificate) for certificate in stored.certificates]
    if form == "html":
        sources = {name: info.source.read_text(encoding="utf-8") for name, info in adapters.items()}
        return page.build(
            stored.run,
            stored.records,
            baseline=baseline,
            sources=sources,
            certificates=proofs,
            adapters=adapters,
            peaks=stored.peaks,
        )
    return markdown.build(
        stored.run,
        stored.records,
        baseline=baseline,
        certificates=proofs,
        adapters=adapters,
        peaks=stored.peaks,
    )


def _export(options: argparse.Namespace) -> int:
    from harness import export, store

    folder = options.run or store.newest()
    if options.format == "markdown":
        if options.output is None:
            print(_page(_stored(folder), None, "markdown"), end="")
            return OK
        print(_write_report([folder], options.output, None, "markdown"))
        return OK
    stored = _stored(folder)
    data = export.FORMATS[options.format](stored.run, stored.records, stored.peaks)
    if options.output is None:
        sys.stdout.buffer.write(data)
    else:
        export.write(data, options.output)
        print(options.output)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from harness import compare

    base, new = _stored(options.base), _stored(options.new)
    found = compare.compare(
        (base.run, base.records), (new.run, new.records), margin=options.threshold, force=options.force
    )
    if options.output is not None:
        from harness import export
        from reports import compare_page

        export.write(compare_page.build(base.run, new.run, found).encode(), options.output)
        if not options.json:
            print(options.output)
    if options.json:
        import dataclasses
        import json

        rows = [{"cell": change.cell.id, **dataclasses.asdict(change.verdict)} for change in found.changes]
        print(json.dumps({"changes": rows, "differences": found.differences}, indent=1))
    elif options.output is None:
        print(compare.text(found), end="")
    judged = [change.verdict for change in found.changes if change.verdict.word != "not judged"]
    if not judged:
        common = "cell has enough clean launches" if found.changes else "speed cell with clean launches is"
        print(f"nothing compared: no {common} in both runs", file=sys.stderr)
        return NOTHING
    slower = [verdict for verdict in judged if verdict.word == "slower" and verdict.material]
    return FAILED if options.fail_on == "slower" and slower else OK


def _stored(folder: Path) -> Contents:
    """What is in a run's folder; damaged lines are told."""
    from harness import store

    stored = store.read(folder)
    for line in stored.damaged:
        print(f"warning: {line}", file=sys.stderr)
    return stored


def _show(options: argparse.Namespace) -> int:
    from harness import store
    from reports import certificate, summary

    folder = options.run or store.newest()
    stored = _stored(folder)
    records = stored.records
    if options.cell is not None:
        records = _matching(records, options.cell)
    if options.json:
        for record in records:
            print(record.model_dump_json())
    elif options.cell is not None:
        for record in records:
            print(record.model_dump_json(indent=1))
    else:
        proofs = [certificate.summary(one) for one in stored.certificates]  # without one, no launch is judged
        print(summary.text(stored.run, records, certificates=proofs), end="")
    return OK


def _matching(records: Sequence[Record], part: str) -> list[Record]:
    from tasks.errors import unknown

    found = [record for record in records if part in record.cell.id]
    if not found:
        raise unknown("cell", part, {record.cell.id for record in records}, "levelfield show RUN --json")
    return found


if __name__ == "__main__":
    sys.exit(main())
