"""A user's own file becomes a task, or one error that says what is wrong where."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levelfield.tasks import table
from levelfield.tasks.errors import UserError
from levelfield.tasks.table import TableSpec
from levelfield.tasks.tables import frame as table_file
from levelfield.tasks.task import Splits, Task

Write = Callable[..., Path]


def flowers(rows: int = 60) -> list[list[Any]]:
    """A header and rows of two measurements, a species, and a split."""
    species = ["setosa", "virginica", "versicolor"]
    splits = ["train"] * 4 + ["validation"] + ["test"]
    lines = [[f"{i * 0.5:.1f}", i * i, species[i % 3], splits[i // 3 % 6]] for i in range(rows)]
    return [["length", "width", "species", "part"], *lines]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows as CSV, or text or bytes as they are."""

    def to_file(rows: Sequence[Sequence[Any]] | str | bytes, name: str = "flowers.csv") -> Path:
        path = tmp_path / name
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif isinstance(rows, str):
            path.write_text(rows, encoding="utf-8", newline="")
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        return path

    return to_file


def load(file: Path, label: str = "species", **facts: Any) -> Task:
    return table.load("flowers", TableSpec(file=file, label=label, **facts))


def error(file: Path, label: str = "species", **facts: Any) -> UserError:
    """The error that loading gives; every one has a hint."""
    with pytest.raises(UserError) as caught:
        load(file, label, **facts)
    assert caught.value.hint
    return caught.value


# ---- CSV that is right


def test_a_csv_becomes_a_task(write: Write) -> None:
    task = load(write(flowers()), features=("length", "width"))
    assert (task.name, task.kind, task.features, task.outputs) == ("flowers", "classification", 2, 3)
    assert [len(split.x) for split in (task.train, task.validation, task.test)] == [42, 9, 9]
    assert task.train.x.dtype == np.float32
    assert task.train.y.dtype == np.int64
    np.testing.assert_allclose(task.train.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.train.x.std(axis=0), 1, atol=1e-6)
    assert task.source.startswith("flowers.csv (SHA-256 ")


def test_without_features_all_columns_but_label_and_split_are_learnt_from(write: Write) -> None:
    assert load(write(flowers()), split_column="part").features == 2


def test_text_labels_become_classes_in_alphabetical_order(write: Write) -> None:
    task = load(write(flowers()), split_column="part")
    # Rows 0, 1, 2 are setosa, virginica, versicolor; sorted they are 0, 2, 1.
    assert task.train.y[:3].tolist() == [0, 2, 1]


