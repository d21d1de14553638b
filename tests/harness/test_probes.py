"""Probes: what they say where their source is there, and that they give a reason where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from levelfield.harness.probes import registry, samples
from levelfield.harness.probes.busy import Busy
from levelfield.harness.probes.client import Sampled, Sampling
from levelfield.harness.probes.clock import CpuClock
from levelfield.harness.probes.cpu import CpuTime, mask, seconds_of
from levelfield.harness.probes.memory import Memory
from levelfield.harness.probes.probe import Probe, Watched, Window
from levelfield.harness.probes.rapl import Rapl
from levelfield.harness.records.quantity import Measured, Quantity, Unavailable

ROOT = Path(__file__).resolve().parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
HERE = Watched(os.getpid(), cores=mask())


def number(quantity: Quantity) -> float:
    assert isinstance(quantity, Measured), quantity
    return quantity.value


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


# Samples


def test_a_counter_is_known_between_its_samples_and_not_outside_them():
    counter = [(0.0, 10.0), (1.0, 20.0), (3.0, 20.0)]
    assert [samples.at(counter, t) for t in (0.0, 0.5, 1.0, 2.0, 3.0)] == [10, 15, 20, 20, 20]
    for moment in (-0.1, 3.1):
        with pytest.raises(ValueError, match="do not cover"):
            samples.at(counter, moment)


def test_a_counter_that_wraps_around_goes_on():
    assert samples.unwrapped([90, 99, 4, 50, 3], 99) == [90, 99, 104, 150, 203]


def test_the_parts_of_a_window_add_up_to_the_whole_and_are_no_more_than_the_samples():
    counter = [(0.1 * i, 0.1 * i) for i in range(11)]
    found = samples.parts(counter, Window(0.25, 0.75), 100)
    assert len(found) == 5
    assert sum(found) == pytest.approx(0.5)
    assert len(samples.parts(counter, Window(0.0, 1.0), 4)) == 4


# CPU time


def test_cpu_time_counts_this_process_and_the_processes_below_it():
    probe = CpuTime(HERE)
    probe.start()
    begin = time.monotonic()
    burn(0.1)
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    window = Window(begin, time.monotonic())
    found = probe.stop(window)
    assert number(found["cpu_seconds"]) >= 0.39
    assert number(found["cores_busy"]) == pytest.approx(number(found["cpu_seconds"]) / window.seconds)
    assert number(found["cpu_share"]) == pytest.approx(number(found["cores_busy"]) / mask())


@linux
def test_the_cpu_clock_of_another_process_is_read_and_a_process_that_is_gone_raises():
    code = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # type: ignore[union-attr]
        assert seconds_of(process.pid) >= 0.2
    with pytest.raises(OSError):  # noqa: PT011 - whichever the kernel chooses
        seconds_of(process.pid)


@linux
def test_the_strip_shows_when_a_process_was_busy():
    probe = Busy(Watched(os.getpid(), cores=1))
    assert probe.available() is None
    begin = time.monotonic()
    probe.start()
    for busy in (True, False):
        for _ in range(5):
            burn(0.01) if busy else time.sleep(0.02)
            probe.sample()
    strip = probe.strip(Window(begin + 0.001, probe.samples[-1][0]))
    assert len(strip) <= len(probe.samples)
    assert min(strip) >= 0
    assert sum(strip[: len(strip) // 3]) > sum(strip[-(len(strip) // 3) :])


# Memory


@linux
def test_the_peak_is_what_was_held_between_start_and_stop_and_not_before():
    code = """
import json, os
from levelfield.harness.probes.memory import Memory
from levelfield.harness.probes.probe import Watched, Window
big = bytearray(200 << 20); big[::4096] = b"x" * len(big[::4096]); del big
probe = Memory(Watched(os.getpid())); assert probe.available() is None
probe.start()
some = bytearray(50 << 20); some[::4096] = b"x" * len(some[::4096]); del some
print(json.dumps({name: q.value for name, q in probe.stop(Window(0, 1)).items()}))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    found = json.loads(out)
    assert 45e6 < found["memory_above_floor"] < 80e6
    assert found["memory_peak"] == found["memory_floor"] + found["memory_above_floor"]


