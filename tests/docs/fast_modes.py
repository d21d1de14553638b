"""Write the table of docs/fast-modes.md, of what the adapters declare: ``python tests/docs/fast_modes.py``."""

from __future__ import annotations

import re
from pathlib import Path

from levelfield.adapters.registry import AdapterInfo, find

PAGE = Path(__file__).parents[2] / "docs" / "fast-modes.md"
BEGIN, END = "<!-- fast modes: begin -->\n", "<!-- fast modes: end -->"


def table() -> str:
    """A line for each mode of each adapter of the checkout; those that are alike share one."""
    rows: dict[tuple[str, str, str, str], list[AdapterInfo]] = {}
    for info in find().adapters.values():
        if info.builtin:
            for mode, told in info.fast_modes.items():
                rows.setdefault((mode, told["does"], told["page"], told["why_not_default"]), []).append(info)
    lines = ["| adapter | mode | what it does | why it is not the default |", "| --- | --- | --- | --- |"]
    for (mode, does, page, why), adapters in rows.items():
        names = ", ".join(f"`{info.name}`" for info in adapters)
        common = " (also in `modes`)" if mode in adapters[0].modes else ""
        lines.append(f"| {names} | [`{mode}`]({page}){common} | {does} | {why} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page as it is, with the table of now."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", lambda _: "\n" + table() + "\n", text, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
