"""``levelfield compare --fail-on``: what a gate lets pass, and what it says of what it could not tell."""

from __future__ import annotations

import json
import os
import sys

import pytest
import report_factory as factory

from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.results import compare_runs

ENTRIES = factory.ENTRIES[:4]
LOST = "torch-nn"


def stored(folder, name: str, records) -> str:
    kept = store.Store.create(folder / name, factory.make_run(name=name, warnings=[]))
    for record in records:
        kept.append(record)
    kept.close()
    return str(folder / name)


def base(blocks: int = 8, noise: float = 0.004, seed: int = 0):
    return factory.speed_records(ENTRIES, blocks=blocks, noise=noise, seed=seed)


def without(records, status: str, blocks: range = range(8)):
    """The same, where the launches of one adapter in these blocks came to nothing."""
    lost = [factory.failed_record(r.cell, r.block, status, "the plug is out") for r in records if gone(r, blocks)]
    return [r for r in records if not gone(r, blocks)] + lost


def gone(record, blocks: range) -> bool:
    return record.cell.adapter == LOST and record.block in blocks


def test_launches_that_fail_now_fail_the_gate_with_their_reason(tmp_path, capsys):
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", without(base(), "failed"))]
    assert main.main(["compare", *folders]) == 0
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 1
    out = capsys.readouterr().out
    assert "torch-nn (eager): failed in the new run: the plug is out" in out
    assert "only in the base" not in out
    page = tmp_path / "page.html"
    assert main.main(["compare", *folders, "-o", str(page)]) == 0
    assert "failed in the new run: the plug is out" in page.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main.main(["compare", *folders, "--json"]) == 0
    [lost] = json.loads(capsys.readouterr().out)["lost"]
    assert (lost["how"], lost["reason"]) == ("failed", "the plug is out")


def test_some_launches_that_fail_now_do_so_too(tmp_path, capsys):
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", without(base(), "failed", range(2)))]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 1
    assert "failed in the new run (2 of 8 launches): the plug is out" in capsys.readouterr().out


def test_what_failed_as_often_before_is_no_change(tmp_path):
    folders = [stored(tmp_path, name, without(base(), "failed", range(2))) for name in ("old", "new")]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 0


@pytest.mark.parametrize("status", ["skipped", "unsupported"])
def test_what_is_not_made_any_more_fails_the_gate(tmp_path, capsys, status):
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", without(base(), status))]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 1
    assert "not made in the new run: the plug is out" in capsys.readouterr().out


def test_what_was_never_planned_is_only_in_the_base(tmp_path, capsys):
    new = [r for r in base() if r.cell.adapter != LOST]
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", new)]
    assert main.main(["compare", *folders, "--fail-on", "slower,undecided"]) == 0
    assert f"only in the base: digits {LOST} (eager)" in capsys.readouterr().out


def test_where_all_launches_fail_the_gate_fails_though_nothing_is_compared(tmp_path):
    new = [factory.failed_record(r.cell, r.block) for r in base()]
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", new)]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 1
    assert main.main(["compare", *folders]) == main.NOTHING


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--fail-on", "slower"], 0),
        (["--fail-on", "undecided"], 1),
        (["--fail-on", "slower,undecided"], 1),
        (["--fail-on", "slower", "--fail-on", "undecided"], 1),
    ],
)
def test_a_gate_that_could_not_tell_says_so_and_may_fail(tmp_path, capsys, options, code):
    restless = [base(noise=0.3, seed=seed) for seed in (1, 2)]
    folders = [stored(tmp_path, name, own) for name, own in zip(("old", "new"), restless, strict=True)]
    assert main.main(["compare", *folders, *options]) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("decided 0 of 4; the smallest slowdown that this could have shown is ")


def test_disturbed_launches_leave_a_cell_undecided(tmp_path, capsys):
    new = [
        r.model_copy(update={"contaminated": "disturbed: foreign 50% (more than 10%)"}) if gone(r, range(8)) else r
        for r in base()
    ]
    folders = [stored(tmp_path, "old", base()), stored(tmp_path, "new", new)]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == 0
    assert main.main(["compare", *folders, "--fail-on", "undecided"]) == 1
    out = capsys.readouterr().out
    assert "disturbed in the new run: every launch was disturbed" in out
    assert "decided 3 of 4; " in out


def test_a_slowdown_as_small_as_is_told_would_have_been_shown():
    runs = [(factory.make_run(), base(noise=0.01, seed=seed)) for seed in (1, 2)]
    quiet = compare_runs.compare(*runs, margin=0.03, force=False)
    [sharp] = [c for c in quiet.changes if c.cell.adapter == "numpy-manual"]
    ratio = sharp.verdict.ratio
    least = (1 + 0.03) * ratio.estimate / ratio.low - 1
    slower = [
        r.model_copy(update={"epoch_seconds": [1.0001 * (1 + least) / ratio.estimate * e for e in r.epoch_seconds]})
        for r in runs[1][1]
    ]
    again = compare_runs.compare(runs[0], (runs[1][0], slower), margin=0.03, force=False)
    [found] = [c.verdict for c in again.changes if c.cell.adapter == "numpy-manual"]
    assert (found.word, found.material) == ("slower", True)
    assert f"{least:.1%}" in quiet.decided or float(quiet.decided.split()[-1].rstrip("%")) >= 100 * least - 0.1


def test_an_unknown_word_is_answered(capsys):
    assert main.main(["compare", "a", "b", "--fail-on", "slowr"]) == 2
    assert "did you mean 'slower'" in capsys.readouterr().err


# --confirm, before anything is started: tests/kit/test_confirm.py has the rest


def made_by(folder, name: str, python: str | None) -> str:
    kept = store.Store.create(folder / name, factory.make_run(name=name, python=python))
    for record in base():
        kept.append(record)
    kept.close()
    return str(folder / name)


@pytest.mark.parametrize(
    ("python", "told"),
    [
        ("../gone/bin/python", "its interpreter {}/gone/bin/python is not there"),
        (None, "does not say which interpreter"),
    ],
)
def test_where_the_interpreter_of_a_run_is_not_to_be_had_confirm_says_so_at_once(tmp_path, capsys, python, told):
    here = os.path.relpath(sys.executable, tmp_path / "new")
    folders = [made_by(tmp_path, "old", python), made_by(tmp_path, "new", here)]
    assert main.main(["compare", *folders, "--confirm"]) == 2
    error = capsys.readouterr().err
    assert f"error: the base run cannot be measured again: {told.format(tmp_path)}" in error.replace(
        f"{tmp_path}/old ", ""
    )
    assert "hint: --environment base=PYTHON, the interpreter of an environment" in error


def test_runs_of_another_machine_cannot_be_measured_again_here(tmp_path, capsys):
    here = os.path.relpath(sys.executable, tmp_path / "new")
    folders = [made_by(tmp_path, name, here) for name in ("old", "new")]
    assert main.main(["compare", *folders, "--confirm"]) == 2
    assert "it was made on another machine: cpu: Example CPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--environment", "base=python"], "hint: add --confirm"),
        (["--confirm", "--environment", "old=python"], "'old=python' is not base=PYTHON or new=PYTHON"),
        (["--confirm", "--environment", "base="], "is not base=PYTHON or new=PYTHON"),
    ],
)
def test_a_side_is_named_as_compare_names_it(tmp_path, capsys, words, told):
    folders = [stored(tmp_path, name, base()) for name in ("old", "new")]
    assert main.main(["compare", *folders, *words]) == 2
    assert told in capsys.readouterr().err
