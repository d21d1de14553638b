"""The sentences of a study: a change, a turn or an agreement is told only where the intervals support it."""

from __future__ import annotations

import random
import re

import pytest
import report_factory as factory

from levelfield.harness.records.cell import NamedModel
from levelfield.harness.records.record import EpochScores, Record, Score
from levelfield.reports import terminal
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import figure, html
from levelfield.reports.page.blocks import Picture
from levelfield.reports.sections import studies
from levelfield.tasks import registry

VALLEY = {1: 0.8, 16: 0.2, 64: 0.3, 1024: 0.4}
FALLING = {1: 0.8, 16: 0.4, 64: 0.3, 1024: 0.2}


def fits(errors: dict[int, float], *, noise: float = 0.01, seeds: int = 10, other: float | None = None) -> list[Record]:
    """Of one hidden layer of each width, with its test error; of a second adapter that is off by `other`."""
    rng = random.Random(0)
    records = []
    for width, error in errors.items():
        model = NamedModel(name=f"width-{width}", hidden=(width,))
        for seed in range(seeds):
            wrong = error + rng.gauss(0, noise)
            for i, off in enumerate((0.0,) if other is None or seed else (0.0, other)):
                cell = factory.make_cell(factory.ENTRIES[i], kind="learning", model=model)
                scores = [Score(loss=loss, accuracy=1 - wrong - off) for loss in (0.1, 0.5, 0.6)]
                final = EpochScores(epoch=20, train=scores[0], validation=scores[1], test=scores[2])
                records.append(factory.learning_record(cell, seed, final=final))
    return records


def told(records: list[Record], study: str = "capacity", **run: object) -> list[str]:
    return list(studies.section(gather(factory.make_run(study=study, **run), records)).sentences)


def test_a_valley_between_the_ends_is_told_with_its_numbers():
    first, turn, _ = told(fits(VALLEY))
    assert first.startswith("Along width, from 1 to 1024")
    assert "The test error falls from 0.80 to 0.40" in first
    assert turn.startswith("Between the ends of width, the test error falls to 0.2")
    assert " at 16 (by 0.5" in turn
    assert "then rises (by 0.18 to " in turn
    assert turn.count("test error") == 1


def test_a_peak_is_told_too():
    assert "the test error rises to 0.8" in told(fits({w: 1 - e for w, e in VALLEY.items()}))[1]


@pytest.mark.parametrize(
    ("errors", "noise"),
    [(FALLING, 0.01), (VALLEY, 0.5), (dict.fromkeys(VALLEY, 0.3), 0.05)],
    ids=["falling", "a valley within the noise", "nothing but noise"],
)
def test_no_turn_is_told_that_the_intervals_do_not_support(errors, noise):
    assert not [sentence for sentence in told(fits(errors, noise=noise)) if sentence.startswith("Between")]


@pytest.mark.slow
def test_of_nothing_but_noise_a_turn_is_told_in_at_most_one_run_of_twenty():
    rng = random.Random(1)
    wrong = 0
    for _ in range(100):
        flat = {w: 0.3 for w in VALLEY}
        records = fits(flat, noise=0.0)
        noisy = [
            r.model_copy(
                update={"final": r.final.model_copy(update={"test": Score(loss=1, accuracy=rng.gauss(0.7, 0.1))})}
            )
            for r in records
        ]
        wrong += any(sentence.startswith("Between") for sentence in told(noisy))
    assert wrong <= 5


def test_a_change_within_the_noise_is_not_resolved():
    assert "The test error shows no resolved change" in told(fits({1: 0.3, 2: 0.3}, noise=0.05))[0]


def test_how_far_other_adapters_are_is_told_or_that_there_are_none():
    assert told(fits(FALLING, other=0.03))[-1].startswith(
        "Along width, on 4 of 4 levels, on the same seeds, 1 other adapter differs"
    )
    assert "0.030 in the test error" in told(fits(FALLING, other=0.03))[-1]
    assert told(fits(FALLING, other=0.03))[-1].endswith("theirs has the same direction in 1 of 1 case.")
    assert told(fits(FALLING))[-1] == "Along width, no other adapter confirms it in this run."


def test_five_points_are_drawn_with_what_was_fitted_to_them():
    task = registry.load("five-points")
    records = []
    for hidden in ((), (2,)):
        cell = factory.make_cell(
            kind="learning", task=task.name, model=NamedModel(name=f"of-{len(hidden)}", hidden=hidden)
        )
        curve = [(0.0, 1.0), (1.0, 2.0)]
        records += [factory.learning_record(cell, s, curve=curve, parameters=2 + len(hidden)) for s in range(2)]
    for digest, caption in ((task.digest(), "What was fitted"), ("of others", "Means over seeds")):
        run = factory.make_run(study="five-points", tasks={task.name: {"digest": digest}})
        with figure.style():
            drawn = [b for b in studies.section(gather(run, records)).blocks if isinstance(b, Picture)]
            assert [b.caption.startswith(caption) for b in drawn] == [True]
            assert (">validation<" in drawn[0].draw()) == (caption == "What was fitted")


def test_a_study_is_what_its_page_and_the_terminal_tell_first():
    run = factory.make_run(study="capacity")
    text = html.build(run, fits(VALLEY))
    summary_ = re.search(r'<section id="summary".*?</section>', text, re.DOTALL).group()
    assert re.search(r'class="finding">\s*Along width, from 1 to 1024', summary_)
    assert summary_.index("What makes the gap?") < summary_.index('<figure id="study-1"')
    lines = terminal.text(run, fits(VALLEY)).splitlines()
    assert lines.index("Study: capacity") < next(i for i, line in enumerate(lines) if line.startswith("Learning"))
    assert any(line.startswith("Between the ends of width") for line in lines)
