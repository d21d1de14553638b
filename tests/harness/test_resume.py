"""Whatever ends the harness, going on makes exactly the launches that were missing, and no process is left behind."""

from __future__ import annotations

import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from levelfield.harness.records import store

pytestmark = pytest.mark.slow

SUITE = {
    "learning": 'adapters = ["numpy-manual", "twin"]\nseeds = 3',
    "speed": 'adapters = ["numpy-manual"]\nblocks = 4\nseconds = 0.05\nthreads = 1',
}
LAUNCHES = 10
# Of a framework of its own, so that it has a warm parent of its own; it is imported sooner than scikit-learn
TWIN = """
from levelfield.adapters.numpy.manual import NumpyManual

class Twin(NumpyManual):
    name = "twin"
    framework = "outside-frameworks"
    api = "low"
    modes = ("eager",)
"""
ENDLESS = 'adapters = ["numpy-manual"]\nblocks = 1\nseconds = 600\nthreads = 1'


@pytest.fixture(scope="module")
def levelfield(command_line, install, tiny, tmp_path_factory):
    plugin = install(tmp_path_factory.mktemp("plugin"), {"twin": "twin:Twin"}, {"twin.py": TWIN})
    levelfield = command_line(plugins=[plugin])
    (levelfield.folder / "mine.toml").write_text(tiny(**SUITE))
    return levelfield


@pytest.fixture(scope="module")
def undisturbed(levelfield) -> set[str]:
    """The launches of a run that nothing ends."""
    done = levelfield("run", "mine.toml", "-o", "undisturbed", "--no-certify")
    assert done.returncode == 0, done.stderr
    ids = {record.launch_id for record in store.read(levelfield.folder / "undisturbed").records}
    assert len(ids) == LAUNCHES
    return ids


def lines(folder: Path) -> int:
    path = folder / "records.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(levelfield, process, folder: Path, records: int) -> None:
    """Until the run has its head and so many records."""
    while process.poll() is None:
        if lines(folder) >= records and (folder / "run.json").exists():
            return
        time.sleep(0.005)
    raise AssertionError(f"ended too early: {process.communicate()[1]}")


def wait_for_a_launch(levelfield, process) -> None:
    """Until a child of a warm parent is at work: one look at the whole tree, since two looks take a parent that
    starts between them for a child."""
    while process.poll() is None:
        for one in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if one.ppid() != process.pid:
                    return
        time.sleep(0.05)
    raise AssertionError(f"ended too early: {process.communicate()[1]}")


@pytest.mark.parametrize("records", [0, 2, 6, 7, 9])  # before all, while it learns, between blocks
def test_a_killed_run_goes_on_to_the_records_of_an_undisturbed_one(levelfield, undisturbed, records_of, records):
    folder = levelfield.folder / f"killed-{records}"
    process = levelfield.start("run", "mine.toml", "-o", folder, "--no-certify")
    wait_for(levelfield, process, folder, records)
    process.kill()
    process.communicate()
    assert levelfield.left_behind() == []
    before = store.read(folder)
    assert before.damaged == []
    held = (folder / "records.jsonl").read_bytes() if records else b""

    done = levelfield("run", "--resume", folder)
    assert done.returncode == 0, done.stderr
    after = records_of(folder)
    assert {record.launch_id for record in after} == undisturbed
    again = {record.block for record in after if [r.launch_id for r in after].count(record.launch_id) > 1}
    assert len(again) <= 1  # the block in whose records it was killed
    assert all(record.status == "ok" for record in after)
    assert (folder / "records.jsonl").read_bytes().startswith(held)
    assert levelfield.left_behind() == []


def test_a_record_torn_by_the_kill_is_told_and_made_again(levelfield, undisturbed):
    folder = Path(shutil.copytree(levelfield.folder / "undisturbed", levelfield.folder / "torn"))
    path = folder / "records.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4])[:-40])  # as a loss of power may leave it
    torn = lines(folder) + 1
    done = levelfield("run", "--resume", folder)
    assert done.returncode == 0, done.stderr
    contents = store.read(folder)
    assert {record.launch_id for record in contents.records} == undisturbed
    [told] = contents.damaged
    assert f"records.jsonl:{torn}: set aside" in told
    assert told in done.stderr


