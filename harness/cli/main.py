"""The command ``levelfield``: arguments in, exit code out. What is slow to import is imported where it is used.

Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 done, with failed launches, a missing
certificate, or no answer to what was asked (`arguments.EXIT_CODES`); 2 usage or configuration; 3 internal error;
5 nothing selected; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelfield.harness.cli.arguments import parse
from levelfield.harness.system.console import show_anything, warn
from levelfield.tasks.errors import UserError

if TYPE_CHECKING:
    from levelfield.adapters.registry import AdapterInfo
    from levelfield.harness.records.cell import Cell
    from levelfield.harness.records.record import Record
    from levelfield.harness.records.store import Contents
    from levelfield.harness.run.outcome import Outcome
    from levelfield.reports.findings.certificates import Certificate

OK, FAILED, USAGE, INTERNAL, NOTHING, INTERRUPTED = 0, 1, 2, 3, 5, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the console script's entry point."""
    show_anything()
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        options = parse(arguments)
        return COMMANDS[options.command](options)
    except UserError as error:
        return _refused(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if verbose:
            raise
        from levelfield.harness.system import limits

        if (known := limits.reached(error)) is not None:
            return _refused(known)
        print(f"error: internal: {type(error).__name__}: {error}", file=sys.stderr)
        print("  hint: run it again with --verbose for the traceback, and please report it", file=sys.stderr)
        return INTERNAL


def _refused(error: UserError) -> int:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)
    return USAGE


def _list(options: argparse.Namespace) -> int:
    import gc

    gc.disable()  # the syntax trees of adapters are many objects: to look for waste takes as long as to start Python
    try:
        from levelfield.harness.cli import listing

        listing.show(options.what, as_json=options.json, env=dict(options.env))
    finally:
        gc.enable()
    return OK


def _table(options: argparse.Namespace) -> int:
    from levelfield.tasks.tables import look

    print(look.look(options.file, options.label), end="")
    return OK


def _run(words: argparse.Namespace) -> int:
    from levelfield.harness.cli.run_options import asked, begun_with, command
    from levelfield.harness.records import store
    from levelfield.harness.run import session

    options, begun = asked(words), None
    if options.resume is not None:
        if options.output is not None:
            raise UserError("--resume writes into the run's own folder", "leave --output out")
        head = store.read(options.resume).run
        if options.suite is None:
            options, begun = begun_with(options, head), head
    elif options.suite is None:
        raise UserError("run needs a suite", "levelfield run default, or see levelfield list suites")
    outcome = session.run(options, command(options), begun, _write_page, _taxed)
    if outcome.folder is None:
        return outcome.code
    path = _write_page(outcome.folder)
    told, unanswered = _judged(outcome)
    for line in (*outcome.lines, *told):
        print(line, file=sys.stderr)
    if words.json:
        import json

        print(json.dumps({"run": str(outcome.folder), "report": str(path), **outcome.counts}))
    else:
        print(path)
    return outcome.code or (FAILED if unanswered else OK)


def _taxed(stored: Contents) -> Sequence[tuple[Cell, Cell]]:
    """The pairs of the framework tax, for ``--explain``."""
    _draw_with_own_settings()
    from levelfield.reports.findings.evidence import gather
    from levelfield.reports.sections import tax

    found = gather(stored.run, stored.records, certificates=_proofs(stored), adapters=_adapters(), peaks=stored.peaks)
    return tax.cells(found)


def _judged(outcome: Outcome) -> tuple[list[str], bool]:
    """How many timed launches count, how many cells are judged, and which published figures came out, in lines; and
    whether that is no answer."""
    from levelfield.harness.records import store
    from levelfield.reports import terminal
    from levelfield.reports.findings import judged

    assert outcome.folder is not None
    stored = store.read(outcome.folder)
    found = judged.find(stored.run, stored.records, _proofs(stored))
    unanswered = (outcome.compared and found.clean == 0) or (outcome.judgeable and found.judged == 0)
    return [*judged.lines(found), *terminal.replayed(stored.run, stored.records, _proofs(stored))], unanswered


def _new_adapter(options: argparse.Namespace) -> int:
    from levelfield.harness.cli import new_adapter

    name, package = options.name, options.package
    paths = (
        new_adapter.in_checkout(name)
        if package is None
        else new_adapter.as_package(name, None if package == Path() else package)
    )
    for path in paths:
        print(path)
    if not options.quiet:
        install = "" if package is None else f"pip install -e '{paths[0].parent}[test]' && "
        print(f"next: {install}levelfield certify {name}", file=sys.stderr)
    return OK


def _module(options: argparse.Namespace) -> int:
    """A command that is a module of this room, of its own name."""
    code: int = importlib.import_module(f"{__package__}.{options.command}").run(options)
    return code


def _versions(options: argparse.Namespace) -> int:
    from levelfield.harness.cli import versions

    return versions.run(options, _write_page)


