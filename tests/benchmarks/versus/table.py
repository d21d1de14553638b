"""The recording as Markdown, put between the marks of ``docs/versus.md``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from replay import LABELS, Row

from harness.doctor.document import text_between
from harness.doctor.replay import Share

START, END = "<!-- versus -->", "<!-- end of versus -->"
HEADER = ("tool", "its comparison", "noise", "seconds a side", "false, A/A", "2 % found", "5 % found", "windows")
TITLES = {"same": "A/A", "+2%": "+2 %", "+5%": "+5 %"}


def markdown(head: dict[str, Any], rows: Sequence[Row]) -> str:
    """The tables, and in which of their cells a peer did better."""
    lines = [fill(about(head), 116), ""]
    whole = [row for row in rows if row.apart != "a cycle"]
    near = [row for row in rows if row.apart != "a series"]
    lines += ["### Against any baseline of the series", "", *table(whole), ""]
    lines += ["### Against a baseline of the same cycle, measured within a minute", "", *table(near), ""]
    lines += ["### Where a peer did better than levelfield", ""]
    lines += better(near + [row for row in whole if row.tool != "levelfield"])
    return "\n".join(lines) + "\n"


def about(head: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in head["versions"].items())
    machine = head["machine"]
    cut = "" if head["minutes"] >= 60 else " A short recording: its intervals are wide, and its windows few."
    return (
        f"Recorded on {head['date'][:10]} by `{head['command']}` on {machine['cpu']}, {machine['cores']} cores, with "
        f"{versions}. A step took {1e6 * head['step_seconds']:.0f} µs.{cut}"
    )


def table(rows: Sequence[Row]) -> list[str]:
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    for row in rows:
        known = next((share for share in row.shares.values() if share), None)
        windows = f"{known.windows}, worth {known.independent:.0f}" if known else "too few"
        cells = [row.tool, row.test, row.noise, f"{row.seconds:.1f}", *map(percent, row.shares.values()), windows]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def percent(share: Share | None) -> str:
    return "not judged" if share is None else f"{share.share:.1%} ({share.low:.0%} to {share.high:.0%})"


def better(rows: Sequence[Row]) -> list[str]:
    """One line for each number of a peer that is better than levelfield's own of the same noise, whatever its cost."""
    lines = []
    for own in (row for row in rows if row.tool == "levelfield" and row.test.startswith("the interval")):
        for peer in (row for row in rows if row.tool != "levelfield" and row.noise == own.noise):
            for label in LABELS:
                a, b = own.shares[label], peer.shares[label]
                if a is None or b is None or (b.share >= a.share if label == "same" else b.share <= a.share):
                    continue
                sure = "the intervals are apart" if b.high < a.low or b.low > a.high else "the intervals overlap"
                price = peer.shares["same"]
                also = "" if label == "same" or price is None else f"; its false verdicts: {price.share:.1%}"
                text = (
                    f"* {own.noise}, {TITLES[label]}: {peer.tool} ({peer.test}, within {peer.apart}) {b.share:.1%} "
                    f"against {a.share:.1%}; {sure}{also}."
                )
                lines.append(fill(text, 116, subsequent_indent="  "))
    return lines or ["Nowhere in these tables."]


def write(document: Path, text: str) -> None:
    """Replace what stands between the marks."""
    old = document.read_text(encoding="utf-8")
    document.write_text(text_between(old, text, START, END, str(document)), encoding="utf-8")
