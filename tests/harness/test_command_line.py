"""The command line: what it prints where, which exit code, and what it does not need to start."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.cli import main
from levelfield.harness.cli.arguments import _parser
from levelfield.harness.records.record import Record
from levelfield.tasks import registry as tasks

FRAMEWORKS = {"torch", "lightning", "tensorflow", "keras", "jax", "jaxlib", "flax", "optax", "sklearn"}
HEAVY = FRAMEWORKS | {"numpy", "scipy", "pandas", "matplotlib", "pydantic"}


@pytest.fixture(scope="module")
def ran(levelfield, tiny):
    """A small finished run, as its folder and what the command printed."""
    (levelfield.folder / "small.toml").write_text(
        tiny(
            learning='adapters = ["numpy-manual"]\nseeds = 2',
            speed='adapters = ["numpy-manual"]\nblocks = 1\nseconds = 0.01\nthreads = 1',
        )
    )
    done = levelfield("run", "small.toml", "-o", "small", "--json", "--no-certify", "--anonymous")
    assert done.returncode == 0, done.stderr
    return levelfield.folder / "small", done


# What is not imported


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"], ["list", "--json"], ["--version"]])
def test_help_and_list_import_no_framework_and_no_numpy(arguments):
    program = (
        "import sys\n"
        "from levelfield.harness.cli import main as cli\n"
        "try:\n"
        f"    code = cli.main({arguments!r})\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0
    assert done.stdout
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()


def test_list_imports_nothing_that_takes_longer_than_starting_python():
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from levelfield.harness.cli import main\n"
        "main.main(['list'])\n"
        "print('\\n'.join(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert "numpy-manual" in done.stdout
    assert set(done.stderr.split()) & {"importlib.metadata", "email", "socket", "json", "subprocess"} == set()


def test_list_leaves_the_collecting_of_garbage_as_it_was(capsys):
    assert main.main(["list"]) == 0
    assert "numpy-manual" in capsys.readouterr().out
    assert gc.isenabled()


def test_every_command_that_is_understood_is_carried_out():
    (commands,) = [a.choices for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    assert set(commands) == set(main.COMMANDS)


def test_a_dry_run_imports_no_framework(tiny, tmp_path):
    (tmp_path / "mine.toml").write_text(tiny(learning='adapters = ["*"]'))
    program = (
        "import sys\n"
        "from levelfield.harness.cli import main as cli\n"
        "code = cli.main(['run', 'mine.toml', '--dry-run'])\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert {name.partition(".")[0] for name in done.stderr.split()} & FRAMEWORKS == set()


# list


def test_list_tells_adapters_tasks_and_suites(levelfield):
    done = levelfield.inside("list")
    assert done.returncode == 0
    assert done.stderr == ""
    for name in (*find().adapters, *tasks.names(), "default", "smoke"):
        assert name in done.stdout.split()


def test_list_as_json_is_for_programs(levelfield):
    everything = json.loads(levelfield.inside("list", "--json").stdout)
    assert set(everything) == {"adapters", "tasks", "suites"}
    assert [row["name"] for row in everything["adapters"]] == list(find().adapters)
    for what, rows in everything.items():
        assert json.loads(levelfield.inside("list", what, "--json").stdout) == rows


def test_a_reader_that_has_seen_enough_is_no_error(levelfield):
    process = levelfield.start("list", "--json")
    process.stdout.close()
    assert process.wait(600) == 0
    assert process.stderr.read() == ""


# Bad usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lst"], ["unknown command 'lst'", "did you mean 'list'"]),
        ([], ["COMMAND"]),
        (["list", "adaptors"], ["unknown what 'adaptors'", "did you mean 'adapters'"]),
        (["run"], ["run needs a suite"]),
        (["run", "smok"], ["unknown suite 'smok'", "did you mean 'smoke'"]),
        (["run", "smoke", "-a", "torch-n"], ["unknown adapter 'torch-n'", "did you mean 'torch-nn'"]),
        (["run", "smoke", "--mode", "eagre"], ["unknown mode 'eagre'", "did you mean 'eager'"]),
        (["run", "smoke", "-t", "irys"], ["unknown task of this suite 'irys'", "did you mean 'iris'"]),
        (["run", "smoke", "--blocks", "0"], ["--blocks", "'0' is not a whole number of at least 1"]),
        (["run", "smoke", "--blocks", "many"], ["--blocks", "'many' is not a whole number"]),
        (["run", "smoke", "--budget", "soon"], ["--budget", "write 90s, 10m or 1.5h"]),
        (["run", "smoke", "--budget", "1e308h"], ["--budget", "is not a duration"]),
        (["run", "smoke", "--precision", "200%"], ["--precision", "write 2%"]),
        (["run", "smoke", "--threads", "1000"], ["1000 threads", "cores"]),
        (["run", "smoke", "--thread"], ["--thread"]),
        (["run", "smoke", "--nonsense"], ["--nonsense"]),
        (["run", "smoke", "-o", "/proc/nowhere", "-a", "numpy-manual"], ["/proc/nowhere", "-o"]),
        (["run", "smoke", "-o", "/dev/null", "-a", "numpy-manual"], ["/dev/null"]),
        (["run", "--resume", "nowhere"], ["nowhere/run.json", "No such file"]),
        (["report", "nowhere"], ["nowhere/run.json"]),
        (["show", "nowhere"], ["nowhere/run.json"]),
        (["report", "--format", "pdf"], ["unknown format 'pdf'", "html"]),
    ],
)
def test_bad_usage_is_answered_with_two_lines_and_exit_code_2(capsys, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert main.main(arguments) == 2
    out, told = capsys.readouterr()
    assert out == ""
    error, hint = told.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("  hint: ")
    for words in says:
        assert words in told


def test_its_exit_code_is_that_of_the_process(levelfield):
    done = levelfield("lst")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown command 'lst'\n  hint: ")


def test_an_argument_that_no_shell_can_pass_is_refused_all_the_same(capsys):
    assert main.main(["report", "runs/\0"]) == 2
    assert "null character" in capsys.readouterr().err


def test_nothing_selected_is_exit_code_5(levelfield):
    done = levelfield.inside("run", "smoke", "-a", "numpy-manual", "--mode", "scan")
    assert done.returncode == 5
    assert "nothing selected" in done.stderr
    assert done.stdout == ""


# run


def test_a_dry_run_prints_the_plan_and_starts_nothing(command_line, tiny):
    levelfield = command_line()
    (levelfield.folder / "mine.toml").write_text(tiny(learning='adapters = ["*"]', speed="blocks = 3"))
    before = sorted(levelfield.folder.rglob("*"))
    process = levelfield.start("run", "mine.toml", "--dry-run", "-o", "out")
    most = 0
    while process.poll() is None:
        most = max(most, len(levelfield.processes()))
        time.sleep(0.05)
    out, err = process.communicate()
    assert process.returncode == 0
    assert most == 1
    assert sorted(levelfield.folder.rglob("*")) == before
    assert "learning flowers small momentum numpy-manual (eager): 1 launch" in out.splitlines()
    assert "speed    flowers small momentum numpy-manual (eager): 3 launches" in out.splitlines()
    assert "launches" in err


def test_a_run_says_where_its_report_is_and_writes_nothing_else_to_stdout(ran):
    folder, done = ran
    result = json.loads(done.stdout)
    assert result["ok"] == 3
    assert Path(result["report"]).name == "report.html"
    assert (folder / "report.html").is_file()
    assert "3 ok" in done.stderr
    assert "block 1 of at most 1, " in done.stderr
    for told in ("1 of 1 launches started", "1 of 1 launches watched", "1 of 1 launches ended"):
        assert f": {told}" in done.stderr


def test_an_anonymous_run_does_not_hold_the_name_of_its_host(ran):
    folder, _ = ran
    import socket

    assert json.loads((folder / "run.json").read_text())["machine"]["host"] is None
    for name in ("run.json", "records.jsonl"):
        assert f'"{socket.gethostname()}"' not in (folder / name).read_text()


def test_the_command_in_the_head_repeats_the_run(ran):
    folder, _ = ran
    command = json.loads((folder / "run.json").read_text())["command"]
    assert command.startswith("levelfield run small.toml ")
    assert "--anonymous" in command


@pytest.mark.slow
def test_quiet_is_quiet(levelfield, ran):
    done = levelfield("run", "small.toml", "-q", "-a", "numpy-manual", "-o", "quiet", "--no-certify")
    assert done.returncode == 0
    assert "[1/" not in done.stderr
    told = levelfield.inside("show", "quiet").stdout
    assert "not certified" in told  # whatever a busy machine left to be judged


# show


def test_show_prints_a_run(levelfield, ran):
    folder, _ = ran
    done = levelfield("show", folder)
    assert done.returncode == 0, done.stderr
    assert "numpy-manual" in done.stdout
    assert "flowers" in done.stdout
    assert "none were examined" not in done.stdout


def test_show_prints_the_records_of_a_cell(levelfield, ran):
    folder, _ = ran
    rows = [
        Record.model_validate_json(line) for line in levelfield.inside("show", folder, "--json").stdout.splitlines()
    ]
    assert len(rows) == 3
    done = levelfield.inside("show", folder, "speed/flowers", "--json")
    [row] = [Record.model_validate_json(line) for line in done.stdout.splitlines()]
    assert row.cell.kind == "speed"


def test_show_answers_an_unknown_cell(levelfield, ran):
    folder, _ = ran
    done = levelfield.inside("show", folder, "speed/digits")
    assert done.returncode == 2
    assert "unknown cell 'speed/digits'" in done.stderr


def test_damaged_lines_are_told_wherever_a_run_is_read(levelfield, ran, tmp_path):
    folder, _ = ran
    for name in ("run.json", "records.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(b'{"torn')
    done = levelfield.inside("show", tmp_path)
    assert done.returncode == 0
    assert (
        f"{tmp_path}/records.jsonl:{len((tmp_path / 'records.jsonl').read_bytes().splitlines())}: set aside"
        in done.stderr
    )
