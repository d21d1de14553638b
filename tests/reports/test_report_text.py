from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.reports.findings.text import (
    NARROW,
    clock,
    count,
    duration,
    factor,
    listing,
    significant,
    span,
    visible,
)


@given(st.text())
def test_visible_leaves_no_character_that_hides_or_reorders(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_visible_leaves_printable_text_alone(text: str) -> None:
    assert visible(text) == text


def test_visible_drops_terminal_colours_and_spells_out_marks() -> None:
    assert visible("\x1b[31mred\x1b[0m a\u202eb\u2028c\x00") == "red a⟨U+202E⟩b⟨U+2028⟩c⟨U+0000⟩"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0 s"), (1.234e-5, "12.3 µs"), (0.5, "500 ms"), (2.0, "2.00 s"), (242.0, "4 min 02 s"), (-0.25, "−250 ms"),
     (3.7e-10, "0.370 ns"), (7322.0, "2 h 02 min"), (math.inf, "∞")],
)  # fmt: skip
def test_durations_read_with_a_unit_and_three_digits(seconds: float, shown: str) -> None:
    assert duration(seconds).replace(NARROW, " ") == shown


@given(st.floats(1e-9, 99))
def test_a_shown_duration_is_within_half_a_percent(seconds: float) -> None:
    number, unit = duration(seconds).split(NARROW)
    assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit] == pytest.approx(seconds, rel=0.006)


@given(st.floats(1e-4, 1e6))
def test_significant_keeps_three_digits(value: float) -> None:
    assert float(significant(value)) == pytest.approx(value, rel=0.006)


def test_ratios_keep_the_digits_that_tell_them_from_one() -> None:
    assert [factor(x) for x in (1.0312, 0.957, 12.44, 0.0123)] == ["×1.03", "×0.96", "×12.4", "×0.0123"]


def test_spans_share_a_unit() -> None:
    assert span(0.0119, 0.0128).replace(NARROW, " ") == "11.9–12.8 ms"


def test_lists_are_counted_past_their_limit() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdef"), most=2) == "a, b and 4 more"
    assert listing([]) == ""


def test_counts_know_their_plural() -> None:
    assert [count(1, "launch"), count(2, "launch"), count(12345, "record")] == [
        "1 launch", "2 launches", f"12{NARROW}345 records",
    ]  # fmt: skip


def test_long_times_are_for_people() -> None:
    assert clock(59.6).replace(NARROW, " ") == "1 min 00 s"
