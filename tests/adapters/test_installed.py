"""Versions and entry points read from an environment's folders are those that the standard library finds."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from levelfield.adapters import installed


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path / "absent"), str(tmp_path / "first"), str(tmp_path / "second")])
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    return tmp_path


def put(folder, name: str, file: str, text: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / file).write_text(text, encoding="utf-8")


def test_every_version_of_this_environment_is_what_the_standard_library_says():
    theirs = {one.metadata["Name"]: one.version for one in reversed(list(importlib.metadata.distributions()))}
    assert len(theirs) > 20
    assert {name: installed.version(name) for name in theirs} == theirs


@pytest.mark.parametrize("asked", ["Some-Framework", "some_framework", "some.framework"])
def test_a_name_is_found_in_any_spelling(site, asked):
    put(site / "first", "some_framework-1.dist-info", "METADATA", "Metadata-Version: 2.4\nName: x\nVersion: 1.0+cpu\n")
    assert installed.version(asked) == "1.0+cpu"
    assert installed.version("some") is None


def test_the_first_on_the_path_is_what_would_be_imported(site):
    for place, number in (("first", "2.0"), ("second", "1.0")):
        put(site / place, f"framework-{number}.dist-info", "METADATA", f"Name: framework\nVersion: {number}\n")
    assert installed.version("framework") == "2.0"


def test_the_cpu_build_of_a_framework_is_the_framework(site):
    put(site / "first", "framework_cpu-3.0.dist-info", "METADATA", "Name: framework-cpu\nVersion: 3.0\n")
    assert installed.version("framework") == "3.0"


def test_older_forms_of_metadata_are_read_too(site):
    put(site / "first", "folder.egg-info", "PKG-INFO", "Name: folder\nVersion: 4.0\n")
    (site / "first" / "file-5.0-py3.11.egg-info").write_text("Name: file\nVersion: 5.0\n")
    assert (installed.version("folder"), installed.version("file")) == ("4.0", "5.0")


def test_metadata_that_tells_no_version_is_of_nothing_that_is_installed(site):
    put(site / "first", "broken-1.0.dist-info", "METADATA", "")
    (site / "first" / "rest-1.0.dist-info").mkdir()
    assert (installed.version("broken"), installed.version("rest")) == (None, None)


def test_whether_anything_offers_adapters_is_read_from_the_entry_points(site):
    assert not installed.offers("levelfield.adapters")
    put(site / "first", "other-1.0.dist-info", "entry_points.txt", "[levelfield.adapters.more]\na = b:C\n")
    put(site / "first", "bytes-1.0.dist-info", "entry_points.txt", "\n")
    (site / "first" / "bytes-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    assert not installed.offers("levelfield.adapters")
    put(site / "second", "plug-1.0.dist-info", "entry_points.txt", "[levelfield.adapters]\na = b:C\n")
    assert installed.offers("levelfield.adapters")
