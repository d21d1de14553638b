"""The pages that people write, and what is prose in them.

As a program it lints files: ``python tests/docs/pages.py README.md`` prints the average and each long sentence.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
AVERAGE, LONGEST = 18, 35  # words of a sentence

_GENERATED = re.compile(r"<!-- ([\w ]+?)(?:: begin)? -->\n.*?<!-- (?:end of \1|\1: end) -->", re.DOTALL)
_CODE = re.compile(r"^( *)(```+).*?^ *\2 *$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ITEM = re.compile(r"^\s*(?:[*-]|\d+\.)\s+")
_NOT_PROSE = re.compile(r"^\s*(?:\||#|!\[)|^ {4}")
_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_END = re.compile(r"(?<=[.!?])[)*\"”_]*\s+(?=[*_(\"“]*[A-Z0-9`])")


def written() -> list[Path]:
    """README and its kind, and docs/*.md; a page that a command writes says so in a comment."""
    own = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*own, *sorted(page for page in DOCS.glob("*.md") if not generated(page))]


def generated(page: Path) -> bool:
    return re.search(r"^<!-- written by ", page.read_text(encoding="utf-8"), re.MULTILINE) is not None


def hand_written(text: str) -> str:
    """Without what a command or a test puts between its marks."""
    return _GENERATED.sub("", text)


def paragraphs(text: str) -> list[str]:
    """Prose alone: no code, table, heading, picture or comment. An item of a list is a paragraph."""
    lines = _COMMENT.sub("", _CODE.sub("", hand_written(text))).splitlines()
    found: list[str] = []
    before = ""
    for line in lines:
        if _NOT_PROSE.match(line) and not (line.startswith("    ") and before):
            before = ""
            continue
        new = not before or _ITEM.match(line)
        before = line.strip()
        if not before:
            continue
        if new:
            found.append(_ITEM.sub("", line).strip())
        else:
            found[-1] += " " + before
    return found


def sentences(text: str) -> list[str]:
    """A piece of code counts as one word: nobody reads it word by word."""
    return [
        sentence
        for paragraph in paragraphs(text)
        for sentence in _END.split(_LINK.sub(r"\1", _SPAN.sub("`code`", paragraph)))
        if words(sentence)
    ]


def words(sentence: str) -> int:
    return sum(any(letter.isalnum() for letter in word) for word in sentence.split())


def links(text: str) -> list[str]:
    """Targets of links and pictures, without those in code."""
    return re.findall(r"\]\(([^)\s]+)\)", _SPAN.sub("", _CODE.sub("", text)))


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+?) *$", _CODE.sub("", text), re.MULTILINE):
        plain = _LINK.sub(r"\1", heading).lower()
        name = "".join(c for c in plain if c.isalnum() or c in " -_").replace(" ", "-")
        count = next(n for n in range(1000) if f"{name}{f'-{n}' if n else ''}" not in found)
        found.add(f"{name}-{count}" if count else name)
    return found


def console(text: str) -> list[str]:
    """The commands in the fenced blocks of a page: lines without their prompt, continued lines joined."""
    blocks = [block for block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    shown: list[str] = []
    for language, block in blocks:
        if language in ("", "console", "bash", "sh"):
            shown += block.replace("\\\n", " ").splitlines()
    return [re.sub(r"^(?:\w*\$ +)", "", line).strip() for line in shown]


def spans(text: str) -> list[str]:
    """The pieces of code within sentences and tables, and indented lines of code."""
    prose = _CODE.sub("", text)
    found = [span.strip("`").strip().replace("\n", " ") for span in (m[0] for m in _SPAN.finditer(prose))]
    return [re.sub(r"\s+", " ", span) for span in found] + re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)


def main(files: list[str]) -> None:
    for file in files:
        found = sentences(Path(file).read_text(encoding="utf-8"))
        total = sum(map(words, found))
        print(f"{file}: {total} words, {len(found)} sentences, {total / max(1, len(found)):.1f} words each")
        for sentence in found:
            if words(sentence) > LONGEST:
                print(f"  {words(sentence)}: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