def test_a_launch_under_way_ends_with_its_harness(levelfield, tiny):
    (levelfield.folder / "long.toml").write_text(tiny(speed=ENDLESS, time_limit=900.0))
    process = levelfield.start("run", "long.toml", "-o", "endless", "--no-certify")
    wait_for_a_launch(levelfield, process)
    process.kill()
    process.communicate()
    assert levelfield.left_behind() == []


def test_a_finished_run_is_resumed_without_a_launch(levelfield, undisturbed):
    folder = levelfield.folder / "undisturbed"
    before = (folder / "records.jsonl").read_bytes()
    done = levelfield("run", "--resume", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "records.jsonl").read_bytes() == before


def test_an_interrupted_run_finishes_what_is_under_way_and_prints_how_to_go_on(levelfield, undisturbed, records_of):
    folder = levelfield.folder / "interrupted"
    process = levelfield.start("run", "mine.toml", "-o", folder, "--no-certify")
    wait_for(levelfield, process, folder, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=900)
    assert process.returncode == 130
    assert f"levelfield run --resume {folder}" in err
    assert "Traceback" not in err
    assert levelfield.left_behind() == []
    made = records_of(folder)
    assert 2 <= len(made) < LAUNCHES
    assert all(record.status == "ok" for record in made)
    told = f"{len({one.place for one in made})} of {LAUNCHES} launches: interrupted; go on with: "
    told += f"levelfield run --resume {folder}"
    assert levelfield.inside("show", folder).stdout.startswith(told)
    assert told in (folder / "report.html").read_text(encoding="utf-8")

    done = levelfield("run", "--resume", folder)
    assert done.returncode == 0, done.stderr
    assert {record.launch_id for record in store.read(folder).records} == undisturbed
    assert "launches: interrupted" not in levelfield.inside("show", folder).stdout


def test_a_second_interruption_ends_at_once_and_blames_no_launch(levelfield, undisturbed, tiny):
    (levelfield.folder / "long.toml").write_text(tiny(speed=ENDLESS, time_limit=900.0))
    folder = levelfield.folder / "twice"
    process = levelfield.start("run", "long.toml", "-o", folder, "--no-certify")
    wait_for_a_launch(levelfield, process)
    process.send_signal(signal.SIGINT)
    while b"stopping" not in (line := process.stderr.buffer.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert levelfield.left_behind() == []
    assert store.read(folder).records == []


def test_two_harnesses_do_not_write_to_one_run(levelfield, tiny):
    (levelfield.folder / "long.toml").write_text(tiny(speed=ENDLESS, time_limit=900.0))
    folder = levelfield.folder / "shared"
    process = levelfield.start("run", "long.toml", "-o", folder, "--no-certify")
    wait_for_a_launch(levelfield, process)
    done = levelfield("run", "--resume", folder)
    process.kill()
    process.communicate()
    assert done.returncode == 2
    assert "another levelfield is writing" in done.stderr
    assert store.read(folder).records == []


def test_a_changed_suite_is_refused_by_name_unless_allowed(command_line, tiny):
    levelfield = command_line()
    suite = levelfield.folder / "mine.toml"
    suite.write_text(tiny(learning='adapters = ["numpy-manual"]'))
    assert levelfield("run", "mine.toml", "-o", "run", "--no-certify").returncode == 0
    suite.write_text(tiny(learning='adapters = ["numpy-manual"]\nseeds = 2'))
    asked = ("run", "mine.toml", "--resume", "run", "--no-certify")
    refused = levelfield.inside(*asked)
    assert refused.returncode == 2
    assert "mine.toml has other contents" in refused.stderr
    assert len(store.read(levelfield.folder / "run").records) == 1
    allowed = levelfield(*asked, "--allow-changes")
    assert allowed.returncode == 0, allowed.stderr
    contents = store.read(levelfield.folder / "run")
    assert len(contents.records) == 2
    assert any("has other contents" in warning for warning in contents.run.warnings)
