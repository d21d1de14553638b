"""Environments to add adapters to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from overlays import Overlay, make_overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return make_overlay(tmp_path / "environment")


@pytest.fixture(scope="session")
def overlay_maker() -> Callable[[Path], Overlay]:
    return make_overlay
