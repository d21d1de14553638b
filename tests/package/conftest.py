"""A wheel and a source archive of this checkout, and environments in which they are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from levelfield.harness.system.paths import ROOT

sys.path.append(str(ROOT / "tests" / "kit"))

from overlays import Overlay, make_overlay


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built, in a folder of its own: building leaves things behind."""
    folder = tmp_path_factory.mktemp("source")
    for path in ROOT.iterdir():
        if path.name in ("tasks", "adapters", "harness", "reports", "levelfield", "docs", "tests"):
            shutil.copytree(path, folder / path.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file() and path.suffix in ("", ".in", ".md", ".py", ".toml", ".txt") and path.name != ".git":
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("*.tar.gz")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Overlay:
    """All frameworks of this environment, and levelfield from the wheel."""
    environment = make_overlay(tmp_path_factory.mktemp("installed") / "environment")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(environment.site)
    return environment
