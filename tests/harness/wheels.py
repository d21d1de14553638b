"""Small wheels, made by hand: a folder of them is all that pip sees."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

ABOUT = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(folder: Path, name: str, version: str, modules: Mapping[str, str]) -> Path:
    """A wheel of pure Python with these modules, file → text."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = dict(modules) | {
        f"{stem}.dist-info/METADATA": ABOUT.format(name=name, version=version),
        f"{stem}.dist-info/WHEEL": WHEEL,
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{file},," for file in (*files, record)]
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files | {record: "\n".join(lines) + "\n"}).items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def only(folder: Path) -> dict[str, str]:
    """Variables by which pip looks nowhere else, and compiles nothing, which takes longer than all the rest."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_COMPILE": "1"}
