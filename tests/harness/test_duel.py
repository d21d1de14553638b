"""A duel says which of two is faster, or why it cannot; both compute the same thing before they are timed."""

from __future__ import annotations

import json
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.run.duel import Pair, decided, ratio, verdict

PLUGIN = """
import os, signal
from levelfield.adapters.numpy.manual import NumpyManual

class Dies(NumpyManual):
    name = "dies"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        if watch.__class__.__name__ == "SpeedWatch":  # certified, and killed when it is timed
            os.kill(os.getpid(), signal.SIGKILL)
        super().fit(train, order, watch)

class Halves(NumpyManual):
    name = "halves"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def gradients(self, x, y):
        return [g / 2 for g in super().gradients(x, y)]

class Twin(NumpyManual):  # every pair imports both sides anew: these are imported soon
    name = "twin"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
"""
SPEED = 'adapters = ["*"]\nblocks = 1\nseconds = 0.05'


@pytest.fixture(scope="module")
def levelfield(command_line, install, tiny, tmp_path_factory):
    entries = {"dies": "duellists:Dies", "halves": "duellists:Halves", "twin": "duellists:Twin"}
    plugin = install(tmp_path_factory.mktemp("plugin"), entries, {"duellists.py": PLUGIN})
    levelfield = command_line(plugins=(plugin,))
    (levelfield.folder / "mine.toml").write_text(tiny(speed=SPEED))
    return levelfield


@pytest.fixture(scope="module")
def done(levelfield):
    options = ("--suite", "mine.toml", "--budget", "10m", "--pairs", "5", "--json")
    return levelfield("duel", "numpy-manual", "twin", *options)


@pytest.mark.slow
def test_the_first_is_judged_against_the_second(done):
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["first"], found["second"]) == ("numpy-manual (eager)", "twin (eager)")
    assert found["workload"] == "flowers small momentum"
    assert found["ratio"]["n"] == len(found["pairs"]) == 5
    assert found["ratio"]["low"] <= found["ratio"]["estimate"] <= found["ratio"]["high"]
    assert found["word"] in ("faster", "slower", "tied", "inconclusive")


@pytest.mark.slow
def test_progress_tells_how_wide_the_interval_is_and_never_where_it_lies(done):
    assert "pair 5, the ratio within ± " in done.stderr
    assert "faster" not in done.stderr
    assert "slower" not in done.stderr


@pytest.mark.slow
def test_for_people_the_verdict_is_three_lines(levelfield):
    done = levelfield(
        "duel", "numpy-manual", "numpy-manual", "--suite", "mine.toml", "--pairs", "5", "--budget", "10m", "-q"
    )
    assert done.returncode == 0, done.stderr
    head, verdict_line, epochs = done.stdout.splitlines()
    assert head == (
        "numpy-manual (eager) against numpy-manual (eager): flowers small momentum, one thread, in turns on one core"
    )
    assert "× the time, " in verdict_line
    assert " ms against " in epochs
    assert done.stderr == ""


@pytest.mark.slow
def test_too_few_pairs_are_not_judged(levelfield):
    done = levelfield("duel", "numpy-manual", "twin", "--suite", "mine.toml", "--pairs", "2", "--budget", "10m")
    assert done.returncode == 1
    assert "not judged" in done.stdout
    assert "× the time" not in done.stdout


@pytest.mark.slow
def test_who_computes_something_else_is_not_timed(levelfield):
    done = levelfield("duel", "numpy-manual", "halves", "--suite", "mine.toml", "--budget", "3s")
    assert done.returncode == 1
    assert "not judged, because not certified: halves (eager)" in done.stderr
    assert "pair" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("sides", [("dies", "numpy-manual"), ("numpy-manual", "dies")])
