"""Any framework may be absent: its rows say what to install, and everything else works.

An environment without a framework is made for real: an interpreter whose site-packages has all of ours but that one.
"""

from __future__ import annotations

import json
import sysconfig
import venv
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.records import store

ADAPTERS = find().adapters
EXTRAS = {"optax": "flax"}
REMOVABLE = sorted({name for info in ADAPTERS.values() for name in info.distributions} - {"numpy", "scikit-learn"})
INSTALLED = [name for name in REMOVABLE if all(name not in (info.missing() or "") for info in ADAPTERS.values())]


def files_of(name: str) -> set[str]:
    """What a distribution has put into site-packages, at the top."""
    for candidate in (name, f"{name}-cpu"):
        found = [d for d in distributions() if d.metadata["Name"].lower() == candidate]
        if found:
            return {file.parts[0] for file in distribution(candidate).files or []} - {"..", "__pycache__"}
    return set()


@pytest.fixture(scope="module")
def without(command_line, tmp_path_factory):
    """A command line in an environment without the distributions."""

    def make(*absent: str):
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, with_pip=False, symlinks=True)
        site = next((folder / "lib").glob("python*/site-packages"))
        left_out = set().union(*(files_of(name) for name in absent))
        assert left_out
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if path.name not in left_out and not (site / path.name).exists():
                (site / path.name).symlink_to(path)
        return command_line(python=folder / "bin" / "python")

    return make


@pytest.mark.slow
@pytest.mark.parametrize("absent", INSTALLED)
def test_an_absent_framework_is_a_row_that_says_what_to_install(without, absent):
    done = without(absent)("list", "adapters", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert set(rows) == set(ADAPTERS)
    for name, info in ADAPTERS.items():
        if absent in info.distributions:
            extra = EXTRAS.get(absent, absent)
            assert rows[name] == f"needs {absent}: pip install 'levelfield[{extra}]'"
        elif info.missing() is None:
            assert "needs" not in rows[name]


@pytest.mark.slow
def test_a_run_skips_what_is_absent_and_measures_the_rest(without, tiny, records_of):
    levelfield = without(*INSTALLED)
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["*"]'))
    done = levelfield("run", "mine.toml", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    records = {record.cell.adapter: record for record in records_of(levelfield.folder / "out")}
    assert set(records) == set(ADAPTERS)
    for name, record in records.items():
        if name in ("numpy-manual", "sklearn-mlp"):
            assert record.status == "ok", record.log
        else:
            assert record.status == "skipped"
            assert record.reason.startswith("needs ")
            assert "pip install 'levelfield[" in record.reason
            assert record.reason in done.stderr


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["keras-jax", "keras-torch", "tensorflow-tape", "jax-grad", "torch-nn"])
def test_a_framework_works_without_all_others(without, tiny, adapter):
    if ADAPTERS[adapter].missing():
        pytest.skip(ADAPTERS[adapter].missing())
    needed = {*ADAPTERS[adapter].distributions, *(["keras"] if adapter == "tensorflow-tape" else [])}
    levelfield = without(*(name for name in INSTALLED if name not in needed))
    (levelfield.folder / "mine.toml").write_text(tiny(learning=f'adapters = ["{adapter}", "numpy-manual"]'))
    done = levelfield("run", "mine.toml", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    records = store.read(levelfield.folder / "out").records
    assert {record.cell.adapter: record.status for record in records} == {adapter: "ok", "numpy-manual": "ok"}
