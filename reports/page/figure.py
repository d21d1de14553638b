"""matplotlib figures as small, reproducible, themeable inline SVG.

Text stays text. What must follow the theme is drawn in a sentinel colour that becomes a CSS variable. Coordinates are
rounded, ids that nobody refers to are dropped and the others carry the figure's name, since all figures share a page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.text import NARROW, factor, prefix_for, significant, unit_for, visible

INK, MUTED, LINE, PAPER = "#0a0b0c", "#5a5b5c", "#d2d3d4", "#fcfdfe"
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--paper)"}

# Okabe & Ito (2008) without yellow. Black is the ink, so that it survives the dark theme.
ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
FAMILIES = {"numpy": INK, "torch": VERMILLION, "tensorflow": ORANGE, "jax": BLUE, "scikit-learn": GREEN}
SPARE = (PURPLE, SKY)
LEGEND = 0.5  # inches above the axes that two rows of a legend take
MARKERS = {"low": "o", "mixed": "D", "high": "s"}

WIDTH = 7.6  # inches; at 72 units an inch this is the page's column
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "levelfield",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that the layout is the same everywhere
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "path.simplify": True,
}


def family_colour(family: str) -> str:
    """One colour per arithmetic framework; unknown ones share the two spare colours by their name."""
    return FAMILIES.get(family) or SPARE[sum(family.encode()) % len(SPARE)]


def to_variable(colour: str) -> str:
    """What a picture made by hand writes for a colour of ours."""
    return _VARIABLES.get(colour, colour)


@contextmanager
def style() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


def to_svg(figure: Figure, name: str, alt: str) -> Markup:
    """The figure as an ``<svg>`` element with `alt` as its accessible name. Call it inside `style()`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = _TAG.sub(lambda tag: _tidy_tag(tag.group(), name, used), text)
    text = re.sub(r"<g>\s*</g>|<g/>", "", re.sub(r"\n\s*", "\n", text))
    text = re.sub(r"\n+", "\n", text)
    width, height = (f"{72 * side:.0f}" for side in figure.get_size_inches())
    head = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(visible(alt))}" font-family="system-ui, sans-serif" stroke-linejoin="round" '
        'xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return Markup(head + text[text.index(">") + 1 :].strip())  # noqa: S704 - matplotlib escapes what it writes


def to_file(figure: Figure, form: str) -> bytes:
    """The figure as a file of its own, on white. `form`: svg or png. Call it inside `style()`."""
    buffer = io.BytesIO()
    hidden = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(buffer, format=form, metadata=hidden, facecolor="white", dpi=200)
    data = buffer.getvalue()
    return re.sub(rb"<metadata>.*?</metadata>\s*", b"", data, flags=re.DOTALL) if form == "svg" else data


_TAG = re.compile(r"<[a-z][^>]*>")
_GEOMETRY = re.compile(r'\b(d|x|y|width|height|transform|points|viewBox|x1|x2|y1|y2|cx|cy|r)="([^"]*)"')
_DECIMALS = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def _tidy_tag(tag: str, name: str, used: set[str]) -> str:
    """Only tags are touched, never the text between them: labels are foreign."""
    tag = tag.replace("font-family: 'DejaVu Sans'; ", "").replace("'DejaVu Sans'", "system-ui, sans-serif")
    for sentinel, variable in _VARIABLES.items():
        tag = tag.replace(sentinel, variable)
    tag = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag)
    tag = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m.group(1)}"' if m.group(1) in used else "", tag)
    tag = re.sub(r"(url\(#|href=\"#)", rf"\1{name}-", tag)
    return _GEOMETRY.sub(_round, tag)


def _round(found: re.Match[str]) -> str:
    value = _DECIMALS.sub(lambda m: _one_decimal(m.group()), " ".join(found.group(2).split()))
    value = re.sub(r" ?([A-Za-z]) (?=[-0-9])", r"\1", value)
    return f'{found.group(1)}="{value}"'


def _one_decimal(number: str) -> str:
    text = f"{float(number):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


# What the figures have in common


def label(text: str) -> str:
    """One line, whole: what does not fit is wrapped (`wrapped`), never cut."""
    return visible(text).replace("\n", " ")


def wrapped(text: str, most: int) -> str:
    """In lines of at most `most` characters."""
    return "\n".join(wrap(label(text), most)) or " "


