"""Names, paths and tables that the pages state by hand agree with the code."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

import pages
import pytest
from pages import DOCS, ROOT, spans

from levelfield.adapters import limits
from levelfield.adapters.adapter import Literals
from levelfield.adapters.registry import find
from levelfield.harness.certify import behaviour, dropout, observe, timed_proof
from levelfield.harness.cli import main
from levelfield.harness.judge import equivalence, statistics, steps
from levelfield.harness.launch import rounds
from levelfield.harness.probes import registry
from levelfield.harness.probes.cpu import CpuTime
from levelfield.harness.probes.memory import Memory

PAGES = [*pages.written(), *DOCS.glob("results/*.md"), DOCS / "reference.md"]
NOT_THERE = {"adapters/equinox.py", "docs/results/h100"}  # what a reader's command would write
PATH = re.compile(r"^(?:tests|harness|adapters|tasks|reports|docs|levelfield)/[\w./*-]*$")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table behind a heading, without its head."""
    behind = text(DOCS / page).partition(heading)[2]
    table = re.search(r"(?:^\|.*\n)+", behind, re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    named = {span for span in spans(text(page)) if PATH.match(span)} - NOT_THERE
    assert {name for name in named if not list(ROOT.glob(name))} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_and_tests_that_a_page_calls_exist(page: Path) -> None:
    shown = [*pages.console(text(page)), *spans(text(page))]
    called = [match[1] for line in shown if (match := re.search(r"(?:python|pytest) (tests/[\w./-]+)", line))]
    assert [name for name in called if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    shown = [*pages.console(text(page)), *spans(text(page))]
    called = {match[1] for line in shown if (match := re.match(r"make ([a-z-]+)", line))}
    assert called <= targets


def test_the_table_of_adapters_is_that_of_the_registry() -> None:
    built_in = {info.name: (info.api, list(info.modes)) for info in find().adapters.values() if info.builtin}
    shown = {
        name: (api, modes.split(", "))
        for names, api, modes, _ in rows("run.md", "### The adapters")
        for name in codes(names)
    }
    assert shown == built_in


def test_the_table_of_tasks_is_that_of_the_command(capsys) -> None:
    main.main(["list", "tasks", "--json"])
    listed = {task["name"]: task["about"] for task in json.loads(capsys.readouterr().out)}
    shown = {codes(row[0])[0]: row[1:3] for row in rows("data.md", "## What comes with levelfield")}
    assert shown.keys() == listed.keys()
    for name, (samples, features) in shown.items():
        assert re.search(rf"\b{features} features?, {samples} samples", listed[name]), name


def test_the_facts_of_limits_are_those_of_the_code() -> None:
    shown = {fact for row in rows("adapters-in-full.md", "## When the framework cannot") for fact in codes(row[0])}
    assert shown == set(limits.Facts._fields)


def test_the_literals_that_the_two_pages_explain_are_those_of_an_adapter() -> None:
    explained = [*rows("adding-an-adapter.md", "## 2. The class"), *rows("adapters-in-full.md", "## All literals")]
    there = {name for one in Literals.__mro__ for name in vars(one).get("__annotations__", {})}
    assert sorted(name for row in explained for name in codes(row[0])) == sorted(there)


def test_the_table_of_replicas_is_what_the_adapters_declare() -> None:
    (table,) = re.findall(r"^\| adapter \| as devices .*\n(?:^\|.*\n)+", text(DOCS / "devices.md"), re.MULTILINE)
    shown = {}
    for line in table.splitlines()[2:]:
        names, devices, ranks, unequal = line.strip("| ").split(" | ")
        ways = [way for way, how in (("devices", devices), ("ranks", ranks)) if how != "no"]
        shown |= {name: (ways, unequal.startswith("supported")) for name in names.split(", ")}
    built_in = [info for info in find().adapters.values() if info.builtin and info.replication]
    assert shown == {
        info.name: (list(info.replication), not any("uneven" in limit for limit in info.limits)) for info in built_in
    }


def test_the_quantities_of_utilisation_are_those_of_the_probes() -> None:
    shown = {name for row in rows("utilisation.md", "## What is measured") for name in codes(row[0])}
    named = {name for probe in (*registry.OURS, CpuTime, Memory) for name in probe.names}
    assert shown >= named
    assert shown - named == {"allocator_peak"}  # which the framework counts


@pytest.mark.frameworks
def test_the_checks_of_certificates_are_those_that_a_certificate_has(capsys) -> None:
    assert main.main(["certify", "numpy-manual", "--json"]) == main.OK
    made = {check["name"] for check in json.loads(capsys.readouterr().out)["checks"]}
    made = {re.sub(r"^\w+ after \d+ \w+$", "*optimizer* after steps or epochs", name) for name in made}
    listed = ", ".join(row[0] for row in rows("certificates.md", "## What is proved")).split(", ")
    shown = {name.removeprefix("dropout ") for name in listed}
    assert {name.removeprefix("dropout ").partition(", ")[0] for name in made} <= shown


def test_the_packages_of_contributing_are_those_that_there_are() -> None:
    shown = re.findall(
        r"^\| `((?:tasks|adapters|reports|harness)/[a-z/]*)` \|", text(ROOT / "CONTRIBUTING.md"), re.MULTILINE
    )
    there = [f"harness/{path.name}/" for path in (ROOT / "harness").iterdir() if (path / "__init__.py").exists()]
    assert sorted(shown) == sorted(["tasks/", "adapters/", "reports/", *there])


def test_the_extras_of_readme_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    sentence = re.search(r"The extras are (.*?)\.", text(ROOT / "README.md"), re.DOTALL)
    assert sentence is not None
    assert set(codes(sentence[1])) == set(project["optional-dependencies"]) - {"test", "versus"}


def numbers(page: str, mark: str) -> dict[str, list[float]]:
    """Of each row of a generated table, by its first cell: every number behind it."""
    table = re.search(rf"<!-- {mark} -->\n(.*?)<!-- end of", text(DOCS / page), re.DOTALL)
    assert table is not None, mark
    found: dict[str, list[float]] = {}
    for row in table[1].splitlines()[2:]:
        name, *cells = row.strip("| ").split(" | ")
        found.setdefault(name, []).extend(float(n) for cell in cells for n in re.findall(r"[\d.]+", cell))
    return found


def test_the_figures_of_statistics_are_in_the_tables_that_it_links_to() -> None:
    told = " ".join(text(DOCS / "statistics.md").split())
    held = numbers("results/coverage.md", "few blocks")
    assert f"in at least {min(min(row[-2:]) for row in held.values())} % of the tables" in told
    widths = numbers("results/coverage.md", "few blocks, widths")["5"]
    assert f"intervals of ±{widths[5]} %, over twelve blocks of ±{widths[11]} %" in told
    broken = numbers("results/coverage.md", "assumptions broken")
    for name, words in (
        ("only the cells stall, never the baseline", ""),
        ("a cell stays in its cluster for five blocks", "only "),
    ):
        shares = [n for n in broken[name] if n not in (1, 4, 16)]
        assert f"{words}{min(shares):.0f} to {max(shares):.0f} % of the tables" in told, name


def figures(heading: str) -> dict[str, list[float]]:
    """Of the first table behind a heading of certificates.md: the numbers in the last cell of each row."""
    number = re.compile(r"(?<![\w⁻.])\d+(?:\.\d+)?(?:e-\d+)?(?!\w)")
    return {name: [float(n) for n in number.findall(cells[-1])] for name, *cells in rows("certificates.md", heading)}


def test_the_tolerances_of_certificates_are_those_of_the_code() -> None:
    shown = figures("## Tolerances")
    coarse, scale = observe.COARSE, dropout.SCALE_TOLERANCE
    assert shown["any quantity in float64"][0] == observe.FLOAT64_TOLERANCE
    assert shown["no dropout in evaluation, current weights"] == [coarse["float32"], coarse["float64"]]
    assert shown["dropout scale"] == [scale["float32"], scale["float64"]]
    assert shown["synchronize"] == [100 * behaviour.WAITING]


def test_the_tolerances_of_timed_launches_are_those_of_the_code() -> None:
    shown = figures("## The timed launches")
    first, *others = [share for p in ("float32", "tf32", "bfloat16") for share in timed_proof.NEAR[p]]
    assert shown["weights"] == [first, timed_proof.SHORT, *others, timed_proof.SHORT]
    assert timed_proof.ADAM == 2  # "Adam twice that"
    assert shown["late steps"] == [timed_proof.STEP, timed_proof.FAR]
    assert shown["waiting"] == [100 * timed_proof.WAITED]
    assert shown["loss"] == [timed_proof.OTHER_BAND, timed_proof.OWN_BAND]


def test_the_margins_of_statistics_are_those_of_the_code() -> None:
    page = " ".join(text(DOCS / "statistics.md").split())
    assert f"A launch has one turn in each of {rounds.LEAST_TURNS} to {rounds.MOST_TURNS} rounds" in page
    assert f"the two quickest of the baseline, or of most others, differ by more than {100 * rounds.AGREE:g} %" in page
    assert f"lies within ±{100 * equivalence.MARGIN} points" in page
    seeds = equivalence.LEAST_SEEDS
    assert f"fewer than {seeds['matched']} common seeds on the matched track, {seeds['idiomatic']} on the" in page
    assert f"fewer than {equivalence.LEAST_TEST_SAMPLES} test samples" in page
    words = {2: "Two", 3: "Three", 5: "five"}
    assert f"{words[statistics.LEAST_BLOCKS]} blocks suffice for a verdict" in page
    assert f"at {words[statistics.LEAST_BLOCKS_TO_STOP]} blocks or more" in page
    assert f"{words[steps.LEAST_VALUES]} runs on each side" in page


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("compare.md", "First step against steady state"),
        ("compare.md", "The framework tax"),
        ("compare.md", "Device utilisation"),
        ("lesson.md", "The framework tax"),
        ("lesson.md", "Learning curves"),
        ("run.md", "Not measured"),
    ],
)
def test_sections_of_the_report_that_a_page_sends_to_exist(page: str, title: str) -> None:
    assert title in text(DOCS / page)
    sources = [
        path.read_text(encoding="utf-8") for path in (ROOT / "reports").rglob("*") if path.suffix in (".py", ".html")
    ]
    assert any(re.search(rf"""["'>]{title}\b""", source) for source in sources)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_that_a_page_shows_is_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", text(page), re.DOTALL):
        compile(textwrap.dedent(block), str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_parts_of_make_acceptance_that_a_page_names_exist(page: Path) -> None:
    sys.path.append(str(ROOT / "tests" / "acceptance"))
    from parts import PARTS

    shown = [*pages.console(text(page)), *spans(text(page))]
    asked = [match[1] for line in shown if (match := re.search(r"make acceptance ACCEPTANCE='?([a-z ]+)", line))]
    assert {part for words in asked for part in words.split()} <= set(PARTS)
