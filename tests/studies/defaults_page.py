"""Write docs/results/defaults.md from a run of each track: python tests/studies/defaults_page.py DEFAULTS PARITY

Of quality only: what a step takes by default stands in the report of a run that measured it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from page import DOCS, draw, made

from levelfield.adapters.registry import find
from levelfield.harness.records import store
from levelfield.reports import markdown
from levelfield.reports.findings.certificates import summary
from levelfield.reports.findings.evidence import Evidence, gather
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import Column, Line, Table, text
from levelfield.reports.sections import defaults, gap

OPENING = """# What you get by default

For anyone who uses a framework as its documentation shows it, and asks whether that generalises worse. Initial weights,
constants of the optimizer, loader and shuffling are then the framework's own. Optimizer, learning rate, momentum, batch
size and network are the recipe's. *Like for like* stands beside it: the same adapters from the same initial weights
over the same batches. How differences are judged: [statistics](../statistics.md#equivalence-of-what-is-learnt).

```
{by_default}
{like}
python tests/studies/defaults_page.py runs/DEFAULTS runs/PARITY
```

The last command wrote this page, from runs of {made}. It shows what was learnt; the report of the first
run also has the times.
"""


def evidence(folder: Path) -> Evidence:
    stored = store.read(folder)
    proofs = [summary(c) for c in stored.certificates]
    return gather(stored.run, stored.records, certificates=proofs, adapters=find().adapters)


def verdicts(own: gap.Gaps, like: gap.Gaps) -> Table:
    """Both tracks side by side: differences to the baseline with their words."""
    others = {g.learner.entry.adapter: g for g in like.gaps}
    lines = []
    for g in own.gaps:
        name = g.learner.entry.adapter
        values = [
            gap.difference_value(found, study, what)
            for what in gap.JUDGED
            for found, study in ((others[name], like.study), (g, own.study))
        ]
        lines.append(Line((text(name), *values)))
    columns = [
        Column(f"{what.capitalize()}, {how}", "points")
        for what in gap.JUDGED
        for how in ("like for like", "by default")
    ]
    return Table("verdicts", "", (Column("Adapter", numeric=False), *columns), tuple(lines))


def main(by_default: Path, like: Path) -> None:
    first, second = evidence(by_default), evidence(like)
    (found,) = defaults.find_qualities(first)
    (matched,) = (s for s in gap.studies(second) if s.measured)
    found, parity = replace(found, matched=matched), gap.find(matched)
    picture = defaults.quality_picture(found, 1)
    with figure.style():
        drawn = draw(picture, "defaults/test-accuracy")
    accuracies = defaults.quality_table(found, "accuracies")
    kept = [replace(line, values=line.values[:4]) for line in accuracies.lines]  # differences have their own table
    accuracies = replace(accuracies, columns=accuracies.columns[:4], lines=tuple(kept))
    least = f"{found.own.seeds} seeds by default, {matched.seeds} like for like"
    lines = [
        OPENING.format(by_default=first.run.command, like=second.run.command, made=made(first.run)),
        f"* {found.gaps.sentence}",
        f"* Like for like, {parity.sentence[0].lower()}{parity.sentence[1:]}",
        "",
        f"![{picture.caption}]({drawn})",
        "",
        f"{picture.caption} Marker: by default. Tick: like for like. Bars: 95 % intervals over seeds.",
        "",
        f"## Verdicts against {found.gaps.baseline}",
        "",
        f"Own less the baseline's, with simultaneous 95 % intervals of each track; {least}.",
        "The gap is training less validation accuracy at the best validation snapshot: less is better.",
        "",
        *markdown.table(verdicts(found.gaps, parity)),
        "",
        "## Test accuracy",
        "",
        *markdown.table(accuracies),
        "",
        "## The defaults, with their values",
        "",
        f"The recipe's optimizer is {found.own.workload.recipe.optimizer}: what is stated of others takes no part in",
        "the figures above.",
        "",
        *markdown.table(defaults.defaults_table(defaults.find_defaults(first), first)),
    ]
    (DOCS / "defaults.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
