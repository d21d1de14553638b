"""The process that samples while a launch runs: ``python -P -m levelfield.harness.probes.sampler``, started by
`harness.probes.client`.

It talks in JSON lines, on its standard input and output:

    harness → sampler   {"start": [pid, device, cores]}, and when the launch is over {"stop": [begin, end]}, the window
                        of the steady epochs, or {"stop": null} where there was none
    sampler → harness   {} when it listens; after each stop the quantities, the busy strip, and what the sampling itself
                        has cost

Every probe has a thread of its own and sleeps between its samples: one that raises loses its own quantities, one that
hangs does so too, and says so in the following launches.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from levelfield.harness.probes import registry
from levelfield.harness.probes.probe import Probe, Watched, Window, complete, unavailable, why
from levelfield.harness.records.quantity import Quantity, Unavailable

PATIENCE = 1.0  # seconds that all probes of a launch have to answer


class Runner:
    """One probe during one launch, in its own thread."""

    def __init__(self, probe: type[Probe], watched: Watched) -> None:
        self.probe, self.watched = probe, watched
        self.window: Window | None = None
        self.over = threading.Event()
        self.samples = 0
        self.strip: list[float] = []
        self.found: dict[str, Quantity] | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self, window: Window | None) -> None:
        self.window = window
        self.over.set()

    def _run(self) -> None:
        try:
            self.found = self._probe()
        except BaseException as error:  # a plug-in may raise anything, SystemExit included
            self.found = unavailable(self.probe.names, why(error))

    def _probe(self) -> dict[str, Quantity]:
        probe = self.probe(self.watched)
        if (reason := probe.available()) is not None:
            return unavailable(probe.names, reason)
        probe.start()
        while not self.over.wait(probe.every):
            probe.sample()
            self.samples += 1
        probe.sample()
        window = self.window or Window(0.0, 0.0)
        found = complete(probe.names, probe.stop(window), self.probe.__name__)
        if self.window is not None:
            self.strip = [float(share) for share in probe.strip(window)]
        return found


class Sampler:
    """All probes, launch by launch."""

    def __init__(self) -> None:
        self.probes, self.problems = registry.load()
        self.stuck: dict[type[Probe], threading.Thread] = {}
        self.runners: list[Runner] = []
        self.cpu = time.process_time()

    def start(self, watched: Watched) -> None:
        for runner in self.runners:
            runner.stop(None)  # of a launch whose end nobody could tell
        self.cpu = time.process_time()
        self.stuck = {probe: thread for probe, thread in self.stuck.items() if thread.is_alive()}
        wanted = [probe for probe in self.probes if watched.kind in probe.kinds]
        self.runners = [Runner(probe, watched) for probe in wanted if probe not in self.stuck]

    def stop(self, window: Window | None) -> dict[str, Any]:
        for runner in self.runners:
            runner.stop(window)
        found = dict(self.problems)
        for probe in self.stuck:
            found |= unavailable(probe.names, f"{probe.__name__} has not answered since an earlier launch")
        end = time.monotonic() + PATIENCE
        for runner in self.runners:
            runner.thread.join(max(end - time.monotonic(), 0.0))
            if (answer := runner.found) is None:
                self.stuck[runner.probe] = runner.thread
                late = f"{runner.probe.__name__} did not answer within {PATIENCE:g} s"
                answer = unavailable(runner.probe.names, late)
            found = merged(found, answer)
        return {
            "utilisation": {name: quantity.model_dump() for name, quantity in found.items()},
            "busy": next((runner.strip for runner in self.runners if runner.found is not None and runner.strip), []),
            "samples": sum(runner.samples for runner in self.runners),
            "cpu_seconds": time.process_time() - self.cpu,
        }


def merged(one: dict[str, Quantity], other: dict[str, Quantity]) -> dict[str, Quantity]:
    """Both; a number beats a reason, and the first of two numbers or reasons stays."""
    better = {
        name: quantity
        for name, quantity in other.items()
        if name not in one or (isinstance(one[name], Unavailable) and not isinstance(quantity, Unavailable))
    }
    return one | better


def main() -> None:
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a probe prints is no answer
    sampler = Sampler()
    os.write(answers, b"{}\n")
    for line in sys.stdin:
        message = json.loads(line)
        if "start" in message:
            sampler.start(Watched(*message["start"]))
        else:
            window: Sequence[float] | None = message["stop"]
            answer = sampler.stop(None if window is None else Window(*window))
            os.write(answers, json.dumps(answer).encode() + b"\n")
    os._exit(0)  # a probe that hangs has no say in when this process ends


if __name__ == "__main__":
    main()
