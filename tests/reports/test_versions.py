"""Versions beside each other: the table and the picture say of each entry how it does against the first version."""

from __future__ import annotations

import pytest
import report_factory as factory

from levelfield.harness.records.cell import Cell
from levelfield.reports import versions
from levelfield.reports.findings import versions as findings
from levelfield.reports.findings.evidence import gather

NUMPY, TORCH = factory.ENTRIES[0], factory.ENTRIES[1]
NAMES = ["mine-1.0", "mine-1.1", "mine-2.0"]


def under(records, name, factor):
    """The same under another version, so much slower."""
    return [
        r.model_copy(
            update={
                "cell": Cell(**(r.cell.model_dump() | {"environment": name})),
                "epoch_seconds": [e * factor for e in r.epoch_seconds],
            }
        )
        for r in records
    ]


FACTORS = {"mine-1.0": 1.0, "mine-1.1": 1.005, "mine-2.0": 1.4}


def found(records, certificates=None, margin=0.03):
    run = factory.make_run(baseline_environment=NAMES[0])
    return findings.find(gather(run, records, certificates=certificates), NAMES, margin)


@pytest.fixture(scope="module")
def records():
    own = factory.speed_records([NUMPY, TORCH], blocks=8, noise=0.002)
    return [record for name, factor in FACTORS.items() for record in under(own, name, factor)]


def test_every_entry_is_compared_with_itself_in_the_first_version(records):
    rows = {row.label: row for row in found(records)}
    assert set(rows) == {"numpy-manual eager", "torch-autograd eager"}
    for row in rows.values():
        assert [point.version for point in row.points] == NAMES
        assert [point.verdict and point.verdict.word for point in row.points] == [None, "tied", "slower"]
        assert row.points[2].verdict.ratio.estimate == pytest.approx(1.4, rel=1e-6)
        assert row.cell.environment == NAMES[0]


def test_the_baseline_of_the_page_is_in_the_first_version(records):
    evidence = gather(factory.make_run(baseline_environment="mine-2.0"), records)
    assert evidence.baseline_label == "numpy-manual eager mine-2.0"


def test_what_was_not_certified_in_its_own_version_is_shown_and_not_judged(records):
    """Though the adapter's distributions are the same in all, as scikit-learn is above two versions of NumPy."""
    proofs = [
        factory.Certificate(adapter, "eager", (factory.Check("logits", 0, 1),), environment=name)
        for adapter in ("numpy-manual", "torch-autograd")
        for name in NAMES
        if (adapter, name) != ("torch-autograd", "mine-2.0")
    ]
    rows = {row.label: row for row in found(records, proofs)}
    assert rows["numpy-manual eager"].points[2].verdict.word == "slower"
    point = rows["torch-autograd eager"].points[2]
    assert (point.verdict, point.reason) == (None, "not certified")
    assert point.time is not None


def test_the_table_has_a_line_for_each_version_and_the_picture_names_them(records):
    records = [r for r in records if (r.cell.adapter, r.cell.environment) != ("torch-autograd", "mine-1.1")]
    lost = factory.make_cell(TORCH, environment="mine-1.1")
    rows = found([*records, factory.failed_record(lost, 0, reason="time limit")])
    told = "\n".join(versions.text(rows, "mine"))
    for words in ("▼ slower, materially", "≈ tied", "×1.40", "time limit"):
        assert words in told
    assert told.count("numpy-manual eager") == 1
    drawn = versions.picture(rows, "mine", factory.make_run()).decode()
    for words in ("mine: time of a steady step", ">1.0<", ">1.1<", ">2.0<", "torch-autograd eager"):
        assert words in drawn


def test_nothing_is_drawn_where_nothing_was_timed():
    records = [
        factory.failed_record(factory.make_cell(NUMPY, environment=name), 0, reason="time limit") for name in NAMES
    ]
    rows = found(records)
    assert versions.picture(rows, "mine", factory.make_run()) is None
    assert "time limit" in "\n".join(versions.text(rows, "mine"))


def test_for_programs_every_point_has_its_numbers_or_a_reason(records):
    (row, *_) = findings.as_json(found(records))
    first, second, third = row["versions"]
    assert first["step_seconds"]["n"] == 8
    assert (first["ratio"], first["verdict"]) == (None, None)
    assert (second["verdict"], third["verdict"], third["material"]) == ("tied", "slower", True)
