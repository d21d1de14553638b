"""The doctor's pure parts: what it reads from /proc and /sys, and what it replays from a recorded series."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.adapter import Setting
from adapters.registry import find
from harness import peak
from harness.doctor import (
    bars,
    cold,
    delay,
    half,
    overhead,
    probed,
    product,
    replay,
    script,
    startup,
    surroundings,
    tables,
)
from harness.doctor.examine import EFFORTS, Examination, Part, Parts, choose, examine
from harness.doctor.half import HalfBusy
from harness.doctor.overhead import Overhead
from harness.doctor.series import Series
from harness.doctor.share import TimeShare, time_share
from harness.doctor.startup import Startup
from harness.doctor.trial import TOGETHER, Trial, compare
from harness.duel import Pair
from harness.peak import Candidate, Peak
from harness.record import Machine, Record
from harness.statistics import Interval
from tasks.errors import UserError
from tasks.mlp import MLP
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Split

ROOT = Path(__file__).resolve().parent.parent.parent
PLAIN = ROOT / "tests" / "benchmarks" / "plain"


def noise(seed: int, blocks: int, factor: float = 1.0, spread: float = 0.01) -> list[float]:
    return (factor * np.exp(np.random.default_rng(seed).normal(0, spread, blocks))).tolist()


def series(factors: dict[str, float], blocks: int = 120, spread: float = 0.01) -> Series:
    found = Series()
    for seed, (label, factor) in enumerate(factors.items()):
        found.values[label] = dict(enumerate(noise(seed, blocks, factor, spread)))
        found.wall[label] = dict.fromkeys(range(blocks), 0.5)
    return found


def duels(factor: float, pairs: int = 20, spread: float = 0.01) -> list[Pair]:
    """Of a warm launch against a cold one, which imported for two seconds."""
    records = (None, SimpleNamespace(phases={"import": 2.0}))
    values = zip(noise(0, pairs, factor, spread), noise(1, pairs, 1.0, spread), strict=True)
    return [Pair(warm, cold_, 1.0, records) for warm, cold_ in values]  # type: ignore[arg-type]


# Replay


def test_an_adapter_against_itself_is_rarely_told_apart():
    shares = [replay.rates(noise(2 * i, 60), noise(2 * i + 1, 60), 12) for i in range(40)]
    assert sum(rates.differs.share for rates in shares if rates) / 40 < 0.05


def test_a_delay_of_five_per_cent_is_found_in_every_window():
    rates = replay.rates(noise(0, 60, 1.05), noise(1, 60), 12)
    assert rates is not None
    assert (rates.slower.share, rates.faster.share, rates.called.share) == (1.0, 0.0, 1.0)


def test_swapping_the_labels_swaps_slower_and_faster():
    a, b = noise(0, 60, 1.01), noise(1, 60)
    one, other = replay.rates(a, b, 12), replay.rates(b, a, 12)
    assert one is not None
    assert other is not None
    assert (one.slower, one.faster, one.differs) == (other.faster, other.slower, other.differs)


def test_a_difference_inside_the_margin_is_not_called_though_it_is_seen():
    rates = replay.rates(noise(0, 200, 1.02, 0.003), noise(1, 200, 1.0, 0.003), 20)
    assert rates is not None
    assert rates.differs.share == 1.0
    assert rates.called.share == 0.0


def test_the_stop_looks_at_the_width_of_the_interval():
    own, base = noise(0, 80, 1.02), noise(1, 80)
    narrow, wide = replay.until(own, base, 0.01), replay.until(own, base, 0.03)
    assert narrow is not None
    assert wide is not None
    assert narrow.pairs is not None
    assert wide.pairs is not None
    assert 8 <= wide.pairs < narrow.pairs <= (narrow.pairs_90 or 0) <= 80


def test_a_series_too_noisy_never_stops():
    stop = replay.until(noise(0, 40, spread=0.5), noise(1, 40, spread=0.5), 0.01)
    assert stop is not None
    assert stop.stopped.share == 0
    assert stop.pairs is stop.slower is stop.differs is None


@pytest.mark.parametrize("blocks", [0, 4, 7])
def test_a_series_too_short_gives_no_rates(blocks):
    assert replay.rates(noise(0, blocks), noise(1, blocks), 5) is None
    assert replay.until(noise(0, blocks), noise(1, blocks), 0.02) is None


def test_windows_that_overlap_count_as_the_runs_they_are_worth():
    rates = replay.rates(noise(0, 60), noise(1, 60), 12)
    assert rates is not None
    assert (rates.differs.windows, rates.differs.independent) == (60, 5.0)
    assert rates.differs.high > 0.4  # five runs without a false verdict prove little


def test_blocks_that_hang_together_are_told():
    calm = np.random.default_rng(0).normal(0, 0.01, 200)
    slow = np.repeat(np.random.default_rng(1).normal(0, 0.05, 40), 5)
    base = [1.0] * 200
    assert abs(replay.neighbours_agree(np.exp(calm).tolist(), base) or 1) < 0.2
    assert (replay.neighbours_agree(np.exp(slow).tolist(), base) or 0) > 0.6
    assert replay.neighbours_agree([1.0] * 9, [1.0] * 9) is None


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_interval_of_a_share_holds_it(hits, more):
    n = hits + more
    low, high = replay.wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert low < high


def test_only_blocks_that_both_labels_have_become_pairs():
    found = series({"a": 1.0, "b": 1.0}, blocks=30)
    del found.values["a"][3], found.values["b"][7]
    own, base = found.pairs("a", "b")
    assert len(own) == len(base) == 28
    assert found.pairs("a", "never recorded") == ([], [])


def test_a_comparison_replays_what_was_recorded():
    found = compare(series({"a": 1.0, "a +2%": 1.02}), "a +2%", "a", 0.02, 0.02)
    assert found.ratio is not None
    assert found.ratio.low < 1.02 < found.ratio.high
    assert found.injected == pytest.approx(0.02, rel=0.01)
    assert [rates.pairs for rates in found.rates] == [8, 12, 20, 40]
    assert found.stop is not None
    assert found.stop.precision == 0.02
    assert found.pair_seconds == 1.0


# Overhead


@pytest.mark.parametrize(
    ("seconds", "factor", "holds"),
    [(0.010, 1.00, True), (0.010, 1.10, False), (0.001, 1.00, True), (0.001, 1.10, False)],
)
def test_the_bar_is_a_ratio_for_long_epochs_and_a_difference_for_short_ones(seconds, factor, holds):
    found = series({"launch": seconds * factor, "script": seconds}, spread=0.003)
    assert overhead.judge("numpy-manual", "eager", found).holds is holds


def test_an_interval_across_the_bar_leaves_it_open():
    found = series({"launch": 1.02, "script": 1.0}, blocks=12, spread=0.05)
    assert overhead.judge("numpy-manual", "eager", found).holds is None


@pytest.mark.parametrize(
    ("script", "spread", "known"),
    [(0.010, 0.002, True), (0.010, 0.1, False), (0.001, 0.002, True), (0.001, 0.02, False), (0.004, 0.006, False)],
)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.02, 2.0])
def test_pairs_end_by_the_width_of_the_bar_that_is_read_wherever_the_interval_lies(script, spread, known, factor):
    found = series({"launch": script * factor, "script": script}, blocks=12, spread=spread)
    assert overhead.known(found) is known
    assert not overhead.known(series({"launch": script * factor, "script": script}, blocks=7, spread=1e-6))


def test_too_few_pairs_are_not_measured():
    found = overhead.judge("numpy-manual", "eager", series({"launch": 1.0, "script": 1.0}, blocks=4))
    assert found.ratio is None
    assert found.reason == "5 pairs are needed and 4 were made"


def test_every_adapter_has_its_plain_script():
    missing = [name for name, info in find().adapters.items() if info.builtin and not _script(name).is_file()]
    assert missing == []


def _script(adapter: str) -> Path:
    return PLAIN / f"{adapter.replace('-', '_')}.py"


def test_of_what_a_script_prints_only_its_json_lines_count():
    found = script.parse('a notice\n{"epoch": 1, "seconds": 0.5}\n17\n{"epoch": 2, "seconds": 0.25}\n{"loss": 1}\n')
    assert found == {"epoch_seconds": [0.5, 0.25], "loss": 1.0}


def test_a_script_without_epochs_is_an_error():
    with pytest.raises(ValueError, match="no epoch times"):
        script.parse("nothing\n")


# Delay


class Counting:
    """A watch for a fixed number of epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        self.left -= 1
        return self.left > 0


