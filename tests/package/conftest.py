"""A wheel of this checkout, and an environment in which it is installed."""

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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for name in ("tasks", "adapters", "harness", "reports", "levelfield"):  # building leaves things behind
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Overlay:
    """All frameworks of this environment, and levelfield from the wheel."""
    environment = make_overlay(tmp_path_factory.mktemp("installed") / "environment")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(environment.site)
    return environment
