"""What it costs that another launch has its turn: all of a turn that lies in none of its epochs.

A turn is timed by whoever gives it, from its word until the launch is stopped again; its epochs by the launch itself.
Between them lie the signals, the waking up, and what the launch looks at between its epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from effort import Effort

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import Step, launch_seconds
from levelfield.harness.doctor.series import Bench, cell
from levelfield.harness.launch.block import carry_through
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record

ADAPTERS = ("numpy-manual", "torch-autograd")
BLOCKS = 10
SECONDS = 0.25  # of turns in a launch, as in the default suite
Turns = dict[str, list[tuple[float, float]]]  # adapter → of each turn its seconds, and those outside of its epochs


@dataclass(frozen=True)
class Switch:
    """Of an adapter's mode over so many `turns`: the seconds of a turn, of them those outside of its epochs, and their
    share of it, at the median and the 90th percentile; or why there are none."""

    adapter: str
    mode: str
    reason: str | None = None
    turns: int = 0
    turn_seconds: float | None = None
    seconds: float | None = None
    seconds_90: float | None = None
    share: float | None = None
    share_90: float | None = None


def measure(bench: Bench, infos: Sequence[AdapterInfo], blocks: int, enough: Callable[[], bool]) -> list[Switch]:
    """Blocks of all `infos` in their first modes, the first of which is the baseline, until `blocks` or `enough`."""
    there = [info for info in infos if info.missing() is None]
    turns: Turns = {}
    failure = None
    with bench.launcher({info.name: info for info in there}) as host:
        for number in range(blocks):
            if enough() or failure is not None:
                break
            failure = block(turns, host, bench, there, number)
    return [judge(info.name, info.modes[0], turns.get(info.name, []), info.missing() or failure) for info in infos]


def block(turns: Turns, host: LocalHost, bench: Bench, infos: Sequence[AdapterInfo], number: int) -> str | None:
    """Add the turns of a block, whose parents are its own. A failure, if any."""
    alive = []
    for lane, info in enumerate(infos):
        work = cell(info, info.modes[0], bench.threads)
        launch = Launch(work, number, seed=number, seconds=SECONDS, baseline=lane == 0)
        alive.append(host.alive(launch, (), lane))
    carry_through(host, alive)
    host.end_all_but(())
    for info, one in zip(infos, alive, strict=True):
        record = host.completed(one)
        if record.status != "ok":
            return f"a launch of {info.name} failed: {record.reason}"
        turns.setdefault(info.name, []).extend(outside(one.took, record))
    return None


def outside(took: Sequence[float], record: Record) -> list[tuple[float, float]]:
    """Of each turn that took so many seconds, these and those outside of its epochs."""
    epochs = [record.epoch_seconds[turn.first : turn.first + turn.epochs] for turn in record.turns]
    return [(seconds, seconds - sum(own)) for seconds, own in zip(took, epochs, strict=True)]


def judge(adapter: str, mode: str, turns: Sequence[tuple[float, float]], reason: str | None = None) -> Switch:
    """From the seconds of turns, and of them those outside of epochs."""
    if reason is not None or len(turns) < 2:
        return Switch(adapter, mode, reason or "no two turns were taken")
    lost, shares = [rest for _, rest in turns], [rest / took for took, rest in turns]
    return Switch(
        adapter=adapter,
        mode=mode,
        turns=len(turns),
        turn_seconds=median(took for took, _ in turns),
        seconds=median(lost),
        seconds_90=quantiles(lost, n=10, method="inclusive")[-1],
        share=median(shares),
        share_90=quantiles(shares, n=10, method="inclusive")[-1],
    )


@dataclass(frozen=True)
class SwitchStep(Step):
    """In blocks of all these adapters."""

    infos: tuple[AdapterInfo, ...]


class Switching:
    name = "switch"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        infos = tuple(adapters[name] for name in effort.named or ADAPTERS)
        seconds = BLOCKS * sum(SECONDS + launch_seconds(info) for info in infos)
        return [
            SwitchStep(self, f"what a turn costs in blocks of {' and '.join(i.name for i in infos)}", seconds, infos)
        ]

    def measure(self, bench: Bench, step: SwitchStep, enough: Callable[[], bool]) -> list[Switch]:
        return measure(bench, step.infos, BLOCKS, enough)
