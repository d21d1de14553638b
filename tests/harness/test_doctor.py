"""The doctor's pure parts: what it reads from /proc and /sys, and what it replays from a recorded series."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.adapter import Setting
from adapters.registry import find
from harness.doctor import delay, overhead, replay, script, surroundings, tables
from harness.doctor.examine import Examination, Parts
from harness.doctor.series import Series
from harness.doctor.share import time_share
from harness.doctor.trial import Trial, compare
from harness.record import Machine, Record
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


def test_too_few_undisturbed_pairs_are_not_measured():
    found = overhead.judge("numpy-manual", "eager", series({"launch": 1.0, "script": 1.0}, blocks=4))
    assert found.ratio is None
    assert found.reason is not None
    assert "5 undisturbed pairs are needed and 4 were made" in found.reason


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


def test_tables_are_put_between_the_marks_of_a_document():
    old = f"before\n{tables.START}\nold\n{tables.END}\nafter\n"
    assert tables.insert(old, "new\n", "trust.md") == f"before\n{tables.START}\nnew\n{tables.END}\nafter\n"


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
            Trial("a", "eager", False, None, 1e-4, 360, 7, comparisons, found.values),
            Trial("b", "eager", True, None, 1e-4, 6, 0, [few]),
            Trial("c", "eager", False, "needs c: pip install c"),
        ],
        overheads=[
            overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})),
            overhead.Overhead("c", "eager", "needs c: pip install c"),
        ],
        time_share="there is no run in runs/",
        took=12.0,
    )


def test_the_page_says_what_was_found_and_why_the_rest_was_not():
    page = tables.text(examination())
    assert "Missing: torch" in page
    assert "with uncommitted changes" in page
    assert page.count("not measured, because needs c: pip install c.") == 2
    assert "Not measured, because there is no run in runs/." in page
    (slow,) = [line for line in page.splitlines() if line.split()[:2] == ["a", "5%"]]
    assert "1.050" in slow
    assert "12: 100%" in slow


def test_every_row_of_a_table_is_as_long_as_its_header():
    lengths = [{len(s.header), *map(len, s.rows)} for s in tables.sections(examination()) if s.rows]
    assert len(lengths) == 4
    assert all(len(length) == 1 for length in lengths)


def test_as_json_there_are_the_recorded_values_and_no_infinities():
    found = json.loads(tables.as_json(examination()), parse_constant=pytest.fail)
    assert len(found["trials"][0]["values"]["a +5%"]) == 120
    assert found["overheads"][0]["holds"] is True


def test_as_markdown_no_cell_breaks_its_table():
    lines = [line for line in tables.markdown(examination()).splitlines() if line.startswith("|")]
    assert lines
    assert all(line.endswith("|") for line in lines)


def test_a_document_without_marks_is_refused():
    with pytest.raises(UserError, match="no place"):
        tables.insert("nothing here", "new", "trust.md")


def test_the_document_that_it_is_for_has_the_marks():
    text = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    assert tables.insert(text, "new", "trust.md") != text


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
    (trial,) = found["trials"]
    assert trial["reason"] or [c["delay"] for c in trial["comparisons"]] == [0.0, 0.01, 0.02, 0.05]
    (row,) = found["overheads"]
    assert row["reason"] or row["ratio"]["n"] >= 5
    assert found["frameworks"]["numpy"] == np.__version__
    assert "### Through the harness, against a plain script" in document.read_text()