def trained(qualname: str) -> tuple[np.ndarray, float]:
    """The first kernel after two epochs of two steps, and the seconds that they took."""
    setting = Setting(MLP((4, 8, 3)), Recipe("momentum", batch_size=8), mode="eager")
    model = getattr(delay, qualname)(setting)
    model.set_weights(setting.model.initial_weights(0))
    rng = np.random.default_rng(0)
    train = Split(rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16))
    start = perf_counter()
    model.fit(train, BatchOrder(16, 8, 2, 0), Counting(2))
    return model.get_weights()[0].kernel, perf_counter() - start


def test_a_delayed_adapter_computes_the_same_and_takes_longer_at_every_step():
    plain, _ = trained("adapters.numpy_manual:NumpyManual:0.0")
    late, took = trained("adapters.numpy_manual:NumpyManual:0.02")
    np.testing.assert_array_equal(plain, late)
    assert took >= 4 * 0.02  # a busy wait cannot end early, whatever else the machine does


def test_where_steps_are_not_called_one_by_one_the_epoch_ends_later(monkeypatch):
    monkeypatch.setattr(delay, "STEPS", {})
    _, took = trained("adapters.numpy_manual:NumpyManual:0.02")
    assert took >= 4 * 0.02


def test_a_delayed_adapter_shares_the_parent_of_the_original():
    info = find().adapters["numpy-manual"]
    late = delay.delayed(info, "numpy-manual +2%", 1e-6)
    assert (late.framework, late.backend, late.builtin) == (info.framework, info.backend, info.builtin)
    assert late.qualname == "adapters.numpy_manual:NumpyManual:1e-06"


