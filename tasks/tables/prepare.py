"""Columns → one matrix: gaps filled and texts encoded with what the training split alone tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.tasks.tables import frame
from levelfield.tasks.tables.columns import Column
from levelfield.tasks.tables.spec import TableSpec


@dataclass(frozen=True)
class Prepared:
    """`x` (n, features) float64; the last `indicators` of its columns are 0 or 1 for a text, and are not scaled."""

    x: np.ndarray
    names: tuple[str, ...]
    indicators: int
    said: tuple[str, ...]


def prepare(file: Path, features: Sequence[Column], rows: np.ndarray, train: np.ndarray, spec: TableSpec) -> Prepared:
    """The matrix of the `rows` that are kept; `train` are the training samples among these.

    Numbers come first. What fills a gap, and which texts there are, is learnt from `train` by scikit-learn; a text that
    occurs elsewhere only is all zeros. Scaling follows in `tasks.task.assemble`, from `train` as well.
    """
    numbers = [c for c in features if c.kind == "number"]
    texts = [c for c in features if c.kind == "text"]
    frame.check_cells(file, len(rows), len(numbers) + sum(len(c.distinct) for c in texts))
    filled = [c for c in features if spec.missing in ("median", "most-frequent") and c.gaps[rows].any()]
    if not texts and not filled:
        x = np.empty((len(rows), len(numbers)))
        for i, c in enumerate(numbers):
            x[:, i] = c.numbers if len(rows) == len(c.numbers) else c.numbers[rows]
        return Prepared(x, tuple(c.name for c in numbers), 0, ())

    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    how = {"median": "median", "most-frequent": "most_frequent"}.get(spec.missing, "median")
    of_numbers = SimpleImputer(strategy=how, keep_empty_features=True)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    of_texts = make_pipeline(SimpleImputer(strategy="most_frequent", keep_empty_features=True), encoder)
    held = {i: c.numbers[rows] for i, c in enumerate(numbers)}
    for i, c in enumerate(texts, len(numbers)):
        held[i] = _objects(c)[rows]
    table = pandas.DataFrame(held)
    transformer = ColumnTransformer(
        [("numbers", of_numbers, [*range(len(numbers))])] * bool(numbers)
        + [("texts", of_texts, [*range(len(numbers), len(held))])] * bool(texts)
    )
    transformer.fit(table.iloc[train])
    x = np.asarray(transformer.transform(table), np.float64)
    names, said = [c.name for c in numbers], []
    if filled:
        cells = sum(int(c.gaps[rows].sum()) for c in filled)
        by = "most frequent value" if spec.missing == "most-frequent" else "median (of texts: most frequent value)"
        said.append(f"{cells:,} gaps in {len(filled)} columns filled with the training split's {by}")
    if texts:
        encoded = transformer.named_transformers_["texts"][-1].categories_
        names += [f"{c.name}={value}" for c, values in zip(texts, encoded, strict=True) for value in values]
        said.append(f"{len(texts)} text columns one-hot, as {len(names) - len(numbers)} columns of 0 and 1")
        unseen = sum(len(set(c.distinct) - set(values)) for c, values in zip(texts, encoded, strict=True))
        said += [f"{unseen} texts do not occur in the training split: all zeros"] if unseen else []
    return Prepared(x, tuple(names), len(names) - len(numbers), tuple(said))


def _objects(column: Column) -> Any:
    """Texts, NaN in gaps, as scikit-learn takes them."""
    values = np.array(column.values.to_pylist(), dtype=object)
    values[column.gaps] = np.nan
    return values