def _report(options: argparse.Namespace) -> int:
    from levelfield.harness.records import store

    if options.history is not None:
        path = _write_history(options)
    elif options.image is not None:
        path = _write_image(options)
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
    from levelfield.harness.results import export, merge_runs

    text = _page(merge_runs.combine([_stored(folder) for folder in folders]), baseline, form)
    path = output or folders[-1] / ("report.html" if form == "html" else "report.md")
    export.write(text.encode(), path)
    return path


def _write_page(folder: Path) -> Path:
    return _write_report([folder], None, None, "html")


def _write_history(options: argparse.Namespace) -> Path:
    if options.runs or options.baseline or options.image or options.format != "html":
        raise UserError("--history takes a folder of runs alone", "levelfield report --history DIR [-o FILE]")
    from levelfield.harness.results import export, run_series

    _draw_with_own_settings()
    from levelfield.reports import history_page

    path: Path = options.output or options.history / "history.html"
    export.write(history_page.build(run_series.read(options.history, _adapters())).encode(), path)
    return path


def _write_image(options: argparse.Namespace) -> Path:
    if options.output or options.format != "html":
        raise UserError("--image names the one file to write", "levelfield report RUN --image FILE.svg")
    from levelfield.harness.records import store
    from levelfield.harness.results import export, merge_runs

    stored = merge_runs.combine([_stored(folder) for folder in options.runs or [store.newest()]])
    _draw_with_own_settings()
    from levelfield.reports.findings.evidence import gather
    from levelfield.reports.page import answer

    proofs = _proofs(stored)
    found = gather(stored.run, stored.records, baseline=options.baseline, certificates=proofs, adapters=_adapters())
    path: Path = options.image
    export.write(answer.image(found, path.suffix[1:].lower()), path)
    return path


def _proofs(stored: Contents) -> list[Certificate]:
    from levelfield.reports.findings import certificates

    return [certificates.summary(one) for one in stored.certificates]


def _adapters() -> Mapping[str, AdapterInfo]:
    from levelfield.adapters import registry

    return registry.find().adapters


def _draw_with_own_settings() -> None:
    """Before the import of matplotlib: where it keeps its list of fonts, and would find a user's style."""
    from levelfield.harness.system import folders

    os.environ.setdefault("MPLCONFIGDIR", str(folders.cache() / "matplotlib"))


def _page(stored: Contents, baseline: str | None, form: str) -> str:
    from levelfield.adapters import sources

    _draw_with_own_settings()
    from levelfield.reports import markdown
    from levelfield.reports.page import html

    adapters = _adapters()
    shown: dict[str, Any] = {"baseline": baseline, "adapters": adapters}
    shown |= {"peaks": stored.peaks, "explained": stored.explained}
    if form == "html":
        shown["sources"] = {name: sources.text(info) for name, info in adapters.items()}
        scripts = {name: info.plain for name, info in adapters.items() if info.plain}
        shown["scripts"] = {name: path.read_text(encoding="utf-8") for name, path in scripts.items()}
    build = html.build if form == "html" else markdown.build
    return build(stored.run, stored.records, certificates=_proofs(stored), **shown)


def _export(options: argparse.Namespace) -> int:
    from levelfield.harness.records import store
    from levelfield.harness.results import export

    stored = _stored(options.run or store.newest())
    if options.format == "markdown":
        data = _page(stored, None, "markdown").encode()
    else:
        data = export.FORMATS[options.format](stored.run, stored.records, stored.peaks)
    if options.output is not None:
        export.write(data, options.output)
        print(options.output)
    elif options.format == "markdown":
        print(data.decode(), end="")
    else:
        sys.stdout.buffer.write(data)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from levelfield.harness.cli import compare

    base, new = _stored(options.base), _stored(options.new)
    found = compare.find(options, base, new)
    if options.output is not None:
        from levelfield.harness.results import export

        _draw_with_own_settings()
        from levelfield.reports import compare_page

        export.write(compare_page.build(base.run, new.run, found).encode(), options.output)
        if not options.json:
            print(options.output)
    return compare.tell(options, found)


def _stored(folder: Path) -> Contents:
    """What is in a run's folder; damaged lines are told."""
    from levelfield.harness.records import store

    stored = store.read(folder)
    warn(stored.damaged)
    return stored


def _show(options: argparse.Namespace) -> int:
    from levelfield.harness.records import store
    from levelfield.reports import terminal

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
        print(terminal.text(stored.run, records, certificates=_proofs(stored)), end="")  # without, no launch is judged
    return OK


def _matching(records: Sequence[Record], part: str) -> list[Record]:
    from levelfield.tasks.errors import unknown

    found = [record for record in records if part in record.cell.id]
    if not found:
        raise unknown("cell", part, {record.cell.id for record in records}, "levelfield show RUN --json")
    return found


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "table": _table,
    "run": _run,
    "duel": _module,
    "explain": _module,
    "doctor": _module,
    "versions": _versions,
    "certify": _module,
    "preview": _module,
    "new-adapter": _new_adapter,
    "report": _report,
    "export": _export,
    "compare": _compare,
    "show": _show,
}


if __name__ == "__main__":
    sys.exit(main())
