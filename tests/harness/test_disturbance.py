"""What voids a launch: judged by the cores that it may use, whatever machine they are in."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.measure import disturbance
from levelfield.harness.measure.disturbance import RULES, Snapshot, between, parse_stat, verdict

START = Snapshot(wall=0, own=0, busy=0, steal=0, pressure=0, switches=0, throttled=0)
BUSY = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass"


def after(own: float, busy: float, steal: float = 0.0, throttled: float = 0.0, **more: object) -> Snapshot:
    return Snapshot(
        wall=10, own=own, busy=busy, steal=steal, pressure=0, switches=0, throttled=throttled, **more  # type: ignore[arg-type]
    )  # fmt: skip


def stat(cores: int, **busy: int) -> str:
    """/proc/stat in ticks, where the named cores were busy."""
    lines = [f"cpu{i} {busy.get(f'cpu{i}', 0)} 0 0 0 0 0 0 {busy.get(f'steal{i}', 0)} 0 0" for i in range(cores)]
    total = sum(ticks for name, ticks in busy.items() if name.startswith("cpu"))
    return "\n".join([f"cpu  {total} 0 0 0 0 0 0 0 0 0", *lines, "intr 1"])


@pytest.mark.parametrize("cores", [2, 8, 16, 64])
def test_a_stranger_on_the_launchs_core_voids_it_on_a_machine_of_any_size(cores):
    busy, steal = parse_stat(stat(cores, cpu1=1000), 0.01, {1})
    told = verdict(between(START, after(own=5, busy=busy, steal=steal), cores))
    assert told == "disturbed: foreign 50% (more than 10%)"


@pytest.mark.parametrize("cores", [2, 8, 64])
def test_steal_of_the_launchs_core_voids_it_on_a_machine_of_any_size(cores):
    busy, steal = parse_stat(stat(cores, cpu0=950, steal0=50), 0.01, {0})
    assert verdict(between(START, after(own=9.5, busy=busy, steal=steal), cores)) == (
        "disturbed: steal 5% (more than 2%)"
    )


def test_what_others_do_on_other_cores_is_recorded_and_voids_nothing():
    text = stat(4, cpu0=1000, cpu1=1000, cpu2=500)
    busy, _ = parse_stat(text, 0.01, {0})
    end = after(own=10, busy=busy, all_busy=parse_stat(text, 0.01)[0])
    shares = between(Snapshot(**vars(START) | {"all_busy": 0.0}), end, 4)
    assert verdict(shares) is None
    assert shares["foreign"] == 0
    assert shares["elsewhere"] == pytest.approx(0.5)


def test_a_core_that_the_system_does_not_tell_of_is_no_idle_one():
    assert parse_stat(stat(2, cpu0=5), 1.0, {0, 2}) == (None, None)
    assert "foreign" not in between(START, Snapshot(**vars(START) | {"wall": 1, "busy": None}))


@pytest.mark.parametrize("ended", [True, False], ids=["that has ended", "that still lives"])
def test_what_an_adapter_starts_itself_is_its_own(ended):
    before = disturbance.snapshot()
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY + ("" if ended else "\nprint(flush=True)\ninput()")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if ended:
            child.wait()
        else:
            child.stdout.readline()
        assert disturbance.snapshot().own - before.own >= 0.4
    finally:
        child.kill()
        child.communicate()


# A quota


def test_being_stopped_by_a_quota_is_recorded_and_voids_nothing():
    quota = {"cores": 1, "quota": 0.5}
    before = Snapshot(**vars(START) | quota)
    shares = between(before, after(own=5, busy=10, throttled=4, **quota))
    assert shares["throttled"] == pytest.approx(0.4)
    assert shares["foreign"] == 0  # it got all that it was allowed
    assert verdict(shares) is None


def test_who_takes_what_the_quota_would_have_allowed_disturbs():
    quota = {"cores": 1, "quota": 0.5}
    before = Snapshot(**vars(START) | quota)
    assert between(before, after(own=3, busy=10, **quota))["foreign"] == pytest.approx(0.4)


# Words


@given(st.dictionaries(st.sampled_from(list(RULES)), st.floats(0, 100)))
def test_a_share_is_never_told_to_be_more_than_itself(shares):
    told = verdict(shares)
    broken = {name: share for name, share in shares.items() if share > RULES[name]}
    assert (told is None) == (not broken)
    for name, share, most in re.findall(r"(\w+) ([\d.]+)% \(more than (\d+)%\)", told or ""):
        assert float(share) > float(most)
        assert broken[name] > RULES[name]