def test_a_kernel_that_cannot_reset_the_peak_gives_a_reason(tmp_path):
    assert "no /proc/self/status" in (Memory(HERE, tmp_path).available() or "")
    (tmp_path / "status").write_text("VmHWM:\t 1 kB\n")
    assert "cannot reset VmHWM" in (Memory(HERE, tmp_path).available() or "")


# RAPL, from files as the kernel shows them


def package(root: Path, name: str, microjoules: int, part: str = "package-0") -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{part}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("262143328850\n")
    return folder


def test_energy_is_the_growth_of_all_packages_and_survives_a_wrap_around(tmp_path):
    package(tmp_path, "intel-rapl:0", 262143328850 - 1_000_000)
    package(tmp_path, "intel-rapl:1", 5_000_000, "package-1")
    package(tmp_path, "intel-rapl:0:0", 1, "core")  # counted in its package
    probe = Rapl(HERE, tmp_path)
    assert probe.available() is None
    probe.start()
    begin = probe.times[-1]
    package(tmp_path, "intel-rapl:0", 1_999_999)  # 3 J later, past the end of the counter
    package(tmp_path, "intel-rapl:1", 9_000_000, "package-1")
    probe.sample()
    found = probe.stop(Window(begin, probe.times[-1]))["energy"]
    assert number(found) == pytest.approx(7.0)
    assert found.source == "RAPL of all packages, whole machine: holds where nothing else runs"  # type: ignore[union-attr]


def test_a_machine_without_rapl_and_counters_that_stand_still_give_a_reason(tmp_path):
    assert "no RAPL counter" in (Rapl(HERE, tmp_path / "none").available() or "")
    package(tmp_path, "intel-rapl:0", 7)
    probe = Rapl(HERE, tmp_path)
    assert probe.available() is None
    probe.start()
    begin = time.monotonic()
    probe.sample()
    with pytest.raises(ValueError, match=r"cover|stood still"):
        probe.stop(Window(probe.times[0], begin))


# The CPU's clock


@pytest.mark.parametrize("frequency", [0.0, 2600.0])
def test_a_clock_of_zero_is_no_clock(monkeypatch, frequency):
    """psutil.cpu_freq is the boundary: a virtual machine reads min=0.0, max=0.0."""
    from types import SimpleNamespace

    import psutil

    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2596.134, min=0.0, max=frequency))
    probe = CpuClock(HERE)
    assert probe.available() is None
    probe.start()
    found = probe.stop(Window(0.0, time.monotonic()))
    assert number(found["cpu_clock"]) == pytest.approx(2.596134e9)
    assert isinstance(found["cpu_clock_max"], Measured if frequency else Unavailable)


# The sampler, as a run uses it


@pytest.fixture
def sampling(tmp_path: Path) -> Iterator[Callable[..., Sampling]]:
    made: list[Sampling] = []

    def make(off: str | None = None) -> Sampling:
        made.append(Sampling(tmp_path / "sampler.log", off))
        return made[-1]

    yield make
    for one in made:
        one.close()


def sampled(one: Sampling, device: str = "cpu", seconds: float = 0.5) -> Sampled:
    """What is found about this process while it computes a little."""
    one.start(Watched(os.getpid(), device, mask()))
    time.sleep(0.2)
    begin = time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    time.sleep(0.2)
    return one.stop([begin, end])


