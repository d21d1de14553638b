"""What is seen before anything is read: heights, the first picture, labels and axes of every kind of run."""

from __future__ import annotations

import re
from html import unescape
from math import isfinite
from typing import Any

import pytest
import report_factory as factory
from test_study import FALLING, fits

from levelfield.harness.cli import main as cli
from levelfield.harness.records import store
from levelfield.harness.records.record import Record, Run
from levelfield.reports.findings.entries import Entry, telling_feeds
from levelfield.reports.page import figure, html

SCREEN = 900
MOST_SCREENS = 12
DEFAULTS = [factory.ENTRIES[i] for i in (1, 5, 10, 13)]


def default_run() -> tuple[Run, list[Record]]:
    """The shape of the default suite: every mode timed, four adapters by default, three workloads learnt alike."""
    more = ("keras-tensorflow", "keras", "tensorflow", "high", "steps-per-execution", 1900e-6, 0.7)
    records = factory.speed_records((*factory.ENTRIES, more), blocks=5)
    records += factory.speed_records(DEFAULTS, blocks=5, track="idiomatic", feed="loader", seed=1)
    for task, model in (("digits", factory.MLP), ("iris", factory.LINEAR), ("iris", factory.MLP)):
        first_mode = {e[0]: e for e in reversed(factory.ENTRIES)}
        for entry in first_mode.values():
            cell = factory.make_cell(entry, kind="learning", task=task, model=model)
            records += [factory.learning_record(cell, seed) for seed in range(2)]
    records += factory.cause_records()
    run = factory.make_run(baseline="torch-autograd")
    return run.model_copy(update={"tasks": {**run.tasks, "five-points": factory.FIVE_POINTS}}), records


def parity_run() -> tuple[Run, list[Record]]:
    tasks = {"digits-half": {"kind": "classification", "samples": {"train": 800, "validation": 278, "test": 719}}}
    records = []
    for i, entry in enumerate(factory.ENTRIES[:3] + factory.ENTRIES[13:]):
        cell = factory.make_cell(entry, kind="learning", task="digits-half")
        shift = 0.05 if i == 2 else 0.0
        records += [factory.learning_record(cell, seed, epochs=8, shift=shift) for seed in range(20)]
    return factory.make_run(suite="parity", tasks=tasks), records


def failed_run() -> tuple[Run, list[Record]]:
    return factory.make_run(), [factory.failed_record(factory.make_cell(e), b) for e in factory.ENTRIES for b in (0, 1)]


KINDS: dict[str, Any] = {
    "default": default_run,
    "parity": parity_run,
    "study": lambda: (factory.make_run(suite="capacity", study="capacity"), fits(FALLING, seeds=4)),
    "scaling": lambda: (factory.make_run(suite="scaling"), factory.sweep_records(5)),
    "one adapter": lambda: (factory.make_run(), factory.speed_records(factory.ENTRIES[:1])),
    "failed": failed_run,
}
PICTURED = ("default", "parity", "study", "scaling", "one adapter")


@pytest.fixture(scope="module")
def built() -> dict[str, tuple[str, list[Any]]]:
    """Every kind's page, and the matplotlib figures on it."""
    found: dict[str, tuple[str, list[Any]]] = {}
    kept, original = [], figure.to_svg

    def keep(drawing: Any, name: str, alt: str) -> Any:
        drawing.set_label(alt)
        kept.append((name, drawing))
        return original(drawing, name, alt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "to_svg", keep)
        for kind, make in KINDS.items():
            kept.clear()
            run, records = make()
            found[kind] = html.build(run, records, peaks=factory.PEAKS), list(kept)
    return found


# In the browser

LOOK = """() => {
  const box = (e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const first = [...document.querySelectorAll("main figure svg")].find((e) => e.getBoundingClientRect().width);
  const bar = document.querySelector(".bar ul");
  return {
    cut: Math.max(0, bar.scrollWidth - bar.clientWidth),
    height: document.documentElement.scrollHeight,
    wide: document.documentElement.scrollWidth,
    bar: document.querySelector(".bar").getBoundingClientRect().height,
    first: first ? box(first) : null,
    told: [...document.querySelectorAll("header .lead, .first .finding, .glances span")].map((e) => e.textContent),
  };
}"""

