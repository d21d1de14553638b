"""The section on ranks: what it shows of which records, and what it must not say."""

from __future__ import annotations

import html
import math
import random
import re
from dataclasses import replace

import pytest
import report_factory as factory

from levelfield.harness.records.cell import NamedModel
from levelfield.reports import markdown
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import figure
from levelfield.reports.page import html as page
from levelfield.reports.sections import ranks

TORCH, LIGHTNING, JAX = factory.ENTRIES[3], factory.ENTRIES[5], factory.ENTRIES[13]
WIDE = NamedModel(name="wide", hidden=(1024,), activation="relu")


def recipe(batch):
    return replace(factory.RECIPE, name=f"batch-{batch}", batch_size=batch)


def records(blocks=6, overhead=0.2e-3, entries=(TORCH, LIGHTNING, JAX), seed=0, **several):
    """Steps of 10 µs a sample that ranks share, and an exchange that takes `overhead`."""
    rng, found = random.Random(seed), []
    for entry in entries:
        for batch in (64, 128):
            for n in (1, 2):
                more = {"replicas": n, "replication": "ranks"} | several if n > 1 else {}
                cell = factory.make_cell(entry, model=WIDE, recipe=recipe(batch), **more)
                for block in range(blocks):
                    step = (10e-6 * batch / n + (overhead if n > 1 else 0)) * math.exp(rng.gauss(0, 0.005))
                    found.append(factory.speed_record(cell, block, step))
    return found


def section(found, **how):
    return ranks.section(gather(factory.make_run(), found, **how))


def cells(table, column):
    place = [c.label for c in table.columns].index(column)
    return [line.values[place] for line in table.lines]


def test_strong_and_weak_scaling_have_their_speedup_efficiency_and_verdict():
    shown = section(records())
    (table,) = shown.tables
    assert [v.text for v in cells(table, "Scaling")] == ["strong"] * 6 + ["weak"] * 3
    assert [v.text for v in cells(table, "Batch")] == ["64"] * 3 + ["128"] * 6
    # 640 µs against 320 + 200, 1280 against 640 + 200; weak: 640 for 64 samples against 840 for 128
    efficiency = [v.sort for v in cells(table, "Efficiency")]
    assert efficiency == pytest.approx([640 / 2 / 520] * 3 + [1280 / 2 / 840] * 3 + [640 / 840] * 3, rel=0.01)
    assert [v.sort for v in cells(table, "Speed-up")] == pytest.approx([2 * e for e in efficiency])
    assert {v.text for v in cells(table, "Verdict")} == {"▲ faster"}
    assert re.match(
        r"Strong scaling: at best .* on 2 ranks is 1\.5\d × faster than on one \(.*\), an efficiency of 7\d",
        shown.finding,
    )
    assert "with a batch 2 times as large" in shown.sentences[1]


def test_ranks_that_wait_longer_than_they_save_are_slower():
    shown = section(records(overhead=5e-3))
    assert {v.text for v in cells(shown.tables[0], "Verdict")} == {"▼ slower"}
    assert "slower than on one" in shown.finding


def test_few_blocks_give_numbers_but_no_limits_and_no_verdict():
    shown = section(records(blocks=2))
    assert {v.text for v in cells(shown.tables[0], "Verdict")} == {"not judged"}
    assert {v.detail for v in cells(shown.tables[0], "Speed-up")} == {""}
    assert shown.finding == "Nothing on several ranks is judged: n = 2, not judged."


def test_without_a_certificate_there_is_no_number():
    found = records(entries=[TORCH])
    one = Certificate("torch-nn", "eager", (Check("runs", 0.0, 1.0),), "cpu")
    two = replace(one, replicas=2, replication="ranks")
    assert {v.text for v in cells(section(found, certificates=[one, two]).tables[0], "Verdict")} == {"▲ faster"}
    of_one = section(found, certificates=[one])
    assert {v.detail for v in cells(of_one.tables[0], "Verdict")} == {"not certified on several ranks"}
    without = section(found, certificates=[])
    assert {v.text for v in cells(without.tables[0], "Speed-up")} == {"—"}
    assert {v.detail for v in cells(without.tables[0], "Verdict")} == {"not certified on several ranks"}


def test_a_failed_launch_is_shown_with_its_reason():
    found = [r for r in records(entries=[TORCH]) if r.cell.replicas == 1]
    several = factory.make_cell(TORCH, model=WIDE, recipe=recipe(64), replicas=2, replication="ranks")
    shown = section([*found, factory.failed_record(several, 0, reason="rank 1 of 2 ended by SIGKILL")])
    (verdict,) = cells(shown.tables[0], "Verdict")
    assert (verdict.text, verdict.detail) == ("not judged", "on several ranks: rank 1 of 2 ended by SIGKILL")


def test_where_every_launch_was_disturbed_that_is_the_reason():
    found = [
        r.model_copy(update={"contaminated": f"disturbed: foreign {20 + i}%"}) if r.cell.replicas > 1 else r
        for i, r in enumerate(records(entries=[TORCH]))
    ]
    assert section(found).finding == (
        "Nothing on several ranks is judged: on several ranks: every launch was disturbed."
    )


def test_devices_that_share_cores_are_no_scaling_measurement():
    shown = section(records(replication="devices"))
    assert shown.blocks == ()
    assert "share its cores: their runs are no scaling measurement" in shown.missing
    mixed = section(records(replication="devices") + records())
    assert len(mixed.tables) == 1
    assert "no scaling measurement" in mixed.notes[0]


def test_the_page_draws_it_with_the_ideal_line_and_markdown_has_the_table():
    run, found = factory.make_run(), records()
    text = page.build(run, found)
    body = re.search(r'<section id="ranks".*?</section>', text, re.DOTALL).group()
    assert body.count("<svg") == 1
    assert "Dotted: ideal" in body
    assert html.unescape(body).count("▲ faster") == 9
    assert page.build(run, found) == text
    assert "Scaling with ranks" in markdown.build(run, found)
    with figure.style():
        picture = next(block for block in section(found).blocks if block.kind == "picture")
        assert "batch-128" in picture.draw()


def test_a_run_on_one_rank_says_how_to_measure_it():
    assert "levelfield run replicas" in section([r for r in records() if r.cell.replicas == 1]).missing
