"""Ways to look at the steady epochs of a launch.

Not at all, for what looking costs. By samples: which Python function is running, a thousand times a second, told by a
signal; a call into compiled code is its caller's, who is told when it returns, for as long as it took. By counting
every call (cProfile). By the framework's own profiler, which sees operations below Python. By noting begin and end of
every Python function, for a trace.
"""

from __future__ import annotations

import cProfile
import json
import signal
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from types import CodeType, FrameType
from typing import Any, Literal, NamedTuple

from levelfield.adapters.runtime import Operation, Runtime, Seen
from levelfield.harness.system.clocks import clock

Kind = Literal["dispatch", "data", "waiting", "rest"]
PERIOD = 0.001  # seconds between two samples
DEEP = 80  # frames of a stack that are looked at
MOST_CALLERS, MOST_NAMES, MOST_EVENTS = 30, 300, 200_000
WARM, LOOK, SAMPLE, LEAST = 0.1, 0.3, 1.5, 2  # seconds that a way takes, and epochs, at least
OURS = Path(__file__).resolve().parents[1]
# Folders and files that feed a step, of whatever framework; functions that wait for somebody else
FEEDS = {"data", "dataset", "datasets", "data_adapters", "dataloader", "dataloaders", "data_loader", "epoch_iterator"}
FEEDS |= {"fetch", "fetchers", "loader", "loaders", "sampler", "samplers"}
WAITS = {"acquire", "async_wait", "block_until_ready", "join", "poll", "result", "select", "sleep", "sync_devices"}
WAITS |= {"synchronize", "wait"}


class Way:
    """Not looking: epochs as they are."""

    least = LEAST

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times: list[float] = []  # of its epochs

    @property
    def over(self) -> bool:
        return sum(self.times) >= self.seconds and len(self.times) >= self.least

    def step(self, steps: int) -> float:
        """Seconds, the median of its epochs."""
        return median(self.times) / steps

    def resume(self) -> None:
        """An epoch begins."""

    def pause(self) -> None:
        """An epoch has ended."""

    def end(self) -> None:
        """The last one has."""


class About(NamedTuple):
    """What is known of a function."""

    name: str
    feeds: bool
    waits: bool
    ours: bool  # of the harness


class Sampled(Way):
    """Samples of the thread that trains, each as long as the time since the one before."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.weights: dict[tuple[str, Kind], float] = {}
        self.samples, self.active, self.taking = 0, False, False
        self.last = self.since = 0.0
        self.about: dict[CodeType, About] = {}
        self.before: Any = None

    def resume(self) -> None:
        if not self.times:
            self.before = signal.signal(signal.SIGALRM, self._take)
            signal.siginterrupt(signal.SIGALRM, False)
            signal.setitimer(signal.ITIMER_REAL, PERIOD, PERIOD)
        self.active, self.since = True, clock()

    def pause(self) -> None:
        self.active = False

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, self.before)

    def shares(self) -> dict[Kind, float]:
        """Of the time, by kind."""
        found: dict[Kind, float] = {}
        for (_, kind), weight in self.weights.items():
            found[kind] = found.get(kind, 0.0) + weight / self._total
        return found

    def callers(self) -> list[tuple[str, Kind, float]]:
        """The innermost functions, their kind and their share, the dearest first."""
        ordered = sorted(self.weights.items(), key=lambda item: -item[1])
        return [(name, kind, weight / self._total) for (name, kind), weight in ordered[:MOST_CALLERS]]

    @property
    def _total(self) -> float:
        return sum(self.weights.values()) or 1.0

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.taking or frame is None:  # a signal may interrupt this too
            return
        self.taking, now = True, clock()
        if self.active:
            key = self._told(frame)
            self.weights[key] = self.weights.get(key, 0.0) + min(now - self.last, now - self.since + PERIOD)
            self.samples += 1
        self.taking, self.last = False, clock()  # what this has taken is nobody's

    def _told(self, frame: FrameType) -> tuple[str, Kind]:
        """The innermost function, and what kind of work its stack does."""
        if frame.f_code is Sampled._take.__code__ and frame.f_back is not None:  # it has just begun, or is about to end
            frame = frame.f_back
        inner = about = self._of(frame.f_code)
        feeds, waits = about.feeds, about.waits
        outer = frame.f_back
        for depth in range(1, DEEP):
            if outer is None or (about := self._of(outer.f_code)).ours:  # the harness has called fit
                break
            feeds |= about.feeds
            waits |= about.waits and depth < 3
            outer = outer.f_back
        return inner.name, "waiting" if waits else "rest" if inner.ours else "data" if feeds else "dispatch"

    def _of(self, code: CodeType) -> About:
        if (known := self.about.get(code)) is None:
            path = Path(code.co_filename)
            parts = _below(path)
            feeds = any(Path(part).stem in FEEDS for part in parts) or parts[-2:] == ("tasks", "recipe.py")
            known = About(_named(code), feeds, code.co_name in WAITS, OURS in path.resolve().parents)
            self.about[code] = known
        return known


class Counted(Way):
    """Every call of a function, of Python's or below it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.profile = cProfile.Profile()

    def resume(self) -> None:
        self.profile.enable()

    def pause(self) -> None:
        self.profile.disable()

    def python_calls(self, steps: int) -> float:
        """In a step."""
        entries = self.profile.getstats()
        return sum(one.callcount for one in entries if not isinstance(one.code, str)) / (steps * len(self.times))

    def c_names(self, steps: int) -> dict[str, float]:
        """Functions below Python by name → calls in a step."""
        found = Counter[str]()
        for one in self.profile.getstats():
            if isinstance(one.code, str):
                found[one.code.strip("<>").removeprefix("built-in method ")] += one.callcount
        return {name: count / (steps * len(self.times)) for name, count in found.most_common(MOST_NAMES)}


