"""Figures are compared by what they draw: positions, ids, colours; never by pixels."""

from __future__ import annotations

import itertools
import re
from importlib import resources
from xml.etree import ElementTree

import numpy as np
import pytest
import report_factory as factory

from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import figure
from levelfield.reports.sections import speed

PALETTE = {
    "black": "#16191d", "orange": figure.ORANGE, "sky": figure.SKY, "green": figure.GREEN, "blue": figure.BLUE,
    "vermillion": figure.VERMILLION, "purple": figure.PURPLE,
}  # fmt: skip

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(f > 216 / 24389, np.cbrt(f), (24389 / 27 * f + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a, b):
    luminance = [float(np.dot([0.2126, 0.7152, 0.0722], linear(c))) + 0.05 for c in (a, b)]
    return max(luminance) / min(luminance)


def css_colours(theme):
    text = resources.files("levelfield.reports.page").joinpath("static", "page.css").read_text(encoding="utf-8")
    return {name: pair[theme] for name, *pair in re.findall(r"(--\w+): light-dark\((#\w{6}), (#\w{6})\)", text)}


@pytest.mark.parametrize("vision", VISION)
def test_families_stay_apart_for_every_kind_of_colour_vision(vision):
    seen = {name: lab(VISION[vision] @ linear(c)) for name, c in PALETTE.items()}
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    assert min(distances.values()) >= 16, min(distances, key=distances.get)


@pytest.mark.parametrize("theme", [0, 1])
def test_texts_and_marks_have_contrast_in_both_themes(theme):
    css = css_colours(theme)
    for name in ("--ink", "--muted", "--accent", "--good", "--bad", "--open"):
        for ground in ("--paper", "--raised"):
            assert contrast(css[name], css[ground]) >= 4.5, (name, ground)
    assert contrast(css["--edge"], css["--paper"]) >= 3  # borders of controls
    assert contrast(css["--ink"], css["--paper"]) >= 7  # outlines of all markers


def test_known_families_have_colours_of_their_own():
    assert len({figure.family_colour(f) for f in figure.FAMILIES}) == len(figure.FAMILIES)
    assert figure.family_colour("mlx") in figure.SPARE


def draw(labels=("a", "b"), name="test", alt="alt"):
    with figure.style():
        drawing, axes = figure.panel(labels)
        for row, _ in enumerate(labels):
            figure.point(axes, 10.0**row, 0.9 * 10**row, 1.1 * 10**row, row, Entry("x", "eager", api="low"))
        figure.log_times(axes)
        return figure.to_svg(drawing, name, alt)


def test_a_figure_is_well_formed_and_carries_its_finding_as_its_name():
    root = ElementTree.fromstring(draw(alt='x "is" <fast> & sure\u202e'))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'x "is" <fast> & sure⟨U+202E⟩'


def test_the_same_figure_has_the_same_bytes_and_no_date():
    assert draw() == draw()
    assert not re.search(r"\d{4}-\d\d-\d\dT", draw())


def test_ids_carry_the_name_of_the_figure_and_are_all_used():
    ids = [re.findall(r'\bid="([^"]+)"', draw(name=name)) for name in ("one", "two")]
    assert all(i.startswith("one-") for i in ids[0])
    assert not set(ids[0]) & set(ids[1])
    assert all(f"#{i}" in draw(name="one") for i in ids[0])


def test_no_sentinel_colour_is_left_and_the_ink_follows_the_theme():
    svg = draw()
    assert not [c for c in (figure.INK, figure.MUTED, figure.LINE, figure.PAPER) if c in svg]
    assert "var(--ink)" in svg


@pytest.mark.parametrize("text", [*factory.HOSTILE, "#0a0b0c", 'id="x" url(#y)', "$\\frac{1}{2}$"])
def test_labels_are_text_and_nothing_else(text):
    svg = draw(labels=(text,))
    ElementTree.fromstring(svg)
    shown = [t.text for t in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert figure.label(text) in shown
    assert "<script" not in svg
    assert "<img" not in svg


def test_coordinates_are_rounded_to_a_tenth():
    drawn = re.findall(r'\b(?:d|x|y|transform)="([^"]*)"', draw())
    assert not [d for d in drawn if re.search(r"\.\d\d", d)]


def test_points_of_the_speed_plot_stand_where_the_estimates_are():
    records = factory.speed_records(factory.ENTRIES[:6])
    comparison = gather(factory.make_run(), records).speed[0]
    with figure.style():
        root = ElementTree.fromstring(speed.draw(comparison, "speed-1"))
    uses = root.iter("{http://www.w3.org/2000/svg}use")
    href = "{http://www.w3.org/1999/xlink}href"
    marks = [
        (float(u.attrib["x"]), float(u.attrib["y"])) for u in uses if "clip-path" not in u.attrib and href in u.attrib
    ]
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    labels = [p.entry.label for p in comparison.places]
    assert [t for t in texts if t in labels] == labels
    rows = sorted({round(y, 1) for _, y in marks})
    estimates = np.log([p.interval.estimate for p in comparison.places])
    inside = {}  # the points: one mark to each row of the panel, at an x that is linear in the log of the estimate
    for x, y in marks:
        inside.setdefault(round(y, 1), []).append(x)
    single = [inside[y][0] for y in rows if len(inside[y]) == 1]
    assert len(single) >= len(labels)
    fits = [
        np.corrcoef(estimates, chosen)[0, 1]
        for start in range(len(single) - len(labels) + 1)
        for chosen in [single[start : start + len(labels)]]
        if np.std(chosen) > 0
    ]
    assert max(fits) > 0.99999


def test_empty_places_print_their_reason_in_the_figure():
    records = factory.speed_records(factory.ENTRIES[:1])
    records.append(factory.failed_record(factory.make_cell(factory.ENTRIES[1]), 0, "skipped", "torch is not installed"))
    with figure.style():
        svg = speed.draw(gather(factory.make_run(), records).speed[0], "s")
    assert "skipped: torch is not installed" in svg