def test_numeric_labels_are_ordered_by_value_and_not_as_text(write: Write) -> None:
    rows = [["x", "y", "s"]] + [[i, [10, 9, 2][i % 3], ["train", "validation", "test"][i // 3 % 3]] for i in range(27)]
    assert load(write(rows), "y", split_column="s").train.y[:3].tolist() == [2, 1, 0]


@pytest.mark.parametrize("labels", [("1", "1.0", "2"), ("01", "1", "2")])
def test_labels_of_the_same_value_stay_apart_as_they_are_written(write: Write, labels: tuple[str, ...]) -> None:
    rows = [["x", "y"]] + [[i, labels[i % 3]] for i in range(60)]
    task = load(write(rows), "y")
    assert set(task.about.classes) == set(labels)
    assert any("nearly alike" in warning for warning in task.about.warnings)


def test_integers_too_large_for_a_float_stay_apart(write: Write) -> None:
    rows = [["x", "y"]] + [[i, 2**60 + i % 2] for i in range(60)]
    assert load(write(rows), "y").outputs == 2


def test_the_split_column_is_obeyed(write: Write) -> None:
    task = load(write(flowers()), split_column="part")
    rows = flowers()[1:]
    for name in ("train", "validation", "test"):
        order = ["setosa", "versicolor", "virginica"]
        expected = [order.index(row[2]) for row in rows if row[3] == name]
        assert getattr(task, name).y.tolist() == expected


def test_shares_and_seed_choose_the_splits(write: Write) -> None:
    file = write([row[:3] for row in flowers()])
    task = load(file, splits=Splits(0.5, 0.25, 0.25))
    assert [len(split.x) for split in (task.train, task.validation, task.test)] == [30, 15, 15]
    same, other = load(file, splits=Splits(0.5, 0.25, 0.25)), load(file, splits=Splits(0.5, 0.25, 0.25), seed=1)
    np.testing.assert_array_equal(task.test.x, same.test.x)
    assert not np.array_equal(task.test.x, other.test.x)


def test_a_regression_keeps_its_unit(write: Write) -> None:
    rows = [["x", "price"]] + [[i, 100_000 + i] for i in range(40)]
    task = load(write(rows), "price", kind="regression")
    assert (task.kind, task.outputs) == ("regression", 1)
    assert task.train.y.shape == (28, 1)
    assert task.train.y.min() >= 100_000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_marks_blanks_and_blank_lines_do_not_matter(write: Write, end: str, mark: str) -> None:
    lines = [", ".join(map(str, row)) for row in flowers()]
    plain, decorated = write(flowers()), write(mark + f"{end}{end}".join(lines) + end, "decorated.csv")
    a, b = (load(file, split_column="part", features=("length", "width")) for file in (plain, decorated))
    np.testing.assert_array_equal(a.train.x, b.train.x)
    np.testing.assert_array_equal(a.test.y, b.test.y)


def test_quoted_names_and_labels_may_hold_commas_and_line_ends(write: Write) -> None:
    rows = [["x, in cm", "y"]] + [[i, ["a, b", 'c\n"d"'][i % 2]] for i in range(40)]
    assert load(write(rows), "y", features=("x, in cm",)).outputs == 2


# ---- CSV that is wrong


def changed(row: int, column: int, value: Any) -> list[list[Any]]:
    rows = flowers()
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("red", "line 8, column 'width': 'red' is not a number"),
        ("-inf", "line 8, column 'width': -inf is not a finite"),
        ("1e39", "line 8, column 'width': 1e+39 is not a finite float32 number"),
        ("1_000", "line 8, column 'width': '1_000' is not a number"),
        ("0x10", "line 8, column 'width': '0x10' is not a number"),
        ("9" * 5000, "line 8, column 'width': inf is not a finite"),
        ("1,5", "'width' have decimal commas: '1,5'"),
        *[(gap, "1 of 60 rows has gaps: 'width' 1; the first in line 8") for gap in ("", "  ", "nan", "NA", "?")],
    ],
)
def test_a_bad_cell_is_named_by_file_line_and_column(write: Write, value: str, words: str) -> None:
    found = error(write(changed(7, 1, value)), split_column="part")
    assert "flowers.csv: " in found.message
    assert words in found.message
    assert len(found.message) < 400


def test_the_line_is_the_one_an_editor_shows(write: Write) -> None:
    text = 'x,y\n\n1,"a\nb"\n2,c\nred,c\n'
    assert "line 6, column 'x'" in error(write(text), "y").message


def test_text_columns_can_be_left_out_by_features(write: Write) -> None:
    rows = [[*row, "red"] for row in flowers()]
    rows[0][-1] = "colour"
    file = write(rows)
    assert "text in 'colour'" in error(file, split_column="part").message
    assert load(file, split_column="part", features=("width",)).features == 1


@pytest.mark.parametrize(
    ("facts", "words", "hint"),
    [
        ({"label": "specie"}, "(key `label`): 'specie'", "'species'"),
        ({"split_column": "prt"}, "(key `split-column`): 'prt'", "'part'"),
        ({"features": ("lenght",)}, "(key `features`): 'lenght'", "'length'"),
        ({"features": ("length", "length")}, "'length' is named twice", "once"),
        ({"features": ("length", "species")}, "'species' is named twice", "without the label"),
        ({"features": ()}, "no feature columns", "column to learn from"),
        ({"split_column": "species"}, "both `label` and `split-column`", "two columns"),
        ({"kind": "regression", "features": ("width",)}, "line 2, column 'species': 'setosa' is not a number", "kind"),
        ({"splits": Splits(0.9, 0.2, 0.1), "features": ("width",)}, "three positive shares", "splits = "),
        ({"splits": Splits(0.98, 0.01, 0.01), "features": ("width",)}, "cannot be split", "each class"),
    ],
)
def test_a_wrong_key_is_named_with_what_would_be_right(
    write: Write, facts: dict[str, Any], words: str, hint: str
) -> None:
    found = error(write(flowers()), **{"label": "species", **facts})
    assert words in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n\n", "has no header"),
        ("length,species\n", "has no samples"),
        ("species\na\nb\n", "no feature columns"),
        ("length,species,length\n1,a,2\n", "two columns are called 'length'"),
        ("length,species\n1,a\n2,b,3\n", "line 3 has 3 cells, the header 2"),
        ("length,species\n1,a\n2\n", "line 3 has 1 cells, the header 2"),
        ("length;species\n1;a\n", "separated by ';'"),
        ("length\tspecies\n1\ta\n", r"separated by '\t'"),
        ('length,species\n1,"a\n2,b\n', "is not CSV"),
        ('length,species\n1,"a"b\n', "is not CSV"),
        (f"length,species\n1,{'a' * 200_000}\n", "all labels"),
        ("length,species\n1,a\n2,a\n", "all labels (column 'species') are 'a'"),
        ("length,species\n1,a\n2,\n", "1 of 2 rows has gaps: 'species' 1; the first in line 3"),
        ("length,species\n1,a\n2,NaN\n", "the first in line 3"),
        ("length,species\n1,a\n2,b\n", "too few samples of class 'a' (1), 'b' (1)"),
        ("length,species\n1,grün\n".encode("latin-1"), "not UTF-8"),
        ("length,species\n1,a\n".encode("utf-16"), "not UTF-8"),
        (b"length,species\n\x00,a\n", "text in 'length'"),
        (b"\x00\x01\x02", "has no samples"),
    ],
)
def test_a_file_that_is_no_table_is_an_error_that_names_it(write: Write, content: str | bytes, words: str) -> None:
    found = error(write(content))
    assert words in found.message
    assert "flowers" in found.message


