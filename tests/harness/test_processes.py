"""What a process of ours does to itself, and how it tells why it failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.system import processes
from levelfield.harness.system.paths import ROOT


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


def raised(path: Path, text: str) -> Exception:
    """What the code raises that lies in the file `path`."""
    path.write_text(text, encoding="utf-8")
    try:
        exec(compile(text, str(path), "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@given(st.text())
def test_a_reason_is_one_line_that_can_be_stored(text: str) -> None:
    told = processes.reason(ValueError(text))
    assert told.startswith("ValueError:")
    assert told.splitlines() == [told]
    assert len(told) <= 500
    told.encode()


def test_an_error_whose_message_cannot_be_printed_is_told_too():
    assert processes.reason(Unspeakable()) == "Unspeakable, whose message cannot be printed"


def test_the_innermost_line_of_the_file_that_was_asked_about_is_named(tmp_path):
    error = raised(tmp_path / "own.py", "import json\ndef fit():\n    json.loads('{')\nfit()\n")
    assert processes.raised_in(error, str(tmp_path / "own.py")) == "own.py:3, in fit"
    assert processes.raised_in(error, str(tmp_path / "other.py")) is None
    assert processes.raised_in(error, None) is None
    assert processes.reason(error, str(tmp_path / "own.py")).endswith("(own.py:3, in fit)")
    assert processes.trace(error).rstrip().splitlines()[-1].startswith("json.decoder.JSONDecodeError")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts private mappings, others do not")
def test_a_process_that_has_limited_itself_gets_no_more_memory():
    code = (
        "from levelfield.harness.system import processes\n"
        "processes.limit_memory(64 << 20)\n"
        "bytearray(16 << 20)\n"
        "print('little')\n"
        "try:\n"
        "    bytearray(256 << 20)\n"
        "except MemoryError:\n"
        "    print('no more')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split("\n") == ["little", "no more", ""], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_a_process_dies_with_the_one_that_started_it():
    child = (
        "from levelfield.harness.system import processes\nimport time\n"
        "processes.die_with_parent()\nprint('bound', flush=True)\ntime.sleep(600)\n"
    )
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        watch = os.pidfd_open(pid)
        started.send_signal(signal.SIGKILL)
    import select

    ended, _, _ = select.select([watch], [], [], 60)
    os.close(watch)
    assert ended


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins nothing")
def test_what_is_started_while_pinned_keeps_to_its_core_and_the_starter_does_not():
    before = os.sched_getaffinity(0)
    core = max(before)
    with processes.pinned([core]):
        code = "import os; print(os.sched_getaffinity(0))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{{{core}}}"
    assert os.sched_getaffinity(0) == before