def test_the_module_has_no_other_attributes():
    with pytest.raises(AttributeError):
        _ = delay.nothing_of_the_kind


# Surroundings


def machine(root: Path, **files: str) -> Path:
    """Files below `root` by path, with __ for the slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def state(root: Path, name: str, cores: tuple[int, ...] = (0, 1)) -> surroundings.Condition:
    (found,) = [c for c in surroundings.conditions(root, cores) if c.name == name]
    return found


def test_what_a_machine_does_not_show_is_unknown(tmp_path):
    assert {c.state for c in surroundings.conditions(tmp_path, (0, 1))} == {"unknown"}


def test_whatever_disturbs_comes_with_a_remedy(tmp_path):
    machine(
        tmp_path,
        sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="powersave\n",
        sys__devices__system__cpu__intel_pstate__no_turbo="0\n",
        sys__devices__system__cpu__cpu0__topology__thread_siblings_list="0-1\n",
        sys__kernel__mm__transparent_hugepage__enabled="[always] madvise never\n",
        proc__cpuinfo="flags\t\t: fpu hypervisor avx\n",
        proc__stat="cpu  90 0 0 5 0 0 0 10 0 0\n",
        proc__loadavg="3.50 1.00 1.00 2/100 1\n",
        proc__pressure__cpu="some avg10=20.50 avg60=0.00 avg300=0.00 total=1\n",
        proc__meminfo="SwapTotal:   2048 kB\nSwapFree:   1024 kB\n",
        proc__self__cgroup="0::/box\n",
        proc__self__mountinfo="1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        sys__fs__cgroup__cpu__max="ignored",
    )
    (tmp_path / "sys/fs/cgroup/box").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/box/cpu.max").write_text("50000 100000\n")
    found = surroundings.conditions(tmp_path, (0, 1))
    assert {c.name: c.state for c in found if c.state != "disturbs"} == {}
    assert [c.name for c in found if not c.remedy] == []


def test_a_quiet_machine_has_nothing_to_mend(tmp_path):
    machine(
        tmp_path,
        sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="performance\n",
        sys__devices__system__cpu__cpufreq__boost="0\n",
        sys__devices__system__cpu__cpu0__topology__thread_siblings_list="0\n",
        sys__kernel__mm__transparent_hugepage__enabled="always [madvise] never\n",
        proc__cpuinfo="flags\t\t: fpu avx\n",
        proc__loadavg="0.10 0.10 0.10 1/100 1\n",
        proc__pressure__cpu="some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
        proc__meminfo="SwapTotal:   2048 kB\nSwapFree:   2048 kB\n",
        proc__self__cgroup="0::/\n",
    )
    assert {c.state for c in surroundings.conditions(tmp_path, (0,))} == {"good"}


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "files", "cores"),
    [
        ("0::/a/b\n", "1 0 0:1 / /cg rw - cgroup2 c rw\n", {"cg/a/cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", "1 0 0:1 / /cg rw - cgroup2 c rw\n", {"cg/cpu.max": "max 100000"}, None),
        (
            "3:cpu,cpuacct:/d/x\n0::/d/x\n",
            "1 0 0:1 /d/x /cg/cpu rw - cgroup c rw,cpu,cpuacct\n2 0 0:2 / /cg/unified rw - cgroup2 c rw\n",
            {"cg/cpu/cpu.cfs_quota_us": "200000", "cg/cpu/cpu.cfs_period_us": "100000"},
            2.0,
        ),
        (
            "3:cpu:/\n",
            "1 0 0:1 / /cg/cpu rw - cgroup c rw,cpu\n",
            {"cg/cpu/cpu.cfs_quota_us": "-1", "cg/cpu/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("", "", {}, None),
    ],
    ids=["limit on the parent", "no limit", "version 1 in a container", "version 1 without a limit", "no groups"],
)
def test_the_cpu_quota_of_either_version_is_found(tmp_path, cgroup, mountinfo, files, cores):
    machine(tmp_path, proc__self__cgroup=cgroup, proc__self__mountinfo=mountinfo)
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert surroundings.quota(tmp_path) == cores


@given(st.text())
def test_no_text_breaks_the_parsers(text):
    surroundings.parse_cpu_max(text)
    surroundings.parse_cfs(text, text)
    surroundings.parse_chosen(text)
    surroundings.parse_pressure_average(text)
    surroundings.parse_kilobytes(text, "SwapTotal")
    surroundings.parse_cores(text)


@given(st.integers(1, 10**9), st.integers(1, 10**7))
def test_a_quota_is_quota_over_period_in_both_versions(quota, period):
    expected = quota / period
    assert surroundings.parse_cpu_max(f"{quota} {period}\n") == expected
    assert surroundings.parse_cfs(f"{quota}\n", f"{period}\n") == expected


@given(st.sets(st.integers(0, 500), min_size=1))
def test_a_list_of_cores_is_read_as_it_is_written(cores):
    assert surroundings.parse_cores(",".join(str(core) for core in sorted(cores))) == sorted(cores)


def test_a_range_of_cores_is_read():
    assert surroundings.parse_cores("0-2,8\n") == [0, 1, 2, 8]


# Time


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_a_budget_is_divided_by_weight_and_never_overrun(weights):
    clock = Parts(0.0, sum(weights))  # in the past
    assert all(clock.next(weight)() for weight in weights)
    endless = Parts(None, sum(weights))
    assert not any(endless.next(weight)() for weight in weights)


def test_the_share_of_measured_time_leaves_out_the_import():
    cell = {
        "kind": "speed",
        "task": "digits",
        "model": {"name": "m"},
        "recipe": {"name": "r", "optimizer": "sgd", "learning_rate": 0.1},
        "adapter": "numpy-manual",
        "framework": "numpy",
        "backend": None,
        "api": "low",
        "mode": "eager",
    }
    host = dict(host=None, system="", cpu="", cores=2, memory_bytes=1, python="", commit=None)
    records = [
        Record.model_validate(
            {
                "cell": cell,
                "seed": 0,
                "block": block,
                "status": "ok",
                "started": f"2026-01-01T00:00:{2 * block:02}.000+00:00",
                "wall_seconds": 1.0,
                "phases": {"import": 9.0, "build": 0.1, "predict": 0.2},
                "epoch_seconds": [0.1, 0.2],
                "machine": host,
            }
        )
        for block in range(2)
    ]
    found = time_share("run", records)
    assert found is not None
    assert math.isclose(found.measured, 2 * 0.6)
    assert math.isclose(found.core, 2 * 0.5)
    assert (found.wall, found.span, found.launches) == (2.0, 3.0, 2)
    assert time_share("run", []) is None


# The page


def interval(estimate: float, width: float = 0.01, n: int = 40) -> Interval:
    return Interval(estimate, estimate / (1 + width), estimate * (1 + width), n, 0.95)


def examination() -> Examination:
    """What an examination of a simulated machine would have found."""
    found = series({"a +0%": 1.0, "a again": 1.0, "a +5%": 1.05})
    comparisons = [compare(found, label, "a +0%", d, d) for label, d in (("a again", 0.0), ("a +5%", 0.05))]
    few = compare(series({"a": 1.0, "b": 1.0}, blocks=3), "b", "a", 0.0, 0.0)
    return Examination(
        effort="quick",
        date="2026-01-01T00:00:00+00:00",
        machine=Machine(host=None, system="S", cpu="C", cores=2, memory_bytes=2**30, python="3", commit="abc+changes"),
        threads=1,
        frameworks={"numpy": "2.0", "torch": None},
        conditions=surroundings.conditions(Path("/nonexistent")),
        trials=[
            Trial("a", "eager", False, False, None, 1e-4, 360, 7, comparisons, found.values),
            Trial("b", "eager", True, False, None, 1e-4, 6, 0, [few]),
            Trial("c", "eager", False, False, "needs c: pip install c"),
            Trial("d", "eager", False, True, None, 1e-4, 480, 0, comparisons, found.values),
        ],
        overheads=[
            overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})),
            overhead.Overhead("c", "eager", "needs c: pip install c"),
        ],
        agreements=[
            cold.judge("a", "eager", duels(1.0)),
            cold.Agreement("c", "eager", "needs c: pip install c"),
        ],
        startups=[Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))],
        half_busy=[HalfBusy(2, None, 0.25, 0.26, 0.24, 5e-5)],
        probed=[
            probed.judge("a", series({"on": 1.0, "off": 1.0}, spread=0.003)),
            probed.Probed("c", "needs c: pip install c"),
        ],
        products=[product.Product(None, "2048 × 2048 product, torch 2.13.0", 5e10, 0.97)],
        time_share="there is no run in runs/",
        took=12.0,
    )


def peak_of(*candidates: Candidate) -> Peak:
    return Peak(device="cpu", precision="float32", threads=1, date="2026-01-01", candidates=candidates)


def product_of(framework: str, *seconds: float) -> Candidate:
    trial = peak.Trial(operation="product", size=1000, seconds=seconds, itemsize=4)
    return Candidate(framework=framework, version="1", trials=(trial,))


def test_a_product_launched_again_is_a_share_of_the_peak_by_its_median() -> None:
    found = product.judge(peak_of(product_of("a", 2.0), product_of("b", 1.0, 0.95)), product_of("b", 1.0, 1.2, 0.8))
    assert found.share == pytest.approx(0.95)
    assert found.peak == pytest.approx(2e9 / 0.95)
    assert found.holds
    assert not product.judge(peak_of(product_of("b", 0.5)), product_of("b", 1.0)).holds


def test_without_a_product_there_is_the_reason() -> None:
    broken = Candidate(framework="a", version=None, reason="ended by SIGSEGV")
    assert product.judge(peak_of(broken), broken).reason is not None
    again = product.judge(peak_of(product_of("a", 1.0)), broken)
    assert (again.reason, again.holds) == ("ended by SIGSEGV", None)


def test_the_page_tells_the_share_and_whether_the_bar_holds() -> None:
    assert "reads 97.0% of it. The bar, at least 90%, holds." in tables.text(examination()).replace("\n    ", " ")


def test_the_page_says_what_was_found_and_why_the_rest_was_not():
    page = tables.text(examination())
    assert "Missing: torch" in page
    assert "with uncommitted changes" in page
    assert page.count("not measured, because needs c: pip install c.") == 4
    assert "Not measured, because there is no run in runs/." in page
    (slow,) = [line for line in page.splitlines() if line.split()[:2] == ["a", "5%"]]
    assert "1.050" in slow
    assert "12: 100%" in slow
    (in_turns,) = [line for line in page.splitlines() if line.split()[:2] == ["d", "5%"]]
    assert in_turns.split()[2:] == slow.split()[2:]


def test_every_row_of_a_table_is_as_long_as_its_header():
    lengths = [{len(s.header), *map(len, s.rows)} for s in tables.sections(examination()) if s.rows]
    assert len(lengths) == 9
    assert all(len(length) == 1 for length in lengths)


def test_as_json_there_are_the_recorded_values_and_no_infinities():
    found = json.loads(tables.as_json(examination()), parse_constant=pytest.fail)
    assert len(found["trials"][0]["values"]["a +5%"]) == 120
    assert found["overheads"][0]["holds"] is True


def test_as_markdown_no_cell_breaks_its_table():
    lines = [line for line in tables.markdown(examination()).splitlines() if line.startswith("|")]
    assert lines
    assert all(line.endswith("|") for line in lines)


def measured_later(**parts) -> Examination:
    """Another day's examination, of these parts alone."""
    names = ("trials", "overheads", "agreements", "startups", "half_busy", "probed", "products")
    nothing = {name: [] for name in names} | {"time_share": None}
    return replace(examination(), **nothing | {"date": "2026-02-02T00:00:00+00:00"} | parts)


