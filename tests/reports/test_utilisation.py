"""What the page says about the use of a device: never more than the records and the peaks hold."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import report_factory as factory

from levelfield.harness.records.peak import NO_PEAK
from levelfield.harness.records.quantity import Estimated, Measured, Unavailable
from levelfield.reports.findings import utilisation as device_use
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import figure
from levelfield.reports.page import html as page
from levelfield.reports.sections import scaling, utilisation

USE = "{http://www.w3.org/2000/svg}use"


def evidence(records=None, peaks=factory.PEAKS, **changes):
    return gather(factory.make_run(**changes), records or factory.speed_records(factory.ENTRIES[:4]), peaks=peaks)


def uses(**how):
    found = evidence(**how)
    return device_use.find(found, found.speed[0])


def test_achieved_operations_are_those_of_the_model_over_the_median_step():
    (use, *_) = uses()
    assert use.work.flops == 2 * 32 * (64 * 64 * 2 + 64 * 10 * 3)
    assert use.achieved == Estimated(
        value=use.work.flops / use.place.interval.estimate,
        unit="FLOP/s",
        source="FLOPs of the model's products ÷ steady step",
    )
    peak = 2 * 2048**3 / 0.34
    assert use.share.value == pytest.approx(use.achieved.value / peak)
    assert "2048 × 2048 product, numpy 2.4.6" in use.share.source


def test_without_a_peak_there_are_operations_and_no_shares_or_regimes():
    for use in uses(peaks=()):
        assert isinstance(use.achieved, Estimated)
        assert (use.share, use.regime) == (NO_PEAK, None)
    assert "measured no peak" in utilisation.sentence(uses(peaks=()))


def test_the_peak_of_other_threads_or_precisions_is_not_used():
    other = factory.PEAKS[0].model_copy(update={"threads": 2})
    assert {use.share for use in uses(peaks=(other,))} == {NO_PEAK}


def test_without_the_facts_of_the_task_there_is_a_reason():
    (use, *_) = uses(tasks={})
    assert isinstance(use.achieved, Unavailable)
    assert "features and outputs" in use.achieved.reason
    assert "no FLOP/s can be told" in utilisation.sentence(uses(tasks={}))


def test_a_cell_has_the_median_of_its_launches_or_the_reason_of_most():
    cell = factory.make_cell()
    values = [Measured(value=v, unit="B", source="VmHWM") for v in (1.0, 9.0, 2.0)]
    records = [factory.speed_record(cell, b, 1e-4, utilisation={"m": v}) for b, v in enumerate(values)]
    assert device_use.middle(records, "m") == Measured(value=2.0, unit="B", source="VmHWM")
    assert device_use.middle(records, "other") == Unavailable(reason=device_use.NOT_RECORDED)
    assert device_use.middle([], "m") == Unavailable(reason=device_use.NOT_RECORDED)


def test_energy_is_that_of_one_epoch():
    joules = {"energy": Measured(value=18.0, unit="J", source="RAPL")}
    records = [factory.speed_record(factory.make_cell(), b, 1e-4, utilisation=joules) for b in range(3)]
    assert device_use.energy(records) == Measured(value=2.0, unit="J", source="RAPL")


def test_energy_has_a_figure_and_a_column_where_it_was_measured_only():
    records = factory.speed_records(factory.ENTRIES[:2])
    section = utilisation.section(evidence(records))
    assert "energy-1" not in [b.name for b in section.blocks if b.kind == "picture"]
    joules = {"energy": Measured(value=18.0, unit="J", source="RAPL")}
    records = [r.model_copy(update={"utilisation": joules}) if r.cell.adapter == "numpy-manual" else r for r in records]
    section = utilisation.section(evidence(records))
    assert "energy-1" in [b.name for b in section.blocks if b.kind == "picture"]
    lines = {line.values[0].text: line.values[-1] for line in section.tables[0].lines}
    assert lines["numpy-manual eager"].text == "2.00\u202fJ"
    assert lines["torch-autograd eager"].detail == "there is no RAPL counter on this machine"


def test_every_cell_of_the_table_is_a_number_or_a_reason():
    for how in ({}, {"peaks": ()}, {"tasks": {}}):
        for line in utilisation.table(uses(**how), "t").lines:
            assert [v for v in line.values if v.sort is None and not v.detail] == []


def test_points_of_the_roofline_stand_at_their_intensity_and_rate():
    found = evidence(factory.sweep_records())
    own = [u for c in found.speed for u in device_use.find(found, c)]
    with figure.style():
        root = ElementTree.fromstring(utilisation.draw_roof(own, "roofline-1"))
    marks = np.array([(float(u.attrib["x"]), float(u.attrib["y"])) for u in root.iter(USE)])
    wanted = np.log([(u.work.intensity, u.achieved.value) for u in own])
    windows = [marks[i : i + len(own)] for i in range(len(marks) - len(own) + 1)]
    fits = [
        min(np.corrcoef(w[:, 0], wanted[:, 0])[0, 1], -np.corrcoef(w[:, 1], wanted[:, 1])[0, 1])  # y points down
        for w in windows
        if (w.std(axis=0) > 0).all()
    ]
    assert max(fits) > 0.9999


def test_the_sentence_counts_the_regimes_and_compares_nobody():
    told = utilisation.sentence(uses())
    assert re.search(r"4 cells reached .* of the measured peak of 50\.5\u202fGFLOP/s", told)
    assert "4 dispatch-bound" in told
    assert not re.search("faster|slower|better|worse", told)


def test_a_run_without_probes_says_why_figures_are_missing():
    records = [r.model_copy(update={"busy": [], "utilisation": {}}) for r in factory.speed_records(factory.ENTRIES[:2])]
    text = " ".join(utilisation.section(evidence(records, peaks=())).notes)
    assert "no peak" in text
    assert "busy cores" in text.lower()
    assert "Energy was not measured" in text


def test_a_peak_that_was_disturbed_is_said_to_be():
    candidates = [c.model_copy(update={"contaminated": "foreign 85%"}) for c in factory.PEAKS[0].candidates]
    disturbed = factory.PEAKS[0].model_copy(update={"candidates": tuple(candidates)})
    assert [n for n in utilisation.section(evidence(peaks=(disturbed,))).notes if "foreign 85%" in n]
    assert not [n for n in utilisation.section(evidence()).notes if "disturbed" in n]


def test_sweeps_are_found_along_each_axis_with_all_else_equal():
    sweeps = {s.axis: s for s in scaling.find(evidence(factory.sweep_records()))}
    assert sweeps["batch size"].sizes == [1, 16, 1024]
    assert all(len(s.sizes) >= 2 for s in sweeps.values())


def test_one_batch_size_and_width_is_no_sweep():
    section = scaling.section(evidence())
    assert "batch size 32 only" in section.missing


def test_throughput_is_samples_over_seconds_with_its_interval():
    (sweep, *_) = scaling.find(evidence(factory.sweep_records()))
    (entry, *_) = sweep.entries
    found, step = sweep.throughput(16, entry), sweep.place(16, entry).interval
    assert (found.estimate, found.low, found.high) == (16 / step.estimate, 16 / step.high, 16 / step.low)


def test_the_sentence_of_a_sweep_tells_up_to_where_dispatch_is_the_limit():
    (sweep, *_) = scaling.find(evidence(factory.sweep_records()))
    told = scaling.sentence(sweep)
    assert "Up to 1 every entry is dispatch-bound" in told
    assert "jax-grad scan at 1024" in told
    assert "described, not judged" in told
    assert not re.search("faster|slower|better|worse", told)


def test_without_a_peak_a_sweep_says_that_regimes_are_not_known():
    (sweep, *_) = scaling.find(evidence(factory.sweep_records(), peaks=()))
    assert "Regimes are not known" in scaling.sentence(sweep)


def test_a_failed_launch_is_a_cross_with_its_reason_in_the_table():
    records = [
        r for r in factory.sweep_records() if not (r.cell.adapter == "torch-nn" and r.cell.recipe.batch_size == 1024)
    ]
    cell = next(
        r.cell for r in factory.sweep_records() if r.cell.adapter == "torch-nn" and r.cell.recipe.batch_size == 1024
    )
    records.append(factory.failed_record(cell, 0, reason="used 9 GB of memory, its limit is 8 GB"))
    (sweep, *_) = scaling.find(evidence(records))
    lines = {line.values[0].text: line for line in scaling.table(sweep, 1).lines}
    value = lines["torch-nn eager"].values[-1]
    assert (value.text, value.sort, value.detail) == ("failed", None, "used 9 GB of memory, its limit is 8 GB")
    with figure.style():
        crossed = scaling.draw(sweep, "scaling-1")
    with figure.style():
        whole = scaling.draw(scaling.find(evidence(factory.sweep_records()))[0], "scaling-1")
    assert crossed.count(f"stroke: {figure.VERMILLION}") != whole.count(f"stroke: {figure.VERMILLION}")


def test_both_sections_stand_on_a_page_with_figures_tables_and_prose():
    text = page.build(factory.make_run(), factory.sweep_records(), peaks=factory.PEAKS)
    for name, pictures in (("scaling", "scaling-1"), ("utilisation", "roofline-1")):
        body = html.unescape(re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL).group())
        first = html.unescape(re.search(r'<section id="summary".*?</section>', text, re.DOTALL).group())
        assert f'<figure id="{pictures}"' in first + body  # that of the run's own question stands on the first screen
        assert "<table" in body
        assert 'class="finding"' in body
    assert '<figure id="memory-1"' in text
    assert '<figure id="busy-1"' in text
    assert "there is no RAPL counter on this machine" in text
