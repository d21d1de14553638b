"""What is seen while a run goes on: the page between blocks, and who is ahead on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from levelfield.harness.cli import main as cli
from levelfield.harness.launch.hosts import Stage
from levelfield.harness.run import live
from levelfield.harness.run.live import FIRST, SHARE, LivePage
from levelfield.harness.run.progress import Progress, ranking

BASE, FAST, ALIKE = ("base", "eager", "default"), ("fast", "jit", "default"), ("alike", "eager", "old")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def launch(block: int, name: str = "a", kind: str = "speed") -> Any:
    cell = SimpleNamespace(id=name, kind=kind, task="iris", model=SimpleNamespace(name="m"), adapter=name, how="eager")
    return SimpleNamespace(id=f"{name}{block}{kind}", cell=cell, block=block, skip=None)


def record(status: str = "ok") -> Any:
    return SimpleNamespace(wall_seconds=1.0, status=status, reason="it fell", unproved=None, contaminated=None)


@pytest.mark.parametrize("cost", [0.5, 3.0, 40.0])
def test_the_page_is_written_after_whole_blocks_and_takes_a_small_share_of_the_time(cost):
    launches = [launch(b, name) for b in range(100) for name in ("a", "b")]
    clock, written = Clock(), []

    def write() -> None:
        clock.now += cost
        written.append(count)

    page = LivePage(launches, write, clock)
    for count, one in enumerate(launches, start=1):
        clock.now += 10
        page.finished(one, 10.0 * (len(launches) - count))
    assert written
    assert all(at % 2 == 0 for at in written)
    assert page.spent == pytest.approx(cost * len(written))
    assert page.spent - cost <= SHARE * clock.now  # but for a first page, whose cost nobody knows before
    assert page.spent <= SHARE * clock.now or len(written) == 1


def test_a_run_shorter_than_its_first_page_is_worth_has_none_before_its_end():
    clock = Clock()
    page = LivePage([launch(0)], lambda: pytest.fail("written"), clock)
    clock.now = 0.9 * FIRST / SHARE
    page.finished(launch(0), 0.0)


def test_a_page_that_fails_is_warned_of_once_and_costs_no_launch(capsys):
    clock = Clock()
    page = LivePage([launch(0), launch(1)], lambda: 1 / 0, clock)
    for block in (0, 1):
        clock.now += 1e4
        page.finished(launch(block), 0.0)
    assert capsys.readouterr().err == "warning: no page while the run goes on: division by zero\n"


def times(blocks: int) -> dict[tuple[object, ...], Any]:
    wobble = [1 + 0.001 * (b % 3) for b in range(blocks)]
    table = {BASE: 1.0, FAST: 0.25, ALIKE: 1.001}
    return {("w",): {entry: {b: step * wobble[b] for b in range(blocks)} for entry, step in table.items()}}


def test_the_ranking_so_far_has_the_fastest_first_with_intervals():
    fast, *rest = ranking(times(6), BASE)
    assert fast.startswith("  fast jit: 4 × faster (")
    assert "  base eager: baseline" in rest
    assert any(line.startswith("  alike eager old: tied (1") for line in rest)


def test_nobody_is_ranked_by_too_few_blocks_or_none():
    assert ranking(times(2), BASE) == ["  not judged yet: 2 of 2"]
    assert ranking({}, BASE) == []


def test_elsewhere_than_on_a_terminal_it_is_plain_lines(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    progress = Progress([launch(0)], 1, plain=True)
    progress.finished(launch(0), record("failed"))
    progress.close()
    first, second = capsys.readouterr().err.splitlines()
    assert first == "speed iris m a (eager): failed: it fell"
    assert second == "[1/1] speed iris m a (eager): failed"  # nothing is known of what is left
    assert not [name for name in sys.modules if name.partition(".")[0] == "rich"]


def test_a_terminal_shows_block_time_and_ranking(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes rich believe in a terminal
    progress = Progress([launch(0), launch(1)], 1, timing=lambda: 60.0, plain=False)
    progress.ranking = lambda: ranking(times(6), BASE)
    progress.finished(launch(0), record())
    progress.close()
    shown = capsys.readouterr().err
    for told in ("block 1 of at most 2", "launch 1 of 2", "elapsed", "left", "fast jit: 4 × faster ("):
        assert told in shown


def test_a_block_is_told_while_it_is_made(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    progress = Progress([launch(0), launch(1)], 1, timing=lambda: 60.0, plain=False)
    progress.finished(launch(0), record())
    progress.stage(Stage("iris m", "started", 1, 1))
    progress.stage(Stage("iris m", "round", 3, 10))
    progress.close()
    shown = capsys.readouterr().err
    for told in (
        "block 2 of at most 2",
        "iris m: 1 of 1 launches started",
        "iris m: round 3 of at least 10",
        "1m00s left",
    ):
        assert told in shown


@pytest.mark.parametrize(("of", "lines"), [(1, 1), (3, 2), (46, 2)])
def test_a_file_is_told_each_half_of_a_stage(of, lines, capsys):
    progress = Progress([launch(0), launch(1)], 1, plain=True)
    for done in range(1, of + 1):
        progress.stage(Stage("iris m", "ended", done, of))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == lines
    assert told[-1] == f"block 1 of at most 2, iris m: {of} of {of} launches ended"


def test_a_round_more_than_were_wanted_is_no_contradiction():
    assert [str(Stage("m", "round", done, 10)) for done in (10, 11)] == ["m: round 10 of at least 10", "m: round 11"]


def test_a_run_hands_its_folder_to_the_page(tmp_path: Path, monkeypatch, tiny):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "SHARE", 1e6)
    pages: list[Path] = []
    write = cli._write_page
    monkeypatch.setattr(cli, "_write_page", lambda folder: [pages.append(folder), write(folder)][1])
    Path("mine.toml").write_text(tiny(learning='adapters = ["numpy-manual"]\nseeds = 2'))
    assert cli.main(["run", "mine.toml", "--no-certify", "-q", "-o", "out"]) == cli.OK
    assert pages == [Path("out")] * 3  # after each fit, and at the end
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
