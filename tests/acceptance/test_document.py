"""The tables of an examination, as text, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_examples import ROOT, examination, interval, series
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.doctor import document, overhead, product, tables
from levelfield.harness.doctor.examine import Examination
from levelfield.harness.doctor.startup import Startup
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records import peak
from levelfield.harness.records.peak import Candidate, Peak
from levelfield.tasks.errors import UserError


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


def test_the_page_tells_the_share_and_whether_the_bar_holds() -> None:
    assert "reads 97.0% of it. The bar, at least 90%, holds." in tables.text(examination()).replace("\n    ", " ")


def test_the_page_says_what_was_found_and_why_the_rest_was_not():
    page = tables.text(examination())
    assert "Missing: torch" in page
    assert "with uncommitted changes" in page
    assert page.count("not measured, because needs c: pip install c.") == 4
    assert "Not measured, because there is no run in runs/." in page
    (slow,) = [line for line in page.splitlines() if line.split()[:2] == ["a", "5%"]]
    assert "1.050" in slow
    assert "12: 100%" in slow
    (in_turns,) = [line for line in page.splitlines() if line.split()[:2] == ["d", "5%"]]
    assert in_turns.split()[2:] == slow.split()[2:]


def test_every_row_of_a_table_is_as_long_as_its_header():
    lengths = [{len(s.header), *map(len, s.rows)} for s in tables.sections(examination()) if s.rows]
    assert len(lengths) == 9
    assert all(len(length) == 1 for length in lengths)


def test_as_json_there_are_the_recorded_values_and_no_infinities():
    found = json.loads(tables.as_json(examination()), parse_constant=pytest.fail)
    assert len(found["trials"][0]["values"]["a +5%"]) == 120
    assert found["overheads"][0]["holds"] is True


def test_as_markdown_no_cell_breaks_its_table():
    lines = [line for line in tables.markdown(examination()).splitlines() if line.startswith("|")]
    assert lines
    assert all(line.endswith("|") for line in lines)


def measured_later(**parts) -> Examination:
    """Another day's examination, of these parts alone."""
    names = ("trials", "overheads", "agreements", "startups", "half_busy", "probed", "products")
    nothing = {name: [] for name in names} | {"time_share": None}
    return replace(examination(), **nothing | {"date": "2026-02-02T00:00:00+00:00"} | parts)


def page_of(path: Path, contents: str = "") -> Path:
    path.write_text(f"before\n{document.START}\n{contents}{document.END}\nafter\n", encoding="utf-8")
    return path


def test_what_was_not_measured_again_keeps_its_table_its_bar_and_its_date(tmp_path):
    page = page_of(tmp_path / "trust.md")
    document.write(examination(), page)
    before = page.read_text(encoding="utf-8")
    slow = [Startup("--help", 0.02, interval(9.0)), Startup("list", 0.02, interval(9.0))]
    document.write(measured_later(startups=slow), page)
    after = page.read_text(encoding="utf-8")
    assert after.startswith("before\n")
    assert after.endswith("after\n")
    old, new = ({b.partition("\n")[0]: b for b in text.split("### ")} for text in (before, after))
    assert list(old) == list(new)
    changed = {title for title in new if old[title] != new[title]}
    assert changed == {tables.TITLES[name] for name in ("machine", "bars", "start")}
    assert "2026-02-02" in new[tables.TITLES["start"]]
    assert "2026-01-01" in new[tables.TITLES["probed"]]
    assert "--help 9.0" in new[tables.TITLES["bars"]]


def test_what_could_not_be_measured_does_not_replace_what_once_was(tmp_path):
    page = page_of(tmp_path / "trust.md")
    document.write(examination(), page)
    document.write(measured_later(products=[product.Product("it was killed")]), page)
    assert "reads 97.0% of it" in page.read_text(encoding="utf-8").replace("\n  ", " ")


def test_adapters_that_were_not_measured_again_keep_their_rows_and_count_for_the_bars(tmp_path):
    page = page_of(tmp_path / "trust.md")
    a, b = (overhead.judge(name, "m", series({"launch": ratio, "script": 1.0})) for name, ratio in (("a", 1), ("b", 2)))
    document.write(measured_later(overheads=[replace(a, measured="1st"), replace(b, measured="1st")]), page)
    assert "1 holds, 0 open, 1 does not hold (b (m))" in page.read_text(encoding="utf-8")
    cheaper = overhead.judge("b", "m", series({"launch": 1.0, "script": 1.0}))
    document.write(measured_later(overheads=[replace(cheaper, measured="2nd")]), page)
    after = page.read_text(encoding="utf-8")
    assert "2 holds, 0 open, 0 does not hold" in after
    rows = [line for line in after.splitlines() if line.startswith(("| a | m", "| b | m"))]
    assert [row.split(" | ")[-1] for row in rows] == ["1st |", "2nd |"]
    document.write(measured_later(overheads=[overhead.Overhead("b", "m", "it was killed")]), page)
    assert page.read_text(encoding="utf-8") == after


def test_a_table_that_cannot_be_read_is_told_before_anything_is_measured(tmp_path):
    whole = document.merge("", examination())
    document.check(page_of(tmp_path / "trust.md", whole), examination().machine)
    broken = page_of(tmp_path / "broken.md", whole.replace("| yes |", "| perhaps |"))
    with pytest.raises(UserError, match="plain script' cannot be read"):
        document.check(broken, examination().machine)


numbers = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-2)
intervals = st.builds(
    lambda a, b, c: Interval(sorted((a, b, c))[1], min(a, b, c), max(a, b, c), 9, 0.95), *3 * [numbers]
)


@given(intervals, intervals, st.sampled_from([True, False, None]), st.sampled_from([None, 8.0, 18.5]))
def test_a_row_is_read_as_it_was_written(ratio, extra, holds, pairs):
    micro = Interval(1e-6 * extra.estimate, 1e-6 * extra.low, 1e-6 * extra.high, 9, 0.95)
    row = overhead.Overhead("a", "m", None, 0.0123, ratio, micro, pairs, holds, "today, abc")
    once = document.merge("", measured_later(overheads=[row]))
    other = overhead.Overhead("b", "m", "it was killed")
    twice = document.merge(once, measured_later(overheads=[other]))
    (before,), (after,) = ([line for line in text.splitlines() if line.startswith("| a | m")] for text in (once, twice))
    assert before == after


def test_a_document_without_marks_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "trust.md").write_text("nothing here")
    with pytest.raises(UserError, match="no place"):
        document.check(tmp_path / "trust.md", examination().machine)


def test_the_tables_of_two_machines_are_not_mixed(tmp_path):
    page = page_of(tmp_path / "trust.md", tables.markdown(examination()))
    document.check(page, examination().machine)
    with pytest.raises(UserError, match="another machine, this is D, 2 cores"):
        document.check(page, examination().machine.model_copy(update={"cpu": "D"}))


def test_the_document_that_it_is_for_has_every_section_it_writes(tmp_path):
    page = tmp_path / "trust.md"
    page.write_text((ROOT / "docs" / "trust.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = page.read_text(encoding="utf-8")
    document.write(measured_later(), page)
    headings = [line for line in before.splitlines() if line.startswith("### ")]
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("### ")] == headings