def document(path: Path, contents: str = "") -> Path:
    path.write_text(f"before\n{tables.START}\n{contents}{tables.END}\nafter\n", encoding="utf-8")
    return path


def test_what_was_not_measured_again_keeps_its_table_its_bar_and_its_date(tmp_path):
    page = document(tmp_path / "trust.md")
    tables.write(examination(), page)
    before = page.read_text(encoding="utf-8")
    slow = [Startup("--help", 0.02, interval(9.0)), Startup("list", 0.02, interval(9.0))]
    tables.write(measured_later(startups=slow), page)
    after = page.read_text(encoding="utf-8")
    assert after.startswith("before\n")
    assert after.endswith("after\n")
    old, new = ({b.partition("\n")[0]: b for b in text.split("### ")} for text in (before, after))
    assert list(old) == list(new)
    changed = {title for title in new if old[title] != new[title]}
    assert changed == {tables.TITLES[name] for name in ("machine", "bars", "start")}
    assert "2026-02-02" in new[tables.TITLES["start"]]
    assert "2026-01-01" in new[tables.TITLES["probed"]]
    assert "--help 9.0" in new[tables.TITLES["bars"]]


def test_what_could_not_be_measured_does_not_replace_what_once_was(tmp_path):
    page = document(tmp_path / "trust.md")
    tables.write(examination(), page)
    tables.write(measured_later(products=[product.Product("it was killed")]), page)
    assert "reads 97.0% of it" in page.read_text(encoding="utf-8").replace("\n  ", " ")