def panel(labels: Sequence[str], *, most: int = 42, row: float = 0.235, top: float = 0.3) -> tuple[Figure, Axes]:
    """A figure with one axes, each line of which has a label, in lines of at most `most` characters.

    `row` and `top` are inches: rows keep their height, and the longest label gets the room that it needs.
    """
    rows, bottom = len(labels), 0.5
    height = top + bottom + row * max(rows, 1)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.6 / WIDTH, bottom / height, (WIDTH - 0.85) / WIDTH, row * max(rows, 1) / height))
    in_rows(axes, rows)
    named = [wrapped(text, most) for text in labels]
    axes.set_yticks(range(rows), named)
    longest = max((len(line) for name in named for line in name.split("\n")), default=0)
    left = 0.25 + 0.068 * longest
    place = axes.get_position()
    axes.set_position((left / WIDTH, place.y0, (WIDTH - left - 0.25) / WIDTH, place.height))
    return figure, axes


def in_rows(axes: Axes, rows: int) -> None:
    """Lines from above, without a vertical axis."""
    axes.set_ylim(max(rows, 1) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def framed(figure: Figure, head: str, foot: str, size: float = 11, left: float = 0.08) -> None:
    """What is above and below a picture that is a file of its own."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - 0.2 / height, label(head), fontsize=size, weight="bold")
    figure.text(left / width, 0.1 / height, label(foot), fontsize=8, color=MUTED)


def plot(height: float, width: float = WIDTH, left: float = 0.95) -> tuple[Figure, Axes]:
    """A figure with one axes across the page, `height` inches high, with room for a legend above."""
    bottom, top = 0.5, LEGEND
    total = height + bottom + top
    figure = Figure(figsize=(width, total))
    return figure, figure.add_axes((left / width, bottom / total, (width - left - 0.25) / width, height / total))


def small_plot() -> tuple[Figure, Axes]:
    """The same for one of two that stand beside each other."""
    return plot(1.9, WIDTH / 2, 0.6)


def grid(
    count: int, most_columns: int, row: float, *, top: float = 0.2, bottom: float = 0.5
) -> tuple[Figure, list[Axes]]:
    """`count` small panels that share both axes, each `row` inches high; only the outer ones carry labels."""
    columns = min(most_columns, count)
    rows = -(-count // columns)
    left, gap, title = 0.75, 0.14, 0.24
    width = (WIDTH - left - 0.1) / columns
    height = top + rows * (row + title) + bottom
    figure = Figure(figsize=(WIDTH, height))
    panels: list[Axes] = []
    for i in range(count):
        line, column = divmod(i, columns)
        base = height - top - (line + 1) * (row + title)
        axes = figure.add_axes(
            ((left + column * width) / WIDTH, base / height, (width - gap) / WIDTH, row / height),
            sharex=panels[0] if panels else None,
            sharey=panels[0] if panels else None,
        )
        axes.tick_params(labelleft=column == 0, labelbottom=i + columns >= count, labelsize=7.5)
        panels.append(axes)
    return figure, panels


def title(axes: Axes, text: str) -> None:
    axes.annotate(wrapped(text, 27), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7.8)


def outer_labels(figure: Figure, x: str, y: str) -> None:
    height = figure.get_size_inches()[1]
    figure.text(0.5, 0.1 / height, x, ha="center", color=MUTED)
    figure.text(0.12 / WIDTH, 0.5, y, va="center", rotation=90, color=MUTED)


def point(axes: Axes, x: float, low: float, high: float, y: float, entry: Entry, *, faint: bool = False) -> None:
    """An estimate with its interval: colour = family, marker = API, filled = compiled; outlined in ink."""
    if isfinite(low) and isfinite(high):
        axes.plot([low, high], [y, y], color=MUTED if faint else INK, linewidth=1.3, solid_capstyle="butt", zorder=2)
    dot(axes, x, y, marker(entry), zorder=3, alpha=0.5 if faint else 1)


def dot(axes: Axes, x: float, y: float, mark: Mapping[str, Any], size: float = 6.5, **how: Any) -> None:
    """One mark without a line, such as `marker` makes it."""
    axes.plot([x], [y], linestyle="none", markersize=size, **mark, **how)


def marker(entry: Entry) -> dict[str, Any]:
    colour = family_colour(entry.family)
    return {
        "marker": MARKERS.get(entry.api, "o"),
        "markerfacecolor": colour if entry.compiled else PAPER,
        "markeredgecolor": INK if entry.compiled else colour if colour != INK else INK,
        "markeredgewidth": 0.8 if entry.compiled else 1.8,
    }


def shared_marker(entries: Sequence[Entry]) -> dict[str, Any]:
    """Of a mark that stands for all of these: that of one, else one of no family."""
    if len(entries) == 1:
        return marker(entries[0])
    return {"marker": "o", "markerfacecolor": MUTED, "markeredgecolor": INK, "markeredgewidth": 0.8}


def gap_reason(axes: Axes, y: float, text: str) -> None:
    """In place of a point: why there is none."""
    size = 8 if len(text) <= 82 else 6.5
    beside_rows(axes, 0.01, y, wrapped(text, 82), fontsize=size, color=MUTED, style="italic")


def beside_rows(axes: Axes, x: float, y: float, text: str, **how: Any) -> None:
    """At a share `x` of the width, in row `y`."""
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **how)


def log_times(axes: Axes, which: str = "x") -> None:
    log_axis(axes, which, lambda value, _: _tick_time(value))


def log_ratios(axes: Axes, which: str = "x") -> None:
    log_axis(axes, which, lambda value, _: factor(value))


def _tick_time(seconds: float) -> str:
    scale, unit = unit_for(seconds)
    return f"{round(seconds / scale, 6):g}{NARROW}{unit}"


def tick(value: float, unit: str = "") -> str:
    """A round number with a decimal prefix: ``10 GFLOP/s``, ``20 k``."""
    scale, prefix = prefix_for(value)
    suffix = prefix + unit
    return f"{round(value / scale, 6):g}{suffix and NARROW + suffix}"


def log_losses(axes: Axes) -> None:
    log_axis(axes, "y", lambda value, _: significant(value, 1 if value < 10 else 2))


def log_counts(axes: Axes) -> None:
    log_axis(axes, "x", lambda value, _: tick(value), whole=True)


def log_axis(axes: Axes, which: str, text: Any, *, whole: bool = False) -> None:
    """A logarithmic axis with few ticks, which `text(value, position)` writes; set its limits before."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    decades = high / low
    subs = (1.0,) if whole or decades > 300 else (1.0, 2.0, 5.0) if decades > 3 else None
    if subs is None:
        ticks = mpl.ticker.MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        axis.set_major_locator(mpl.ticker.FixedLocator([t for t in ticks if low <= t <= high]))
    else:
        axis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=subs, numticks=14))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(mpl.ticker.NullLocator())
    axis.set_major_formatter(FuncFormatter(text))


