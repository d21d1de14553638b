"""Whatever the terminal, and whatever the limits of the process: replaced characters and named limits, no failure."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.cli import main
from levelfield.harness.system import console, limits

ASCII = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


LINES = [
    "run mine.toml -o run --no-certify",
    "--help",
    "list",
    "list tasks",
    "show run",
    "show run --json",
    "compare run run",
    "report run --format markdown",
    "export run --format markdown",
    "run --resume run",
    "run --resume run --dry-run",
]
# One start for all of them; behind what each prints is a line with its exit code
PROGRAM = """
import sys
from levelfield.harness.cli import main

for line in sys.argv[1:]:
    try:
        code = main.main(line.split())
    except SystemExit as end:
        code = end.code or 0
    for stream in (sys.stdout, sys.stderr):
        print(f"\\n== {code} {line}", file=stream, flush=True)
"""


@pytest.fixture(scope="module", params=ASCII, ids=["encoding", "locale"])
def printed(request, tiny, tmp_path_factory):
    """Line → its exit code, and what it printed to stdout and to stderr; and the page of the run."""
    folder = tmp_path_factory.mktemp("ascii")
    text = tiny(learning='adapters = ["numpy-manual"]', speed='adapters = ["numpy-manual"]\nblocks = 1\nseconds = 0.01')
    (folder / "mine.toml").write_text(text)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LEVELFIELD_")}
    ours = {"PYTHONPATH": str(ROOT), "LEVELFIELD_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *LINES],
        cwd=folder,
        env=inherited | ours | request.param,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    out, err = (re.split(r"^== (\d+) (.*)\n", part, flags=re.MULTILINE) for part in (done.stdout, done.stderr))
    assert out[2::3] == err[2::3] == LINES
    lines = {line: (int(out[3 * i + 1]), out[3 * i], err[3 * i]) for i, line in enumerate(LINES)}
    return SimpleNamespace(lines=lines, page=(folder / "run" / "report.html").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_nothing_fails_where_the_output_is_ascii(printed, line):
    code, out, err = printed.lines[line]
    assert "internal" not in err
    assert "Traceback" not in out + err
    assert code in ((0,) if "compare" not in line else (0, main.NOTHING)), err
    assert out.strip() or err.strip()
    assert (out + err).isascii()


@pytest.mark.parametrize("name", main.COMMANDS)
def test_no_help_fails_where_the_output_is_ascii(monkeypatch, name):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as end:
        main.main([name, "--help"])
    stream.flush()
    assert end.value.code == 0
    assert stream.buffer.getvalue().startswith(f"usage: levelfield {name}".encode())


@pytest.mark.slow
def test_what_is_written_to_a_file_keeps_its_characters(printed):
    assert "·" in printed.page


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8"]))
def test_any_text_can_be_printed_in_any_encoding(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    before = sys.stdout
    try:
        sys.stdout = stream
        console.show_anything()
        print(text, flush=True)
    finally:
        sys.stdout = before
    shown = stream.buffer.getvalue()
    if encoding == "utf-8" and not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert shown.decode() == text.replace("\n", os.linesep) + os.linesep


def test_signs_become_what_reads_like_them():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="levelfield")
    console.show_anything()
    print("torch · eager: ±2 %, ×1.3, 1–2 µs …", file=stream, flush=True)
    assert stream.buffer.getvalue().decode() == "torch - eager: +/-2 %, x1.3, 1-2 us ...\n"


def test_the_name_of_a_file_that_is_no_text_is_shown_as_it_is():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="levelfield")
    print(os.fsdecode(b"runs/\xff"), file=stream, flush=True)
    assert stream.buffer.getvalue() == b"runs/\xff\n"


# Limits


def limited(command_line, tmp_path, limit: str, *words: str):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit {limit} && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return command_line(python=python)(*words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("-n 10", "too many open files: this process may have 10 (ulimit -n)"),
        ("-v 600000", "address space 600,000 kB (ulimit -v)"),
    ],
)
def test_a_limit_that_is_too_low_is_named_in_one_error(command_line, tmp_path, limit, says):
    done = limited(command_line, tmp_path, limit, "run", "smoke", "-a", "numpy-manual", "--no-certify")
    if done.returncode != main.USAGE:  # machines differ in how much a thread needs
        pytest.skip(f"{limit} is enough here: {done.stderr[-200:]}")
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "  hint: "))]
    assert len(errors) == 2
    assert says in errors[0]
    assert "internal" not in done.stderr


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("can't start new thread"), "no more thread or process could be started; limits: "),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no more thread or process"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no more thread or process"),
        (MemoryError(), "no more memory could be had"),
        (ImportError("libjpeg.so: failed to map segment from shared object"), "no more memory could be had"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files: this process may have "),
        (OSError(errno.ENFILE, "Too many open files in system"), "too many open files"),
    ],
)
def test_what_ran_out_is_no_internal_error(monkeypatch, capsys, error, says):
    def fails(options: object) -> int:
        raise error

    monkeypatch.setitem(main.COMMANDS, "list", fails)
    assert main.main(["list"]) == main.USAGE
    told = capsys.readouterr().err
    assert says in told
    assert "internal" not in told


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), OSError(errno.ENOENT, "x"), ValueError("can't start new thread")]
)
def test_every_other_error_is_as_before(error):
    assert limits.reached(error) is None


def test_the_number_of_tasks_of_a_control_group_is_among_the_limits(monkeypatch, tmp_path):
    (tmp_path / "pids.max").write_text("33\n")
    monkeypatch.setattr(limits.control_groups, "levels", lambda name, root=None: [tmp_path] if name == "pids" else [])
    told = limits.reached(RuntimeError("can't start new thread"))
    assert told is not None
    assert "processes of the control group 33" in told.message
