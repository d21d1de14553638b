"""A task: named data with fixed train / validation / test splits, ready for every framework."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from levelfield.tasks.errors import UserError

Kind = Literal["classification", "regression"]

Scaling = Literal["columns", "whole"]
"""How features become standardised. ``columns``: each column by its own training mean and deviation; ``whole``: all
of them by one mean and one deviation. The second is for images, whose columns are pixels in one unit: scaled alone,
a border pixel that is inked in one image of a thousand would outweigh the digit."""


class Split(NamedTuple):
    """Samples `x` (n, features) float32, or float64 where published figures are replayed, and targets `y`: int64 (n,)
    classes or float32 (n, outputs)."""

    x: np.ndarray
    y: np.ndarray


class Splits(NamedTuple):
    """Shares of the data for each split; they sum to 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15


DEFAULT_SPLITS = Splits()


@dataclass(frozen=True)
class About:
    """What the user is told of an own file: names of features, classes with their samples, what was inferred or left
    out, and warnings. Workers need none of it."""

    features: tuple[str, ...] = ()
    classes: dict[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    label: str = ""


NOTHING = About()


@dataclass(frozen=True)
class Task:
    """A learning problem. Features are standardised with the training split's statistics.

    `label`: centre and scale of a regression's label: in its own unit, a target is y × scale + centre.
    """

    name: str
    kind: Kind
    train: Split
    validation: Split
    test: Split
    outputs: int
    source: str
    licence: str
    label: tuple[float, float] = (0.0, 1.0)
    about: About = NOTHING

    @property
    def features(self) -> int:
        return int(self.train.x.shape[1])

    def digest(self) -> str:
        """SHA-256 of all splits: equal for the same data, split and scaled alike."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in split:
                digest.update(np.ascontiguousarray(array).tobytes())
        if self.label != (0.0, 1.0):
            digest.update(np.array(self.label).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the splits as ``.npz``, the form in which workers read them (nothing is pickled)."""
        np.savez(
            path,
            text=np.array([self.name, self.kind, str(self.outputs), self.source, self.licence]),
            label=np.array(self.label),
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
            train, validation, test = (Split(data[f"{s}_x"], data[f"{s}_y"]) for s in ("train", "validation", "test"))
            centre, scale = data["label"].tolist()
        assert kind in ("classification", "regression")
        return cls(name, kind, train, validation, test, int(outputs), source, licence, (centre, scale))  # type: ignore[arg-type]


def make_task(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    kind: Kind = "classification",
    source: str,
    licence: str,
    splits: Splits = DEFAULT_SPLITS,
    seed: int = 0,
    scaling: Scaling = "columns",
    classes: Sequence[str] = (),
) -> Task:
    """Split (stratified by class), standardise and type `x` (n, features) and `y` (n,) or (n, outputs).

    Classes must be 0 … outputs−1; `classes` are their names, for messages. Raises UserError when the shares are not
    positive with sum 1 and when a class is too rare to be in every split.
    """
    return assemble(
        name,
        x,
        y,
        *cut(name, y, splits, kind=kind, seed=seed, classes=classes),
        kind=kind,
        source=source,
        licence=licence,
        scaling=scaling,
        classes=classes,
    )


def cut(
    name: str, y: np.ndarray, splits: Splits, *, kind: Kind, seed: int, classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of train, validation and test, stratified by class. Raises UserError as `make_task` does."""
    if not all(share > 0 for share in splits) or abs(sum(splits) - 1) > 1e-6:
        raise UserError(
            f"task {name!r}: splits {list(splits)} are not three positive shares with sum 1",
            "splits = [0.7, 0.15, 0.15] gives train, validation and test their shares",
        )
    rest, test = stratified_cut(name, np.arange(len(y)), y, splits.test, kind=kind, seed=seed)
    share = splits.validation / (splits.train + splits.validation)
    train, validation = stratified_cut(name, rest, y, share, kind=kind, seed=seed)
    if kind == "classification":
        for split, rows in (("train", train), ("validation", validation), ("test", test)):
            require_classes(name, split, y, rows, classes)
    return train, validation, test


def stratified_cut(
    name: str, rows: np.ndarray, y: np.ndarray, share: float | int, *, kind: Kind, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle `rows` and cut off a `share` of them (or so many), stratified by class: (the rest, the share)."""
    from sklearn.model_selection import train_test_split

    strata = y[rows] if kind == "classification" else None
    try:
        return train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
    except ValueError as error:
        raise UserError(
            f"task {name!r}: {len(y)} samples cannot be split: {error}",
            "every class needs some ten samples, and every split at least one of each class",
        ) from None


def require_classes(name: str, split: str, y: np.ndarray, rows: np.ndarray, classes: Sequence[str] = ()) -> None:
    """Raise UserError when some class of `y` has no sample among `rows`."""
    absent = np.setdiff1d(y, y[rows])
    if absent.size:
        shown = ", ".join(repr(classes[i]) if len(classes) else str(i) for i in absent[:3])
        more = f" and {absent.size - 3} more" if absent.size > 3 else ""
        raise UserError(
            f"task {name!r}: no sample of class {shown}{more} in the {split} split",
            "give every class more samples, merge rare classes, or leave them out",
        )


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
    scaling: Scaling = "columns",
    classes: Sequence[str] = (),
    indicators: int = 0,
    label: tuple[float, float] = (0.0, 1.0),
    about: About = NOTHING,
) -> Task:
    """Build a task from the row numbers of each split; see `Scaling` for how features are standardised.

    The last `indicators` features are 0 or 1 for a text and stay so: a text that is rare in training would outweigh
    all else once standardised. `label`: what `y` was centred and scaled by.

    Raises UserError when a class is absent from training, or when a standardised feature overflows float32.
    """
    if kind == "classification":
        require_classes(name, "train", y, train, classes)
    centre, scale = _standardiser(x[train], scaling)
    if indicators:
        centre[-indicators:], scale[-indicators:] = 0.0, 1.0

    def part(split: str, rows: np.ndarray) -> Split:
        with np.errstate(over="ignore", invalid="ignore"):
            features = np.subtract(x[rows], centre, dtype=np.float64)
            features /= scale
            features = features.astype(np.float32)
        if not np.isfinite(features).all():
            row, column = np.argwhere(~np.isfinite(features))[0]
            raise UserError(
                f"task {name!r}: sample {rows[row]}, feature {column} ({split}) lies so far from the training "
                "values that it is not a float32 number once standardised",
                "look for a wrong value, or leave the feature out",
            )
        if kind == "classification":
            return Split(features, np.ascontiguousarray(y[rows], dtype=np.int64))
        return Split(features, np.asarray(y[rows], dtype=np.float32).reshape(len(rows), -1))

    parts = part("train", train), part("validation", validation), part("test", test)
    outputs = int(y.max()) + 1 if kind == "classification" else parts[0].y.shape[1]
    return Task(name, kind, *parts, outputs, source, licence, label, about)


def _standardiser(x: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale of the training features, each (features,) or (1,).

    What is constant gets its own value as centre and 1 as scale, so that it becomes exactly zero: the deviation
    that floating point finds for a constant column is rounding noise, and dividing by it would blow that noise up.
    """
    axis = 0 if scaling == "columns" else None
    low, high = np.atleast_1d(x.min(axis=axis)), np.atleast_1d(x.max(axis=axis))
    deviation = np.atleast_1d(x.std(axis=axis, dtype=np.float64))
    varies = (high > low) & (deviation > 0)
    centre = np.where(varies, x.mean(axis=axis, dtype=np.float64), low)
    return centre, np.where(varies, deviation, 1.0)
