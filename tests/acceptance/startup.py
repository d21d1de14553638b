"""How long the command takes to answer, in bare interpreter starts: pairs of processes, in random order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from effort import Effort

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import Step
from levelfield.harness.doctor.series import Bench
from levelfield.harness.judge.statistics import Interval, paired_ratio
from levelfield.harness.system import paths, variables

BARS = {"--help": 4.0, "list": 8.0}  # bare starts
ROUNDS = 10
_BARE = ["-c", "pass"]


@dataclass(frozen=True)
class Startup:
    """`command` against a bare interpreter start of `bare_seconds`: the ratio at 95 %."""

    command: str
    bare_seconds: float
    ratio: Interval

    @property
    def holds(self) -> bool | None:
        """Whether the bar holds for the whole interval; None where it reaches across."""
        bar = BARS[self.command]
        return True if self.ratio.high <= bar else False if self.ratio.low > bar else None


def measure(rounds: int) -> list[Startup]:
    """Start each command and the bare interpreter once a round, after one start of each to fill the disk's cache."""
    words = {"bare": [sys.executable, *_BARE]}
    words |= {command: paths.module("levelfield.harness.cli.main", command) for command in BARS}
    times: dict[str, list[float]] = {name: [] for name in words}
    shuffle = random.Random(0)
    for number in range(1 + rounds):
        for name in shuffle.sample(list(words), len(words)):
            start = time.perf_counter()
            subprocess.run(words[name], env=variables.build(os.environ, {}), capture_output=True, check=True)
            if number:
                times[name].append(time.perf_counter() - start)
    bare = sorted(times["bare"])[rounds // 2]
    return [Startup(command, bare, paired_ratio(times[command], times["bare"])) for command in BARS]


class Start:
    name = "start"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        return [Step(self, "the command's start", 0.0)]

    def measure(self, bench: Bench, step: Step, enough: Callable[[], bool]) -> list[Startup]:
        return measure(ROUNDS)