CUT = """() => {
  document.querySelectorAll("details").forEach((e) => { e.open = true; });
  const found = [];
  for (const svg of document.querySelectorAll("main svg")) {
    const own = svg.getBoundingClientRect();
    if (!own.width) continue;
    for (const text of svg.querySelectorAll("text")) {
      const b = text.getBoundingClientRect();
      if (text.textContent.includes("…") || b.left < own.left - 3 || b.right > own.right + 3 || b.top < own.top - 3
        || b.bottom > own.bottom + 3) found.push([svg.closest("figure")?.id, text.textContent]);
    }
  }
  return found;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_fills_at_most_twelve_screens_and_begins_with_its_picture(built, visit, kind):
    visited = visit(built[kind][0])
    wide = visited.page.evaluate(LOOK)
    assert wide["height"] <= MOST_SCREENS * SCREEN
    assert wide["bar"] <= 48  # the navigation is one line
    assert wide["cut"] <= 1
    sentences = [s for told in wide["told"] for s in re.split(r"(?<=[.!?])\s", told)]
    assert [s for s in sentences if len(s.split()) > 20] == []
    visited.page.set_viewport_size({"width": 390, "height": 844})
    narrow = visited.page.evaluate(LOOK)
    assert visited.page.evaluate(CUT.replace("(e) => { e.open = true; }", "() => {}")) == []
    visited.page.set_viewport_size({"width": 1280, "height": 900})
    assert visited.page.evaluate(CUT) == []
    assert narrow["wide"] <= 390
    if kind in PICTURED:
        for seen, screen in ((wide, 900), (narrow, 844)):
            assert seen["first"][3] <= screen + (40 if kind == "study" else 0), (kind, seen["first"])
    assert visited.said == []
    assert len(built[kind][0].encode()) <= 3_000_000


@pytest.mark.browser
def test_what_makes_the_gap_is_two_small_pictures_beside_each_other_or_one_above_the_other(built, visit):
    page = visit(built["default"][0]).page
    places = (
        "all => all.map((e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    )
    pair = "#studies .pair svg"
    left, right = page.eval_on_selector_all(pair, places)
    assert left[2] <= right[0]
    assert abs(left[1] - right[1]) <= 2
    assert max(left[3] - left[1], right[3] - right[1]) <= SCREEN / 2
    page.set_viewport_size({"width": 390, "height": 844})
    upper, lower = page.eval_on_selector_all(pair, places)
    assert upper[3] <= lower[1]
    assert max(upper[2], lower[2]) <= 390


@pytest.mark.browser
def test_a_row_of_the_first_picture_is_an_adapter_with_its_verdict_beside_it(built, visit):
    page = visit(built["default"][0]).page
    texts = page.eval_on_selector_all("#answer .wide text", "all => all.map((e) => e.textContent)")
    adapters = {Entry(e[0], "").name for e in factory.ENTRIES}
    assert adapters <= set(texts)
    assert sum(bool(re.match(r"[▲▼≈?•] ", t)) for t in texts) == len(adapters)
    assert "baseline torch-autograd eager" in texts
    assert "16 steps" in texts
    assert "tier" in texts


# Without a browser

WORDS = 35  # of a sentence, as in the pages that people write


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_sentence_of_a_page_is_long(built, kind):
    text = built[kind][0]
    main = text[text.index("<main>") : text.index("</main>")]
    told = re.findall(r"<(p|li)\b[^>]*>(.*?)</\1>", main, re.DOTALL)
    plain = [unescape(re.sub("<[^>]+>", "", inner)) for _, inner in told]
    sentences = [s for part in plain for s in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", part)]
    assert len(sentences) > 20
    assert [s for s in sentences if sum(any(c.isalnum() for c in word) for word in s.split()) > WORDS] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_axis_is_longer_than_its_values_need(built, kind):
    """Values come near both ends of every axis; one that begins at zero is one that a value could have."""
    for name, drawing in built[kind][1]:
        if name.startswith(("deviation", "roofline", "total")):  # whose axes show limits and lines beside the values
            continue
        for axes in drawing.get_axes():
            to_place = axes.transLimits.transform if axes.get_xscale() == "linear" else None
            values = [x for line in axes.get_lines() if line.get_marker() != "None" for x in line.get_xdata()]
            values = [float(x) for x in values if isfinite(x)]
            low, high = axes.get_xlim()
            if not values or to_place is None:
                assert not values or (low > 0 and high / low <= 8 * (max(values) / min(values)) + 8), (kind, name)
                continue
            to_zero = max(values) < 0 and high <= -0.1 * low
            assert to_zero or (max(values) - low) / (high - low) >= 0.5, (kind, name, low, high)
            assert low >= -0.1 * high or (high - min(values)) / (high - low) >= 0.5, (kind, name, low, high)


@pytest.mark.slow
def test_nothing_is_drawn_wider_than_a_gap_of_accuracy_can_be(built):
    for kind in ("default", "parity"):
        for name, drawing in built[kind][1]:
            if name.startswith("parity"):
                low, high = drawing.get_axes()[0].get_xlim()
                assert -100 <= low < high <= 100


@pytest.mark.slow
def test_two_seeds_and_two_launches_have_no_interval(built):
    for name, drawing in built["default"][1]:
        if name.startswith("gap") and "(2 seeds" in drawing.get_label():
            (axes,) = drawing.get_axes()
            assert [line for line in axes.get_lines() if len(set(line.get_xdata())) > 1] == []
    text = html.build(factory.make_run(), factory.speed_records(factory.ENTRIES[:2], blocks=2))
    assert text.count("fewer than three launches") == 2


@pytest.mark.slow
def test_what_all_share_is_drawn_once_and_said(built):
    text, drawn = built["default"]
    adapters = len({e[0] for e in factory.ENTRIES})
    assert f"{adapters} entries, one curve: no loss is further apart than 0" in text
    for name, drawing in drawn:
        if name.startswith("curves"):
            assert len(drawing.get_axes()) == 1


@pytest.mark.slow
def test_who_differs_gets_a_panel_of_his_own(built):
    (drawing,) = [d for name, d in built["parity"][1] if name == "curves-1"]
    assert len(drawing.get_axes()) == 2
    (rows,) = [d for name, d in built["parity"][1] if name == "parity-1"]
    labels = [t.get_text() for t in rows.get_axes()[0].get_yticklabels()]
    assert sorted(labels) == ["5 alike", "torch-autograd compile"]


@pytest.mark.parametrize(
    ("mode", "label"), [("default", "keras-tf"), ("steps-per-execution", "keras-tf 16 steps"), ("xla", "keras-tf xla")]
)
def test_a_label_is_short(mode, label):
    assert Entry("keras-tensorflow", mode, "loader").label == label


def test_the_feed_is_told_only_where_two_differ():
    resident, loader, other = Entry("a", "eager"), Entry("a", "eager", "loader"), Entry("b", "eager", "loader")
    told = telling_feeds([resident, loader, other])
    assert [told[e].label for e in (resident, loader, other)] == ["a eager resident", "a eager loader", "b eager"]


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_first_picture_leaves_the_page_with_run_machine_and_date(tmp_path, form, capsys):
    run, records = factory.make_run(), factory.speed_records(factory.ENTRIES[:3], blocks=5)
    kept = store.Store.create(tmp_path / "run", run)
    for record in records:
        kept.append(record)
    kept.close()
    path = tmp_path / f"picture.{form}"
    assert cli.main(["report", str(tmp_path / "run"), "--image", str(path)]) == cli.OK
    assert capsys.readouterr().out.split() == [str(path)]
    data = path.read_bytes()
    if form == "png":
        assert data.startswith(b"\x89PNG")
        return
    text = data.decode()
    for told in ("default-2024-05-17", "Example CPU 4210", "2024-05-17", "torch-autograd", "digits · multi"):
        assert told in text
    assert "var(" not in text


def test_a_picture_is_an_svg_or_a_png_of_something_timed(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path), "--image", "x.gif"]) == cli.USAGE
    store.Store.create(tmp_path / "run", factory.make_run()).close()
    assert cli.main(["report", str(tmp_path / "run"), "--image", str(tmp_path / "x.svg")]) == cli.USAGE
    assert "timed nothing" in capsys.readouterr().err
