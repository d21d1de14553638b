"""A Ray cluster of two nodes on this machine, each with one core of its own; nodes can be killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Self

import psutil

from levelfield.harness.system import machine

MARK = "LEVELFIELD_TEST_NODE"
START = 180.0  # seconds for a node to be up: it takes 3 on an idle machine


class LocalCluster:
    """A context manager: `address` is for ``--launcher ray://…``."""

    def __init__(self, names: tuple[str, ...] = ("one", "two")) -> None:
        self.names = names
        self.run = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="lf-ray-", dir="/tmp"))  # the names of sockets must be short
        self.port, self.unused = _free_ports(2)
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            for number, name in enumerate(self.names):
                self._start(name, number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, name: str) -> None:
        """All processes of a node at once, as when its machine is switched off."""
        processes = self.processes(name)
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=120)

    def processes(self, name: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == f"{self.run}-{name}" and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _start(self, name: str, number: int) -> None:
        where = ["--address", self.address]
        if number == 0:
            where = ["--head", "--port", str(self.port), "--temp-dir", str(self.folder), "--include-dashboard", "false"]
            where += ["--ray-client-server-port", str(self.unused)]
        cores = machine.cores()
        core = cores[number % len(cores)]
        words = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--node-ip-address", "127.0.0.1"]
        words += ["--node-name", name, "--num-cpus", "1", "--resources", '{"levelfield": 1}']
        words += ["--object-store-memory", "100000000", "--disable-usage-stats"]
        done = subprocess.run(
            words,
            env=os.environ | {MARK: f"{self.run}-{name}", "RAY_worker_niceness": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START,
            preexec_fn=lambda: os.sched_setaffinity(0, [core]),
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as open_sockets:
        free = [open_sockets.enter_context(socket.socket()) for _ in range(number)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in free]
