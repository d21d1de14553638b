"""A command that is written down, in a run's head and on its page, gives the options that it was made from."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.cli import run_options, values
from levelfield.harness.cli.arguments import _parser, parse
from levelfield.harness.cli.arguments import command as written
from levelfield.harness.run.options import RunOptions
from levelfield.tasks.errors import UserError

(COMMANDS,) = (a.choices for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBERS = st.decimals(min_value="0.0001", max_value=99, places=4).map(str)
# How the values of each type are typed
TYPED = {
    None: WORDS,
    Path: WORDS,
    values.positive: st.integers(1, 10**6).map(str),
    values.percent: st.builds("{}{}".format, NUMBERS, st.sampled_from(["%", ""])),
    values.slower: st.builds("slower:{}%".format, NUMBERS),
    values.duration: st.builds("{}{}".format, NUMBERS, st.sampled_from(["s", "m", "h", ""])),
    values.device: st.sampled_from(["cpu", "gpu", "gpu:1", "tpu:0"]),
    values.image: st.sampled_from(["a.svg", "b c.png", "../d.PNG"]),
    values.launcher: st.sampled_from(["local", "ray", "ray://head:10001"]),
    values.variable: st.builds(
        "{}={}".format, st.sampled_from(["SOME_NAME", "OTHER_2"]), st.text("ab =,'", max_size=5)
    ),
    values.environment: st.sampled_from(["base=venv/bin/python", "new=/a b/python"]),
    values.names: st.lists(st.sampled_from(["half", "cold"]), min_size=1).map(",".join),
    values.widths: st.lists(st.integers(1, 999).map(str), min_size=1).map(",".join),
    values.failures: st.lists(st.sampled_from(["slower", "undecided"]), min_size=1).map(",".join),
}


@st.composite
def typed(draw: st.DrawFn, name: str) -> list[str]:
    """What somebody may type: any of the command's options with any values."""
    words, positional = [name], []
    for action in COMMANDS[name]._actions:
        if action.dest == "help" or (action.option_strings and not draw(st.booleans())):
            continue
        value = st.sampled_from(list(action.choices)) if action.choices else TYPED[action.type]
        if not action.option_strings:
            least = 0 if action.nargs in ("*", "?") else 1
            most = 3 if action.nargs == "*" else 1
            positional += draw(st.lists(value, min_size=least, max_size=most))
        elif action.nargs == 0 or (action.nargs == "?" and draw(st.booleans())):
            words.append(action.option_strings[-1])
        else:
            many = 3 if isinstance(action, argparse._AppendAction) else 1
            words += [f"{action.option_strings[-1]}={draw(value)}" for _ in range(draw(st.integers(1, many)))]
    return [*words, "--", *positional] if positional else words


@settings(max_examples=100, deadline=None)
@given(typed("run"))
def test_what_is_written_of_a_run_is_what_was_typed(words):
    options = parse(words)
    assert parse(shlex.split(written(options))[1:]) == options


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"run"}))
def test_so_for_every_command(name):
    @settings(max_examples=30, deadline=None)
    @given(typed(name))
    def holds(words):
        try:
            options = parse(words)
        except UserError:
            return  # options that exclude each other
        assert parse(shlex.split(written(options))[1:]) == options

    holds()


def test_without_a_word_the_options_are_those_of_python():
    assert run_options.asked(parse(["run"])) == RunOptions()


@settings(max_examples=60, deadline=None)
@given(typed("run"))
def test_the_command_of_a_head_differs_in_nothing_that_is_measured(words):
    options = run_options.asked(parse(words))
    again = run_options.asked(parse(shlex.split(run_options.command(options))[1:]))
    differ = {field.name for field in fields(options) if getattr(options, field.name) != getattr(again, field.name)}
    assert differ <= {"resume", "allow_changes", "dry_run", "output", "quiet"}


@settings(max_examples=60, deadline=None)
@given(typed("run"))
def test_options_of_the_command_line_are_repeated_as_they_are(words):
    options = run_options.asked(parse(words))
    assert run_options.repeatable(options) == (options, run_options.command(options))


def test_options_of_python_are_those_that_the_command_line_would_give():
    options, command = run_options.repeatable(
        RunOptions(suite="smoke", device="gpu", budget=90, precision=0.02, quiet=True)
    )
    assert options == RunOptions(suite="smoke", device="gpu:0", budget=90.0, precision=0.02, quiet=True)
    assert command == "levelfield run smoke --device gpu --budget 90s --precision 2%"


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": 0},
        {"threads": 1.5},
        {"precision": 2},
        {"budget": -1.0},
        {"device": "gpu:first"},
        {"track": ("loose",)},
        {"matmul_precision": "float16"},
        {"env": (("", "x"),)},
        {"adapter": ("a\0b",)},
    ],
)
def test_what_the_command_line_refuses_is_refused_of_python_too(wrong):
    with pytest.raises(UserError):
        run_options.repeatable(RunOptions(suite="smoke", **wrong))


def test_a_track_is_kept():
    options = run_options.asked(parse(["run", "smoke", "--track", "idiomatic"]))
    assert run_options.command(options) == "levelfield run smoke --track idiomatic"


def test_a_plain_command_reads_as_one_types_it():
    words = "run smoke -a numpy-manual -a torch-nn --blocks 8 --budget 1.5h --precision 2% -q -o x"
    options = run_options.asked(parse(words.split(" ")))
    assert run_options.command(options) == (
        f"levelfield {words.partition(' --budget')[0]} --budget 5400s --precision 2%"
    )


def test_help_tells_the_exit_codes(capsys):
    for name in ("run", "compare"):
        with pytest.raises(SystemExit):
            parse([name, "--help"])
        assert "exit codes:" in capsys.readouterr().out
