"""The recording as Markdown, for ``docs/results/versus.md``."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from judge import JUDGES
from replay import Row

from levelfield.harness.doctor.replay import Share

MARK = "versus"
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
    lines += better(near + [row for row in whole if row.tool in JUDGES])
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
    """A row for each number of a peer that is better than one of levelfield's, of the same noise, whatever its cost."""
    own = [row for row in rows if row.tool not in JUDGES and row.test.startswith("the interval")]
    tools = list(dict.fromkeys(row.tool for row in own))
    lines = []
    for peer in (row for row in rows if row.tool in JUDGES):
        ours = {row.tool: row.shares for row in own if row.noise == peer.noise}
        for label, theirs in peer.shares.items():
            words = [against(ours[tool][label], theirs, label) if tool in ours else "" for tool in tools]
            if theirs is None or not any("worse" in word for word in words):
                continue
            same = "" if label == "same" or peer.shares["same"] is None else f"{peer.shares['same'].share:.1%}"
            cells = [peer.noise, TITLES[label], peer.tool, peer.test, peer.apart, f"{theirs.share:.1%}", same, *words]
            lines.append("| " + " | ".join(cells) + " |")
    header = ("noise", "label", "peer", "its comparison", "within", "share", "its false verdicts", *tools)
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *lines] if lines else ["Nowhere."]


def against(own: Share | None, peer: Share | None, label: str) -> str:
    """levelfield's share, and whether the intervals are apart where the peer's is better."""
    if own is None or peer is None:
        return "not judged"
    if peer.share >= own.share if label == "same" else peer.share <= own.share:
        return f"{own.share:.1%}"
    sure = "are apart" if peer.high < own.low or peer.low > own.high else "overlap"
    return f"{own.share:.1%} (worse; the intervals {sure})"
