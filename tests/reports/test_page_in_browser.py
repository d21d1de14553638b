"""The page as a reader has it: in Chromium, from a file, without a network."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import report_factory as factory

from levelfield.harness.records.record import Record
from levelfield.reports.page import html

pytestmark = pytest.mark.browser


FEW = {
    "one": lambda: [factory.speed_record(factory.make_cell(), 0, 1e-4)],
    "none": list,
}


@pytest.fixture(scope="module")
def texts(full_page):
    return {"full": full_page} | {kind: html.build(factory.make_run(), make()) for kind, make in FEW.items()}


@pytest.fixture(scope="module")
def full(full_page):
    return full_page


@pytest.fixture(scope="module")
def small(small_page):
    return small_page


@pytest.mark.parametrize("kind", ["full", *FEW])
def test_a_page_is_silent_asks_for_nothing_has_unique_ids_and_never_scrolls_sideways(texts, visit, kind):
    visited = visit(texts[kind])
    ids = visited.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert visited.said == []
    assert len(visited.asked) == 1
    assert visited.asked[0].startswith("file:")
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    assert visited.page.locator("main > section").count() == visited.page.locator(".bar li").count() > 5
    visited.page.set_viewport_size({"width": 320, "height": 640})
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visited.page.click("#filter-open")
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(("media", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "light")])
def test_axe_finds_nothing(small, visit, violations, media, scheme):
    visited = visit(small, media=media, scheme=scheme)
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")  # open what is folded, so that it is judged too
    assert violations(visited) == []


@pytest.mark.parametrize("kind", FEW)
def test_axe_finds_nothing_on_nearly_empty_pages(texts, visit, violations, kind):
    assert violations(visit(texts[kind])) == []


def unfolded(visited):
    visited.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    return visited


def first_column(visited, table):
    return visited.page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden]) th", "cells => cells.map((c) => c.childNodes[0].textContent.trim())"
    )


def test_the_keyboard_sorts_with_missing_values_last_and_back(full, visit):
    visited = unfolded(visit(full))
    before = first_column(visited, "summary-1")
    head = visited.page.locator("#summary-1 thead th").nth(1)
    head.get_by_role("button").focus()
    orders = []
    for expected in ("ascending", "descending", None):
        visited.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == expected
        orders.append(first_column(visited, "summary-1"))
    empty = {"keras-custom-layer", "mlx-nn"}
    assert orders[0][0] == "jax-grad scan"
    assert orders[1][0] == "keras-tf"
    assert set(orders[0][-2:]) == set(orders[1][-2:]) == empty
    assert orders[2] == before


def test_words_are_sorted_as_words(small, visit):
    visited = unfolded(visit(small))
    visited.page.locator("#summary-1 thead button").first.press("Space")
    names = first_column(visited, "summary-1")
    assert names == sorted(names)


def test_the_keyboard_filters_and_the_count_is_announced(full, visit):
    visited = visit(full)
    visited.page.locator("#filter-open").press("Enter")
    visited.page.keyboard.type("flax")  # the search has the focus
    assert first_column(visited, "summary-1") == ["flax-nnx jit"]
    assert re.fullmatch(r"\d+ of \d+ rows shown", visited.page.inner_text("#filter output"))
    visited.page.keyboard.press("Escape")
    assert visited.page.locator("#filter").is_hidden()
    assert visited.page.evaluate("document.activeElement.id") == "filter-open"


def test_every_facet_keeps_the_rows_that_fit(full, visit):
    visited = visit(full)
    everything = first_column(visited, "summary-1")
    visited.page.click("#filter-open")
    for facet, value, fits in (
        ("framework", "jax", lambda p: p.startswith(("jax", "flax", "keras-jax"))),
        ("mode", "eager", lambda p: "eager" in p),
        ("api", "mixed", lambda p: p.startswith(("torch-nn", "keras-loop", "keras-custom"))),
        ("status", "skipped", lambda p: p.startswith("mlx")),
    ):
        visited.page.select_option(f"#filter [name={facet}]", value)
        assert first_column(visited, "summary-1") == [name for name in everything if fits(name)], facet
        visited.page.click("#filter button[type=reset]")
        visited.page.wait_for_timeout(50)  # a form resets after its event
        assert first_column(visited, "summary-1") == everything


def test_a_link_restores_filter_sort_theme_and_place(small, visit):
    first = unfolded(visit(small))
    first.page.click("#filter-open")
    first.page.select_option("#filter [name=framework]", "torch")
    first.page.fill("#filter [name=q]", "nn")
    first.page.locator("#summary-1 thead button").nth(1).click()
    first.page.click("#theme")
    first.page.click(".bar a[href='#gap']")
    fragment = first.page.evaluate("location.hash")
    second = visit(small, fragment)
    assert (
        first_column(second, "summary-1") == first_column(first, "summary-1") == ["torch-nn eager", "torch-nn compile"]
    )
    assert second.page.get_attribute("html", "data-theme") == "light"
    assert second.page.locator("#summary-1 thead th").nth(1).get_attribute("aria-sort") == "ascending"
    assert second.page.evaluate("Math.abs(document.querySelector('#gap').getBoundingClientRect().top) < 200")
    assert second.said == []


@pytest.mark.parametrize("fragment", ["#nowhere?framework=none&sort=x:9:up", "#%E0%A4%A", "#?q=%3Cscript%3E&theme=x"])
def test_a_broken_link_does_no_harm(small, visit, fragment):
    visited = visit(small, fragment)
    assert visited.said == []
    assert visited.page.locator(".tools").is_visible()


def downloaded(visited, button):
    with visited.page.expect_download() as waiting:
        button.click()
    return Path(waiting.value.path()).read_bytes(), waiting.value.suggested_filename


def test_downloads_are_the_records(full, visit):
    visited = unfolded(visit(full))
    records = factory.full_records()
    text, name = downloaded(visited, visited.page.locator("[data-download=json]"))
    assert name == "records.json"
    assert [Record.model_validate(r) for r in json.loads(text)["records"]] == records
    text, name = downloaded(visited, visited.page.locator("[data-download=csv]"))
    lines = list(csv.DictReader(io.StringIO(text.decode())))
    assert name == "records.csv"
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        assert (line["cell.adapter"], line["status"], line["reason"]) == (
            record.cell.adapter, record.status, record.reason or "",
        )  # fmt: skip
        assert json.loads(line["epoch_seconds"]) == record.epoch_seconds
        assert int(line["block"]) == record.block
        assert (
            line.get("phases.first_epoch", "") == (repr(record.phases["first_epoch"]) if record.phases else "")
            or float(line["phases.first_epoch"]) == record.phases["first_epoch"]
        )


def test_a_spreadsheet_runs_nothing_from_a_downloaded_table(visit):
    cell = factory.make_cell()
    evil = [factory.failed_record(cell, b, reason='=HYPERLINK("http://example.invalid","x")') for b in range(2)]
    visited = unfolded(visit(html.build(factory.make_run(), evil)))
    text, _ = downloaded(visited, visited.page.locator("[data-download=csv]"))
    reasons = [line["reason"] for line in csv.DictReader(io.StringIO(text.decode()))]
    assert reasons == ['\'=HYPERLINK("http://example.invalid","x")'] * 2


def test_a_table_is_saved_with_the_rows_that_are_shown(full, visit):
    visited = unfolded(visit(full, "#?framework=jax"))
    text, name = downloaded(visited, visited.page.get_by_role("button", name="Save CSV").first)
    lines = list(csv.reader(io.StringIO(text.decode())))
    assert name == "summary-1.csv"
    assert len(lines) == 1 + len(first_column(visited, "summary-1"))
    assert all(len(line) == len(lines[0]) for line in lines)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_saved_complete_in_the_colours_of_the_theme(small, visit, scheme):
    visited = visit(small, scheme=scheme)
    svg, name = downloaded(visited, visited.page.get_by_role("button", name="Save SVG").first)
    assert name.endswith(".svg")
    assert b"var(" not in svg
    assert (b"rgb(21, 24, 28)" in svg) == (scheme == "dark")
    png, name = downloaded(visited, visited.page.get_by_role("button", name="Save PNG").first)
    assert name.endswith(".png")
    assert png.startswith(b"\x89PNG")
    assert len(png) > 5_000
    assert visited.said == []


def test_printing_opens_what_is_folded_and_closes_it_again(small, visit):
    visited = visit(small)
    count = "document.querySelectorAll('details:not([open])').length"
    before = visited.page.evaluate(count)
    visited.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert before > 0
    assert visited.page.evaluate(count) == 0
    visited.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert visited.page.evaluate(count) == before


def test_everything_is_readable_without_javascript(small, visit):
    visited = visit(small, javascript=False)
    assert visited.page.locator("main > section").count() == visited.page.locator(".bar li").count() > 5
    assert visited.page.locator(".tools").is_hidden()
    assert visited.page.locator("figure svg").first.is_visible()
    visited.page.locator("#summary details.fold summary").click()
    assert visited.page.locator("#summary-1 tbody tr").first.is_visible()
    assert visited.page.locator("button:visible").count() == 0
    details = visited.page.locator("#speed details.fold").first
    details.locator("summary").click()
    assert details.locator("table").first.is_visible()


def test_two_sources_stand_beside_each_other(small, visit):
    visited = unfolded(visit(small))
    visited.page.select_option("[data-source=beside-left]", label="torch-nn (1 lines)")
    assert 'x = "torch-nn"' in visited.page.inner_text("#beside-left")
    assert 'x = "numpy-manual"' in visited.page.inner_text("#beside-right") or "jax-grad" in visited.page.inner_text(
        "#beside-right"
    )


def test_two_scripts_have_their_differences_marked_and_their_times_beside_them(visit):
    records = factory.speed_records(factory.ENTRIES[:2], blocks=5)
    first, second = sorted({r.cell.adapter for r in records} | {"zz-not-timed"})[:2]
    shared = "def train(x):\n    return x\n"
    scripts = {first: f"import this\n{shared}", second: f"{shared}# <b>end</b>\n"}
    visited = unfolded(visit(html.build(factory.make_run(), records, scripts=scripts)))
    marked = {
        side: visited.page.eval_on_selector_all(f"#beside-{side} mark", "all => all.map((e) => e.textContent)")
        for side in ("left", "right")
    }
    assert marked == {"left": ["import this"], "right": ["# <b>end</b>"]}
    assert re.search(r"\d\s(µs|ms) a step on digits", visited.page.inner_text("#beside-left-time"))
    visited.page.select_option("[data-source=beside-left]", index=1)
    assert visited.page.locator(".beside mark").count() == 0  # a script beside itself
    visited.page.select_option("[data-source=beside-right]", index=0)
    assert visited.page.inner_text("#beside-right mark") == "import this"
    assert visited.said == []


def test_hostile_names_run_nothing(visit):
    records = []
    for i, evil in enumerate(factory.HOSTILE):
        cell = factory.make_cell((f"{evil}{i}", evil, None, ("low", "mixed", "high")[i % 3], evil))
        records += [factory.speed_record(cell, b, 1e-4) for b in range(5)]
        records.append(factory.learning_record(cell.model_copy(update={"kind": "learning"}), 0))
        records.append(factory.failed_record(factory.make_cell(task=evil), 0, reason=evil, log=evil))
    everything = " ".join(factory.HOSTILE)
    run = factory.make_run(
        name=everything, summary=everything, warnings=factory.HOSTILE, baseline=records[0].cell.adapter
    )
    visited = visit(html.build(run, records, sources=dict(zip(factory.HOSTILE, factory.HOSTILE, strict=True))))
    assert visited.said == []
    assert len(visited.asked) == 1
    assert visited.page.locator("main > section").count() == visited.page.locator(".bar li").count() > 5
    assert visited.page.locator("body").is_visible()
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 1280
