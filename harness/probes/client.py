"""The harness' side of the sampler (see `harness.probes.sampler`): it is told of launches and asked what it found."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from levelfield.harness.probes import registry
from levelfield.harness.probes.probe import Watched, Window, unavailable
from levelfield.harness.system import paths, variables

_START, _PATIENCE = 60.0, 5.0  # seconds until the sampler listens, and that an answer may take; its probes have one


@dataclass(frozen=True)
class Sampled:
    """What was found about one launch; quantities as a record holds them. `cost` in CPU seconds of the sampler."""

    utilisation: dict[str, Any]
    busy: list[float] = field(default_factory=list)
    samples: int = 0
    cost: float = 0.0


class Sampling:
    """One sampler for all launches, one launch at a time. Without it (`off`), its quantities say so."""

    def __init__(self, log: Path, off: str | None = None) -> None:
        self.log, self.reason = log, off
        self.process: subprocess.Popen[bytes] | None = None
        self.watched: Watched | None = None

    def open(self) -> None:
        """Start the sampler, if it does not run yet, and wait until it listens: call before a launch."""
        if self.reason is None and self.process is None:
            self.process = self._begin()
            self._hear(_START)

    def start(self, watched: Watched) -> None:
        """A launch has begun; returns at once when the sampler is open."""
        self.watched = watched
        self.open()
        if self.reason is None:
            self._say({"start": watched})

    def stop(self, window: Window | None) -> Sampled:
        """The launch is over; `window` is that of its steady epochs, None where it had none."""
        watched, self.watched = self.watched, None
        if watched is None:
            return Sampled({})
        if self.reason is None:
            self._say({"stop": window})
        answer = self._hear(_PATIENCE) if self.reason is None else None
        if answer is None:
            missing = unavailable(registry.names(watched.kind), self.reason or "the sampler gave no answer")
            return Sampled({name: quantity.model_dump() for name, quantity in missing.items()})
        return Sampled(answer["utilisation"], answer["busy"], answer["samples"], answer["cpu_seconds"])

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):  # what it did not read any more
                    pipe.close()  # type: ignore[union-attr]
            self.process = None

    def _begin(self) -> subprocess.Popen[bytes]:
        # probes of other packages, where only the user's path leads to them
        others = os.pathsep.join(map(str, variables.on_path(os.environ, registry.folders())))
        with self.log.open("ab") as output:
            return subprocess.Popen(
                paths.module("levelfield.harness.probes.sampler"),
                env=variables.build(os.environ, {"PYTHONPATH": others} if others else {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the harness
            )

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
        except OSError:
            self._give_up("the sampler has ended")

    def _hear(self, patience: float) -> dict[str, Any] | None:
        assert self.process is not None
        assert self.process.stdout is not None
        buffer, end = b"", time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not buffer.endswith(b"\n"):
                if not selector.select(max(end - time.monotonic(), 0.0)):
                    self._give_up(f"the sampler did not answer within {patience:g} s")
                    return None
                if not (data := os.read(self.process.stdout.fileno(), 65536)):
                    self._give_up("the sampler has ended")
                    return None
                buffer += data
        answer: dict[str, Any] = json.loads(buffer)
        return answer

    def _give_up(self, reason: str) -> None:
        """For the rest of the run: what hung or crashed once would cost every launch its patience."""
        self.reason = reason
        self.close()