@pytest.mark.parametrize("device", ["cpu", "gpu:0", "tpu:0"])
def test_no_probe_raises_hangs_or_reads_zero_on_a_machine_without_its_device(sampling, device, monkeypatch):
    """Every probe is started here, against the real libraries; with its device it may be measured."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    begin = time.monotonic()
    found = sampled(sampling(), device, seconds=0.2)
    assert time.monotonic() - begin < 120  # it hangs for ever, or not at all
    assert set(found.utilisation) == set(registry.names(device.partition(":")[0]))
    for name, quantity in found.utilisation.items():
        assert quantity["state"] in ("measured", "unavailable"), name
        assert quantity.get("value") != 0, name
        assert quantity["state"] == "measured" or len(quantity["reason"]) > 10, name


@linux
def test_the_strip_comes_with_every_kind_of_device(sampling):
    found = sampled(sampling())
    assert 1 <= len(found.busy) <= 100
    assert all(0 <= share <= 1.5 for share in found.busy)
    assert found.samples > 0
    assert found.cost > 0


def test_a_sampler_that_is_switched_off_starts_no_process_and_says_so(sampling):
    one = sampling("sampling was switched off")
    one.start(HERE)
    found = one.stop([0.0, 1.0])
    assert one.process is None
    assert {q["reason"] for q in found.utilisation.values()} == {"sampling was switched off"}
    assert set(found.utilisation) == set(registry.names("cpu"))


def test_a_sampler_that_died_costs_its_quantities_and_nothing_else(sampling):
    one = sampling()
    one.start(HERE)
    one.process.kill()
    one.process.wait()
    for _ in range(2):
        found = one.stop([0.0, 1.0])
        assert {q["reason"] for q in found.utilisation.values()} == {"the sampler has ended"}
        one.start(HERE)


def test_the_sampler_ends_when_the_harness_is_gone(sampling):
    one = sampling()
    one.open()
    process, one.process = one.process, None
    process.stdin.close()
    assert process.wait(120) == 0
    process.stdout.close()


# Probes of outside packages

OUTSIDE = """
import time
from levelfield.harness.probes.probe import Probe
from levelfield.harness.records.quantity import Measured

class Fan(Probe):
    names = ("fan_speed",)
    kinds = ("cpu",)
    def available(self): return None
    def start(self): self.seen = 0
    def sample(self): self.seen += 1
    def stop(self, window): return {"fan_speed": Measured(value=1200 if self.seen else 0, unit="1/min", source="fan")}

class Raises(Fan):
    names = ("raises",)
    def start(self): raise RuntimeError("no fan\\nat all")

class Leaves(Fan):
    names = ("leaves",)
    def stop(self, window): raise SystemExit(3)

class Hangs(Fan):
    names = ("hangs",)
    def stop(self, window): time.sleep(1000)

class Nothing(Fan):
    names = ("nothing",)
    def stop(self, window): return {"energy": Measured(value=1, unit="J", source="not promised")}

class Wrong(Fan):
    names = ("wrong",)
    def stop(self, window): return {"wrong": 0}

NotAProbe = 7
"""


def test_a_package_adds_a_probe_and_a_hostile_one_costs_only_its_own_quantities(sampling, tmp_path, monkeypatch):
    about = tmp_path / "outside_probes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-probes\nVersion: 1.0\n")
    classes = ["Fan", "Raises", "Leaves", "Hangs", "Nothing", "Wrong", "NotAProbe", "Absent"]
    points = "".join(f"{name.lower()} = outside_probes:{name}\n" for name in classes)
    (about / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    (tmp_path / "outside_probes.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one = sampling()
    found = sampled(one).utilisation
    assert found["fan_speed"] == {"state": "measured", "value": 1200.0, "unit": "1/min", "source": "fan"}
    reasons = {name: found[name]["reason"] for name in found if found[name]["state"] == "unavailable"}
    assert reasons["raises"] == "RuntimeError: no fan"
    assert reasons["leaves"] == "SystemExit: 3"
    assert reasons["hangs"] == "Hangs did not answer within 1 s"
    assert reasons["nothing"] == "Nothing did not give it"
    assert reasons["wrong"] == "Wrong gave 0, which is no finite quantity"
    assert "no subclass of levelfield.harness.probes.probe.Probe" in reasons["notaprobe"]
    assert "cannot be loaded" in reasons["absent"]
    assert found["energy"].get("source") != "not promised"
    again = sampled(one, seconds=0.1).utilisation
    assert again["hangs"]["reason"] == "Hangs has not answered since an earlier launch"
    assert again["fan_speed"]["state"] == "measured"


def test_every_probe_of_ours_names_its_quantities_once():
    for probe in registry.OURS:
        assert issubclass(probe, Probe)
        assert len(set(probe.names)) == len(probe.names)
        assert set(probe.kinds) <= {"cpu", "gpu", "tpu"}
