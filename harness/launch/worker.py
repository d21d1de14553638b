"""A warm parent: a process that imports one framework once and forks a child for every job.

Started as ``python -P -m levelfield.harness.launch.worker FD`` by `harness.launch.warm_parent`, with the framework's
environment and core mask already in force; it touches no device itself. It talks in JSON lines over the socket FD:

    harness → parent   the modules to import, then a job a line, also while others are under way
    parent → harness   what was imported; then for each job the child's pid, and later how that child ended

When the harness goes away the socket closes, and the parent kills its children and ends. The parent adopts whatever
a child leaves behind, in whatever session it hides, and ends it; and a child dies with its parent.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import selectors
import signal
import socket
import sys
import traceback
from typing import Any

from levelfield.harness.launch import jobs
from levelfield.harness.launch.child import Child
from levelfield.harness.system import processes
from levelfield.harness.system.clocks import Guard, clock
from levelfield.harness.system.console import show_anything

GUARD = Guard()  # of the clocks, before anything foreign is imported


def main(fd: int) -> None:
    channel = socket.socket(fileno=fd)
    show_anything()  # what an adapter prints may be of any language
    processes.adopt_orphans()
    processes.be_first_to_go()
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    Family(channel, wake, [channel.fileno(), wake.fileno(), woken.fileno()]).serve()


class Family:
    """The parent and its children. Most of them are stopped at any time, see `harness.launch.block`."""

    def __init__(self, channel: socket.socket, wake: socket.socket, files: list[int]) -> None:
        """`files`: what children must not hold."""
        self.channel, self.wake, self.files = channel, wake, files
        self.children: dict[int, Child] = {}
        self.buffer = b""
        self.selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until the harness goes away."""
        if (line := self._line()) is None:
            return
        setup = json.loads(line)
        sys.path.extend(setup["paths"])
        self._say(**_import(setup["runtime"], setup["modules"], setup["preload"]))
        for source in (self.channel, self.wake):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.channel:
                    if not self._jobs():
                        return self._end()
                elif key.fileobj is self.wake:
                    self.wake.recv(4096)
                elif not self.children[key.data].listen():
                    self.selector.unregister(key.fileobj)
            self._reap()

    def _line(self) -> str | None:
        """The next one, None when there will be none."""
        while b"\n" not in self.buffer:
            if not (data := self.channel.recv(65536)):
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def _jobs(self) -> bool:
        """Begin what is asked for. False when nothing more will be."""
        if (line := self._line()) is None:
            return False
        self._begin(line)
        while b"\n" in self.buffer:
            self._begin(str(self._line()))
        return True

    def _begin(self, line: str) -> None:
        others = [file for child in self.children.values() for file in child.files]
        child = Child(jobs.read(line), GUARD, [*self.files, self.selector.fileno(), *others])
        self.children[child.pid] = child
        self.selector.register(child.output.reader, selectors.EVENT_READ, child.pid)
        self._say(pid=child.pid)

    def _reap(self) -> None:
        for pid, child in list(self.children.items()):
            if (code := child.ended(self.children.keys() - {pid})) is not None:
                del self.children[pid]
                if child.output.reader in self.selector.get_map():
                    self.selector.unregister(child.output.reader)
                child.output.close()
                self._say(ended=pid, code=code, flood=child.output.flood)

    def _end(self) -> None:
        for child in self.children.values():
            child.kill()
        while self.children:
            self.children.popitem()[1].end()

    def _say(self, **message: Any) -> None:
        self.channel.sendall(json.dumps(message).encode() + b"\n")


def _import(runtime: str, modules: list[str], preload: bool) -> dict[str, Any]:
    """Import the runtime and the adapters; seconds for all, and per module the error that it raised."""
    from levelfield.adapters.runtime import load

    errors: dict[str, str | None] = {}
    start = clock()
    for module in modules:
        try:
            load(runtime)
            importlib.import_module(module)
            errors[module] = None
        except BaseException as error:  # a broken framework may raise anything, SystemExit included
            traceback.print_exc()
            errors[module] = processes.reason(error, _source(module))
    seconds = clock() - start
    if preload and None in errors.values():
        load(runtime).preload()
    gc.collect()
    gc.freeze()  # children share these pages, their collector leaves them alone
    return {"seconds": seconds, "errors": errors}


def _source(module: str) -> str | None:
    """The file of a module that cannot be imported."""
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module)
        return None if spec is None else spec.origin
    return None


if __name__ == "__main__":
    main(int(sys.argv[1]))
