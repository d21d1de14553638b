"""One ``levelfield compare``: from its arguments to what was found, and from that to its text and exit code."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from levelfield.harness.records.store import Contents
from levelfield.harness.results import compare_runs
from levelfield.harness.results.compare_runs import RunComparison
from levelfield.harness.system.console import teller, warn
from levelfield.tasks.errors import UserError

OK, FAILED, NOTHING = 0, 1, 5


def find(options: argparse.Namespace, base: Contents, new: Contents) -> RunComparison:
    """The comparison; with ``--confirm``, what looks slower measured again. Raises UserError where that cannot be done,
    when the comparison itself was told."""
    given = dict(options.environment)
    if given and not options.confirm:
        raise UserError("--environment says what is measured again", "add --confirm")
    sides = (base.run, base.records), (new.run, new.records)
    found = compare_runs.compare(*sides, margin=options.threshold, force=options.force)
    if not options.confirm:
        return found
    try:
        return _again(options, found, base, new, given)
    except UserError:
        print(compare_runs.text(found), end="", file=sys.stderr if options.json else sys.stdout)
        raise


def _again(
    options: argparse.Namespace, found: RunComparison, base: Contents, new: Contents, given: dict[str, Path]
) -> RunComparison:
    from levelfield.adapters import registry
    from levelfield.harness.cli.run_options import begun_with
    from levelfield.harness.results import confirm
    from levelfield.harness.run.options import RunOptions

    there = registry.find()
    warn(there.problems)
    runs = zip(confirm.SIDES, (base, new), strict=True)
    sides = [confirm.RunSide(name, stored, given.get(name)) for name, stored in runs]
    made_with = begun_with(RunOptions(resume=options.new, data_dir=options.data_dir), new.run)
    how = {"margin": options.threshold, "budget": options.budget}
    return confirm.again(found, sides, made_with, there, **how, tell=teller(options.quiet))


def tell(options: argparse.Namespace, found: RunComparison) -> int:
    """Print it, and what the gate says."""
    if options.json:
        rows = [
            {"cell": change.cell.id, **asdict(change.verdict), "across": change.across and asdict(change.across)}
            for change in found.changes
        ]
        lost = [{"cell": one.cell.id, "how": one.how, "reason": one.reason} for one in found.lost]
        about = {"changes": rows, "lost": lost, "differences": found.differences, "decided": found.decided}
        print(json.dumps(about, indent=1))
    else:  # beside a page, of which stdout has the name
        print(compare_runs.text(found), end="", file=sys.stdout if options.output is None else sys.stderr)
    if "slower" in options.fail_on and (found.broken or any(change.fails for change in found.changes)):
        return FAILED
    if "undecided" in options.fail_on and found.undecided:
        return FAILED
    words = [change.verdict.word for change in found.changes]
    if not set(words) - {"not judged"}:
        common = "cell has enough clean launches" if words else "speed cell with clean launches is"
        print(f"nothing compared: no {common} in both runs", file=sys.stderr)
        return NOTHING
    return OK
