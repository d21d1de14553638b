"""The programs that write and read the pages are importable by the tests beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written into the user's."""
    monkeypatch.setenv("LEVELFIELD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