def test_a_killed_launch_ends_the_duel_and_leaves_nothing_behind(levelfield, sides):
    done = levelfield("duel", *sides, "--suite", "mine.toml", "--budget", "10s")
    assert done.returncode == 1
    assert "not judged: a launch of dies failed: " in done.stderr
    assert "SIGKILL" in done.stderr
    assert levelfield.left_behind() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("numpy-manul", "sklearn-mlp"), "numpy-manual"),
        (("numpy-manual:egaer", "sklearn-mlp"), "eager"),
        (
            ("torch-nn:fused", "torch-nn", "--workload", "tall"),
            "flowers small momentum",
        ),  # a mode that no suite has to name
        (("numpy-manual", "sklearn-mlp", "--suite", "narrow.toml"), "no speed cells of numpy-manual (eager) and"),
        (
            ("numpy-manual", "sklearn-mlp", "--suite", "two.toml"),
            "2 workloads: flowers small momentum, flowers wide momentum",
        ),
        (("numpy-manual", "sklearn-mlp", "--suite", "two.toml", "--workload", "tall"), "flowers wide momentum"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_error(levelfield, tiny, arguments, told):
    narrow = tiny(speed='adapters = ["numpy-manual"]\nblocks = 1')
    (levelfield.folder / "narrow.toml").write_text(narrow)
    two = tiny(speed=SPEED).replace("[models.small]", "[models.wide]\nhidden = [16]\n\n[models.small]")
    (levelfield.folder / "two.toml").write_text(two.replace('model = "small"', 'model = ["small", "wide"]'))
    suite = () if "--suite" in arguments else ("--suite", "mine.toml")
    done = levelfield.inside("duel", *arguments, *suite)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_work_of_another_precision_is_other_work(levelfield, tiny):
    text = tiny(speed=SPEED + '\nprecision = ["float32", "bfloat16"]')
    (levelfield.folder / "precise.toml").write_text(text)
    duel = ("duel", "numpy-manual", "sklearn-mlp", "--suite", "precise.toml", "--pairs", "1", "--budget", "10m")
    assert "2 workloads: flowers small momentum, flowers small momentum bfloat16" in levelfield.inside(*duel).stderr
    done = levelfield.inside(*duel, "--workload", "flowers small momentum bfloat16")
    assert done.returncode == 2
    assert "numpy-manual (eager) cannot take part: " in done.stderr
    assert "flowers small momentum, one thread" in levelfield(*duel, "--workload", "flowers small momentum").stdout


@pytest.mark.slow
def test_who_stops_it_gets_what_the_pairs_say_until_then(levelfield):
    process = levelfield.start("duel", "numpy-manual", "twin", "--suite", "mine.toml", "--budget", "10m")
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith("pair 5"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=900)
    assert process.returncode == 130, (told, err)
    assert "Traceback" not in err
    assert "× the time, " in out
    assert levelfield.left_behind() == []


# Pairs

epochs = st.floats(1e-4, 10)


def pairs_of(values):
    return [Pair(first, second, 1.0) for first, second in values]


@settings(deadline=None)  # the first call imports
@given(st.lists(st.tuples(epochs, epochs), min_size=5, max_size=12))
def test_who_is_faster_does_not_depend_on_the_unit_or_on_who_is_first(values):
    word = verdict(pairs_of(values), 0.03).word
    opposite = {"faster": "slower", "slower": "faster"}
    assert verdict(pairs_of([(7 * a, 7 * b) for a, b in values]), 0.03).word == word
    assert verdict(pairs_of([(b, a) for a, b in values]), 0.03).word == opposite.get(word, word)


@settings(deadline=None)  # the first call imports
@given(st.lists(st.tuples(epochs, epochs), min_size=8, max_size=12), st.floats(0.5, 2))
def test_the_stop_sees_widths_only(values, factor):
    shifted = pairs_of([(factor * a, b) for a, b in values])
    width = (ratio(pairs_of(values)).high / ratio(pairs_of(values)).low) ** 0.5 - 1
    assert decided(pairs_of(values), 1.01 * width + 1e-9)
    assert decided(shifted, 1.01 * width + 1e-9)
    assert not decided(shifted[:4], 1e9)
