"""Launches of several types of machine in one run: each type has its own tables, and its own certificates."""

from __future__ import annotations

import report_factory as factory

from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html

NUMPY, TORCH = factory.ENTRIES[:2]
OTHER = factory.MACHINE.model_copy(update={"host": "faraway", "cpu": "Other CPU", "cores": 64})


def mixed():
    """Eight blocks at home and eight elsewhere, where torch is nine times slower."""
    run = factory.make_run()
    records = factory.speed_records([NUMPY, TORCH], blocks=16)
    for i, record in enumerate(records):
        if record.block >= 8:
            factor = 9 if record.cell.adapter == "torch-autograd" else 1
            slower = {"machine": OTHER, "epoch_seconds": [factor * e for e in record.epoch_seconds]}
            records[i] = record.model_copy(update=slower)
    return run, records


def test_no_verdict_mixes_two_types_of_machine():
    run, records = mixed()
    home, away = gather(run, records).speed
    assert (home.workload.machine, away.workload.machine) == (None, OTHER.type)
    ratios = [next(p.ratio for p in c.places if p.entry.adapter == "torch-autograd") for c in (home, away)]
    assert [ratio.n for ratio in ratios] == [8, 8]
    assert ratios[1].low > 4 * ratios[0].high


def test_another_host_of_the_same_type_stands_in_the_same_table():
    run, records = factory.make_run(), factory.speed_records([NUMPY, TORCH], blocks=8)
    twin = factory.MACHINE.model_copy(update={"host": "twin"})
    records = [r.model_copy(update={"machine": twin}) if r.block >= 4 else r for r in records]
    assert len(gather(run, records).speed) == 1


def test_a_certificate_holds_on_the_type_of_machine_that_it_was_made_on():
    run, records = mixed()
    check = (Check("logits", 1e-8, 1e-6),)
    proofs = [Certificate(e[0], e[4], check, machine=str(factory.MACHINE.type)) for e in (NUMPY, TORCH)]
    home, away = gather(run, records, certificates=proofs).speed
    assert {place.certified for place in home.places} == {True}
    assert {place.certified for place in away.places} == {False}


def test_the_page_names_the_other_type_and_its_hosts():
    run, records = mixed()
    text = html.build(run, records)
    assert "launches were made on 1 other type of machine too, each of which has its own tables" in text
    assert "on Other CPU, 64 cores" in text
    assert "Launches on faraway" in text