def test_a_document_without_marks_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "trust.md").write_text("nothing here")
    with pytest.raises(UserError, match="no place"):
        tables.check(tmp_path / "trust.md", examination().machine)


def test_the_tables_of_two_machines_are_not_mixed(tmp_path):
    page = document(tmp_path / "trust.md", tables.markdown(examination()))
    tables.check(page, examination().machine)
    with pytest.raises(UserError, match="another machine, this is D, 2 cores"):
        tables.check(page, examination().machine.model_copy(update={"cpu": "D"}))


def test_the_document_that_it_is_for_has_every_section_it_writes(tmp_path):
    page = tmp_path / "trust.md"
    page.write_text((ROOT / "docs" / "trust.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = page.read_text(encoding="utf-8")
    tables.write(measured_later(), page)
    headings = [line for line in before.splitlines() if line.startswith("### ")]
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("### ")] == headings


# Warm and cold


@pytest.mark.parametrize(("warm", "spread", "agree"), [(1.02, 0.01, True), (1.2, 0.01, False), (1.08, 0.2, None)])
def test_warm_and_cold_agree_only_where_the_whole_interval_is_within_ten_per_cent(warm, spread, agree):
    assert cold.judge("a", "eager", duels(warm, 12, spread)).agree is agree


def test_too_few_cold_launches_prove_no_agreement():
    found = cold.judge("a", "eager", duels(1.0, 3))
    assert found.agree is None
    assert "5 pairs are needed and 3 were made" in (found.reason or "")


def test_one_part_takes_the_adapters_that_are_named_and_its_time():
    chosen = choose(EFFORTS["normal"], ["flax-nnx"], ["cold"])
    assert (chosen.parts, chosen.cold, chosen.budget) == (("cold",), ("flax-nnx",), None)


# The bars


def words(**found) -> dict[str, str]:
    """The word of each row, of an examination that found nothing else."""
    nothing = dict(overheads=[], trials=[], share="there is no run", startups=[], soak=Path("/nonexistent"))
    return {bar.row: bar.word for bar in bars.bars(**nothing | found)}


def test_what_was_not_measured_is_open():
    assert words() == dict.fromkeys(("1", "2a", "2b", "3", "4", "5", "6"), "open")


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ([interval(1.0), interval(1.005)], "holds"),
        ([interval(1.0), interval(1.02)], "open"),
        ([interval(1.0), interval(1.1)], "does not hold"),
        ([interval(1.0), None], "open"),
    ],
)
def test_the_overhead_holds_only_if_it_does_for_every_adapter_and_mode(ratios, word):
    rows = [Overhead(str(i), "m", None, 0.01, ratio, interval(1e-6)) for i, ratio in enumerate(ratios)]
    assert words(overheads=rows)["1"] == word


