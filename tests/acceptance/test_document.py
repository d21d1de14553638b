"""The document is rendered from what was measured; what is measured again replaces its rows there, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import acceptance
import document
import measurements
import overhead
import product
import pytest
import tables
from acceptance_examples import MACHINE, ROOT, interval, measured, results, series, spread
from hypothesis import given
from hypothesis import strategies as st
from measurements import Measurements, Row
from parts import PARTS
from startup import Startup

from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records import peak
from levelfield.harness.records.peak import Candidate, Peak
from levelfield.tasks.errors import UserError


def page_of(found: Measurements) -> str:
    """Sentences of several lines in one."""
    return tables.markdown(tables.sections(found, None)).replace("\n  ", " ")


def peak_of(*candidates: Candidate) -> Peak:
    return Peak(device="cpu", precision="float32", threads=1, date="2026-01-01", candidates=candidates)


def product_of(framework: str, *seconds: float) -> Candidate:
    trial = peak.Trial(operation="product", size=1000, seconds=seconds, itemsize=4)
    return Candidate(framework=framework, version="1", trials=(trial,))


def test_a_product_launched_again_is_a_share_of_the_peak_by_its_median() -> None:
    found = product.judge(peak_of(product_of("a", 2.0), product_of("b", 1.0, 0.95)), product_of("b", 1.0, 1.2, 0.8))
    assert found.share == pytest.approx(0.95)
    assert found.peak == pytest.approx(2e9 / 0.95)
    assert found.holds
    assert not product.judge(peak_of(product_of("b", 0.5)), product_of("b", 1.0)).holds


def test_without_a_product_there_is_the_reason() -> None:
    broken = Candidate(framework="a", version=None, reason="ended by SIGSEGV")
    assert product.judge(peak_of(broken), broken).reason is not None
    again = product.judge(peak_of(product_of("a", 1.0)), broken)
    assert (again.reason, again.holds) == ("ended by SIGSEGV", None)


def test_the_page_says_what_was_found_and_why_the_rest_was_not():
    page = page_of(measured())
    assert "Missing: torch" in page
    assert page.count("not measured, because needs c: pip install c.") == 4
    assert "Not measured, because there is no run in runs/." in page
    assert "Of 2 cores it keeps 25% busy. Measured: 26.0% by its own CPU time, 24.0% by the core-busy strip" in page
    assert "reads 97.0% of it. The bar, at least 90%, holds." in page
    assert "| a | m | 50.0 | 1.00 (1.80) | 2.0% (4.4%) | 3 |" in page
    assert "c (m), 1 thread, with a neighbour: not measured" in page


def test_every_row_of_a_table_is_as_long_as_its_header_and_no_cell_breaks_it():
    found = tables.sections(measured(), None)
    lengths = [{len(s.header), *map(len, s.rows)} for s in found if s.rows]
    assert len(lengths) == 8
    assert all(len(length) == 1 for length in lengths)
    lines = [line for line in tables.markdown(found).splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)


def test_what_was_measured_is_read_as_it_was_written(tmp_path):
    found = measured()
    measurements.write(found, tmp_path / "measured.json")
    again = measurements.read(tmp_path / "measured.json", MACHINE)
    assert page_of(again) == page_of(found)
    assert {part: [row.commit for row in rows] for part, rows in again.rows.items()} == {
        part: ["abc"] * len(rows) for part, rows in found.rows.items()
    }
    measurements.write(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "measured.json").read_text()


numbers = st.floats(allow_nan=False).map(lambda x: float(f"{x:.6g}"))
intervals = st.builds(
    lambda a, b, c: Interval(sorted((a, b, c))[1], min(a, b, c), max(a, b, c), 9, 0.95), *3 * [numbers]
)


@given(intervals, intervals, st.sampled_from([True, False, None]))
def test_numbers_survive_being_written_down(tmp_path_factory, ratio, extra, holds):
    path = tmp_path_factory.mktemp("data") / "measured.json"
    row = overhead.Overhead("a", "m", None, 0.0123, ratio, extra, holds)
    measurements.write(measured(overhead=[row]), path)
    assert measurements.read(path).results("overhead") == [row]


def test_what_is_measured_again_replaces_its_row_and_counts_for_the_bars():
    a, b = (overhead.judge(name, "m", series({"launch": ratio, "script": 1.0})) for name, ratio in (("a", 1), ("b", 2)))
    found = measured(overhead=[a, b], start=[Startup("--help", 0.02, interval(3.0))])
    assert "1 holds, 0 open, 1 does not hold (b (m))" in page_of(found)
    cheaper = overhead.judge("b", "m", series({"launch": 1.0, "script": 1.0}))
    found.add("overhead", Row("2026-02-02", "def", 1, cheaper))
    page = page_of(found)
    assert "2 holds, 0 open, 0 does not hold" in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| a | m", "| b | m"))]
    assert [row[-1] for row in rows] == ["2026-01-01, abc |", "2026-02-02, def |"]
    assert "Measured on 2026-01-01 with 1 thread, levelfield abc." in page


def test_blocks_under_other_conditions_are_other_rows():
    found = measured(blocks=[spread("a", 1), spread("a", 2), spread("a", 1, beside=False)])
    found.add("blocks", Row("2026-02-02", "def", 2, spread("a", 2, 0.04)))
    rows = [line for line in page_of(found).splitlines() if line.startswith("| a | m")]
    assert [row.split(" | ")[-1] for row in rows] == ["2026-01-01, abc |", "2026-02-02, def |", "2026-01-01, abc |"]


def test_rows_of_one_table_from_two_days_tell_which_is_of_which():
    found = measured()
    found.add("start", Row("2026-02-02", "def", 2, Startup("list", 0.02, interval(7.0))))
    page = page_of(found)
    assert "--help: measured on 2026-01-01 with 1 thread, levelfield abc." in page
    assert "list: measured on 2026-02-02 with 2 threads, levelfield def." in page


def empty_results() -> list[tuple[str, object]]:
    long = results()
    short = replace(long["neighbour"][0], adapter="a")
    return [
        ("product", product.Product("it was killed")),
        ("overhead", overhead.Overhead("a", "eager", "it was killed")),
        ("itself", Trial("itself", "a", "eager", "it was killed")),
        ("itself", replace(short, part="itself")),
    ]


@pytest.mark.parametrize(("part", "nothing"), empty_results(), ids=["product", "overhead", "series", "short series"])
def test_what_could_not_be_measured_does_not_replace_what_once_was(part, nothing):
    found = measured()
    before = page_of(found)
    found.add(part, Row("2026-02-02", "def", 1, nothing))
    assert page_of(found) == before


@pytest.mark.parametrize(
    "broken", ["", "null", "{}", '{"looked": 1, "rows": {}}', '"machine"', "holds", "no such part"]
)
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path, broken):
    path = tmp_path / "measured.json"
    measurements.write(measured(), path)
    whole = path.read_text()
    if broken == "holds":
        broken = whole.replace('"holds": true', '"holds": "perhaps"')
    elif broken == "no such part":
        broken = whole.replace('"overhead": [', '"overboard": [')
    path.write_text(broken)
    with pytest.raises(UserError, match=r"measured.json: cannot be read"):
        measurements.read(path)


def test_the_measurements_of_two_machines_are_not_mixed(tmp_path):
    measurements.write(measured(), tmp_path / "measured.json")
    with pytest.raises(UserError, match="measured on C, 2 cores, this is D, 2 cores"):
        measurements.read(tmp_path / "measured.json", MACHINE.model_copy(update={"cpu": "D"}))


def test_only_what_stands_between_the_marks_is_rendered(tmp_path):
    page = tmp_path / "some.md"
    page.write_text("before\n<!-- here -->\nold\n<!-- end of here -->\nafter\n")
    document.put(page, "new", "here")
    assert page.read_text() == "before\n<!-- here -->\nnew\n<!-- end of here -->\nafter\n"
    with pytest.raises(UserError, match="no place"):
        document.check(page, "there")
    with pytest.raises(UserError, match="No such file"):
        document.check(tmp_path / "none.md", "here")


def test_the_committed_page_is_what_its_measurements_say(tmp_path, capsys):
    page = tmp_path / "trust.md"
    page.write_text((ROOT / "docs" / "trust.md").read_text(encoding="utf-8"), encoding="utf-8")
    acceptance.render(measurements.read(ROOT / "docs" / "trust" / "measured.json"), page)
    assert page.read_text(encoding="utf-8") == (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")


def test_every_measured_row_has_its_date_and_its_commit():
    stored = json.loads((ROOT / "docs" / "trust" / "measured.json").read_text(encoding="utf-8"))
    assert set(stored["rows"]) <= set(PARTS)
    for rows in stored["rows"].values():
        assert all(row["date"] and row["commit"] and row["threads"] for row in rows)


def test_a_document_without_marks_is_refused_before_anything_is_measured(tmp_path: Path, monkeypatch):
    (tmp_path / "trust.md").write_text("nothing here")
    monkeypatch.setattr("sys.argv", ["acceptance.py", "half", "--write", str(tmp_path / "trust.md")])
    with pytest.raises(UserError, match="no place"):
        acceptance.main()
