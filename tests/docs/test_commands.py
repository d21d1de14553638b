"""Every command and every suite that a page shows is read, and planned where it can be."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pages
import pytest
from official_files import mnist_files
from pages import DOCS, ROOT

from levelfield.harness.cli import arguments, main
from levelfield.harness.plan import suite

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += [page for page in DOCS.rglob("*.md") if "examples" not in page.parts]
ALIKE = {"NAME=VALUE": "A=1", "A": "torch-nn", "B": "jax-grad", "NAME": "torch-nn"}  # a word that stands for one
ELSEWHERE = ("gpu", "tpu", "ray", "mnist")  # cannot be planned here: devices, a cluster, files to download
OF_READERS = (
    "equinox",
    "flowers.toml",
    "versions.toml",
    "gate.toml",
    "FILE",
    "NAME",
    "X",
)  # suites and adapters of the page


def commands() -> dict[str, list[str]]:
    """Each command line of levelfield that a page shows → its words behind ``levelfield``."""
    found = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in [*pages.console(text), *pages.spans(text)]:
            line = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line.split(" && ")[-1])
            if line.startswith("levelfield "):
                found[line] = shlex.split(line, comments=True)[1:]
    return found


COMMANDS = commands()
WHOLE = {line: words for line, words in COMMANDS.items() if words and words[0] in main.COMMANDS}


def options(words: list[str]):
    return arguments.parse([ALIKE.get(word, word) for word in words])


def test_there_are_commands_of_every_kind() -> None:
    assert {words[0] for words in WHOLE.values()} == set(main.COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str) -> None:
    words = COMMANDS[line]
    if words in (["--help"], ["--version"]):
        return
    if len(words) == 1 and words[0] in (
        "duel",
        "explain",
        "compare",
        "new-adapter",
        "table",
    ):  # named without its arguments
        return
    assert options(words).command in main.COMMANDS


PLANNED = {
    " ".join(words): words
    for words in WHOLE.values()
    if words[0] == "run" and options(words).suite and not options(words).resume
    if not re.search("|".join((*ELSEWHERE, *OF_READERS)), " ".join(words))
}


@pytest.mark.parametrize("line", PLANNED)
def test_a_run_can_be_planned(line: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    words = PLANNED[line]
    if "--data-dir" in words:
        words = [*words, "--data-dir", str(mnist_files())]
    code = main.main([*words, "--dry-run"])
    assert code == main.OK, capsys.readouterr().err
    assert "launch" in capsys.readouterr().out


def test_a_suite_that_a_command_names_exists() -> None:
    named = {options(words).suite for words in WHOLE.values() if words[0] in ("run", "duel")} - {None}
    assert {name for name in named if not name.endswith(".toml")} <= {*suite.names(), "FILE", ALIKE["NAME"]}


SUITES = [
    (f"{page.relative_to(ROOT)}-{number}", block)
    for page in PAGES
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]
SUITES += [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in DOCS.glob("lesson/*.toml")]
REST = 'name = "rest"\n[models.m]\n[recipes.r]\n[[learning]]\ntask = "iris"\nmodel = "m"\nrecipe = "r"\n'


def whole(text: str) -> bool:
    return "name" in tomllib.loads(text)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in SUITES if whole(text)])
def test_a_suite_can_be_planned(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    rows = "length,width,species\n" + "".join(f"{i % 3 + i / 90},{i * 7 % 11},{'abc'[i % 3]}\n" for i in range(90))
    (tmp_path / "flowers.csv").write_text(rows)
    (tmp_path / "mine.toml").write_text(text.replace("older/bin/python", sys.executable), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    of_files = []
    if '"mnist"' in text:
        suite.parse(text, Path("mine.toml"))
        of_files = ["--data-dir", str(mnist_files())]
    code = main.main(["run", "mine.toml", "--dry-run", *of_files])
    told = capsys.readouterr()
    assert code == main.OK, told.err
    assert re.search(r"^[1-9]\d* launches", told.err, re.MULTILINE)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in SUITES if not whole(text)])
def test_a_part_of_a_suite_is_read(text: str) -> None:
    if "project" in tomllib.loads(text):  # of a pyproject.toml
        return
    suite.parse(REST + text, Path("part.toml"))


@pytest.mark.frameworks
def test_the_gate_of_a_ci_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """With few blocks: that it answers, not what."""
    (gate,) = (text for name, text in SUITES if 'name = "gate"' in text)
    (tmp_path / "gate.toml").write_text(gate, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    lines = [words for words in WHOLE.values() if "gate.toml" in words or words[:3] == ["compare", "base", "new"]]
    runs = [words for words in lines if words[0] == "run"]
    compared = next(words for words in lines if "--fail-on" in words)
    assert len(runs) == 2
    for words in runs:
        assert main.main([*words, "--blocks", "1"]) in (main.OK, main.FAILED)
    capsys.readouterr()
    assert main.main([*compared, "--json"]) in (main.FAILED, main.NOTHING)  # one block decides nothing
    assert json.loads(capsys.readouterr().out)["differences"] == []


STUDIES = [line for line in PLANNED if line.endswith("-a numpy-manual") and "smoke" not in line]


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("line", STUDIES)
def test_the_studies_of_the_lesson_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main.main([*PLANNED[line], "--seeds", "1", "--no-certify", "-o", str(tmp_path / "run")]) == main.OK


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_frames_are_as_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shown,) = re.findall(r"```python\n(.*?)```", (DOCS / "run.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(shown, names)
    assert set(names["results"].launches.adapter) == {"numpy-manual", "torch-nn"}  # type: ignore[attr-defined]