class Watched(Way):
    """One epoch under the framework's own profiler, which keeps all events."""

    least = 1

    def __init__(self, runtime: Runtime, trace: Path) -> None:
        super().__init__(0.0)
        self.runtime, self.trace = runtime, trace.with_name(f"{trace.name}-framework.json")
        self.stack = ExitStack()
        self.seen = Seen()
        self.why: str | None = None  # it saw nothing

    def resume(self) -> None:
        try:
            self.seen = self.stack.enter_context(self.runtime.watched(self.trace))
        except Exception as error:  # a profiler may raise anything
            self.why = str(error) or type(error).__name__

    def pause(self) -> None:
        try:
            self.stack.close()
        except Exception as error:
            self.why = f"the profiler failed: {error or type(error).__name__}"

    def by_name(self) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {}
        for one in self.seen.operations:
            found.setdefault(one.name, []).append(one)
        return found

    def kernels(self, steps: int, main: bool) -> float:
        """Seconds in a step, on the thread that trains or beside it."""
        return sum(one.seconds for one in self.seen.operations if one.kind == "kernel" and one.main == main) / steps

    def waits(self, steps: int) -> float:
        """Seconds in a step that the thread which trains waits below Python."""
        return sum(one.seconds for one in self.seen.operations if one.kind == "wait" and one.main) / steps


class Traced(Way):
    """One epoch, in which begin and end of every Python function are written down."""

    least = 1

    def __init__(self, trace: Path) -> None:
        super().__init__(0.0)
        self.trace = trace.with_name(f"{trace.name}-python.json")
        self.open: list[tuple[str, float]] = []
        self.events: list[tuple[str, float, float]] = []

    def resume(self) -> None:
        sys.setprofile(self._note)

    def pause(self) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.open.append((_named(frame.f_code), clock()))
        elif event == "return" and self.open:  # else of a function that was under way before
            name, begin = self.open.pop()
            if len(self.events) < MOST_EVENTS:
                self.events.append((name, begin, clock()))

    def end(self) -> None:
        first = min((begin for _, begin, _ in self.events), default=0.0)
        events = [
            {"name": name, "ph": "X", "pid": 1, "tid": 1, "ts": 1e6 * (begin - first), "dur": 1e6 * (end - begin)}
            for name, begin, end in self.events
        ]
        with suppress(OSError):
            self.trace.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")


def _named(code: CodeType) -> str:
    """``Linear.forward (torch/nn/modules/linear.py)``, without what is above the package."""
    return f"{code.co_qualname} ({'/'.join(_below(Path(code.co_filename))[-4:])})"


def _below(path: Path) -> tuple[str, ...]:
    """The parts of a path from its package on; of what is not installed, the last three."""
    parts = path.parts
    return parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-3:]
