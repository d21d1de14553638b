"""Every file of the cases does what their README says: it runs, or the refusal names the cause and the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import levelfield
from levelfield.tasks import table
from levelfield.tasks.errors import UserError
from levelfield.tasks.table import TableSpec
from levelfield.tasks.tables.frame import Remedied
from levelfield.tasks.task import Task

FOLDER = Path(levelfield.__file__).resolve().parents[2] / "shared" / "cases" / "data"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of cases is not beside this checkout")

QUARTERS = (0.5, 0.25, 0.25)
REGRESSION = {"kind": "regression"}

RUNS: list[tuple[str, dict[str, Any], str]] = [  # file, keys (label: kind), samples × features
    ("semicolon-quoted-header.csv", {"separator": ";"}, "18x2"),
    ("semicolon-decimal-comma.csv", {"separator": ";", "decimal": ","}, "18x2"),
    ("quoted-decimal-comma.csv", {"decimal": ","}, "18x2"),
    ("thousands-dot-silent.csv", {"thousands": "."}, "18x2"),
    ("tabs.tsv", {}, "18x2"),
    ("blanks-label-first.data", {"separator": " ", "header": False, "label": "c1"}, "18x2"),
    ("blanks-label-first.data", {"separator": " ", "header": False, "label": 1}, "18x2"),
    ("latin1-dates.csv", {"encoding": "latin-1", "exclude": ("day",)}, "18x2"),
    ("trailing-empty-columns.csv", {"label": "weight", "features": ("shell",), **REGRESSION}, "17x1"),
    ("trailing-empty-columns.csv", {"label": "weight", "exclude": ("Day", "Time"), **REGRESSION}, "17x1"),
    ("commas-only-last-line.csv", {}, "17x2"),
    ("comment-lines.csv", {"skip_lines": 2}, "17x2"),
    ("title-line.csv", {"skip_lines": 1}, "18x2"),
    ("single-quotes.csv", {"quote": "'", "exclude": ("band",)}, "18x1"),
    ("single-quotes.csv", {"quote": "'", "text": "one-hot"}, "18x8"),
    ("plain.csv.gz", {}, "18x2"),
    ("nominal.arff", {}, "14x2"),
    ("sparse.libsvm", {"label": "label"}, "18x3"),
    ("no-header-distinct.csv", {"header": False, "label": -1}, "18x2"),
    ("no-header-equal-cells.csv", {"header": False, "label": "c5"}, "18x4"),
    ("label-trailing-blank.csv", {"label": "kind (marsh, dune) "}, "18x2"),
    ("question-marks.csv", {"missing": "drop"}, "15x2"),
    ("question-marks.csv", {"missing": "median"}, "18x2"),
    ("na-regression-label.csv", {"label": "speed", "missing": "drop", **REGRESSION}, "16x2"),
    ("na-regression-label.csv", {"label": "speed", "missing": "median", **REGRESSION}, "16x2"),
    ("question-mark-class.csv", {"missing": "drop"}, "12x2"),
    ("sentinel.csv", {"missing_values": ("-200",), "missing": "drop"}, "15x2"),
    ("booleans.csv", {"label": "dune"}, "18x2"),
    ("text-columns.csv", {"text": "one-hot"}, "18x13"),
    ("text-columns.csv", {"exclude": ("colour", "pole", "shelf", "adult", "soil")}, "18x3"),
    ("letters-only.csv", {"label": "class", "text": "one-hot", "missing": "drop"}, "17x7"),
    ("date-column.csv", {"exclude": ("day",)}, "18x2"),
    ("trailing-dot-labels.csv", {"label": "worth", "splits": QUARTERS}, "18x2"),
    ("leading-zero-classes.csv", {"label": "route", "splits": QUARTERS}, "18x2"),
    ("row-counter.csv", {"exclude": ("No",)}, "18x1"),
    ("unnamed-index.csv", {"exclude": (1,)}, "18x1"),
    ("one-hot-label.csv", {"label": ("is_marsh", "is_dune", "is_wood")}, "18x2"),
    ("two-targets.csv", {"label": "heat", "exclude": ("cool",), **REGRESSION}, "18x2"),
    ("two-unwanted-of-twenty.csv", {"exclude": ("tag", "day")}, "18x17"),
    ("rare-class-number.csv", {"rare": 2}, "17x2"),
    ("rare-two-members.csv", {"label": "site", "rare": 3, "splits": QUARTERS}, "16x2"),
    ("integer-target-no-kind.csv", {"label": "price", **REGRESSION}, "18x2"),
    ("raw-target.csv", {"label": "price", "label_scale": "standard", **REGRESSION}, "18x2"),
    ("majority-only.csv", {"splits": QUARTERS}, "18x2"),
    ("capital-X.npz", {"label": "y"}, "18x3"),
    ("train-valid-test.npz", {"label": "y"}, "18x3"),
    ("train-valid-test.npz", {"label": "y_train"}, "18x3"),
    ("y-column.npz", {"label": "y"}, "18x3"),
    ("timestamp.parquet", {"exclude": ("seen",)}, "18x2"),
    ("dictionary-nulls.parquet", {"text": "one-hot", "missing": "drop"}, "17x5"),
    ("control-odd-names.csv", {"label": "marsh"}, "18x2"),
    ("control-constant-column.csv", {}, "18x3"),
]
REFUSED: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [  # file, keys, words of the cause, keys that help
    ("semicolon-quoted-header.csv", {}, "separated by ';'", {"separator": ";"}),
    ("semicolon-decimal-comma.csv", {}, "decimal commas", {"separator": ";", "decimal": ","}),
    ("quoted-decimal-comma.csv", {}, "decimal commas", {"decimal": ","}),
    ("blanks-label-first.data", {"label": -1}, "separated by ' '", {"separator": " ", "header": False}),
    ("latin1-dates.csv", {}, "line 1 holds the byte 0xB0", {"encoding": "latin-1"}),
    ("comment-lines.csv", {}, "line 1 has one cell with content, and line 3 has 3", {"skip-lines": 2}),
    ("title-line.csv", {}, "line 1 has one cell with content", {"skip-lines": 1}),
    ("three-header-rows.csv", {"label": "snail"}, "lines 2 and 3 look like header rows too", {}),
    ("single-quotes.csv", {}, 'stand in "\'"', {"quote": "'"}),
    ("no-header-distinct.csv", {"label": -1}, "line 1 looks like data", {"header": False}),
    ("no-header-distinct.csv", {}, "line 1 looks like data", {}),
    ("no-header-distinct.csv", {"label": "marsh"}, "line 1 looks like data", {}),
    ("no-header-equal-cells.csv", {"label": -1}, "line 1 looks like data", {"header": False}),
    ("question-marks.csv", {}, "3 of 18 rows have gaps: 'shell' 2, 'slime' 1", {"missing": "drop"}),
    ("na-regression-label.csv", {"label": "speed", **REGRESSION}, "'speed' 2", {"missing": "drop"}),
    ("question-mark-class.csv", {}, "'kind' 6", {"missing": "drop"}),
    ("text-columns.csv", {}, "'colour', 'pole', 'shelf', 'adult', 'soil'", {"text": "one-hot"}),
    ("letters-only.csv", {"label": "class"}, "text in 'cap'", {"text": "one-hot", "missing": "drop"}),
    ("date-column.csv", {}, "dates or times in 'day'", {"exclude": ["day"]}),
    ("two-unwanted-of-twenty.csv", {}, "'tag'", {"exclude": ["day", "tag"]}),
    ("rare-class-number.csv", {}, "class '9' (1)", {"rare": 2}),
    ("rare-two-members.csv", {"label": "site", "splits": QUARTERS}, "class 'imS' (2)", {"rare": 3}),
    ("integer-target-no-kind.csv", {"label": "price"}, "16 different numbers", {"kind": "regression"}),
    ("label-inside-data.npz", {}, "data (18, 4) float64; names (4,)", {}),
    ("object-array.npz", {"label": "y"}, "array 'x' holds Python objects", {}),
    ("lfs-pointer.csv", {}, "is a Git LFS pointer", {}),
    ("timestamp.parquet", {}, "'seen'", {"exclude": ["seen"]}),
    ("dictionary-nulls.parquet", {}, "'isle'", {"text": "one-hot", "missing": "drop"}),
]
WARNED: list[tuple[str, dict[str, Any], str, str]] = [  # file, keys, what is said, the key
    ("thousands-dot-silent.csv", {}, "three decimals", 'thousands = "."'),
    ("sentinel.csv", {}, "-200 in 3 cells", 'missing-values = ["-200"]'),
    ("trailing-dot-labels.csv", {"label": "worth", "splits": QUARTERS}, "'<=5k' (5), '<=5k.' (4)", ""),
    ("leading-zero-classes.csv", {"label": "route", "splits": QUARTERS}, "'007' (3), '07' (3), '7' (3)", ""),
    ("row-counter.csv", {}, "'No' counts the rows", 'exclude = ["No"]'),
    ("row-counter.csv", {}, "'No' alone tells the class", 'exclude = ["No"]'),
    ("unnamed-index.csv", {}, "'c1' counts the rows", 'exclude = ["c1"]'),
    ("label-twin.csv", {"label": "dune"}, "'marsh' alone tells the class", 'exclude = ["marsh"]'),
    ("one-hot-label.csv", {"label": "is_marsh"}, "sum to 1", 'label = ["is_marsh", "is_dune", "is_wood"]'),
    ("two-targets.csv", {"label": "heat", **REGRESSION}, "'cool' correlates 0.999", 'exclude = ["cool"]'),
    ("raw-target.csv", {"label": "price", **REGRESSION}, "likely to diverge", 'label-scale = "standard"'),
    ("diverging-not-nan.csv", {"label": "height", **REGRESSION}, "likely to diverge", 'label-scale = "standard"'),
]


def load(name: str, keys: dict[str, Any]) -> Task:
    return table.load("t", TableSpec(**{"file": FOLDER / name, "label": "kind"} | keys))


def size(task: Task) -> str:
    return f"{sum(len(split.x) for split in (task.train, task.validation, task.test))}x{task.features}"


@pytest.mark.parametrize(("name", "keys", "expected"), RUNS, ids=lambda value: str(value)[:60])
def test_it_runs_with_these_keys(name: str, keys: dict[str, Any], expected: str) -> None:
    task = load(name, keys)
    assert size(task) == expected
    for split in (task.train, task.validation, task.test):
        assert np.isfinite(split.x).all()
        assert np.isfinite(split.y).all()


@pytest.mark.parametrize(("name", "keys", "words", "remedy"), REFUSED, ids=lambda value: str(value)[:60])
def test_the_refusal_names_the_cause_and_what_it_says_to_write_works(
    name: str, keys: dict[str, Any], words: str, remedy: dict[str, Any]
) -> None:
    with pytest.raises(UserError) as caught:
        load(name, keys)
    assert words in caught.value.message
    assert caught.value.hint
    if not remedy:
        return
    assert isinstance(caught.value, Remedied)
    assert caught.value.keys == remedy
    second = keys | {key.replace("-", "_"): value for key, value in remedy.items()}
    try:
        load(name, second)
    except Remedied as error:  # at most two rounds
        load(name, second | {key.replace("-", "_"): value for key, value in error.keys.items()})


@pytest.mark.parametrize(("name", "keys", "words", "key"), WARNED, ids=lambda value: str(value)[:60])
def test_what_looks_dangerous_is_a_warning_with_its_key(name: str, keys: dict[str, Any], words: str, key: str) -> None:
    assert [w for w in load(name, keys).about.warnings if words in w and key in w]


def test_every_file_is_among_them() -> None:
    named = {case[0] for case in (*RUNS, *REFUSED, *WARNED)}
    assert {path.name for path in FOLDER.iterdir()} - named == {"README.md"}


def first_column(name: str, **keys: Any) -> np.ndarray:
    held = table.Table("t", TableSpec(file=FOLDER / name, label="kind", **keys))
    return held.features[0].numbers


def test_numbers_are_those_that_were_meant() -> None:
    assert first_column("semicolon-decimal-comma.csv", separator=";", decimal=",")[0] == 10.1
    assert first_column("thousands-dot-silent.csv", thousands=".")[:3].tolist() == [707, 1309, 784]


def test_classes_are_named_and_counted_as_they_are_written() -> None:
    four = load("leading-zero-classes.csv", {"label": "route", "splits": QUARTERS}).about.classes
    assert four == {"007": 3, "07": 3, "7": 3, "8": 9}
    assert list(load("single-quotes.csv", {"quote": "'", "text": "one-hot"}).about.classes) == ["dune", "marsh"]
    blanks = {"separator": " ", "header": False, "label": 1}
    assert list(load("blanks-label-first.data", blanks).about.classes) == ["0", "1"]


def test_given_splits_are_kept() -> None:
    task = load("train-valid-test.npz", {"label": "y"})
    assert [len(split.x) for split in (task.train, task.validation, task.test)] == [10, 4, 4]
