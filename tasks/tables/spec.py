"""What a suite says about a user's own file: the keys of ``[tasks.x]``, each explained in docs/data.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from levelfield.tasks.errors import UserError
from levelfield.tasks.numbers import Real
from levelfield.tasks.task import Kind

Format = Literal["csv", "parquet", "feather", "npz", "arff", "xlsx", "libsvm"]
Place = Annotated[int, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("write a column as its name, or as its place: 1 is the first, -1 the last")
    return value


def _label(value: Any) -> Any:
    """A column, or a list of at least two, as a tuple."""
    if not isinstance(value, list | tuple):
        return _column(value)
    if len(value) < 2:
        raise ValueError("a list of columns is a one-hot label: write two of them at least, or one name")
    return tuple(_column(one) for one in value)


Key = Annotated[Text | Place, BeforeValidator(_column)]

Seed = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Sign = Annotated[str, Field(strict=True, min_length=1, max_length=1)]
FILES = ("file", "train", "validation", "test")


class TableSpec(BaseModel):
    """The keys, written with hyphens; unknown ones are refused.

    `file`, or one for each split: `train` and `test`, and perhaps `validation`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
        allow_inf_nan=False,
    )

    file: Path | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    format: Format | None = None
    label: Annotated[Text | Place | tuple[Text | Place, ...], BeforeValidator(_label)]
    kind: Kind = "classification"
    label_scale: Literal["none", "standard"] = "none"
    rare: Annotated[int, Field(strict=True, ge=0)] = 0
    splits: tuple[Real, Real, Real] | None = None
    split_column: Key | None = None
    seed: Seed = 0
    features: tuple[Key, ...] | None = None
    exclude: tuple[Key, ...] = ()
    separator: Sign | None = None
    header: Annotated[bool, Field(strict=True)] | None = None  # None: there is one, unless it looks like data
    names: tuple[Text, ...] | None = None
    skip_lines: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0
    encoding: Text = "utf-8"
    quote: Sign = '"'
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    missing: Literal["refuse", "drop", "median", "most-frequent"] = "refuse"
    missing_values: tuple[Text, ...] | None = None
    text: Literal["refuse", "one-hot"] = "refuse"

    @property
    def labels(self) -> tuple[Text | Place, ...]:
        """One, or the several of a one-hot label."""
        return self.label if isinstance(self.label, tuple) else (self.label,)

    @property
    def files(self) -> dict[str, Path]:
        """``file``, or the splits that have one of their own. Raises UserError where that does not fit together."""
        given = {name: path for name in FILES if (path := getattr(self, name)) is not None}
        if "file" in given and len(given) == 1:
            return given
        if "file" in given or not {"train", "test"} <= set(given):
            raise UserError(
                f"an own task names its files with {', '.join(given) or 'no key'}",
                'write file = "all.csv", or train = "a.csv" and test = "b.csv" (and perhaps validation = "c.csv")',
            )
        if self.split_column is not None:
            raise UserError("both a file for each split and `split-column` are given", "leave one of them out")
        return given

    def beside(self, folder: Path) -> TableSpec:
        """The same with its files seen from `folder`."""
        found = {name: folder / path for name in FILES if (path := getattr(self, name)) is not None}
        return self.model_copy(update=found)
