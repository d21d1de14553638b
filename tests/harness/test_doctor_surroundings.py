"""What the doctor reads from /proc and /sys about the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.doctor import conditions
from levelfield.harness.system import control_groups
from levelfield.harness.system import machine as here
from levelfield.harness.system.control_groups import parse_cfs, parse_cpu_max, quota


def machine(root: Path, **files: str) -> Path:
    """Files below `root` by path, with __ for the slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def state(root: Path, name: str, cores: tuple[int, ...] = (0, 1)) -> conditions.Condition:
    (found,) = [c for c in conditions.conditions(root, cores) if c.name == name]
    return found


def test_what_a_machine_does_not_show_is_unknown(tmp_path):
    assert {c.state for c in conditions.conditions(tmp_path, (0, 1))} == {"unknown"}


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
    found = conditions.conditions(tmp_path, (0, 1))
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
    assert {c.state for c in conditions.conditions(tmp_path, (0,))} == {"good"}


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
    assert quota(tmp_path) == cores


@given(st.text())
def test_from_text_that_means_nothing_the_parsers_read_nothing(text):
    """Whatever a kernel writes there, a parser gives a value of its kind or says that there is none."""
    for quota_of in (parse_cpu_max(text), parse_cfs(text, text)):
        assert quota_of is None or quota_of > 0
    chosen = conditions.parse_chosen(text)
    assert chosen is None or f"[{chosen}]" in text
    average = conditions.parse_pressure_average(text)
    assert average is None or (average >= 0 and "avg10=" in text)
    size = conditions.parse_kilobytes(text, "SwapTotal")
    assert size is None or (size >= 0 and "SwapTotal:" in text)
    assert all(core >= 0 for core in conditions.parse_cores(text))


@given(st.sampled_from(["always", "madvise", "never", "defer+madvise"]))
def test_the_word_in_brackets_is_the_chosen_one(word):
    words = ["always", "defer+madvise", "madvise", "never"]
    assert conditions.parse_chosen(" ".join(f"[{w}]" if w == word else w for w in words) + "\n") == word


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_pressure_and_sizes_are_read_as_they_are_written(hundredths, size):
    average = hundredths / 100
    pressure = (
        f"some avg10={average:.2f} avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n"
    )
    assert conditions.parse_pressure_average(pressure) == average
    memory = f"MemTotal:       1 kB\nSwapCached:     2 kB\nSwapTotal:      {size} kB\n"
    assert conditions.parse_kilobytes(memory, "SwapTotal") == size


@given(st.integers(1, 10**9), st.integers(1, 10**7))
def test_a_quota_is_quota_over_period_in_both_versions(allowed, period):
    expected = allowed / period
    assert parse_cpu_max(f"{allowed} {period}\n") == expected
    assert parse_cfs(f"{allowed}\n", f"{period}\n") == expected


@given(st.sets(st.integers(0, 500), min_size=1))
def test_a_list_of_cores_is_read_as_it_is_written(cores):
    assert conditions.parse_cores(",".join(str(core) for core in sorted(cores))) == sorted(cores)


def test_a_range_of_cores_is_read():
    assert conditions.parse_cores("0-2,8\n") == [0, 1, 2, 8]


@pytest.mark.parametrize(("allowed", "off"), [(0.5, "off by up to 2 times"), (1.5, None), (None, None)])
def test_a_quota_below_one_core_is_warned_of(allowed, off, monkeypatch):
    """It stops long epochs, and short ones have turns between two stops."""
    monkeypatch.setattr(control_groups, "quota", lambda: allowed)
    monkeypatch.setattr(here, "_usable", lambda: [0, 1])
    told = " ".join(here.limits())
    assert ("A CPU quota allows" in told) == (allowed is not None)
    assert ("off by up to" in told) == (off is not None)
    assert off is None or off in told
