"""Environments of versions: made whole or not at all, shared by content, listed and removed.

What a worker needs is replaced by empty packages of the same names, so that only making environments takes time.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import wheels

from levelfield.harness.cli.main import main
from levelfield.harness.plan.environments import WORKER
from levelfield.harness.system.paths import ROOT
from levelfield.harness.versions import built, installer, wanted
from levelfield.harness.versions.installer import Installer
from levelfield.tasks.errors import UserError

PIP = Installer("pip")
KILLED = """
import os, signal, sys
from levelfield.harness.versions import built, wanted
from levelfield.harness.versions.installer import Installer

def kill(line):
    if "Collecting" in line or "Processing" in line:
        os.kill(os.getpid(), signal.SIGKILL)

built.obtain(wanted.read("mine", "2.0"), ["mine"], Installer("pip"), print, kill)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for name in (*WORKER, "other"):
        wheels.make(folder, name, "1.0", {})
    for version in ("1.0", "2.0"):
        wheels.make(folder, "mine", version, {"mine.py": f"version = {version!r}\n"})
    wheels.make(folder, "mine", "3.0rc1", {})
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def around(index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This index and this cache, and variables by which pip would install elsewhere."""
    for name, value in {**wheels.only(index), "LEVELFIELD_CACHE": str(cache), "PIP_TARGET": "/nowhere"}.items():
        monkeypatch.setenv(name, value)


def obtain(word: str, needs=("mine", "other"), told=lambda line: None) -> built.Built:
    return built.obtain(wanted.read("mine", word), needs, PIP, told)


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "environments").iterdir())


@pytest.mark.slow
def test_an_environment_has_the_version_and_what_is_needed_and_is_built_once(cache):
    told: list[str] = []
    one = obtain("1.0", told=told.append)
    asked = subprocess.run([one.python, "-c", "import mine; print(mine.version)"], capture_output=True, text=True)
    assert asked.stdout.split() == ["1.0"]
    assert (one.about.version, one.about.requirement, one.name) == ("1.0", "mine==1.0", "mine-1.0")
    assert {"mine", "other", *WORKER} <= set(one.about.packages)
    assert [line.split()[0] for line in told] == ["building", "built"]
    assert obtain("1.0", told=told.append) == one
    assert len(told) == 2
    assert left(cache) == [one.folder.name]
    assert built.kept() == [one]

    (one.folder / "about.json").write_text('{"name": "mine-1.0"')  # as if the disk had been full
    assert built.kept() == []
    assert obtain("1.0").folder == one.folder
    assert left(cache) == [one.folder.name]


@pytest.mark.slow
def test_what_differs_between_environments_is_told_besides_the_version(index):
    path = index / "mine-2.0-py3-none-any.whl"
    first, second = obtain("1.0"), obtain(str(path), needs=("mine",))
    assert second.about.version == "2.0"
    assert second.name.startswith("mine-2.0-")
    assert built.differences([first, second]) == ["other: 1.0 / absent"]


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_nothing_that_is_believed(cache):
    before = built.kept()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert built.kept() == before
    (lock,) = cache.glob("environments/*/launches.lock")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until pip has noticed, too
    obtain("2.0", needs=("mine",))
    assert len(built.kept()) == len(before) + 1
    assert left(cache) == sorted(one.folder.name for one in built.kept())  # what the killed one left is gone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "why", "hint"),
    [("9.9", "there is no mine==9.9 for Python", "1.0, 2.0"), ("mine @ https://127.0.0.1:9/mine-1.zip", "", "")],
)
def test_what_cannot_be_built_is_refused_and_leaves_nothing(cache, word, why, hint, monkeypatch):
    monkeypatch.setenv("PIP_RETRIES", "0")
    before = left(cache)
    with pytest.raises(UserError, match=why or "reaches no package index") as refused:
        obtain(word)
    assert hint in refused.value.hint
    assert left(cache) == before


def test_releases_are_those_that_pip_finds_the_oldest_first():
    assert installer.releases("mine") == ["1.0", "2.0"]
    with pytest.raises(UserError, match="there is no nothing-of-the-kind for Python"):
        installer.releases("nothing-of-the-kind")


@pytest.mark.slow
def test_environments_are_listed_and_removed_by_name(cache, capsys):
    one = obtain("1.0")
    assert main(["versions", "--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (one.folder.name, "mine==1.0") in {(line[0], line[-1]) for line in lines}
    assert main(["versions", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert one.name in {row["name"] for row in rows}
    assert main(["versions", "--remove", "mine-9"]) == 2
    assert "unknown environment 'mine-9'" in capsys.readouterr().err
    assert main(["versions", "--remove", one.name]) == 0
    assert not one.folder.exists()
    assert main(["versions", "--remove", "all"]) == 0
    assert left(cache) == []
    assert main(["versions", "--list"]) == 0
    assert "no environment in" in capsys.readouterr().err


def test_a_folder_that_is_not_whole_is_no_environment(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("LEVELFIELD_CACHE", str(tmp_path))
    half = built.place(wanted.read("mine", "1.0"), ["mine"])
    (half / "bin").mkdir(parents=True)
    assert built.kept() == []
    (half / "about.json").write_text('{"name": "mine-1.0"')
    assert built.kept() == []


def test_another_interpreter_version_or_need_is_another_environment(monkeypatch):
    def place(word: str = "1.0", *needs: str) -> Path:
        return built.place(wanted.read("mine", word), needs)

    assert place() == place()
    assert place("1.0", "mine") == place()  # which is the version itself
    assert len({place(), place("2.0"), place("1.0", "other")}) == 3
    here = place()
    monkeypatch.setattr(sys, "version", "3.99")
    assert place() != here


@pytest.mark.parametrize(
    "words",
    [
        ["torch"],
        ["torch", "2.9.1"],
        ["torch", "2.9.1", "2.9.1"],
        ["torch", "2.9.1", "newest"],
        ["to rch", "2.9.1", "2.10"],
        ["torch", "2.9.1", "2.10", "-a", "nobody"],
        ["torch", "2.9.1", "2.10", "--suite", "nothing"],
        ["torch", "2.9.1", "2.10", "--suite", "samples"],
        ["torch", "2.9.1", "2.10", "--mode", "slow"],
        ["torch", "2.9.1", "2.10", "2.11", "--bisect", "slower:3%"],
        ["torch", "2.9.1", "2.10", "--bisect", "faster:3%"],
        ["torch", "2.9.1", "2.10", "--bisect", "slower:300%"],
        ["torch", "2.9.1", "2.10", "--list"],
        ["mine", "2.0", "1.0", "-a", "numpy-manual", "--bisect", "slower:3%"],
        ["mine", "1.0", "7.0", "-a", "numpy-manual", "--bisect", "slower:3%"],
    ],
)
def test_what_is_asked_wrongly_is_told_with_a_hint_and_nothing_is_built(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVELFIELD_CACHE", str(tmp_path / "cache"))
    assert main(["versions", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "\n  hint: " in told
    assert not (tmp_path / "cache" / "environments").exists()
    assert not (tmp_path / "runs").exists()
