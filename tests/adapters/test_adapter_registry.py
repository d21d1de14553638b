"""Adapters are read from their source: what is broken, foreign or absent is a line by its name, never a crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import levelfield
from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.tasks.errors import UserError

ROOT = Path(levelfield.__file__).resolve().parent.parent
BUILTIN = list(find().adapters)
TOLD = {"does": "more at once", "page": "https://example.org/guide", "why_not_default": "It is new."}
LITERALS = {"name": '"outside"', "framework": '"outside-framework"', "api": '"low"', "modes": '("eager",)'}


def source(**literals: str | None) -> str:
    """An adapter's source that must not be imported."""
    lines = [f"    {key} = {value}" for key, value in {**LITERALS, **literals}.items() if value is not None]
    return "\n".join(["raise RuntimeError('imported')", "class Plug:", *lines, ""])


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a package with entry points and modules, and finds all adapters."""

    def install(points: Mapping[str, str], modules: Mapping[str, str]) -> Registry:
        about = tmp_path / "outside-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        lines = ["[levelfield.adapters]", *(f"{name} = {value}" for name, value in points.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, text in modules.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.syspath_prepend(str(tmp_path))
        return find()

    return install


def test_the_literals_of_a_plug_in_are_read_without_importing_it(plugin):
    found = plugin(
        {"outside": "outside_module:Plug"},
        {"outside_module.py": source(backend='"numpy"', notes='("Slow on Sundays.",)', packages='("more",)')},
    )
    assert found.problems == []
    assert list(found.adapters) == [*BUILTIN, "outside"]
    info = found.adapters["outside"]
    assert (info.framework, info.backend, info.api, info.modes) == ("outside-framework", "numpy", "low", ("eager",))
    assert info.notes == ("Slow on Sundays.",)
    assert (info.module, info.qualname, info.builtin) == ("outside_module", "Plug", False)
    assert info.missing() == "needs outside-framework and more: pip install outside-framework more"
    assert "outside_module" not in sys.modules


BASE = """
class Base:
    framework = "outside-framework"
    api = "low"
    modes = ("eager",)
    notes = ("From the base.",)
