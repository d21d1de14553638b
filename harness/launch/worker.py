"""A warm parent: a process that imports one framework once and forks a child for every job.

Started as ``python -P -m levelfield.harness.launch.worker FD`` by `harness.launch.warm_parent`, with the framework's
environment and core mask already in force; it touches no device itself. It talks in JSON lines over the socket FD:

    harness → parent   the modules to import, then one job a line
    parent → harness   what was imported; then for each job the child's pid, and how the child ended

When the harness goes away the socket closes, and the parent kills its child and ends. On Linux the parent adopts
whatever a child leaves behind, in whatever session it hides, and ends it; and a child dies with its parent.
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
    lines = channel.makefile("r", encoding="utf-8")

    def say(**message: Any) -> None:
        channel.sendall(json.dumps(message).encode() + b"\n")

    show_anything()  # what an adapter prints may be of any language
    processes.adopt_orphans()
    processes.be_first_to_go()
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)

    setup = json.loads(lines.readline())
    sys.path.extend(setup["paths"])
    say(**_import(setup["runtime"], setup["modules"], setup["preload"]))
    while line := lines.readline():
        child = Child(jobs.read(line), GUARD, [channel.fileno(), wake.fileno(), woken.fileno()])
        say(pid=child.pid)
        with child.output as output:
            code = _wait(child, channel, wake)
        if code is None:
            return
        say(code=code, flood=output.flood)


def _wait(child: Child, channel: socket.socket, wake: socket.socket) -> int | None:
    """The child's exit code (negative: its signal), or None when the harness went away meanwhile."""
    output = child.output.reader
    with selectors.DefaultSelector() as selector:
        for source in (channel, wake, output):
            selector.register(source, selectors.EVENT_READ)
        while (code := child.ended()) is None:
            ready = {key.fileobj for key, _ in selector.select()}
            if channel in ready:  # the harness says nothing while a child runs: it is gone
                child.end()
                return None
            if wake in ready:
                wake.recv(4096)
            if output in ready and not child.listen():
                selector.unregister(output)
    return code


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