def test_a_rare_class_is_named(write: Write) -> None:
    rows = [["x", "y"]] + [[i, "cat" if i % 2 else "dog"] for i in range(50)] + [[9, "lynx"]] * 3
    assert "'lynx'" in error(write(rows), "y").message


def test_numbers_learnt_as_classes_are_probably_a_regression(write: Write) -> None:
    rows = [["x", "y"]] + [[i, i + 0.5] for i in range(50)]
    assert 'kind = "regression"' in error(write(rows), "y").hint


@pytest.mark.parametrize(("value", "hint"), [("valid", "'validation'"), ("", "train"), ("Train", "'train'")])
def test_an_unknown_split_is_named_with_its_line(write: Write, value: str, hint: str) -> None:
    found = error(write(changed(5, 3, value)), split_column="part")
    assert "line 6, column 'part'" in found.message
    assert hint in found.hint


def test_a_split_without_rows_is_named(write: Write) -> None:
    rows = [row for row in flowers() if row[3] != "validation"]
    assert "no row is of the split 'validation'" in error(write(rows), split_column="part").message


def test_a_class_that_is_never_trained_is_named(write: Write) -> None:
    rows = [row for row in flowers() if row[2] != "setosa" or row[3] != "train"]
    assert "'setosa' in the train split" in error(write(rows), split_column="part").message


# ---- files that cannot be read at all


def test_what_is_not_there_or_not_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert "does not exist" in error(tmp_path / "absent.csv").message
    assert "is a folder" in error(tmp_path / "folder.csv").message
    assert "File name too long" in error(tmp_path / ("x" * 500 + ".csv")).message


@pytest.mark.parametrize("name", ["flowers", "flowers.pkl", "flowers.pkl.gz"])
def test_an_unknown_suffix_is_answered_with_the_known_ones(tmp_path: Path, name: str) -> None:
    assert ".csv, .tsv" in error(tmp_path / name).hint


def test_a_file_over_the_limit_is_not_opened(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(flowers())
    monkeypatch.setattr(table_file, "MAX_BYTES", 100)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert "flowers.csv is too big" in error(file).message


def test_a_csv_with_more_values_than_there_is_room_for_is_an_error(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("a,b,c,d,y\n" + "1,2,3,4,5\n" * 100)
    monkeypatch.setattr(table_file, "MAX_BYTES", 2000)
    assert "of 4 features" in error(file, "y").message


# ---- npz


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


X, Y = np.arange(80.0).reshape(40, 2), np.arange(40) % 2


@pytest.mark.parametrize("y", [Y, Y.astype(bool), Y.astype(float), np.where(Y, "yes", "no")])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "bool"])
def test_an_npz_becomes_a_task(tmp_path: Path, y: np.ndarray, dtype: str) -> None:
    task = load(npz(tmp_path / "a.npz", x=X.astype(dtype), y=y), "y")
    assert (task.features, task.outputs, len(task.train.x)) == (2, 2, 28)


