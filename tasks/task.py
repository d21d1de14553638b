"""A task: named data with fixed train / validation / test splits, ready for every framework."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tasks.errors import UserError

Kind = Literal["classification", "regression"]


class Split(NamedTuple):
    """Samples `x` float32 (n, features) and targets `y`: int64 (n,) classes or float32 (n, outputs)."""

    x: np.ndarray
    y: np.ndarray


class Splits(NamedTuple):
    """Shares of the data for each split; they sum to 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15


@dataclass(frozen=True)
class Task:
    """A learning problem. Features are standardised with the training split's statistics."""

    name: str
    kind: Kind
    train: Split
    validation: Split
    test: Split
    outputs: int
    source: str
    licence: str

    @property
    def features(self) -> int:
        return int(self.train.x.shape[1])

    def save(self, path: Path) -> None:
        """Write the splits as ``.npz``, the form in which workers read them (nothing is pickled)."""
        np.savez(
            path,
            text=np.array([self.name, self.kind, str(self.outputs), self.source, self.licence]),
            **{
                f"{split}_{part}": getattr(getattr(self, split), part)
                for split in ("train", "validation", "test")
                for part in ("x", "y")
            },
        )

    @classmethod
    def load(cls, path: Path) -> Task:
        with np.load(path, allow_pickle=False) as data:
            name, kind, outputs, source, licence = (str(t) for t in data["text"])
            train, validation, test = (
                Split(data[f"{s}_x"], data[f"{s}_y"]) for s in ("train", "validation", "test")
            )
        assert kind in ("classification", "regression")
        return cls(name, kind, train, validation, test, int(outputs), source, licence)  # type: ignore[arg-type]


def make_task(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    kind: Kind = "classification",
    source: str,
    licence: str,
    splits: Splits = Splits(),
    seed: int = 0,
) -> Task:
    """Split (stratified by class), standardise and type `x` (n, features) and `y` (n,) or (n, outputs).

    Classes must be 0 … outputs−1. Raises UserError when a class is too rare to be in every split.
    """
    from sklearn.model_selection import train_test_split

    def cut(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        strata = y[rows] if kind == "classification" else None
        try:
            return train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
        except ValueError as error:
            raise UserError(
                f"task {name!r}: {len(x)} samples cannot be split {splits}: {error}",
                "every class needs a few samples in each split",
            ) from None

    rest, test = cut(np.arange(len(x)), splits.test)
    train, validation = cut(rest, splits.validation / (splits.train + splits.validation))
    return assemble(name, x, y, train, validation, test, kind=kind, source=source, licence=licence)


def assemble(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    *,
    kind: Kind = "classification",
    source: str,
    licence: str,
) -> Task:
    """Build a task from given row numbers of each split; features are standardised per column."""
    mean = x[train].mean(axis=0, dtype=np.float64)
    deviation = x[train].std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)  # a constant column becomes zeros

    def part(rows: np.ndarray) -> Split:
        features = ((x[rows] - mean) / scale).astype(np.float32)
        if kind == "classification":
            return Split(features, np.ascontiguousarray(y[rows], dtype=np.int64))
        return Split(features, np.asarray(y[rows], dtype=np.float32).reshape(len(rows), -1))

    outputs = int(y.max()) + 1 if kind == "classification" else part(train).y.shape[1]
    return Task(name, kind, part(train), part(validation), part(test), outputs, source, licence)
