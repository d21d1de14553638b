"""A suite through a Ray cluster gives the records and certificates that it gives here, also when a node is killed."""

from __future__ import annotations

import importlib.util
import json
import signal
import time

import pytest
from conftest import ROOT
from ray_cluster import LocalCluster

from levelfield.adapters.registry import find
from levelfield.harness.records import store
from levelfield.harness.records.peak import PeakSubject, best_of
from levelfield.harness.run import peaks

ADAPTERS = ("-a", "numpy-manual", "-a", "torch-autograd", "-a", "sklearn-mlp")
WHAT = ("run", "mine.toml", *ADAPTERS, "--threads", "1", "--blocks", "3")
has_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


def test_an_unknown_launcher_is_answered_with_the_known_ones(levelfield):
    done = levelfield.inside("run", "smoke", "--launcher", "rya")
    assert done.returncode == 2
    assert "unknown launcher 'rya'" in done.stderr
    assert "did you mean 'ray'" in done.stderr


def test_without_ray_the_error_says_how_to_install_it(command_line, tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError(\"No module named 'ray'\", name='ray')")
    done = command_line(plugins=[tmp_path])("run", "smoke", "--launcher", "ray")
    assert done.returncode == 2
    assert "needs Ray, which is not installed" in done.stderr
    assert "pip install 'levelfield[ray]'" in done.stderr


@has_ray
@pytest.mark.parametrize(("where", "variables"), [("ray://127.0.0.1:1", {}), ("ray", {"RAY_ADDRESS": "127.0.0.1:1"})])
def test_a_cluster_that_is_not_there_is_one_clear_error(command_line, where, variables):
    levelfield = command_line(variables=variables)
    done = levelfield("run", "smoke", "--launcher", where, "-o", "nowhere")
    assert done.returncode == 2
    assert "nobody answers at 127.0.0.1:1" in done.stderr
    assert "hint: give the address that 'ray start' printed" in done.stderr
    assert not (levelfield.folder / "nowhere").exists()


@pytest.fixture(scope="module")
def levelfield(command_line):
    """With certificates of its own: one that proves more, made for another test, would do here and not on a node."""
    return command_line()


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster() as cluster:
        yield cluster


def outcome(folder):
    """Launches with their status, and certificates with all that they checked."""
    contents = store.read(folder)
    certificates = {
        (c.adapter, c.mode, c.device, c.passed, tuple((k.name, k.case, k.passed) for k in c.checks))
        for c in contents.certificates
    }
    return {(record.launch_id, record.status) for record in contents.records}, certificates


@pytest.fixture(scope="module")
def here(levelfield):
    """The outcome of the local launcher."""
    smoke = (ROOT / "harness" / "plan" / "suites" / "smoke.toml").read_text(encoding="utf-8")
    (levelfield.folder / "mine.toml").write_text("peaks = false\n" + smoke)
    done = levelfield(*WHAT, "-o", "here")
    assert done.returncode == 0, done.stderr
    launches, certificates = outcome(levelfield.folder / "here")
    assert len(launches) == 12
    assert len(certificates) == 3
    return launches, certificates


def pairs_stay_together(records) -> bool:
    hosts: dict[int, set[str]] = {}
    for record in {record.launch_id: record for record in records}.values():
        if record.cell.kind == "speed":
            hosts.setdefault(record.block, set()).add(record.machine.host)
    return all(len(names) == 1 for names in hosts.values())


def wait_for(process, folder, found) -> None:
    path = folder / "records.jsonl"
    while process.poll() is None:
        lines = path.read_text().splitlines()[:-1] if path.exists() else []
        if any(found(json.loads(line)) for line in lines):
            return
        time.sleep(0.01)
    raise AssertionError(f"ended too early: {process.communicate()[1]}")


@has_ray
@pytest.mark.slow
@pytest.mark.frameworks
class TestOnTwoNodes:
    def test_a_suite_gives_what_it_gives_here_and_ctrl_c_and_resume_work(self, levelfield, cluster, here, records_of):
        folder = levelfield.folder / "there"
        process = levelfield.start(*WHAT, "-o", folder, "--launcher", f"ray://{cluster.address}")
        wait_for(process, folder, lambda record: record["cell"]["kind"] == "learning")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=900)
        assert process.returncode == 130
        assert f"levelfield run --resume {folder}" in err
        assert len(outcome(folder)[0]) < 12

        done = levelfield("run", "--resume", folder)
        assert done.returncode == 0, done.stderr
        assert outcome(folder) == here
        records = records_of(folder)
        assert {record.machine.host for record in records} == {"one", "two"}
        assert pairs_stay_together(records)
        told = (err + done.stderr).splitlines()
        ours = ("certif", "[", "stopping", "interrupted", "  ", "12 ok", "")
        assert [line for line in told if not line.startswith(ours) and " ok" not in line] == []
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "each of which has its own tables" in page
        assert levelfield.left_behind() == []

    def test_the_peak_is_measured_on_a_node_and_its_cells_are_held_against_it(self, levelfield, cluster):
        smoke = (ROOT / "harness" / "plan" / "suites" / "smoke.toml").read_text(encoding="utf-8")
        (levelfield.folder / "peaks.toml").write_text(smoke)
        what = ("run", "peaks.toml", "-a", "numpy-manual", "--threads", "1", "--blocks", "1", "--no-certify", "-q")
        done = levelfield(*what, "-o", "peaks", "--launcher", f"ray://{cluster.address}")
        assert done.returncode == 0, done.stderr
        contents = store.read(levelfield.folder / "peaks")
        (found,) = contents.peaks  # both nodes are machines of one type
        assert {candidate.framework for candidate in found.candidates} == set(peaks.askable(find().adapters))
        assert [candidate.reason for candidate in found.candidates if candidate.reason] == []
        speed = [record for record in contents.records if record.cell.kind == "speed"]
        subject = PeakSubject("cpu", "float32", 1)
        assert {best_of(contents.peaks, subject, record.machine.type) for record in speed} == {found}

    def test_a_killed_node_loses_nothing_and_splits_no_pair(self, levelfield, cluster, here, records_of):
        folder = levelfield.folder / "killed"
        process = levelfield.start(*WHAT, "-o", folder, "--launcher", f"ray://{cluster.address}")
        wait_for(process, folder, lambda r: r["cell"]["kind"] == "speed" and r["machine"]["host"] == "two")
        cluster.kill("two")
        _, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert outcome(folder) == here
        records = records_of(folder)
        assert len({record.launch_id for record in records}) == len(records)  # of the lost block nothing was written
        assert pairs_stay_together(records)
        assert levelfield.left_behind() == []
