"""What a user should know of a table before a network learns from it: one refusal with all causes, and warnings, each
with the key to write."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from levelfield.tasks.errors import UserError
from levelfield.tasks.tables.columns import Column
from levelfield.tasks.tables.delimited import toml, written
from levelfield.tasks.tables.form import GAPS, NUMBER, in_quotes, numbers
from levelfield.tasks.tables.frame import Frame, Remedied, short
from levelfield.tasks.tables.spec import TableSpec

MOST_VALUES = 50  # of a text column that is encoded
ALIKE = 0.97  # correlation with a regression's label
FAR = 5.0  # so many times the range of the others: a value that stands for a missing one
SOME = 20_000  # rows that are looked at first: where these do not fit a rule, all do not
LARGE = 10.0  # deviation of a label with which plain gradient descent is likely to diverge


def listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(short(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def encodable(column: Column) -> bool:
    """Whether it is text with few values, most of which occur more than once: ids do not."""
    known = int((~column.gaps).sum())
    few = len(column.distinct) <= MOST_VALUES and (2 * len(column.distinct) <= known or known < 8)
    return column.kind == "text" and few and not mostly_numbers(column)


def mostly_numbers(column: Column) -> bool:
    odd = column.odd() if column.kind == "text" else None
    return odd is not None and sum(v.lstrip("+-.")[:1].isdigit() for v in column.distinct) * 2 > len(column.distinct)


def refusal(
    frame: Frame, spec: TableSpec, features: Sequence[Column], labels: Sequence[Column], empty: np.ndarray
) -> UserError | None:
    """All that stands against reading these columns, in one error with the keys that resolve it; None for nothing.

    `empty`: rows without any content, which are no samples.
    """
    causes: list[str] = []
    keys: dict[str, Any] = {}
    formed = [c for c in features if c.kind == "text" and numbers([[value] for value in c.distinct[:1000]])]
    odd = [c for c in features if mostly_numbers(c) and c not in formed]
    in_form: dict[str, Any] = {
        key: frame.proposals[key] for key in ("quote", "decimal", "thousands") if key in frame.proposals
    }
    quoted = [c for c in (*features, *labels) if c.kind == "text" and in_quotes(c.distinct, "'")]
    if quoted and "quote" in in_form:
        causes.append(f"the cells of {listed([c.name for c in quoted])} stand in {in_form['quote']!r}")
        keys |= in_form
    elif formed and in_form.keys() - {"quote"}:
        what = {"decimal": "decimal commas", "thousands": f"{in_form.get('thousands')!r} between thousands"}
        causes.append(
            f"numbers in {listed([c.name for c in formed])} have {' and '.join(what[k] for k in what if k in in_form)}"
            f": {next(v for v in formed[0].distinct if not NUMBER.fullmatch(v))!r}"
        )
        keys |= in_form
    else:
        formed = []
    for c in odd:
        place, cell = c.odd() or (0, "")
        causes.append(f"{frame.place(place)}, column {c.name!r}: {short(cell)} is not a number")
    for c in features:
        if c.kind == "number" and (row := c.not_finite()) is not None:
            causes.append(f"{frame.place(row)}, column {c.name!r}: {c.numbers[row]} is not a finite float32 number")
    dates = [c.name for c in features if c.kind == "date"]
    causes += [f"dates or times in {listed(dates)}, which are not encoded"] if dates else []
    causes += [f"column {c.name!r} is {c.was}, neither numbers nor text" for c in features if c.kind == "other"]
    plain = [
        c for c in features if c.kind == "text" and c not in odd and c not in formed and (c not in quoted or not keys)
    ]
    many = [c.name for c in plain if not encodable(c)]
    few = [c.name for c in plain if encodable(c)]
    told = f"text of more than {MOST_VALUES} values, or with hardly a value twice, in {listed(many)}: it is not encoded"
    causes += [told] if many else []
    if few and spec.text == "refuse":
        causes.append(f"text in {listed(few)}")
        keys["text"] = "one-hot"
    out = [*dates, *many, *(c.name for c in features if c.kind == "other")]
    rest = [c for c in features if c.name not in out]
    hollow = [c.name for c in rest if spec.missing == "refuse" and 2 * (c.gaps & ~empty).sum() > (~empty).sum()]
    if hollow:
        causes.append(f"more than half of the rows have nothing in {listed(hollow)}")
        out += hollow
    gap = _gaps(frame, [c for c in rest if c.name not in hollow], labels, ~empty)
    if gap and spec.missing == "refuse":
        causes.append(gap)
        keys["missing"] = "drop"
    if not causes:
        return None
    if out and spec.features is None:
        keys = {"exclude": [*spec.exclude, *out], **keys}
    elif out:
        keys = {"features": [c.name for c in features if c.name not in out], **keys}
    return Remedied(f"{frame.file}: {'; '.join(causes)}", _remedy(features, keys, odd, bool(gap)), keys)


def _remedy(features: Sequence[Column], keys: dict[str, Any], odd: list[Column], gap: bool) -> str:
    numeric = [c.name for c in features if c.kind == "number"]
    told = [written(keys)] if keys else []
    told += ['missing = "median" or "most-frequent" fills what is missing instead'] if gap else []
    if odd:
        bad = sorted({c.odd()[1] for c in odd})[:5]  # type: ignore[index]
        told.append(
            f"if {listed(bad)} means that a value is missing: missing-values = {toml([*GAPS[1:3], *bad])}; "
            f"or exclude = {toml([c.name for c in odd])}"
        )
    if not told:
        told.append("look for wrong values, or leave the column out with exclude = [...]")
    if "text" in keys and numeric:
        told.append(f"or only numbers: features = {toml(numeric)}")
    return "; ".join(told)


def _gaps(frame: Frame, features: Sequence[Column], labels: Sequence[Column], within: np.ndarray) -> str:
    """``3 of 18 rows have gaps: 'shell' 2, 'slime' 1``; empty where there are none."""
    with_gaps = [(c, n) for c in (*features, *labels) if (n := int((c.gaps & within).sum()))]
    if not with_gaps:
        return ""
    where = np.flatnonzero(np.logical_or.reduce([c.gaps for c, _ in with_gaps]) & within)
    rows = len(where)
    shown = ", ".join(f"{short(c.name)} {count:,}" for c, count in with_gaps[:40])
    no_label = " (rows without a label are no samples)" if any(c in labels for c, _ in with_gaps) else ""
    verb = "has" if rows == 1 else "have"
    first = f"; the first in {frame.place(int(where[0]))}"
    return f"{rows:,} of {int(within.sum()):,} rows {verb} gaps: {shown}{first}{no_label}"


def exclude(spec: TableSpec, *names: str) -> str:
    return f"exclude = {toml([*spec.exclude, *names])}"


def about_columns(
    spec: TableSpec, features: Sequence[Column], y: np.ndarray, label: str, rows: np.ndarray
) -> list[str]:
    """Warnings about single columns; `y` (n,) classes or numbers of the `rows` that are kept."""
    found, telling = [], []
    few = rows[:: max(1, len(rows) // SOME)]
    y_few = y[:: max(1, len(rows) // SOME)]
    for c in features:
        told = []
        if c.kind == "number":
            if counts_rows(c.numbers):
                told.append("counts the rows")
            if spec.kind == "regression" and (r := _correlation(c.numbers[rows], y)) > ALIKE:
                told.append(f"correlates {r:.3f} with the label {label!r}")
        if spec.kind == "classification" and tells(c, y_few, few) and tells(c, y, rows):
            telling.append(c.name)
        if told:
            found.append(f"column {c.name!r} {' and '.join(told)}; to leave it out: {exclude(spec, c.name)}")
        if c.kind == "number" and (far := _sentinel(c.numbers[rows])):
            found.append(_far_off(f"column {c.name!r}", *far))
        if c.kind == "number" and spec.thousands is None and _thousands(c.numbers[few]):
            found.append(
                f"column {c.name!r}: some cells have three decimals and the others, hundreds of times larger, none; "
                'if the dot stands between thousands: thousands = "."'
            )
    if telling:
        each = "column" if len(telling) == 1 else "each of the columns"
        found.append(
            f"{each} {listed(telling)} alone tells the class (training accuracy 1.0 by one column); if that is the "
            f"answer in other words: {exclude(spec, *telling)}"
        )
    return found


def counts_rows(x: np.ndarray) -> bool:
    """Whether it grows by one and the same whole step from each row of the file to the next."""
    if len(x) < 3:
        return False
    step = x[1] - x[0]
    whole = step >= 1 and step == np.floor(step) and x[2] - x[1] == step
    return bool(whole and (np.diff(x) == step).all())


def tells(column: Column, y: np.ndarray, rows: np.ndarray) -> bool:
    """Whether its values, in order, fall into one interval for each class; or its texts into one class each."""
    if column.kind == "text":
        values = column.values.dictionary_encode()
        x = values.indices.to_numpy(zero_copy_only=False).astype(np.float64)[rows]
        known = ~np.isnan(x)
        pairs = set(zip(x[known].tolist(), y[known].tolist(), strict=True))
        values_of = len({x for x, _ in pairs})
        return len({c for _, c in pairs}) > 1 and len(pairs) == values_of <= max(2, known.sum() // 5)
    x = column.numbers[rows]
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    classes = len(np.unique(y))
    if classes < 2:
        return False
    order = np.lexsort((y, x))
    changes = np.flatnonzero(np.diff(y[order]))
    return len(changes) == classes - 1 and bool((x[order][changes] < x[order][changes + 1]).all())


def one_hot_partners(features: Sequence[Column], label: Column | None, place: int, places: Sequence[int]) -> list[str]:
    """Columns of 0 and 1 that sum to one with a label of 0 and 1: the label is one of several that belong together."""
    if label is None or label.kind != "number" or not _of_two(label.numbers):
        return []
    y = label.numbers
    fitting = {
        at: c
        for at, c in zip(places, features, strict=True)
        if c.kind == "number" and _of_two(c.numbers) and not (c.numbers * y).any()
    }
    beside = []
    for step in (-1, 1):
        at = place + step
        while at in fitting:
            beside.append(fitting[at])
            at += step
    for group in (beside, list(fitting.values())):
        if len(group) > 1 and (sum(c.numbers for c in group) + y == 1).all():
            return [c.name for c in group]
    return []


def _of_two(x: np.ndarray) -> bool:
    """Whether it holds nothing but 0 and 1."""
    return bool(np.isin(x[:100], (0, 1)).all() and ((x == 0) | (x == 1)).all())


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[known], y[known]
    if len(x) < 3 or x.max() == x.min() or y.max() == y.min():
        return 0.0
    with np.errstate(all="ignore"):
        return float(abs(np.corrcoef(x, y)[0, 1]))


def _sentinel(x: np.ndarray) -> tuple[float, int] | None:
    """The lowest or highest value, a whole number, where it is repeated and far from all others."""
    x = x[~np.isnan(x)]
    for value in (x.min(), x.max()) if len(x) else ():
        if value != np.floor(value) or abs(value) < 99:
            continue
        others = x[x != value]
        count = len(x) - len(others)
        if count < 2 or len(others) < 8:
            continue
        low, high = others.min(), others.max()
        if high > low and min(abs(value - low), abs(value - high)) > FAR * (high - low):
            return float(value), count
    return None


def _far_off(where: str, value: float, cells: int) -> str:
    return (
        f"{where}: {value:g} in {cells} cells lies far from all others; if it means that a value is missing: "
        f'missing-values = ["{value:g}"], missing = "drop"'
    )


def _thousands(x: np.ndarray) -> bool:
    """Whether some numbers have three decimals, and the others none and are hundreds of times larger."""
    x = np.abs(x[~np.isnan(x)])
    broken, whole = x[x != np.floor(x)], x[x == np.floor(x)]
    if not len(broken) or not len(whole) or broken.max() >= 1000 or not len(x) >= 8:
        return False
    three = np.isclose(broken * 1000, np.round(broken * 1000), rtol=0, atol=1e-6).all()
    needed = (~np.isclose(broken * 100, np.round(broken * 100), rtol=0, atol=1e-6)).mean() > 0.5
    return bool(three and needed and np.median(whole) > 100 * np.median(broken) and whole.max() < 1000)


def about_classes(counts: dict[str, int]) -> list[str]:
    """Warnings about classes whose names look like the same thing written twice."""
    found = []
    alike: dict[Any, list[str]] = defaultdict(list)
    for name in counts:
        for key in {_value(name), name.casefold().rstrip(". ")}:
            alike[key].append(name)
    for names in {tuple(names): None for names in alike.values() if len(names) > 1}:
        told = ", ".join(f"{short(name)} ({counts[name]})" for name in names)
        found.append(f"the classes {told} are written nearly alike, and are kept apart")
    return found


def _value(name: str) -> Any:
    try:
        return float(name)
    except ValueError:
        return name


def about_guessing(counts: dict[str, int]) -> str:
    """How the classes are distributed, and what always naming the largest one reaches."""
    total = sum(counts.values())
    name, most = Counter(counts).most_common(1)[0]
    shown = ", ".join(f"{name[:40]} {count:,}" for name, count in list(counts.items())[:20])
    more = f" and {len(counts) - 20} more" if len(counts) > 20 else ""
    return f"classes: {shown}{more}; always guessing {short(name)} reaches {100 * most / total:.1f} %"


def about_targets(spec: TableSpec, y: np.ndarray, label: str) -> list[str]:
    """Warnings of values that stand for a missing one, and of a unit in which plain gradient descent diverges."""
    if far := _sentinel(y):
        return [_far_off(f"the label {label!r}", *far)]
    deviation, level = float(y.std()), float(abs(y.mean()))
    if spec.label_scale == "none" and max(deviation, level) > LARGE:
        return [
            f"the label {label!r} lies around {y.mean():.4g} ± {deviation:.4g}: plain gradient descent is likely to "
            'diverge in this unit; write label-scale = "standard" (losses are told in its own unit all the same)'
        ]
    return []
