"""Numbers and foreign strings as a reader should see them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

NARROW = "\N{NARROW NO-BREAK SPACE}"
TIMES = "\N{MULTIPLICATION SIGN}"

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def visible(text: object) -> str:
    """`text` with every character that could hide or reorder its neighbours written out as ⟨U+XXXX⟩.

    Those are control, format (bidirectional marks, zero-width characters), surrogate and line-separator characters;
    tab and newline stay. Terminal colours are dropped.
    """
    plain = _ANSI.sub("", str(text)).replace("\r\n", "\n")
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(
        f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in _UNSEEN and char not in "\n\t" else char
        for char in plain
    )


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def capital(text: str) -> str:
    """`text` as a sentence begins."""
    return text[:1].upper() + text[1:]


def significant(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits, without exponent between 1e-4 and 1e6."""
    if not math.isfinite(value):
        return "∞" if value == math.inf else "−∞" if value == -math.inf else "not a number"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}·10{_superscript(int(power))}".replace("-", "−")
    rounded = round(value, digits - 1 - exponent)
    return f"{rounded:.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def fixed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return significant(value)
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(share: float) -> str:
    """In points with its sign: ``+0.50``."""
    shown = fixed(100 * share, 2)
    return f"+{shown}" if share > 0 and float(shown) else shown


def loss(value: float) -> str:
    return fixed(value, 4) if abs(value) < 1 else significant(value, 4)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def unit_for(seconds: float) -> tuple[float, str]:
    """(scale, unit) in which `seconds` reads as 1 … 999."""
    size = abs(seconds)
    return next(((scale, unit) for scale, unit in _UNITS if size >= scale), _UNITS[-1])


def duration(seconds: float) -> str:
    """Seconds with a unit and three significant digits: ``12.3 ms``."""
    if not math.isfinite(seconds):
        return significant(seconds)
    if seconds == 0:
        return f"0{NARROW}s"
    if abs(seconds) >= 100:
        return clock(seconds)
    scale, unit = unit_for(seconds)
    return f"{significant(seconds / scale)}{NARROW}{unit}"


def clock(seconds: float) -> str:
    """Long times for people: ``4 min 02 s``."""
    sign = "−" if seconds < 0 else ""
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}{NARROW}h{NARROW}{minutes:02d}{NARROW}min"
    return f"{sign}{minutes}{NARROW}min{NARROW}{rest:02d}{NARROW}s" if minutes else f"{sign}{rest}{NARROW}s"


def scaled(value: float, unit: str) -> str:
    """With three significant digits and a decimal prefix: ``12.3 GFLOP/s``, ``512 MB``."""
    scale, prefix = prefix_for(value)
    return f"{significant(value / scale)}{NARROW}{prefix}{unit}"


def prefix_for(value: float) -> tuple[float, str]:
    """(scale, decimal prefix) in which `value` reads as 1 … 999; none below 1000."""
    steps = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    return next((step for step in steps if abs(value) >= step[0]), (1.0, ""))


def per_second(value: float) -> str:
    """A rate: ``12.3 k/s``."""
    return f"{scaled(value, '').strip(NARROW)}/s"


def percent(share: float) -> str:
    """A share with two significant digits: ``0.42 %``, ``37 %``."""
    return f"{significant(100 * share, 2)}{NARROW}%"


def span(low: float, high: float) -> str:
    """A range of durations in one unit: ``11.9–12.8 ms``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{duration(low)} – {duration(high)}"
    scale, unit = unit_for(max(abs(low), abs(high)))
    digits = 3 if low <= 0 or high / low > 1.02 else 4
    return f"{significant(low / scale, digits)}–{significant(high / scale, digits)}{NARROW}{unit}"


def factor(ratio: float) -> str:
    """A ratio with the digits its distance from 1 deserves: ``×1.03``, ``×12.4``."""
    return f"{TIMES}{factor_digits(ratio)}"


def factors(low: float, high: float) -> str:
    return f"{factor_digits(low)}–{factor_digits(high)}"


def factor_digits(ratio: float) -> str:
    return significant(ratio, 3) if not 0.095 <= ratio < 9.95 else fixed(ratio, 2)


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 launch``, ``3 launches``; thousands are set apart."""
    plural = many or (f"{one}es" if one.endswith(("nch", "s", "sh", "x")) else f"{one}s")
    return f"{number:,}".replace(",", NARROW) + f" {one if number == 1 else plural}"


def listing(words: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; past `most` the rest are counted."""
    shown = list(words[:most])
    if len(words) > most:
        shown.append(f"{len(words) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
