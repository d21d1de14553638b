"""Folders of a warm parent and of its jobs: reached by one link, empty at first, swept when nobody uses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.system import folders
from levelfield.harness.system.folders import Places, Temporary


def below(*roots: Path) -> set[Path]:
    return {path for root in roots for path in root.rglob("*")}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@given(st.text("abcdefghij0123456789-_", min_size=1, max_size=30))
def test_every_variable_names_a_place_below_the_root(name):
    root = Path("/somewhere") / name
    assert all(f"{root}/" in value for value in folders.folders(root).values())


@contextmanager
def led(job):
    """The folders of one job, to which the link leads until it is over."""
    job.lead()
    yield
    job.remove()


def test_of_two_jobs_each_finds_its_own_when_it_is_its_turn(tmp_path):
    places = Places(tmp_path / "p0")
    temporary = Path(places.variables["TMPDIR"])
    before = below(tmp_path)
    jobs = {name: places.job() for name in ("one", "other")}
    for name in ("one", "other"):
        jobs[name].lead()
        (temporary / name).write_text("")
    for name in ("one", "other", "one"):
        jobs[name].lead()
        assert [path.name for path in files(temporary)] == [name]
    for job in jobs.values():
        job.remove()
    assert below(tmp_path) == before


def test_each_job_finds_its_folders_empty_and_leaves_none(tmp_path):
    places = Places(tmp_path / "p0")
    before = below(tmp_path)
    seen = [Path(places.variables[name]) for name in ("TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")]
    for _ in range(2):
        with led(places.job()):
            for folder in seen:
                assert files(folder) == []
                (folder / "left").write_text("behind")
        assert below(tmp_path) == before
    places.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_job_compiles_stays_where_it_says(tmp_path):
    places = Places(tmp_path / "p0")
    compiled = Path(places.variables["NUMBA_CACHE_DIR"])
    one, other = tmp_path / "one", tmp_path / "other"
    for kept, there in ((one, False), (other, False), (one, True), (None, False), (None, True)):
        with led(places.job(kept)):
            assert compiled.is_dir() == there
            compiled.mkdir(exist_ok=True)
    assert {path.name for path in one.iterdir()} == {"inductor", "numba"}


@pytest.mark.frameworks
def test_torch_finds_its_headers_again_which_it_keeps_where_its_cache_would_be(tmp_path, monkeypatch):
    """Under TMPDIR, whatever the variable for its cache says; without them a filled cache is of little use."""
    default_cache_dir = pytest.importorskip("torch._inductor.runtime.cache_dir_utils").default_cache_dir
    places = Places(tmp_path / "p0")
    monkeypatch.setattr("tempfile.tempdir", places.variables["TMPDIR"])
    kernel = Path(places.variables["TORCHINDUCTOR_CACHE_DIR"]) / "kernel.so"
    header = Path(default_cache_dir()) / "precompiled_headers" / "torch.h.gch"
    for cache in ("one", "other"):
        for _ in range(3):
            with led(places.job(tmp_path / cache)):
                assert header.exists() == kernel.exists()  # the first time neither, though another cache has both
                header.parent.mkdir(exist_ok=True)
                header.write_text("150 MB")
                kernel.write_text("")
    assert len([path for path in below(tmp_path) if path.name == header.name]) == 1


def test_empty_folders_fill_no_cache(tmp_path):
    assert not folders.is_filled(tmp_path / "absent")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert not folders.is_filled(tmp_path)
    (tmp_path / "a" / "b" / "kernel.so").write_text("")
    assert folders.is_filled(tmp_path)


MAKES = """
import subprocess, sys, time
from levelfield.harness.system.folders import Temporary
temporary = Temporary()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(900)"], pass_fds=[temporary.fd])
print(temporary.path, child.pid, flush=True)
time.sleep(900)
"""


def test_a_folder_is_swept_when_the_last_process_that_uses_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", MAKES], stdout=subprocess.PIPE, text=True, env=environment) as maker:
        assert maker.stdout is not None
        folder, child = maker.stdout.readline().split()
        Temporary().close()
        assert Path(folder).is_dir()
        maker.kill()
    Temporary().close()
    assert Path(folder).is_dir()  # its child may write to it yet
    os.kill(int(child), signal.SIGKILL)
    end = time.monotonic() + 300
    while Path(folder).exists() and time.monotonic() < end:
        Temporary().close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_kept_among_temporary_files_is_not_swept(tmp_path, monkeypatch):
    """Its name begins alike, and it has a lock of its own, which is free once the run is over."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = tmp_path / "levelfield-mine"
    run.mkdir()
    (run / "lock").write_text("")
    (run / "records.jsonl").write_text("{}\n")
    Temporary().close()
    assert (run / "records.jsonl").exists()
