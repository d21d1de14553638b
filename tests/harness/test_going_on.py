"""A run goes on as the one that it was begun as: the same launches, the same suite, whoever makes the rest."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

import levelfield as package
from levelfield.harness.cli import main
from levelfield.harness.cli.run_options import begun_with
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.records import store
from levelfield.harness.run import session
from levelfield.harness.run.options import RunOptions
from levelfield.harness.run.outcome import most_blocks, unfinished
from levelfield.harness.run.prepare import prepare
from levelfield.harness.system import machine
from levelfield.tasks.errors import UserError

pytestmark = pytest.mark.slow

BOTH = 'adapters = ["numpy-manual", "sklearn-mlp"]\ntrack = ["matched", "idiomatic"]\nseeds = 2'


@pytest.fixture
def here(tmp_path, monkeypatch, tiny):
    """A working folder with a suite on both tracks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVELFIELD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.toml").write_text(tiny(learning=BOTH))
    return tmp_path


def levelfield(*words: object) -> int:
    return main.main([str(word) for word in words])


def cut(folder: Path, records: int, ended: str | None = "interrupted") -> None:
    """As the run would be, had it been ended after so many records."""
    path = folder / "records.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:records]))
    head = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(head | {"ended": ended}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny):
    """A finished run of one track: four launches."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "mine.toml").write_text(tiny(learning=BOTH))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LEVELFIELD_CACHE", str(folder / "cache"))
        assert levelfield("run", "mine.toml", "--track", "idiomatic", "-o", "run", "--no-certify", "-q") == 0
    return folder / "run"


@pytest.fixture
def idiomatic(here, finished):
    """A copy of that run beside its suite."""
    return Path(shutil.copytree(finished, here / "run"))


def test_a_run_of_one_track_goes_on_with_that_track(idiomatic, capsys):
    cut(idiomatic, 1)
    capsys.readouterr()
    assert levelfield("run", "--resume", idiomatic, "--dry-run") == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == "3 launches, 0 skipped"  # what is left, and not the whole plan
    assert all("idiomatic" in line for line in out.splitlines())
    assert levelfield("run", "--resume", idiomatic, "-q") == 0
    records = store.read(idiomatic).records
    assert [record.cell.track for record in records] == ["idiomatic"] * 4
    assert len({record.launch_id for record in records}) == 4


def test_the_dry_run_of_a_finished_run_has_nothing_left_and_changes_nothing(idiomatic, capsys):
    before = {path.name: path.read_bytes() for path in idiomatic.iterdir()}
    capsys.readouterr()
    assert levelfield("run", "--resume", idiomatic, "--dry-run") == 0
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "0 launches, 0 skipped")
    assert {path.name: path.read_bytes() for path in idiomatic.iterdir()} == before


def test_a_plan_names_what_makes_its_lines_differ(here, capsys):
    assert levelfield("run", "mine.toml", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "learning flowers small momentum numpy-manual (eager): 2 launches" in lines
    assert "learning flowers small momentum numpy-manual (eager, idiomatic): 2 launches" in lines


def test_the_suite_is_the_one_that_the_run_was_begun_with(idiomatic, tiny, tmp_path, monkeypatch):
    cut(idiomatic, 2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # another file of that name
    Path("mine.toml").write_text(tiny(learning='adapters = ["numpy-manual"]\ntrack = ["idiomatic"]\nseeds = 9'))
    assert levelfield("run", "--resume", idiomatic, "-q") == 0
    Path("mine.toml").unlink()
    assert levelfield("run", "--resume", idiomatic, "-q") == 0  # nor is it needed
    contents = store.read(idiomatic)
    assert len(contents.records) == 4
    assert contents.run.ended == "complete"
    assert not any("contents" in warning for warning in contents.run.warnings)


def test_files_that_the_suite_names_are_found_from_another_folder(here, tiny, monkeypatch):
    table = here / "data" / "points.csv"
    table.parent.mkdir()
    table.write_text("a,b,label\n" + "\n".join(f"{i},{i % 7},{'xy'[i % 2]}" for i in range(60)) + "\n")
    text = tiny(learning='adapters = ["numpy-manual"]\nseeds = 2').replace('task = "flowers"', 'task = "points"')
    (here / "data" / "own.toml").write_text(text + '\n[tasks.points]\nfile = "points.csv"\nlabel = "label"\n')
    assert levelfield("run", "data/own.toml", "-o", "run", "--no-certify", "-q") == 0
    cut(here / "run", 1)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert levelfield("run", "--resume", "../run", "-q") == 0
    assert len(store.read(here / "run").records) == 2


@pytest.mark.parametrize("words", [["--track", "matched"], ["--blocks", "3"], ["-a", "numpy-manual"], ["--cold"]])
def test_words_that_would_change_the_plan_are_refused(idiomatic, capsys, words):
    cut(idiomatic, 1)
    capsys.readouterr()
    assert levelfield("run", "--resume", idiomatic, *words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {' '.join(words)} would change the plan of {idiomatic}, begun as: levelfield run ")
    assert f"levelfield run --resume {idiomatic}" in hint
    assert len(store.read(idiomatic).records) == 1


def test_words_that_the_run_was_begun_with_are_no_change(idiomatic):
    assert levelfield("run", "--resume", idiomatic, "--track", "idiomatic", "-q") == 0


def test_a_run_can_be_explained_later_and_remembers_that_it_was_asked_to(idiomatic):
    head = store.read(idiomatic).run
    later = begun_with(RunOptions(resume=idiomatic, explain=True), head)
    assert later.explain
    asked = head.model_copy(update={"command": f"{head.command} --explain"})
    assert begun_with(RunOptions(resume=idiomatic), asked).explain
    assert not begun_with(RunOptions(resume=idiomatic), head).explain


def test_an_output_folder_beside_resume_is_refused(idiomatic, capsys):
    assert levelfield("run", "--resume", idiomatic, "-o", "other") == 2
    assert "leave --output out" in capsys.readouterr().err


# Half of it


def test_a_run_that_was_ended_half_way_says_so_first(idiomatic, capsys):
    cut(idiomatic, 1)
    told = f"1 of 4 launches: interrupted; go on with: levelfield run --resume {idiomatic}"
    capsys.readouterr()
    assert levelfield("show", idiomatic) == 0
    assert capsys.readouterr().out.splitlines()[0] == told
    for form in ("html", "markdown"):
        assert levelfield("report", idiomatic, "--format", form, "-o", f"page.{form}") == 0
        text = Path(f"page.{form}").read_text(encoding="utf-8")
        assert told.partition(str(idiomatic))[0] in text  # Markdown escapes the rest
        assert "all of this run, 1 launch." not in text
    cut(idiomatic, 1, ended=None)
    assert levelfield("show", idiomatic) == 0
    assert "1 of 4 launches: not ended; go on with: " in capsys.readouterr().out


def test_where_a_budget_may_end_a_run_the_plan_is_an_upper_bound(idiomatic):
    contents = store.read(idiomatic)
    assert unfinished(contents.run, contents.records) is None
    head = contents.run.model_copy(update={"at_most": True, "ended": None, "planned": 1000})
    assert str(unfinished(head, contents.records)).startswith("4 of at most 1,000 launches: not ended")
    assert unfinished(head.model_copy(update={"planned": None}), contents.records) is None  # an older head


# Elsewhere


def test_each_record_names_its_maker_and_a_half_made_block_is_made_again(here, tiny, monkeypatch):
    timed = 'adapters = ["numpy-manual", "sklearn-mlp"]\nblocks = 2\nseconds = 0.01\nthreads = 1'
    (here / "timed.toml").write_text(tiny(learning='adapters = ["numpy-manual"]\nseeds = 2', speed=timed))
    monkeypatch.setattr(machine.socket, "gethostname", lambda: "one")
    assert levelfield("run", "timed.toml", "-o", "run", "--no-certify", "-q") == 0
    whole = store.read(here / "run").records
    learnt = [record for record in whole if record.cell.kind == "learning"]
    first = [record for record in whole if record.cell.kind == "speed"][:3]  # a block and a half
    lines = [record.model_dump_json() + "\n" for record in (learnt[0], *first)]
    (here / "run" / "records.jsonl").write_text("".join(lines))
    cut(here / "run", len(lines))
    monkeypatch.setattr(machine.socket, "gethostname", lambda: "two")
    assert levelfield("run", "--resume", "run", "-q") == 0
    contents = store.read(here / "run")
    made = {(r.cell.kind, r.cell.adapter, r.block): r.machine.host for r in contents.records}
    assert made == {
        ("learning", "numpy-manual", learnt[0].block): "one",
        ("learning", "numpy-manual", 1 - learnt[0].block): "two",
        ("speed", "numpy-manual", first[0].block): "one",
        ("speed", "sklearn-mlp", first[0].block): "one",
        ("speed", "numpy-manual", first[2].block): "two",
        ("speed", "sklearn-mlp", first[2].block): "two",
    }
    assert "Gone on with on two; it was begun on one." in contents.run.warnings


def test_so_it_is_on_two_real_hosts(command_line, tiny):
    levelfield = command_line()
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["numpy-manual"]\nseeds = 2'))
    assert levelfield("run", "mine.toml", "-o", "run", "--no-certify").returncode == 0
    folder = levelfield.folder / "run"
    cut(folder, 1)
    wrapped = levelfield.folder / "python"
    wrapped.write_text(
        '#!/bin/sh\nexec unshare --map-root-user --uts sh -c \'hostname lighthouse-9 && exec "$0" "$@"\' '
        f'{levelfield.python} "$@"\n'
    )
    wrapped.chmod(0o755)
    if not shutil.which("unshare") or os.system(f"{wrapped} -c 0 2>/dev/null"):
        pytest.skip("this system gives no other name to a process")
    levelfield.python = wrapped
    assert levelfield("run", "--resume", "run").returncode == 0
    assert [r.machine.host for r in store.read(folder).records] == [socket.gethostname(), "lighthouse-9"]


# From Python


def test_a_run_in_a_thread(here):
    pytest.importorskip("pandas", reason="tidy frames need pandas")
    found: list[object] = []

    def run() -> None:
        try:
            found.append(
                package.run("mine.toml", adapters=["numpy-manual"], tracks=["matched", "idiomatic"], output="run")
            )
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert isinstance(found[0], package.Results), found
    assert len(found[0].launches) == 4
    store.Store(here / "run").close()  # nobody else writes to it


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), KeyboardInterrupt(), UserError("no", "hint")])
def test_whatever_is_raised_the_lock_is_given_back_and_nothing_stays(here, monkeypatch, error):
    closed = []
    leave = LocalHost.__exit__

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(session, "carry_out", broken)
    monkeypatch.setattr(LocalHost, "__exit__", lambda self, *_: (closed.append(1), leave(self))[1])
    with pytest.raises(type(error)):
        session.run(
            RunOptions(suite="mine.toml", output=Path("run"), no_certify=True, quiet=True), "levelfield run mine.toml"
        )
    assert closed == [1]
    store.Store(here / "run").close()
    assert store.read(here / "run").run.ended is None


# How many blocks


def test_whether_a_verdict_was_asked_for_is_seen_from_the_plan(here, tiny):
    both, alone = 'adapters = ["numpy-manual", "sklearn-mlp"]\nblocks = 6', 'adapters = ["numpy-manual"]\nblocks = 6'
    for text, blocks in ((both, 6), (alone, 0), (both.replace("6", "2"), 2)):
        (here / "timed.toml").write_text(tiny(speed=text))
        prepared = prepare(RunOptions(suite="timed.toml"), *suite.read("timed.toml"), cluster=None)
        assert most_blocks(prepared.planned, "numpy-manual") == blocks