"""
PLUG = 'class Plug(Base):\n    name = "outside"\n    limits = (LIMIT, {"dropout": True, "because": WHY})\n'
CONSTANTS = 'WHY = "it has none"\nLIMIT = {"l2": True, "because": WHY}\n'
LIMITS = ({"l2": True, "because": "it has none"}, {"dropout": True, "because": "it has none"})


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("one", {"one.py": CONSTANTS + BASE + PLUG}),
        ("two", {"two.py": "from beside import WHY, LIMIT, Base\n" + PLUG, "beside.py": CONSTANTS + BASE}),
        (
            "house.room.plug",
            {
                "house/__init__.py": "",
                "house/words.py": CONSTANTS,
                "house/room/__init__.py": "raise RuntimeError",
                "house/room/plug.py": "from ..words import LIMIT, WHY\nfrom house.room.base import Base as Base\n"
                + PLUG,
                "house/room/base.py": BASE,
            },
        ),
    ],
)
def test_a_literal_may_be_a_name_and_come_from_a_base_class_of_its_package(plugin, module, files):
    found = plugin({"outside": f"{module}:Plug"}, files)
    assert found.problems == []
    info = found.adapters["outside"]
    assert (info.framework, info.api, info.modes, info.notes) == (
        "outside-framework",
        "low",
        ("eager",),
        ("From the base.",),
    )
    assert info.limits == LIMITS
    assert not {"two", "beside", "house"} & sys.modules.keys()


def test_a_base_class_of_ours_is_followed_and_its_own_body_comes_first(plugin):
    text = "from levelfield.adapters.keras.fit import KerasFit\n\nclass Plug(KerasFit):\n"
    text += '    name = "outside"\n    api = "high"\n    modes = ("default",)\n    feed = "resident"\n'
    info = plugin({"outside": "outside_module:Plug"}, {"outside_module.py": text}).adapters["outside"]
    assert (info.framework, info.feed) == ("keras", "resident")
    assert info.defaults == find().adapters["keras-jax"].defaults


def test_bases_that_go_round_in_a_circle_are_told(plugin):
    text = "class Plug(Other):\n    name = 'outside'\nclass Other(Plug):\n    api = 'low'\n"
    found = plugin({"outside": "outside_module:Plug"}, {"outside_module.py": text})
    assert "cannot be read" in found.problems[0]


def test_who_asks_for_an_adapter_that_was_left_out_is_told_what_is_wrong_with_it(plugin):
    found = plugin({"the-label": "outside_module:Plug"}, {"outside_module.py": source(api='"medium"')})
    for name in ("the-label", "outside"):
        with pytest.raises(UserError, match=r"'the-label'.*api must be one of low, high, mixed, not 'medium'"):
            found.get(name)
    with pytest.raises(UserError, match="unknown adapter 'outsid'"):
        found.get("outsid")


@pytest.mark.parametrize("words", [["certify"], ["run", "smoke", "-a"], ["duel", "numpy-manual"], ["doctor", "-a"]])
def test_every_command_tells_what_is_wrong_with_an_adapter_that_was_left_out(plugin, tmp_path, words):
    plugin({"outside": "outside_module:Plug"}, {"outside_module.py": source(api='"medium"')})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    command = [sys.executable, "-P", "-m", "levelfield.harness.cli.main", *words, "outside"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "error: adapter 'outside': class Plug in outside_module.py: api must be one of" in done.stderr
    assert "did you mean" not in done.stderr


def test_annotated_literals_are_literals(plugin):
    text = source().replace("    name =", "    name: ClassVar[str] =")
    assert "outside" in plugin({"outside": "outside_module:Plug"}, {"outside_module.py": text}).adapters


def test_a_plug_in_may_lie_deep_in_a_package_that_is_not_imported_either(plugin):
    found = plugin(
        {"outside": "deep.inside.module:Plug"},
        {"deep/__init__.py": "raise RuntimeError", "deep/inside/__init__.py": "", "deep/inside/module.py": source()},
    )
    assert found.problems == []
    assert found.adapters["outside"].source.name == "module.py"
    assert "deep" not in sys.modules


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (source(name='"numpy-manual"'), "the name 'numpy-manual' is taken by levelfield.adapters.numpy.manual"),
        (source(name=None), "lacks the literal 'name'"),
        (source(framework=None), "lacks the literal 'framework'"),
        (source(api=None), "lacks the literal 'api'"),
        (source(modes=None), "lacks the literal 'modes'"),
        (source(name='"out" + "side"'), "'name' must be a literal"),
        (source(modes="tuple(MODES)"), "'modes' must be a literal"),
        (source(limits="({[]: 1},)"), "'limits' must be a literal"),
        (source(name='"Out Side"'), "name must be lower-case letters, digits and hyphens, at most 40, not 'Out Side'"),
        (source(name='"../outside"'), "must be lower-case"),
        (source(name=f'"{"o" * 41}"'), "at most 40"),
        (source(name="7"), "not 7"),
        (source(framework="7"), "framework must be a string"),
        (source(backend="7"), "backend must be a string or None"),
        (source(api='"medium"'), "api must be one of low, high, mixed"),
        (source(api='["low"]'), "api must be one of"),
        (source(modes='"eager"'), "modes must be a tuple"),
        (source(modes="()"), "modes must be a tuple"),
        (source(modes="(1,)"), "modes must be a tuple"),
        (source(modes='("a/b",)'), "modes must be a tuple"),
        (source(modes='("eager", "eager")'), "modes must be a tuple"),
        (source(limits='({"dropout": True},)'), "'because'"),
        (source(limits='{"dropout": True}'), "limits must be a tuple"),
        (source(limits='("dropout",)'), "'because'"),
        (source(limits="7"), "limits must be a tuple"),
        (source(limits='({"weather": "rain", "because": "it is wet"},)'), "'weather'"),
        (source(notes='"one sentence"'), "notes must be a tuple"),
        (source(packages='"torch"'), "packages must be a tuple"),
        (
            source(replication='("rows",)'),
            "replication must be a tuple of devices and ranks, or empty, not ('rows',)",
        ),
        (source(replication="([],)"), "replication must be a tuple"),
        (source(fast_modes='{"fused": "faster"}'), "fast_modes must be a dict: mode"),
        (source(fast_modes=f"{{'Fused!': {TOLD}}}"), "fast_modes must be a dict: mode"),
        (source(fast_modes=f"{{'fused': {TOLD | {'page': 'a page'}}}}"), "the page a link"),
        (source(fast_modes=f"{{'fused': {TOLD | {'more': ''}}}}"), "with does, page, why_not_default"),
        (source(fast_class='"nowhere.at_all:Plug"'), "fast_class: no source file for module 'nowhere.at_all'"),
        (source(replicated='"nowhere"'), "replicated must be 'module:Class' or None, not 'nowhere'"),
        (source(replicated='"nowhere.at_all:Plug"'), "replicated: no source file for module 'nowhere.at_all'"),
        (source(runtime_class='"nowhere.at_all:Plug"'), "runtime_class: no source file for module 'nowhere.at_all'"),
        (source(notes="NOTES"), "'notes' must be a literal or the name of one"),
        (source(notes="(NOTE,)") + "NOTE = NOTE\n", "'notes' must be a literal or the name of one"),
        (source(notes="(NOTE,)") + "NOTE = str(7)\n", "'notes' must be a literal or the name of one"),
        (source(notes="(NOTE,)") + "NOTE = 7\n", "notes must be a tuple of strings, not (7,)"),
        ("class Plug(:\n", "cannot be read"),
        ("class Other:\n    pass\n", "no class 'Plug'"),
        (b"\xff\xfe", "cannot be read"),
        ("x = '\x00'", "cannot be read"),
        ("(" * 10_000, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_told_in_one_line_by_its_name(plugin, text, problem):
    found = plugin({"the-label": "outside_module:Plug"}, {"outside_module.py": text})
    assert list(found.adapters) == BUILTIN
    [line] = found.problems
    assert "'the-label'" in line
    assert problem in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "point",
    ["absent_module:Plug", "absent.deep.module:Plug", "json.absent:Plug", "sys:Plug", "outside_module", ":Plug"],
)
def test_a_plug_in_without_source_is_told_in_one_line_by_its_name(plugin, point):
    found = plugin({"the-label": point}, {"outside_module.py": ""})
    assert list(found.adapters) == BUILTIN
    [line] = found.problems
    assert "'the-label'" in line


def test_a_name_that_differs_from_that_of_the_entry_point_is_told(plugin):
    found = plugin({"the-label": "outside_module:Plug"}, {"outside_module.py": source()})
    assert "outside" in found.adapters
    assert found.problems == []
    [line] = found.remarks
    assert "'outside'" in line
    assert "'the-label'" in line


def test_of_two_plug_ins_with_one_name_the_first_stays(plugin):
    found = plugin(
        {"a": "first:Plug", "b": "second:Plug", "c": "third:Plug"},
        {"first.py": source(), "second.py": source(), "third.py": source(name='"third"')},
    )
    assert found.adapters["outside"].module == "first"
    assert "third" in found.adapters
    [line] = found.problems
    assert "'b'" in line
    assert "taken by first" in line


def test_the_command_line_lists_the_good_and_names_the_bad(plugin, tmp_path):
    plugin({"good": "good:Plug", "bad": "bad:Plug"}, {"good.py": source(), "bad.py": "def"})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    command = [sys.executable, "-P", "-m", "levelfield.harness.cli.main", "list", "adapters", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert set(BUILTIN) <= set(rows)
    assert rows["outside"]["state"] == "needs outside-framework: pip install outside-framework"
    assert "'bad'" in rows["(left out)"]["state"]


def test_every_builtin_says_what_to_install_by_the_extra_that_brings_it():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for info in find().adapters.values():
        message = info.missing(lambda distribution: None)
        assert message is not None
        named = message.partition("levelfield[")[2].partition("]")[0].split(",")
        always = {"numpy", "scikit-learn"}
        assert set(named) - always <= set(extras), message
        brought = {r.partition(">")[0] for extra in named if extra in extras for r in extras[extra]} | always
        assert set(info.distributions) <= brought, message


def test_versions_are_those_of_the_installed_distributions():
    info: AdapterInfo = find().adapters["sklearn-mlp"]
    from importlib.metadata import version

    assert info.versions() == {"scikit-learn": version("scikit-learn")}
    assert info.missing() is None
