"""MNIST's files, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def mnist_files() -> Path:
    """Their folder: where the user says, or beside the repository. Skips the test where they are not."""
    folder = Path(os.environ.get("LEVELFIELD_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not list(folder.glob("**/train-images-idx3-ubyte*")):
        pytest.skip("the official MNIST files are not at LEVELFIELD_DATA or ../shared/data/mnist")
    return folder
