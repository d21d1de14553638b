"""The harness' side of a warm parent: start it, give it jobs one at a time, end it (see `harness.worker`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters import runtimes
from adapters.registry import AdapterInfo
from harness.worker import Job

_IMPORT_LIMIT = 300.0  # seconds
_ROOT = Path(__file__).resolve().parent.parent.parent


class ParentDied(Exception):
    """A warm parent ended, or did not answer in time; the message says how."""


class WarmParent:
    """The harness' side of one `harness.worker` process."""

    def __init__(
        self,
        info: AdapterInfo,
        modules: list[str],
        device: str,
        threads: int,
        cores: list[int],
        log: Path,
        preload: bool = True,
        python: str = sys.executable,
    ) -> None:
        self.log = log
        ours, theirs = socket.socketpair()
        variables = runtimes.environment(info.framework, info.backend, device, threads)
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

        def pin() -> None:  # before the framework is imported: the one control that all of them obey
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, cores)

        with theirs, log.open("ab") as output:
            self.process = subprocess.Popen(
                [python, "-P", "-m", "harness.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | variables | {"PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the harness, which ends its parents itself
                preexec_fn=pin,
            )
        self.channel = ours
        self.buffer = b""
        self.child: int | None = None
        try:
            self._say({"runtime": info.runtime, "modules": modules, "preload": preload})
            hello = self._hear(_IMPORT_LIMIT)
        except TimeoutError:
            self.close()
            raise ParentDied(f"importing took longer than {_IMPORT_LIMIT:g} s") from None
        except BaseException:
            self.close()
            raise
        self.import_seconds: float = hello["seconds"]
        self.errors: dict[str, str | None] = hello["errors"]

    def run(self, job: Job, limit: float) -> str | None:
        """Carry out a job. None when the child ended well, else how it ended. Raises ParentDied."""
        self._say(job.model_dump(mode="json"))
        self.child = self._hear(10.0)["pid"]
        try:
            code = self._hear(limit)["code"]
        except TimeoutError:
            self._kill_child()
            self._hear(10.0)
            return f"took longer than its limit of {limit:g} s and was killed"
        except ParentDied:
            self._kill_child()
            raise
        finally:
            self.child = None
        if code == 0:
            return None
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """End the parent, and its child if there is one."""
        self._kill_child()
        self.channel.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _kill_child(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child, signal.SIGKILL)

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise ParentDied(self._death()) from None

    def _hear(self, limit: float) -> dict[str, Any]:
        """The next line; sleeps meanwhile. Raises TimeoutError after `limit` seconds, ParentDied at its end."""
        end = time.monotonic() + limit
        while b"\n" not in self.buffer:
            self.channel.settimeout(max(end - time.monotonic(), 1e-3))
            try:
                data = self.channel.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise ParentDied(self._death())
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def _death(self) -> str:
        try:
            code = self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            return "the warm parent closed its channel"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the warm parent ended {how}"
