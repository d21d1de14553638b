"""What control groups allow, on whatever level they say so, and what a run does with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.system import control_groups, machine

V2 = "1 0 0:1 / /cg rw - cgroup2 c rw\n"
V1 = "1 0 0:1 / /cg rw - cgroup c rw,memory\n"
IN_CONTAINER = "1 0 0:1 /docker/x /cg rw - cgroup c rw,memory\n2 0 0:2 / /unified rw - cgroup2 c rw\n"


def system(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "limit"),
    [
        ("0::/a/b\n", V2, {"cg/a/b/memory.max": "max", "cg/a/memory.max": "300000000"}, 300_000_000),
        ("0::/a/b\n", V2, {"cg/a/b/memory.max": "200000000", "cg/a/memory.max": "300000000"}, 200_000_000),
        ("4:memory:/a\n0::/\n", V1, {"cg/a/memory.limit_in_bytes": "450000000"}, 450_000_000),
        (
            "4:memory:/a/b\n",
            V1,
            {"cg/a/b/memory.limit_in_bytes": str(2**63 - 4096), "cg/a/memory.limit_in_bytes": "450000000"},
            450_000_000,
        ),
        ("4:memory:/docker/x/y\n", IN_CONTAINER, {"cg/y/memory.limit_in_bytes": "7"}, 7),
        ("4:memory:/\n", V1, {"cg/memory.limit_in_bytes": str(2**63 - 4096)}, None),
        ("", "", {}, None),
    ],
)
def test_the_limit_of_memory_that_binds_is_found(tmp_path, groups, mounts, files, limit):
    assert control_groups.memory_limit(system(tmp_path, groups, mounts, files)) == limit


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "kills"),
    [
        ("0::/a\n", V2, {"cg/a/memory.events": "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2"}, 2),
        ("4:memory:/a\n", V1, {"cg/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1"}, 1),
        ("4:memory:/a\n", V1, {"cg/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0"}, None),
        ("", "", {}, None),
    ],
)
def test_kills_for_want_of_memory_are_counted(tmp_path, groups, mounts, files, kills):
    assert control_groups.memory_kills(system(tmp_path, groups, mounts, files)) == kills


@given(st.text())
def test_no_text_breaks_the_reading_of_a_limit(text):
    found = control_groups.parse_bytes(text)
    assert found is None or found >= 0


@pytest.mark.parametrize(("quota", "used"), [(0.5, 1), (1.5, 1), (2.0, 2), (None, 4), (64.0, 4)])
def test_cores_are_planned_by_the_quota_and_it_is_named(monkeypatch, quota, used):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(control_groups, "quota", lambda: quota)
    monkeypatch.setattr(control_groups, "memory_limit", lambda: None)
    assert machine.cores() == [0, 1, 2, 3][:used]
    assert machine.describe(True).cores == used
    named = [line for line in machine.warnings() if "quota" in line]
    assert len(named) == (used < 4)
    assert all(f"{quota:.3g} of 4 cores" in line for line in named)
    assert not any(re.search(r"\b1 cores\b", line) for line in named)


def test_two_containers_with_other_limits_are_other_machines(monkeypatch):
    types = []
    for limit in (2**30, 2 * 2**30):
        monkeypatch.setattr(control_groups, "memory_limit", lambda limit=limit: limit)
        assert machine.memory() == limit
        types.append(machine.describe(True).type)
    assert types[0] != types[1]
    monkeypatch.setattr(control_groups, "memory_limit", lambda: 2**60)
    assert machine.memory() == psutil.virtual_memory().total


def test_one_core_is_no_plural(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.9, 0, 0))
    assert "The load average was 3.9 on 1 core when the run started." in machine.warnings()


# A group of this machine's own


@pytest.fixture
def small_memory() -> Iterator[list[str]]:
    """The words before a command that let it run in a nested group with 300 MB."""
    own = control_groups.levels("memory")
    folder = own[0] / f"levelfield-test-{os.getpid()}" if own else Path("/nonexistent/x")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text("300000000")
    except OSError as error:
        folder.rmdir() if folder.is_dir() else None
        pytest.skip(f"no memory group of version 1 can be made here: {error}")
    yield ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
    folder.rmdir()


HUNGRY = """
from levelfield.adapters.numpy.manual import NumpyManual
held = bytearray(1)
for _ in range(400):
    held += b"x" * 2**20

class Hungry(NumpyManual):
    name = "hungry"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
"""


@pytest.mark.slow
def test_a_launch_that_dies_of_a_nested_limit_says_memory(small_memory, command_line, install, tiny, tmp_path):
    folder = install(tmp_path / "plugin", {"hungry": "hungry:Hungry"}, {"hungry.py": HUNGRY})
    wrapped = tmp_path / "python"
    wrapped.write_text(
        "#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in small_memory) + f' {sys.executable} "$@"\n'
    )
    wrapped.chmod(0o755)
    levelfield = command_line(plugins=[folder], python=wrapped)
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["hungry"]'))
    done = levelfield("run", "mine.toml", "-o", "run", "--no-certify")
    assert done.returncode == 1, done.stderr
    assert "A control group limits memory to 300 MB." in done.stderr
    assert "ended by SIGKILL: the control group's 300 MB of memory did not suffice" in done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "levelfield.harness.cli.main", "show", str(levelfield.folder / "run"), "--json"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout
    assert '"failure":"memory"' in shown
    assert '"memory_bytes":299999232' in shown or '"memory_bytes":300000000' in shown
