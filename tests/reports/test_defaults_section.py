"""What you get by default beside like for like."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import report_factory as factory

from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html
from levelfield.reports.sections import defaults, gap, speed, summary, tax

ENTRIES = [factory.ENTRIES[i] for i in (0, 1, 3, 5)]  # numpy, autograd, nn, Lightning
HALF = {"digits": {"samples": {"train": 718, "validation": 360, "test": 719}}}


def slower(factors):
    """Speed records on both tracks; by default each entry's step is so many times the matched one."""
    own = [(*e[:5], e[5] * f, e[6]) for e, f in zip(ENTRIES, factors, strict=True)]
    return factory.speed_records(ENTRIES, noise=0.004) + factory.speed_records(
        own, noise=0.004, track="idiomatic", feed="loader"
    )


def learnt(seeds, shifts=(0, 0, 0, 0)):
    records = []
    for track, feed in (("matched", "resident"), ("idiomatic", "loader")):
        for entry, shift in zip(ENTRIES, shifts, strict=True):
            cell = factory.make_cell(entry, kind="learning", track=track, feed=feed)
            own = shift if track == "idiomatic" else 0
            records += [factory.learning_record(cell, s, shift=own, epochs=6) for s in range(seeds)]
    return records


def about(**stated):
    return {
        name.replace("_", "-"): SimpleNamespace(modes=("eager",), notes=(), limits=(), defaults=values)
        for name, values in stated.items()
    }


def gathered(records, **more):
    return gather(factory.make_run(tasks=HALF), records, **more)


def test_each_entry_is_paired_with_itself_like_for_like_however_it_is_fed():
    (found,) = defaults.find_speeds(gathered(slower((1, 1.5, 0.8, 1.2))))
    words = {p.entry.adapter: p.verdict.word for p in found.pairs}
    assert words == {
        "numpy-manual": "tied", "torch-autograd": "slower", "torch-nn": "faster", "torch-lightning": "slower",
    }  # fmt: skip
    ratios = {p.entry.adapter: p.verdict.ratio.estimate for p in found.pairs}
    assert ratios["torch-autograd"] == pytest.approx(1.5, rel=0.02)
    assert (
        "takes longer than like for like for 2 (most of all torch-autograd: ×1.50 its time), less for 1"
        in found.sentence
    )
    assert "In the lead are, like for like, numpy-manual eager; by default numpy-manual eager" in (found.sentence)


def test_nothing_is_called_longer_where_all_are_tied():
    (found,) = defaults.find_speeds(gathered(slower((1, 1, 1, 1))))
    assert "of 4 entries judged no default step is shown to take another time; 4 tied." in found.sentence


def test_what_was_not_measured_like_for_like_has_its_reason():
    records = [r for r in slower((1, 1, 1, 1)) if r.cell.adapter != "torch-nn" or r.cell.track == "idiomatic"]
    records = [r for r in records if r.cell.adapter != "torch-lightning" or r.block < 2]
    (found,) = defaults.find_speeds(gathered(records))
    reasons = {p.entry.adapter: p.verdict.reason for p in found.pairs if p.verdict.word == "not judged"}
    assert reasons == {
        "torch-nn": "not measured like for like in this run", "torch-lightning": "2 common blocks, 3 needed",
    }  # fmt: skip
    lines = defaults.speed_table(found, "t").lines
    (nn,) = [line for line in lines if line.values[0].text == "torch-nn eager"]
    assert (nn.values[1].text, nn.values[1].detail) == ("—", "not in this run")


def test_uncertified_entries_take_no_part():
    evidence = gathered(slower((1, 2, 1, 1)), certificates=factory.CERTIFICATES[:1])
    (found,) = defaults.find_speeds(evidence)
    assert [p.verdict.reason for p in found.pairs if p.verdict.word == "not judged"] == ["not certified"] * 3


def test_the_baseline_is_found_on_the_idiomatic_track_though_it_is_fed_in_another_way():
    evidence = gathered(slower((1, 1.5, 0.8, 1.2)) + learnt(60))
    matched, idiomatic = evidence.speed
    assert (matched.baseline.feed, idiomatic.baseline.feed) == ("resident", "loader")
    assert idiomatic.judged
    assert "By default, on digits · multi" in speed.section(evidence).sentences[1]
    assert summary.section(evidence).sentences[0].count("over 1 workload") == 2
    own = gap.find(defaults.find_qualities(evidence)[0].own)
    assert "no entry is shown to generalise worse than numpy-manual eager" in own.sentence


def test_the_framework_tax_by_default_stands_beside_the_one_like_for_like():
    found = tax.section(gathered(slower((1, 1, 1, 1.5))))
    assert any(s.startswith("By default, on digits · multi") for s in found.sentences)
    assert [b.name for b in found.blocks if b.kind == "picture"] == ["tax-1", "tax-2"]


def test_sixty_seeds_by_default_are_judged_and_a_worse_one_is_named():
    (found,) = defaults.find_qualities(gathered(learnt(60, (0, 0.02, 0, 0))))
    assert "torch-autograd eager (test accuracy −2.00 points" in found.gaps.sentence
    like = found.like(found.gaps.gaps[1].learner)
    assert like.n == 60
    (few,) = defaults.find_qualities(gathered(learnt(20)))
    assert "needs 60 seeds (here 20)" in few.gaps.sentence
    assert "For both: levelfield run defaults." in few.gaps.sentence


def test_every_default_is_named_with_its_value_and_who_has_it():
    stated = about(
        numpy_manual={"initialiser": "Glorot", "loader": "permutation"},
        torch_autograd={"initialiser": "±1/√inputs", "loader": "DataLoader"},
        torch_nn={"initialiser": "±1/√inputs", "loader": "DataLoader"},
    )
    section = defaults.section(gathered(slower((1, 1, 1, 1)), adapters=stated))
    (table,) = [t for t in section.tables if t.name == "defaults-table"]
    rows = [
        (line.values[0].text, line.values[1].text, line.values[1].detail, line.values[2].text) for line in table.lines
    ]
    assert rows == [
        ("initialiser", "Glorot", "the baseline's", "numpy-manual"),
        ("initialiser", "±1/√inputs", "other than the baseline's", "torch-autograd, torch-nn"),
        ("loader", "permutation", "the baseline's", "numpy-manual"),
        ("loader", "DataLoader", "other than the baseline's", "torch-autograd, torch-nn"),
    ]
    assert section.sentences[-1] == "Of their defaults 3 adapters state initialiser in 2 ways and loader in 2 ways."


def test_figures_draw_the_findings():
    evidence = gathered(slower((1, 1.5, 0.8, 1.2)) + learnt(60, (0, 0.02, 0, 0)))
    (fast,), (good,) = defaults.find_speeds(evidence), defaults.find_qualities(evidence)
    with html.figure.style():
        for drawn in (defaults.draw_speeds(fast, "a"), defaults.draw_quality(good, "b")):
            assert drawn.startswith("<svg")


def test_a_run_without_defaults_says_how_to_get_them():
    assert "levelfield run defaults" in defaults.section(gathered(factory.speed_records(ENTRIES))).missing


def test_one_seed_and_one_block_leave_no_interval_and_no_verdict():
    evidence = gathered(learnt(1) + [r for r in slower((1, 1, 1, 1)) if r.block == 0])
    section = defaults.section(evidence)
    assert "no default step is judged" in section.sentences[0]
    (good,) = defaults.find_qualities(evidence)
    assert math.isinf(good.like(good.gaps.gaps[0].learner).high)
    assert html.build(factory.make_run(tasks=HALF), list(evidence.records))
