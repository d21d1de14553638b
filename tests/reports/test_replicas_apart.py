"""Launches on several devices stand in tables and verdicts of their own, wherever records are put together."""

from __future__ import annotations

import json

import pytest
import report_factory as factory

from levelfield.adapters.registry import find
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.store import Contents
from levelfield.harness.results import compare_runs, export, run_series, tables
from levelfield.harness.run.stop_rule import StopRule
from levelfield.reports import frames, markdown, terminal
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html
from levelfield.reports.sections import accuracy

NUMPY, TORCH = factory.ENTRIES[:2]
CAUTION = "2 devices on the same cores: not a scaling measurement"
# A page without them and a page with them have these tables in common, with more in the second
OF_ALL = {"versions-table", "in-force-table", "placement-table", "tasks-table", "failures-table", "certificates-table"}


def split(records, replication="devices", **changes):
    """The same launches over two replicas, a thousand times as slow."""
    found = []
    for record in records:
        fields = {name: getattr(record.cell, name) for name in type(record.cell).model_fields}
        cell = type(record.cell)(**fields | {"replicas": 2, "replication": replication} | changes)
        slow = {"epoch_seconds": [1000 * e for e in record.epoch_seconds], "placement": {"cpu:0": 16, "cpu:1": 16}}
        found.append(record.model_copy(update={"cell": cell} | slow))
    return found


@pytest.fixture(scope="module")
def alone():
    learning = [
        factory.learning_record(factory.make_cell(e, kind="learning"), s) for e in (NUMPY, TORCH) for s in (0, 1)
    ]
    entries = [NUMPY, TORCH, factory.ENTRIES[2]]
    return [*factory.speed_records(entries), *factory.sweep_records(entries=entries[:2]), *learning]


@pytest.fixture(scope="module")
def few():
    return factory.speed_records([NUMPY, TORCH])


@pytest.fixture(scope="module")
def both(alone):
    return [*alone, *split(alone), *split(alone, "ranks")]


def shown(evidence):
    """Sentences and rows of every section, by table; headings are in the captions."""
    return {
        (module.__name__, table.caption): [[(v.text, v.detail) for v in line.values] for line in table.lines]
        for module in html.modules()
        for table in module.section(evidence).tables
        if table.name not in OF_ALL
    }


def test_every_table_of_one_device_is_what_it_is_without_the_launches_on_two(alone, both):
    run = factory.make_run()
    mine, whole = (shown(gather(run, records, peaks=factory.PEAKS)) for records in (alone, both))
    of_several = ("2 devices", "2 ranks", "Scaling with ranks")
    of_one = {key: rows for key, rows in whole.items() if not any(words in key[1] for words in of_several)}
    assert {key[1] for key in of_one} == {key[1] for key in mine}
    for key, rows in mine.items():
        assert of_one[key] == rows, key[1]
    assert any("2 devices on the same cores" in key[1] for key in whole)
    assert any("2 ranks" in key[1] for key in whole)


def test_each_comparison_has_one_number_of_replicas_made_in_one_way(both):
    for comparison in gather(factory.make_run(), both).speed:
        assert len({(p.workload.replicas, p.workload.replication) for p in comparison.places}) == 1
        assert {len(p.steps) for p in comparison.places} <= {6, 8}


def test_the_epochs_of_time_to_accuracy_are_those_of_as_many_replicas(both):
    races = accuracy.find(gather(factory.make_run(), both))
    seconds = {
        (race.study.workload.over, reach.learner.entry.label): reach.seconds for race in races for reach in race.reaches
    }
    for entry in ("numpy-manual eager", "torch-autograd eager"):
        assert seconds["2 ranks", entry] == pytest.approx(1000 * seconds["", entry])


def test_a_certificate_of_one_device_is_none_of_two(both):
    check = (Check("logits", 1e-8, 1e-6),)
    proofs = [Certificate(e[0], e[4], check) for e in (NUMPY, TORCH)]
    proofs.append(Certificate(NUMPY[0], NUMPY[4], check, replicas=2, replication="devices"))
    certified = {
        (p.workload.over, p.entry.label): p.certified
        for c in gather(factory.make_run(), both, certificates=proofs).speed
        for p in c.places
    }
    assert certified["", "numpy-manual eager"] is certified["", "torch-autograd eager"] is True
    assert certified["2 devices on the same cores", "numpy-manual eager"] is True
    assert certified["2 devices on the same cores", "torch-autograd eager"] is False
    assert certified["2 ranks", "numpy-manual eager"] is False


def test_devices_that_share_cores_are_called_no_measurement_of_scaling_and_others_are_not(few):
    run, shared = factory.make_run(), [*few, *split(few)]
    for text in (html.build(run, shared), markdown.build(run, shared), terminal.text(run, shared)):
        assert CAUTION in text
    for others in (split(few, "ranks"), split(few, device="gpu:0")):
        assert "not a scaling measurement" not in markdown.build(run, [*few, *others])


def test_the_page_tells_where_a_batch_was_computed_and_what_was_certified(few):
    proof = Certificate("numpy-manual", "eager", (Check("logits", 1e-8, 1e-6),), replicas=2, replication="devices")
    text = html.build(factory.make_run(), [*few, *split(few)], certificates=[proof])
    assert "16 on cpu:0, 16 on cpu:1" in text
    assert "cpu, 2 devices<" in text


def test_exports_name_the_replicas_and_no_benchmark_mixes_them(both):
    run = factory.make_run()
    rows = tables.launches(both, run.tasks, factory.PEAKS)
    assert {(row["replicas"], row["replication"]) for row in rows} == {(1, None), (2, "devices"), (2, "ranks")}
    assert {row["share_of_peak"] for row in rows if row["replication"] == "ranks"} == {None}
    benchmarks = json.loads(export.to_pytest_benchmark(run, both))["benchmarks"]
    assert len({b["fullname"] for b in benchmarks}) == len(benchmarks)
    for own in benchmarks:
        assert own["group"].endswith("/2 devices") or own["group"].endswith("/2 ranks") or own["stats"]["max"] < 1


def test_frames_name_the_replicas(both):
    for rows in filter(None, frames.tables(gather(factory.make_run(), both))):
        assert {(row["replicas"], row["replication"]) for row in rows} == {(1, None), (2, "devices"), (2, "ranks")}


def test_two_runs_are_compared_replicas_with_replicas(alone, both):
    run = factory.make_run()
    found = compare_runs.compare((run, both), (run, both), 0.03, force=False)
    assert {change.verdict.word for change in found.changes} == {"tied"}
    assert "numpy-manual (eager, 2 devices): tied" in compare_runs.text(found)
    lost = compare_runs.compare((run, both), (run, alone), 0.03, force=False)
    assert {cell.replicas for cell in lost.only_base} == {2}
    series = run_series.series([Contents(run, both, [], [], [])], find().adapters)
    assert len(series.places) == len({cell.id for cell in (r.cell for r in both) if cell.kind == "speed"})


def test_the_goal_of_precision_is_reached_by_each_number_of_replicas_for_itself(alone, both):
    def reached(planned, made):
        launches = [Launch(r.cell, r.block, r.block, 0.1) for r in planned if r.cell.kind == "speed"]
        goal = StopRule(launches, "numpy-manual", find().adapters, None, 0.5)
        for record in made:
            goal.add(record)
        return goal.reached()

    begun = [r for r in both if r.cell.replicas == 1 or r.block < 3]
    assert reached(alone, alone)
    assert reached(both, both)
    assert not reached(both, begun)