def legend(figure: Figure, entries: Sequence[Entry]) -> None:
    """Two rows above the axes: colours of the families present; markers of the APIs, hollow for eager. `entries`: those
    that have a mark of their own."""
    families = [key("o", family_colour(f), INK, label(f)) for f in sorted({e.family for e in entries})]
    forms = [key(MARKERS[a], MUTED, MUTED, f"{a} API") for a in MARKERS if any(e.api == a for e in entries)]
    if len({e.compiled for e in entries}) == 2:
        forms += [key("o", MUTED, MUTED, "filled: compiled"), key("o", PAPER, MUTED, "hollow: eager")]
    close = {"handletextpad": 0.1, "columnspacing": 1.2, "borderpad": 0.1}
    for row, handles in enumerate(filter(None, (families, forms))):
        keys(figure, handles, max(1, len(handles)), 0.2 * row, **close)


def keys(figure: Figure, handles: Sequence[Any], columns: int, below: float = 0.0, **how: Any) -> None:
    """A legend in the upper left corner, or so many inches `below` it."""
    corner = {"loc": "upper left", "bbox_to_anchor": (0.0, 1 - below / figure.get_size_inches()[1])}
    figure.legend(handles=handles, ncols=columns, fontsize=8, labelcolor=MUTED, borderaxespad=0.1, **corner, **how)


def key(shape: str, face: str, edge: str, text: str) -> Line2D:
    width = 1.6 if face == PAPER else 0.6 if shape != "_" else 1.4
    return Line2D([], [], linestyle="none", marker=shape, markersize=6, markerfacecolor=face, markeredgecolor=edge,
                  markeredgewidth=width, label=text)  # fmt: skip


def line_key(colour: str, dashes: Any, text: str) -> Line2D:
    return Line2D([], [], color=colour, linewidth=0.9, linestyle=dashes, label=text)