def test_a_compressed_npz_with_its_own_names_and_splits(tmp_path: Path) -> None:
    part = np.array(["train", "train", "validation", "validation", "test", "test", "train", "train"] * 5)
    np.savez_compressed(tmp_path / "a.npz", x=X, kind=Y, part=part)
    task = load(tmp_path / "a.npz", "kind", split_column="part")
    assert [len(split.x) for split in (task.train, task.validation, task.test)] == [20, 10, 10]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "(key `label`): 'y'"),
        ({"y": Y}, "no array x or X or data with the features; it holds y (40,)"),
        ({"x": X, "y": Y[:-1]}, "array 'y' is int64 of shape (39,), and there are 40 samples"),
        ({"x": X, "y": np.stack([Y, Y], 1)}, "shape (40, 2)"),
        ({"x": X[:, 0], "y": Y}, "array 'x' is float64 of shape (40,)"),
        ({"x": X[:, :0], "y": Y}, "array 'x' is float64 of shape (40, 0)"),
        ({"x": X + 1j, "y": Y}, "complex128"),
        ({"x": X.astype(str), "y": Y}, "array 'x' is <U"),
        ({"x": np.where(X == 41, np.nan, X), "y": Y}, "1 of 40 rows has gaps: '2' 1; the first in row 21"),
        ({"x": X * 1e38, "y": Y}, "is not a finite float32"),
        ({"x": X.astype(object), "y": Y}, "array 'x' holds Python objects"),
        ({"x": X, "y": np.array([object()] * 40)}, "array 'y' holds Python objects"),
        ({"x": X[:0], "y": Y[:0]}, "has no samples"),
        ({"x": X, "y": np.where(Y, 1.0, np.nan)}, "20 of 40 rows have gaps: 'y' 20; the first in row 1"),
    ],
)
def test_a_wrong_npz_is_an_error(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    found = error(npz(tmp_path / "a.npz", **arrays), "y")
    assert words in found.message
    assert "a.npz" in found.message


def test_features_of_an_npz_are_named_by_their_place(tmp_path: Path) -> None:
    task = load(npz(tmp_path / "a.npz", x=X, y=Y), "y", features=("2",))
    assert (task.features, task.about.features) == (1, ("2",))


class Trap:
    """Unpickling this would leave a mark."""

    sprung = False

    def __reduce__(self) -> tuple:
        return (setattr, (Trap, "sprung", True))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    error(npz(tmp_path / "a.npz", x=X, y=np.array([Trap()] * 40)), "y")
    assert not Trap.sprung


def header_only(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """An .npy file that promises an array and holds none."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (header_only((2**40, 2**20)), "too big"),
        (header_only((2**40, 0)), "array 'x'"),
        (header_only((2**24, 3)), "too big"),
        (header_only((40, 2)), "cannot be read as .npz"),
        (b"", "cannot be read as .npz"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read as .npz"),
        (b"\x93NUMPY\x09\x00", "cannot be read as .npz"),
        (b"\x93NUMPY\x01\x00\x90\x00" + b"(" * 144, "cannot be read as .npz"),
    ],
)
def test_an_npz_that_promises_what_it_does_not_hold_is_an_error(tmp_path: Path, member: bytes, words: str) -> None:
    file = npz(tmp_path / "a.npz", y=Y)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x.npy", member)
    assert words in error(file, "y").message


def test_an_npz_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.npz"
    np.savez_compressed(file, x=np.zeros((10_000, 20)), y=np.arange(10_000) % 2)
    assert file.stat().st_size < 100_000
    monkeypatch.setattr(table_file, "MAX_BYTES", 1_000_000)
    assert "array 'x' is float64 of shape (10000, 20)" in error(file, "y").message


# ---- Parquet


def parquet(path: Path, **columns: Any) -> Path:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path)
    return path


def test_a_parquet_file_becomes_the_task_its_csv_becomes(write: Write, tmp_path: Path) -> None:
    rows = flowers()[1:]
    file = parquet(
        tmp_path / "flowers.parquet",
        **{"length": [float(row[0]) for row in rows], "width": [row[1] for row in rows]},
        **{"species": [row[2] for row in rows], "part": [row[3] for row in rows]},
    )
    a, b = load(write(flowers()), split_column="part"), load(file, split_column="part")
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(a, name).x, getattr(b, name).x)
        np.testing.assert_array_equal(getattr(a, name).y, getattr(b, name).y)


def test_parquet_columns_of_every_numeric_type_and_categories(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    types = ["int8", "uint16", "int64", "float16", "float32", "float64"]
    values = np.arange(60) % 7
    columns = {kind: pa.array(values.astype(kind)) for kind in types}
    columns["bool"] = pa.array(values > 3)
    columns["dotted.name"] = pa.array(values)
    columns["y"] = pa.array(["no", "yes"] * 30).dictionary_encode()
    task = load(parquet(tmp_path / "a.parquet", **columns), "y")
    assert (task.features, task.outputs) == (8, 2)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": ["red", "blue"], "y": [0, 1]}, "text in 'x'"),
        ({"x": [1.0, None], "y": [0, 1]}, "'x' 1; the first in row 2"),
        ({"x": [1.0, float("nan")], "y": [0, 1]}, "'x' 1; the first in row 2"),
        ({"x": [1.0, 2.0], "y": [None, "a"]}, "'y' 1; the first in row 1"),
        ({"x": [1.0, 2.0], "y": [[1], [2]]}, "column 'y' is list"),
        ({"x": [1.0, 2.0], "z": [1, 2]}, "(key `label`): 'y'"),
        ({"y": [1, 2]}, "no feature columns"),
    ],
)
def test_a_wrong_parquet_file_is_an_error(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    found = error(parquet(tmp_path / "a.parquet", **columns), "y")
    assert words in found.message
    assert "a.parquet" in found.message


def test_a_parquet_file_that_is_small_only_on_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = parquet(tmp_path / "a.parquet", x=np.zeros(100_000), y=np.zeros(100_000))
    monkeypatch.setattr(table_file, "MAX_BYTES", 10_000 + file.stat().st_size)
    assert "100,000 rows of 1 features" in error(file, "y").message


# ---- whatever is in a file, it is a task or one error


def task_or_error(file: Path, **facts: Any) -> None:
    try:
        task = load(file, "y", **facts)
    except UserError as found:
        if not (found.message and found.hint):
            pytest.fail(f"not helpful: {found!r}")
        return
    for split in (task.train, task.validation, task.test):
        assert len(split.x) == len(split.y) > 0
        assert split.x.dtype == np.float32
        assert np.isfinite(split.x).all()
        assert np.isfinite(split.y).all()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


cells = st.one_of(
    st.floats(allow_nan=True, width=64).map(repr),
    st.integers(-5, 5).map(str),
    st.sampled_from(["", " ", "nan", "NA", "red", "1e400", '"', "a,b", "train", "test", "\r", "\x00", "1_0", "é"]),
)
labels = st.sampled_from(["0", "1", "cat", "dog", "1.0", ""])
splits = st.sampled_from(["train", "validation", "test"])


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(cells, labels, splits), max_size=12),
    repeat=st.integers(1, 8),
    split_column=st.sampled_from([None, "s"]),
    kind=st.sampled_from(["classification", "regression"]),
)
def test_any_table_of_text_is_a_task_or_an_error(
    scratch: Path, rows: list[tuple[str, ...]], repeat: int, split_column: str | None, kind: str
) -> None:
    file = scratch / "a.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("x", "y", "s"), *(rows * repeat)])
    task_or_error(file, features=("x",), split_column=split_column, kind=kind)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e39, max_value=1e39)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(numbers, numbers, splits), min_size=6, max_size=30))
@example(rows=[(0.1, 1.0, s) for s in ("train", "validation", "test") * 3])
@example(rows=[(5e-324, 1.0, "train"), (0.0, 2.0, "train"), (3e38, 1.0, "validation"), (1.0, 2.0, "test")])
def test_any_table_of_numbers_is_a_task_or_an_error(scratch: Path, rows: list[tuple[float, float, str]]) -> None:
    file = scratch / "b.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("x", "y", "s"), *rows])
    task_or_error(file, split_column="s", kind="regression")
    task_or_error(file, features=("x",), kind="regression")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_task_or_an_error(scratch: Path, data: bytes, headed: bool) -> None:
    for suffix in ("csv", "npz", "parquet"):
        file = scratch / f"c.{suffix}"
        file.write_bytes(b"x,y\n" + data if headed else data)
        task_or_error(file)


@settings(deadline=None, max_examples=60)
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255), suffix=st.sampled_from(["npz", "parquet", "csv"]))
def test_a_file_with_one_wrong_byte_is_a_task_or_an_error(scratch: Path, position: int, byte: int, suffix: str) -> None:
    good = scratch / f"good.{suffix}"
    if not good.exists():
        if suffix == "npz":
            np.savez_compressed(good, x=X, y=Y)
        elif suffix == "parquet":
            parquet(good, x=X[:, 0], y=Y)
        else:
            good.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in zip(X[:, 0], Y, strict=True)))
    data = bytearray(good.read_bytes())
    data[position % len(data)] = byte
    wrong = scratch / f"wrong.{suffix}"
    wrong.write_bytes(data)
    task_or_error(wrong)
