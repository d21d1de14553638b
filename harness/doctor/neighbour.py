"""A neighbour: a process that wakes up at random and computes for a while, as other people's work does.

Started as ``python -P -m levelfield.harness.doctor.neighbour [ASLEEP AWAKE]``; ends with the process that started it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from levelfield.harness.system import paths, variables

ASLEEP, AWAKE = 1.0, 0.2  # mean seconds, both exponentially distributed


@contextmanager
def neighbour() -> Iterator[None]:
    """One neighbour while the block lasts."""
    process = subprocess.Popen(
        paths.module("levelfield.harness.doctor.neighbour"),
        env=variables.build(os.environ, {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    owner, draw = os.getppid(), random.Random(0)  # noqa: S311 - noise, not a secret
    asleep, awake = map(float, sys.argv[1:]) if sys.argv[1:] else (ASLEEP, AWAKE)
    while os.getppid() == owner:
        time.sleep(draw.expovariate(1 / asleep))
        end = time.monotonic() + draw.expovariate(1 / awake)
        while time.monotonic() < end:
            sum(range(1000))


if __name__ == "__main__":
    main()
