"""A loop whose use of the cores is known: busy for half of the time, on one of two cores. Do the probes say 25 %?

``python half.py SECONDS`` is the loop, and reads its own CPU time as a launch does; beside
it the sampler takes the core-busy strip, as in a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from effort import Effort

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import Step
from levelfield.harness.doctor.series import Bench
from levelfield.harness.probes.client import Sampling
from levelfield.harness.probes.cpu import CpuTime, mask
from levelfield.harness.probes.probe import Watched, Window
from levelfield.harness.records.quantity import Measured
from levelfield.harness.system import machine, paths, variables
from levelfield.harness.system.folders import Temporary

MARGIN = 0.03
_PIECE = 0.01  # seconds busy, then as long asleep
_RUN = """
import os, runpy, sys
file = sys.argv.pop(1)
sys.path.append(os.path.dirname(file))
runpy.run_path(file, run_name="__main__")
"""


@dataclass(frozen=True)
class HalfBusy:
    """Shares of the core mask, 1 = all of them: what is true and what was measured; or why nothing was."""

    cores: int
    reason: str | None = None
    true: float | None = None
    cpu_share: float | None = None  # the loop's own reading
    strip: float | None = None  # mean of the strip, None where there is none
    sample_seconds: float | None = None  # CPU time that a sample beside it costs, its share of waking up included

    @property
    def holds(self) -> bool | None:
        """Whether the measured share lies within ± 3 points of the true one."""
        if self.true is None or self.cpu_share is None:
            return None
        measured = [self.cpu_share] + ([] if self.strip is None else [self.strip])
        return all(abs(share - self.true) <= MARGIN for share in measured)


def measure(seconds: float = 2.0) -> HalfBusy:
    """Run the loop on at most two cores for so long."""
    cores = machine.cores()[:2]

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)

    with Temporary() as temporary:
        sampling = Sampling(temporary.path / "sampler.log")
        try:
            sampling.open()
            with subprocess.Popen(
                paths.program(_RUN, __file__, str(seconds)),
                env=variables.build(os.environ, {}),
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=pin,
            ) as process:
                sampling.start(Watched(process.pid, cores=len(cores)))
                try:
                    out, _ = process.communicate(timeout=30 + 10 * seconds)
                except BaseException:
                    process.kill()  # or the end of `with` waits for it
                    raise
            answer = json.loads(out)
            sampled = sampling.stop(answer["window"])
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            return HalfBusy(len(cores), f"the loop left no result: {error}")
        finally:
            sampling.close()
    return HalfBusy(
        cores=len(cores),
        true=0.5 / len(cores),
        cpu_share=answer["cpu_share"],
        strip=sum(sampled.busy) / len(sampled.busy) if sampled.busy else None,
        sample_seconds=sampled.cost / sampled.samples if sampled.samples else None,
    )


class Half:
    name = "half"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        return [Step(self, "a loop that is busy for half of the time", 0.0)]

    def measure(self, bench: Bench, step: Step, enough: Callable[[], bool]) -> list[HalfBusy]:
        return [measure()]


def main(seconds: float) -> None:
    time.sleep(0.1)  # until the sampler has taken notice
    probe = CpuTime(Watched(os.getpid(), cores=mask()))
    probe.start()
    begin = time.monotonic()
    pieces = round(seconds / _PIECE / 2)
    for piece in range(pieces):
        while time.monotonic() < begin + (2 * piece + 1) * _PIECE:
            pass
        time.sleep(max(begin + (2 * piece + 2) * _PIECE - time.monotonic(), 0.0))
    window = Window(begin, time.monotonic())
    share = probe.stop(window)["cpu_share"]
    assert isinstance(share, Measured)
    time.sleep(0.1)  # for one more sample
    print(json.dumps({"window": window, "cpu_share": share.value}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