def resolving(spread: float, pair_seconds: float) -> list[Trial]:
    trials = []
    for name in bars.RESOLVED:
        found = series({"a": 1.0, "b": 1.02}, spread=spread)
        found.wall = {label: dict.fromkeys(range(120), pair_seconds / 2) for label in "ab"}
        trials.append(Trial(name, "m", False, True, comparisons=[compare(found, "b", "a", 0.02, 0.02)]))
    return trials


def test_two_per_cent_are_resolved_by_the_width_and_the_seconds():
    assert words(trials=resolving(0.01, 0.5))["2a"] == "holds"
    assert words(trials=resolving(0.01, 20.0))["2a"] == "does not hold"
    assert words(trials=resolving(0.5, 0.5))["2a"] == "does not hold"
    assert words(trials=resolving(0.01, 0.5)[:2])["2a"] == "open"


@pytest.mark.parametrize(
    ("pairs", "made", "word"), [(12, 40, "holds"), (None, 40, "does not hold"), (None, 20, "open")]
)
def test_two_per_cent_are_resolved_by_the_pairs(pairs, made, word):
    other = Overhead("other", "m", None, 0.01, interval(1.0, n=made), interval(0.0), pairs)
    assert words(overheads=[other])["2b"] == word


def noisy(blocks: int, factor: float = 1.0) -> Trial:
    labels = ["base", *(f"again {i}" for i in range(TOGETHER))]
    found = series({label: factor if label != "base" else 1.0 for label in labels}, blocks=blocks)
    same = [compare(found, label, "base", 0.0, 0.0, TOGETHER) for label in labels[1:]]
    return Trial("a", "m", True, comparisons=same)


