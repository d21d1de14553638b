"""What a run writes down, and who may read it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.slow

PLUG = """
import os, socket
from levelfield.adapters.numpy.manual import NumpyManual

class TellsWhereItIs(NumpyManual):
    name = "tells"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        print("running on", socket.gethostname(), flush=True)
        raise RuntimeError(f"{socket.gethostname()} is tired")
"""
HOST = "lighthouse-7"
# The same interpreter on a host of that name
ELSEWHERE = """#!/bin/sh
exec unshare --map-root-user --uts sh -c 'hostname {host} && exec "$0" "$@"' {python} "$@"
"""
SECRET = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def anonymous(command_line, install, tiny, tmp_path_factory):
    folder = install(tmp_path_factory.mktemp("plugin"), {"tells": "telltale:TellsWhereItIs"}, {"telltale.py": PLUG})
    python = folder / "python"
    python.write_text(ELSEWHERE.format(host=HOST, python=sys.executable))
    python.chmod(0o755)
    named = (
        shutil.which("unshare")
        and subprocess.run(
            [python, "-c", "import socket; print(socket.gethostname())"], capture_output=True, text=True
        ).stdout.strip()
        == HOST
    )
    levelfield = command_line(plugins=[folder], variables={"MY_TOKEN": SECRET}, **({"python": python} if named else {}))
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["numpy-manual", "tells"]'))
    before = os.umask(0o077)
    try:
        done = levelfield("run", "mine.toml", "-o", "out", "--no-certify", "--anonymous")
    finally:
        os.umask(before)
    assert done.returncode == 1, done.stderr
    return SimpleNamespace(folder=levelfield.folder / "out", named=named)


def test_the_hosts_name_is_left_out_everywhere_on_request(anonymous):
    if not anonymous.named:
        pytest.skip("this system lets no process have a host name of its own")
    texts = {path.name: path.read_bytes() for path in anonymous.folder.iterdir()}
    assert b"(host) is tired" in texts["records.jsonl"]
    assert b"running on (host)" in texts["records.jsonl"]
    assert [file for file, text in texts.items() if HOST.encode() in text] == []


def test_where_the_interpreter_lies_is_left_out_too(anonymous):
    assert json.loads((anonymous.folder / "run.json").read_text())["python"] is None


def test_no_variable_of_the_environment_is_written_down(anonymous):
    for path in anonymous.folder.iterdir():
        text = path.read_bytes()
        assert SECRET.encode() not in text
        assert b"MY_TOKEN" not in text


def test_files_are_private_where_the_umask_says_so(anonymous):
    assert anonymous.folder.stat().st_mode & 0o077 == 0
    for path in anonymous.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
