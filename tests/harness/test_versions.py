"""Since which version is it slower? What a version is, the search among releases, and the suite that times them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.cli.versions import adapters_of
from levelfield.harness.cli.versions import text as told
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.plan import suite
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.launches import Selection, Surroundings, baseline_of, plan
from levelfield.harness.run.data import load_tasks
from levelfield.harness.run.stop_rule import StopRule
from levelfield.harness.versions import bisect, installer, suite_text, wanted
from levelfield.harness.versions.bisect import Step
from levelfield.harness.versions.installer import Installer
from levelfield.tasks.errors import UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")  # as a suite asks of an environment's


# What a version is


def wheel(folder: Path, content: str = "one", name: str = "mine-1.2-py3-none-any.whl") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


def checkout(folder: Path, code: str = "x = 1\n") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "2.0"\n')
    (folder / "src" / "mine.py").write_text(code)
    return folder


@given(st.from_regex(r"[0-9][A-Za-z0-9.+!_-]{0,60}", fullmatch=True))
def test_a_release_is_a_requirement_and_has_a_name_that_a_suite_takes(release):
    found = wanted.read("some-framework", release)
    assert (found.requirement, found.release) == (f"some-framework=={release}", release)
    assert NAME.fullmatch(found.name)


def test_a_wheel_and_a_checkout_are_told_apart_by_their_content(tmp_path):
    first, same, other = (
        wanted.read("mine", str(wheel(tmp_path / place, content)))
        for place, content in (("a", "one"), ("b", "one"), ("c", "two"))
    )
    assert first.name.startswith("mine-1.2-")
    assert first.content == same.content != other.content
    assert first.name == same.name != other.name
    assert first.requirement == f"mine @ {(tmp_path / 'a' / 'mine-1.2-py3-none-any.whl').as_uri()}"
    assert first.release is None

    folder = checkout(tmp_path / "src")
    before = wanted.read("mine", str(folder))
    (folder / "build").mkdir()
    (folder / "build" / "made.txt").write_text("made from the rest")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("moved")
    assert wanted.read("mine", str(folder)) == before
    (folder / "src" / "mine.py").write_text("x = 2\n")
    assert wanted.read("mine", str(folder)).content != before.content


def test_a_requirement_on_the_disk_is_the_path_and_an_address_is_taken_as_it_is(tmp_path):
    path = wheel(tmp_path / "with space")
    assert wanted.read("mine", f"mine @ {path.as_uri()}") == wanted.read("mine", str(path))
    address = wanted.read("mine", "Mine @ git+https://example.org/mine@main")
    assert address.requirement == "mine @ git+https://example.org/mine@main"
    assert NAME.fullmatch(address.name)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("latest", "is no release, and .*latest does not exist"),
        ("other @ file:///a.whl", "is a version of other, not of mine"),
        ("mine @ somewhere", "'somewhere' is no address"),
        ("mine @ file:///nowhere/mine-1-py3-none-any.whl", "does not exist"),
        ("{folder}", "is neither a wheel nor a folder that pip can install"),
        ("{other}", "is a wheel of other, not of mine"),
    ],
)
def test_what_is_no_version_is_told(tmp_path, word, why):
    given = word.format(folder=tmp_path, other=wheel(tmp_path / "w", name="other-1-py3-none-any.whl"))
    with pytest.raises(UserError, match=why) as refused:
        wanted.read("mine", given)
    assert refused.value.hint


def test_the_adapters_of_a_package_are_those_whose_framework_it_is_else_those_that_need_it():
    registry = find()
    assert {info.name for info in adapters_of("torch", [], registry)} == {"torch-autograd", "torch-nn"}
    assert {info.name for info in adapters_of("tensorflow-cpu", [], registry)} == {"tensorflow-tape"}
    assert {info.name for info in adapters_of("Optax", [], registry)} == {"flax-nnx"}
    assert [info.name for info in adapters_of("numpy", ["sklearn-mlp"], registry)] == ["sklearn-mlp"]
    with pytest.raises(UserError, match="no adapter computes with nothing-of-the-kind"):
        adapters_of("nothing-of-the-kind", [], registry)


# What installers say


PIP = "ERROR: Could not find a version that satisfies the requirement mine==9 (from versions: {})\nERROR: No matching "
PIP += "distribution found for mine==9"
DOWN = "WARNING: Retrying after connection broken by 'NewConnectionError(…: Failed to establish a new connection)'\n"
UV = "Using Python 3.11.7 environment at: new\nerror: No solution found when resolving dependencies\n"
UV += "  cause: Because {}, we "
UV += "can conclude that your requirements are unsatisfiable.\n"
UV_DOWN = "error: Failed to fetch: …\n  cause: error sending request for url (…)\n  cause: client error (Connect)"
SAID = [
    ("uv", UV.format("there is no version of mine==9 and you require mine==9"), "there is no mine==9 for Python 3"),
    ("uv", UV.format("mine was not found in the package registry and you require mine==9"), "there is no mine==9 for"),
    (
        "uv",
        UV.format("mine==9 has no wheels with a matching Python ABI tag (e.g., `cp311`)"),
        "there is no mine==9 for",
    ),
    (
        "uv",
        UV.format("needed==3 depends on numpy<1 and mine==9 on numpy>2"),
        "dependencies: Because needed==3 depends on",
    ),
    ("uv", UV_DOWN, "uv reaches no package index"),
    ("pip", PIP.format("1.0, 2.0"), "there is no mine==9 for Python 3"),
    ("pip", DOWN + PIP.format("none"), "pip reaches no package index"),
    ("pip", DOWN + PIP.format("1.0, 2.0"), "there is no mine==9 for Python 3"),
    ("pip", "ERROR: No matching distribution found for needed==3", "No matching distribution found for needed==3"),
    ("pip", "Building\nerror: subprocess-exited-with-error\nmore", "error: subprocess-exited-with-error"),
    ("pip", "", "it said nothing"),
]


@pytest.mark.parametrize(("tool", "said", "why"), SAID)
def test_why_a_version_cannot_be_installed_is_told(tool, said, why):
    error = installer.refusal(Installer(tool), "mine==9", said)
    assert why in error.message
    assert error.hint
    assert ("2.0" in error.hint) == ("1.0, 2.0" in said)


# The search


def ratio(low: float, high: float) -> Interval:
    return Interval((low * high) ** 0.5, low, high, 8, 0.95)


def test_a_release_is_slower_only_where_the_whole_interval_says_so():
    assert bisect.word(ratio(1.04, 1.09), 0.03) == "slower"
    assert bisect.word(ratio(0.99, 1.02), 0.03) == "not slower"
    assert bisect.word(ratio(1.01, 1.05), 0.03) == "undecided"
    assert bisect.word(None, 0.03) == "undecided"


@given(st.data())
def test_the_search_finds_the_release_that_became_slower_or_says_between_which_it_lies(data):
    count = data.draw(st.integers(2, 200))
    change = data.draw(st.integers(1, count - 1))
    open_ = data.draw(st.sets(st.integers(1, count - 2))) if count > 2 else set()
    releases = [f"1.{i}" for i in range(count)]
    asked = []

    def ask(release: str) -> Step:
        place = int(release[2:])
        asked.append(release)
        return Step(release, "undecided" if place in open_ else "slower" if place >= change else "not slower")

    found = bisect.search(releases, ask)
    assert found.slower is not None
    assert int(found.before[2:]) < change <= int(found.slower[2:])
    assert len(set(asked)) == len(asked)
    assert {int(release[2:]) for release in found.between} <= open_
    assert found.exact == (not found.between)
    if not open_:
        assert found.slower == releases[change]
        assert len(asked) <= bisect.most_steps(count)


@pytest.mark.parametrize("word", ["not slower", "undecided"])
def test_there_is_nothing_to_search_for_unless_the_last_release_is_slower(word):
    found = bisect.search(["1", "2", "3"], lambda release: Step(release, word, ratio(0.99, 1.01)))
    assert (found.slower, len(found.steps)) == (None, 1)
    assert told("mine", "", found, 0.03)[0].startswith("nothing to search for: mine 3")


def test_the_span_of_a_search_is_between_two_known_releases_in_their_order():
    known = ["1.0", "1.1", "2.0", "2.1"]
    assert bisect.span(known, "1.1", "2.1") == ["1.1", "2.0", "2.1"]
    assert bisect.span(["1", "1+cpu", "2+cpu", "3", "3+cpu"], "1", "3+cpu") == ["1", "2+cpu", "3", "3+cpu"]
    for first, last, why in (("2.0", "1.1", "is not older"), ("1.1", "1.1", "is not older"), ("9", "2.1", "unknown")):
        with pytest.raises(UserError, match=why):
            bisect.span(known, first, last)


def test_the_answer_of_a_search_names_the_release_and_the_last_good_one_or_what_was_left_open():
    steps = {"1.3": "slower", "1.2": "slower", "1.1": "not slower"}
    found = bisect.search(["1.0", "1.1", "1.2", "1.3"], lambda release: Step(release, steps[release], ratio(1, 1.1)))
    lines = told("mine", "numpy-manual eager, digits", found, 0.03)
    assert lines[0] == "mine 1.2 is the first release that is slower by more than 3 %: numpy-manual eager, digits"
    assert lines[1] == "1.1 is the last one that is not"
    steps["1.1"] = "undecided"
    found = bisect.search(["1.0", "1.1", "1.2", "1.3"], lambda release: Step(release, steps[release], None, "no wheel"))
    lines = told("mine", "numpy-manual eager, digits", found, 0.03)
    assert lines[0].startswith("mine became slower by more than 3 % after 1.0, in 1.2 at the latest")
    assert lines[1] == "nothing could be decided of 1.1"
    assert any("no wheel" in line for line in lines)


# The suite


@pytest.mark.parametrize("name", suite.names())
def test_a_suite_reads_as_it_is_written(name):
    chosen, _ = suite.read(name)
    assert suite.parse(suite_text.text(chosen), chosen.file) == chosen


@given(st.text(), st.text(min_size=1))
def test_any_text_is_written_as_toml(value, key):
    line = f"{suite_text._key(key)} = {suite_text._toml({'a': [value, 1.5, True], key: value})}"
    assert tomllib.loads(line) == {key: {"a": [value, 1.5, True]} | {key: value}}


PYTHONS = {"numpy-1": Path("/one/bin/python"), "numpy-2": Path("/two/bin/python")}
ADAPTERS = ("numpy-manual", "sklearn-mlp")


def timed():
    chosen, _ = suite.read("default")
    return suite_text.under(suite_text.with_adapters(suite_text.short(chosen), "numpy", ADAPTERS), PYTHONS)


def planned(chosen):
    """The launches, where both versions are installed and nothing is here."""
    own_ = Environment(DEFAULT, own().python, lambda name: None)
    others = {name: Environment(name, str(python), lambda name: "1.0") for name, python in PYTHONS.items()}
    tasks = load_tasks(chosen, Selection(), None)
    return plan(chosen, Surroundings(find().adapters, tasks, 2, {DEFAULT: own_, **others}))


def test_every_version_is_in_every_block_and_the_first_is_the_baseline():
    chosen = timed()
    assert suite.parse(suite_text.text(chosen), chosen.file) == chosen
    launches = planned(chosen)
    assert {launch.skip for launch in launches} == {None}
    blocks = {launch.block for launch in launches}
    assert len(blocks) == suite_text.BLOCKS
    for block in blocks:
        cells = {(one.cell.adapter, one.cell.environment) for one in launches if one.block == block}
        assert cells == {(adapter, name) for adapter in ADAPTERS for name in PYTHONS}
    marked = {(one.cell.adapter, one.cell.environment) for one in launches if one.baseline}
    assert marked == {("numpy-manual", "numpy-1")}
    assert StopRule(launches, "numpy-manual", find().adapters, None, 0.01).baseline == (
        "numpy-manual",
        "eager",
        "numpy-1",
    )


def test_a_search_goes_on_with_one_entry_alone():
    launches = planned(timed())
    (cell, *_) = {
        one.cell for one in launches if (one.cell.adapter, one.cell.environment) == ("sklearn-mlp", "numpy-1")
    }
    narrow = planned(suite_text.narrowed(timed(), cell))
    assert {(one.cell.adapter, one.cell.mode, one.cell.environment) for one in narrow} == {
        ("sklearn-mlp", "default", "numpy-1"),
        ("sklearn-mlp", "default", "numpy-2"),
    }
    base = baseline_of(narrow)
    assert base is not None
    assert base.adapter == "sklearn-mlp"


def test_a_suite_without_the_adapters_is_refused():
    chosen, _ = suite.read("default")
    part = chosen.speed[0].model_copy(update={"adapters": ("torch-nn",)})
    with pytest.raises(UserError, match=r"no \[\[speed\]\] table has numpy-manual"):
        suite_text.with_adapters(chosen.model_copy(update={"speed": (part,)}), "numpy", ["numpy-manual"])