def test_few_false_verdicts_in_many_windows_hold_and_few_windows_prove_nothing():
    assert words(trials=[noisy(400)])["3"] == "holds"
    assert words(trials=[noisy(20)])["3"] == "open"
    assert words(trials=[noisy(400, 1.1)])["3"] == "does not hold"


def test_comparisons_that_share_a_baseline_are_worth_the_pairs_that_share_nothing():
    (rates, *_) = bars.together(noisy(80))
    assert (rates.pairs, rates.called.windows) == (8, 4 * 80)
    assert rates.called.independent == (TOGETHER + 1) / 2 * 80 / 8


@pytest.mark.parametrize(
    ("span", "measured", "core", "suite", "word"),
    [
        (300.0, 200.0, 100.0, "default", "holds"),
        (400.0, 300.0, 200.0, "default", "does not hold"),
        (300.0, 170.0, 100.0, "default", "does not hold"),
        (300.0, 200.0, 80.0, "default", "does not hold"),
        (300.0, 200.0, 100.0, "smoke", "open"),
    ],
)
def test_the_default_suite_is_held_to_its_time_and_its_shares(span, measured, core, suite, word):
    share = TimeShare("run", 10, 100.0, measured, core, span, suite)
    assert words(share=share)["4"] == word


def test_the_start_of_every_command_has_its_bar():
    quick, late = Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))
    assert words(startups=[quick, Startup("list", 0.02, interval(7.0))])["5"] == "holds"
    assert words(startups=[quick, late])["5"] == "does not hold"
    assert words(startups=[Startup("--help", 0.02, interval(4.0))])["5"] == "open"


