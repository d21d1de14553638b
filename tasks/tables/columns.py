"""Columns → numbers, texts, dates: what kind each is, where it has gaps, and which of its cells do not fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from levelfield.tasks.tables.form import GAPS, NUMBER
from levelfield.tasks.tables.spec import TableSpec

LARGEST = float(np.finfo(np.float32).max)
TRUTH = ("true", "false")
DATE = (
    r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?Z?$"
    r"|^\d{1,2}[:.]\d{2}[:.]\d{2}$|^\d{1,2}:\d{2}$"
)

Kind = Literal["number", "text", "date", "other"]


@dataclass(frozen=True)
class Column:
    """`values`: of numbers float64 (n,) with NaN in gaps; of anything else Arrow's text, null in gaps."""

    name: str
    kind: Kind
    values: Any
    gaps: np.ndarray
    was: str = ""  # the type in the file, where it is no text

    @cached_property
    def distinct(self) -> list[str]:
        """The different texts, sorted."""
        import pyarrow.compute as pc

        return sorted(pc.unique(self.values).drop_null().to_pylist())

    @property
    def numbers(self) -> np.ndarray:
        assert self.kind == "number"
        found: np.ndarray = self.values
        return found

    def odd(self) -> tuple[int, str] | None:
        """Of a column that is text but mostly numbers: the first row that is none, and its cell."""
        import pyarrow.compute as pc

        fits = (
            pc.match_substring_regex(self.values, f"^(?:{NUMBER.pattern})$")
            .fill_null(True)
            .to_numpy(zero_copy_only=False)
        )
        wrong = np.flatnonzero(~fits)
        some = (~self.gaps).sum() - wrong.size
        return (int(wrong[0]), self.values[int(wrong[0])].as_py()) if 0 < wrong.size < some else None

    def not_finite(self) -> int | None:
        """The first row whose number is no finite float32."""
        wrong = np.flatnonzero(~(np.abs(self.numbers) <= LARGEST) & ~self.gaps)
        return int(wrong[0]) if wrong.size else None


def texts(column: Any, spec: TableSpec) -> Any:
    """The column as one array of text without the blanks around it, null in gaps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pc.utf8_trim_whitespace(column.cast(pa.large_string()).combine_chunks())
    return _without(array, pc.is_in(array, pa.array(markers(spec), pa.large_string())))


def _without(array: Any, gaps: Any) -> Any:
    """The texts, null where the gaps are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(gaps, pa.scalar(None, pa.large_string()), array)


def markers(spec: TableSpec) -> list[str]:
    """The texts that mean a gap: an empty cell always."""
    return [*GAPS] if spec.missing_values is None else ["", *(text.strip() for text in spec.missing_values)]


def marked(spec: TableSpec) -> list[float]:
    """The numbers that the suite takes for gaps."""
    return [float(text) for text in spec.missing_values or () if NUMBER.fullmatch(text.strip())]


def read(name: str, column: Any, spec: TableSpec, *, as_text: bool = False) -> Column:
    """What is in one of Arrow's columns; `as_text`: as it was written, whatever it looks like."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], kind.value_type)
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        if not as_text and (plain := _plain(column, spec)) is not None:
            return Column(name, "number", plain, np.isnan(plain))
        return _of_text(name, texts(column, spec), spec, as_text)
    missing = column.is_null().combine_chunks().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind):
        if as_text:
            return Column(name, "text", column.cast(pa.large_string()).combine_chunks(), missing)
        values = column.cast(pa.uint8()).cast(pa.float64())
        return Column(name, "number", _array(values), missing)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = _array(column) if pa.types.is_float16(kind) else _array(column.cast(pa.float64(), safe=False))
        values = values.astype(np.float64)
        gaps = missing | np.isnan(values) | np.isin(values, marked(spec))
        if as_text:
            if pa.types.is_integer(kind):
                shown = column.cast(pa.large_string()).combine_chunks()
            else:
                shown = pa.array([_shown(v) for v in values.tolist()], pa.large_string())
            return Column(name, "text", _without(shown, pa.array(gaps)), gaps)
        return Column(name, "number", np.where(gaps, np.nan, values), gaps)
    if pa.types.is_null(kind):
        return Column(name, "number", np.full(len(column), np.nan), missing)
    if pa.types.is_temporal(kind):
        return Column(name, "date", column.cast(pa.large_string()).combine_chunks(), missing, str(kind))
    empty = pa.nulls(len(column), pa.large_string())
    return Column(name, "other", empty, missing, str(kind))


def _shown(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _array(column: Any) -> np.ndarray:
    array: np.ndarray = column.to_numpy(zero_copy_only=False)
    return array


def _plain(column: Any, spec: TableSpec) -> np.ndarray | None:
    """Numbers written as usual, without gaps: the common case, in one step."""
    import pyarrow as pa

    if spec.decimal != "." or spec.thousands is not None or spec.missing_values is not None:
        return None
    try:
        values = _array(column.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None
    return None if np.isnan(values).any() else values


def _of_text(name: str, array: Any, spec: TableSpec, as_text: bool) -> Column:
    import pyarrow.compute as pc

    gaps = array.is_null().to_numpy(zero_copy_only=False)
    if as_text:
        return Column(name, "text", array, gaps)
    values = _numbers(array, spec)
    if values is not None:
        gaps = gaps | np.isnan(values) | np.isin(values, marked(spec))
        return Column(name, "number", np.where(gaps, np.nan, values), gaps)
    dates = pc.match_substring_regex(array, DATE).drop_null()
    kind: Kind = "date" if len(dates) and pc.all(dates).as_py() else "text"
    return Column(name, kind, array, gaps)


def _numbers(array: Any, spec: TableSpec) -> np.ndarray | None:
    """The column as numbers, in the suite's own way of writing them; None where some cell is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def every(pattern: str) -> bool:
        return bool(pc.all(pc.match_substring_regex(array, pattern)).as_py())

    def some(sign: str) -> bool:
        return bool(pc.any(pc.match_substring(array, sign)).as_py())

    if spec.thousands is not None and some(spec.thousands):
        mark = "\\" + spec.thousands
        point = "," if spec.decimal == "," else r"\."
        if every(rf"^[+-]?\d{{1,3}}({mark}\d{{3}})*({point}\d+)?$|^[+-]?\d+({point}\d+)?$"):
            array = pc.replace_substring(array, spec.thousands, "")
    if spec.decimal == "," and some(","):
        if some("."):
            return None
        array = pc.replace_substring(array, ",", ".")
    try:
        return _array(array.cast(pa.float64()))
    except pa.ArrowInvalid:
        pass
    words = pc.utf8_lower(array)
    if pc.all(pc.is_in(words, pa.array(TRUTH, pa.large_string())).filter(array.is_valid())).as_py():
        return _array(pc.equal(words, "true").cast(pa.float64()))
    return None