def test_the_cost_of_scheduling_is_read_from_the_soak(tmp_path):
    stored = json.loads(bars.SOAK.read_text(encoding="utf-8"))
    file = tmp_path / "soak.json"
    for cost, planned, word in ((0.012, 10_000, "holds"), (0.030, 10_000, "does not hold"), (0.012, 500, "open")):
        for kind in stored["scheduling"].values():
            kind["slowest half-thousand, seconds a launch"], kind["planned"] = cost, planned
            kind["scheduling, seconds of CPU a launch"]["ratio"] = 1.1
        file.write_text(json.dumps(stored))
        assert words(soak=file)["6"] == word


def test_the_start_is_measured_against_a_bare_interpreter():
    found = {row.command: row.ratio for row in startup.measure(2)}
    assert found.keys() == startup.BARS.keys()
    assert all(ratio.estimate > 1 for ratio in found.values())


def test_an_interrupt_leaves_what_was_measured_before_it(monkeypatch):
    def parts(effort, adapters, bench, found):
        def first(enough):
            found.overheads.append(overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})))

        def second(enough):
            raise KeyboardInterrupt

        return [Part("first", 1.0, first), Part("second", 1.0, second), Part("third", 1.0, second)]

    monkeypatch.setattr("harness.doctor.examine.parts", parts)
    monkeypatch.setattr("harness.doctor.examine.others", lambda seconds, cores: surroundings.others(0.01, cores))
    told: list[str] = []
    found = examine(choose(EFFORTS["normal"], [], ["overhead"]), find().adapters, 1, told.append)
    assert found.stopped
    assert told[-2:] == ["first", "second"]
    assert [row.adapter for row in found.overheads] == ["a"]
    assert "stopped before everything was measured" in tables.text(found).replace("\n    ", " ")


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_doctor_examines_whatever_it_finds_in_the_time_that_it_is_given(tmp_path):
    """On a busy machine every launch may be void; then it must say so, and still be done."""
    document = tmp_path / "trust.md"
    document.write_text(f"{tables.START}\n{tables.END}\n")
    command = [sys.executable, "-P", "-m", "harness.cli", "doctor", "--quick", "--json", "--budget", "6s"]
    done = subprocess.run(
        [*command, "--write", str(document)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=True
    )
    found = json.loads(done.stdout)
    assert {c["name"] for c in found["conditions"]} >= {"governor", "virtual machine", "CPU quota", "others"}
    assert [trial["turns"] for trial in found["trials"]] == [False, True]
    for trial in found["trials"]:
        assert trial["reason"] or [c["delay"] for c in trial["comparisons"]] == [0.0, 0.01, 0.02, 0.05]
    (row,) = found["overheads"]
    assert row["reason"] or row["ratio"]["n"] >= 5
    assert found["frameworks"]["numpy"] == np.__version__
    assert "### Through the harness, against a plain script" in document.read_text()


# Probes


def test_a_known_load_is_shown_with_what_the_probes_said_of_it():
    text = tables.text(examination())
    assert "Of 2 cores it keeps 25% busy. Measured: 26.0% by its own CPU time, 24.0% by the core-busy strip" in text
    assert json.loads(tables.as_json(examination()))["half_busy"][0]["holds"] is True
    assert HalfBusy(2, None, 0.25, 0.29, 0.25).holds is False
    assert HalfBusy(2, "the loop left no result").holds is None


def test_the_known_load_is_a_real_process_that_is_measured_twice():
    found = half.measure(0.3)
    assert found.reason is None
    assert found.true == 0.5 / found.cores
    assert found.cpu_share is not None
    assert 0 < found.cpu_share < 1  # how much depends on who else computes: `levelfield doctor` tells
    if sys.platform == "linux":
        assert found.strip is not None
        assert 0 < found.strip < 1
        assert (found.sample_seconds or 0) > 0


def test_probes_on_and_off_are_tied_when_the_interval_lies_within_the_margin():
    assert probed.judge("a", series({"on": 1.0, "off": 1.0}, spread=0.003)).tied is True
    assert probed.judge("a", series({"on": 1.2, "off": 1.0}, spread=0.003)).tied is False
    assert probed.judge("a", series({"on": 1.0, "off": 1.0}, blocks=3)).tied is None
