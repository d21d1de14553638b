"""The kinds of tables that people have, each in a small file of its own: read with the key that the refusal names."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from levelfield.harness.cli import main
from levelfield.harness.measure import learning
from levelfield.tasks import score, table
from levelfield.tasks.errors import UserError
from levelfield.tasks.table import TableSpec
from levelfield.tasks.tables import form, frame
from levelfield.tasks.tables.frame import Remedied
from levelfield.tasks.task import Task

ROWS = [(10 + i % 7 + i % 2 / 2, 5 - i % 5, ["dune", "marsh"][i % 2]) for i in range(30)]
HEAD = "shell,slime,kind\n"
PLAIN = HEAD + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS)


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def load(file: Path, **keys: Any) -> Task:
    return table.load("t", TableSpec(**{"file": file, "label": "kind"} | keys))


def same(a: Task, b: Task) -> bool:
    return a.digest() == b.digest()


def remedied(file: Path, **keys: Any) -> tuple[str, Task]:
    """The first message, and the task once every refusal was obeyed."""
    first = ""
    for _ in range(4):
        try:
            return first, load(file, **keys)
        except Remedied as error:
            first = first or error.message
            keys |= {key.replace("-", "_"): value for key, value in error.keys.items()}
    raise AssertionError(keys)


FORMS: list[tuple[str, str | bytes, str]] = [  # what is special, content, words of the cause
    ("semicolons", PLAIN.replace(",", ";"), "separated by ';'"),
    ("decimal commas", PLAIN.replace(",", ";").replace(".", ","), "decimal commas"),
    ("quoted", "".join(",".join(f'"{c}"' for c in line.split(",")) + "\n" for line in PLAIN.splitlines()), ""),
    ("tabs", PLAIN.replace(",", "\t"), "separated by"),
    ("runs of blanks", PLAIN.replace(",", "   "), "separated by ' '"),
    ("a title", "Snails of the dyke,,\n" + PLAIN, "one cell with content"),
    ("comments", "# a\n# b\n" + PLAIN, "one cell with content"),
    ("single quotes", PLAIN.replace("dune", "'dune'").replace("marsh", "'marsh'"), 'stand in "\'"'),
    ("latin-1", b"# \xb0\n" + PLAIN.encode(), "line 1 holds the byte 0xB0"),
    ("utf-16", PLAIN.encode("utf-16"), "UTF-16"),
    ("empty line at the end", PLAIN + ",,\n", ""),
    ("empty columns", "".join(f"{line},,\n" for line in PLAIN.splitlines()), ""),
    ("blanks and line ends", PLAIN.replace(",", " , ").replace("\n", "\r\n"), ""),
    ("quotes after blanks", PLAIN.replace("dune", ' "dune"'), ""),
]


@pytest.mark.parametrize(("what", "content", "words"), FORMS, ids=[what for what, _, _ in FORMS])
def test_every_form_becomes_the_same_task(put: Any, what: str, content: str | bytes, words: str) -> None:
    message, task = remedied(put(content))
    assert words in message
    assert bool(words) == bool(message)
    assert same(task, load(put(PLAIN, "plain.csv")))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.zip", "t.feather", "t.parquet", "t.arff", "t.xlsx", "t.txt", "t.data"])
def test_every_format_becomes_the_same_task(put: Any, tmp_path: Path, name: str) -> None:
    import pandas
    import pyarrow.feather

    path, table_ = tmp_path / name, pandas.DataFrame(ROWS, columns=["shell", "slime", "kind"])
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(PLAIN.encode()))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner.csv", PLAIN)
    elif name.endswith(".feather"):
        pyarrow.feather.write_feather(table_, path)
    elif name.endswith(".parquet"):
        table_.to_parquet(path)
    elif name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason=".xlsx needs openpyxl")
        table_.to_excel(path, index=False)
    elif name.endswith(".arff"):
        lines = [
            "@relation s",
            "@attribute shell real",
            "@attribute slime real",
            "@attribute kind {dune,marsh}",
            "@data",
        ]
        path.write_text("\n".join([*lines, *PLAIN.splitlines()[1:]]))
    else:
        path.write_text(PLAIN)
    assert same(load(path), load(put(PLAIN, "plain.csv")))


def test_a_first_sample_is_not_taken_for_the_header(put: Any) -> None:
    bare = put(PLAIN.removeprefix(HEAD))
    for label in ("kind", "dune", -1):
        with pytest.raises(Remedied, match="line 1 looks like data") as caught:
            load(bare, label=label)
        assert caught.value.keys == {"header": False}
    assert same(load(bare, header=False, label=-1), load(put(PLAIN, "plain.csv")))
    named = load(bare, header=False, names=("shell", "slime", "kind"))
    assert named.about.features == ("shell", "slime")


@pytest.mark.parametrize("head", ["30,2,dune", "0,1,2", "1990,1991,kind", "shell,5,kind"])
def test_odd_names_are_names_where_they_can_be(put: Any, head: str) -> None:
    assert load(put(PLAIN.replace("shell,slime,kind", head)), label=-1).features == 2


def test_a_header_that_looks_like_data_is_one_where_the_suite_says_so(put: Any) -> None:
    file = put(PLAIN.replace("shell,slime,kind", "10.5,4,dune"))
    with pytest.raises(UserError, match="looks like data"):
        load(file, label="dune")
    assert load(file, label="dune", header=True).about.features == ("10.5", "4")


def test_all_columns_concerned_are_in_one_message(put: Any) -> None:
    lines = [f"{a},{b},{c},2024-05-{i + 1:02d},id{i},{'xyz'[i % 3] if i else ''}\n" for i, (a, b, c) in enumerate(ROWS)]
    file = put("shell,slime,kind,day,tag,soil\n" + "".join(lines))
    with pytest.raises(Remedied) as caught:
        load(file)
    for words in ("'day'", "'tag'", "'soil'", "1 of 30 rows has gaps: 'soil' 1; the first in line 2"):
        assert words in caught.value.message
    assert caught.value.keys == {"exclude": ["day", "tag"], "text": "one-hot", "missing": "drop"}
    assert 'features = ["shell", "slime"]' in caught.value.hint
    task = remedied(file)[1]
    assert task.about.features == ("shell", "slime", "soil=x", "soil=y", "soil=z")
    assert "1 text columns one-hot, as 3 columns of 0 and 1" in task.about.said


def test_what_fills_a_gap_and_which_texts_there_are_is_learnt_from_the_training_split_alone(put: Any) -> None:
    parts = ["train"] * 20 + ["validation"] * 5 + ["test"] * 5
    lines = []
    for i, part in enumerate(parts):
        outside = part != "train"
        number = "" if i in (3, 25) else str(1000 + i if outside else i)
        lines.append(f"{number},{'never' if outside and i % 2 else 'red' if i % 3 else 'blue'},{'ab'[i % 2]},{part}\n")
    file = put("x,colour,kind,part\n" + "".join(lines))
    keys: dict[str, Any] = {"split_column": "part", "text": "one-hot"}
    task = load(file, missing="median", **keys)
    known = np.array([i for i in range(20) if i != 3], float)
    filled = np.append(known, np.median(known))
    expected = (np.median(known) - filled.mean()) / filled.std()
    assert task.validation.x.shape == (5, 3)
    np.testing.assert_allclose(task.test.x[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(task.train.x[3, 0], expected, rtol=1e-6)
    assert task.about.features == ("x", "colour=blue", "colour=red")
    assert set(np.unique(task.test.x[:, 1:])) <= {0.0, 1.0}
    assert not task.validation.x[1::2, 1:].all()
    other = put(file.read_text().replace("1029,", "9029,"), "other.csv")
    assert load(other, missing="median", **keys).train.x.tobytes() == task.train.x.tobytes()


def test_a_file_for_each_split(put: Any) -> None:
    lines = PLAIN.splitlines(keepends=True)
    train, test = put(HEAD + "".join(lines[1:21]), "a.csv"), put(HEAD + "".join(lines[21:]), "b.csv")
    task = table.load("t", TableSpec(train=train, test=test, label="kind"))
    assert [len(s.x) for s in (task.train, task.validation, task.test)] == [16, 4, 10]
    with pytest.raises(UserError, match="names its files with file, test"):
        table.load("t", TableSpec(file=train, test=test, label="kind"))
    with pytest.raises(UserError, match="has other columns"):
        table.load("t", TableSpec(train=train, test=put(PLAIN.replace("shell", "shed"), "c.csv"), label="kind"))


def test_a_scaled_label_is_told_in_its_own_unit(put: Any, tmp_path: Path) -> None:
    file = put("x,price\n" + "".join(f"{i * 7 % 30},{20_000 + 100 * (i * 7 % 30)}\n" for i in range(40)))
    task = load(file, label="price", kind="regression", label_scale="standard")
    plain = load(file, label="price", kind="regression")
    assert abs(task.train.y.mean()) < 1e-6
    assert abs(task.train.y.std() - 1) < 1e-6
    centre, scale = task.label
    np.testing.assert_allclose(task.test.y * scale + centre, plain.test.y, rtol=1e-6)
    assert score.guess(task)["test"] == pytest.approx(score.guess(plain)["test"], rel=1e-4)
    assert task.digest() != plain.digest()
    told = learning.evaluate(lambda x: np.zeros((len(x), 1), np.float32), task, 0).test.loss
    assert told == pytest.approx(score.guess(task)["test"], rel=1e-4)
    task.save(tmp_path / "t.npz")
    assert Task.load(tmp_path / "t.npz").label == task.label
    assert any('label-scale = "standard"' in warning for warning in plain.about.warnings)


WARNED: list[tuple[str, str, dict[str, Any]]] = [  # words, a further column by row, keys
    ("'more' counts the rows", "{i}", {}),
    ("'more' alone tells the class", "{k}", {}),
    ("'more' correlates 1.000", "{a}", {"label": "shell", "kind": "regression"}),
    ("-999 in", "{s}", {}),
]


@pytest.mark.parametrize(("words", "cell", "keys"), WARNED, ids=[words for words, _, _ in WARNED])
def test_what_looks_dangerous_is_a_warning(put: Any, words: str, cell: str, keys: dict[str, Any]) -> None:
    text = "more,shell,slime,kind\n"
    for i, (a, b, c) in enumerate(ROWS):
        text += cell.format(i=i, k=int(c == "dune"), a=2 * a, s=-999 if i % 10 == 0 else i % 3) + f",{a},{b},{c}\n"
    keys = keys | ({"exclude": ("kind",)} if keys else {})
    warnings = load(put(text), **keys).about.warnings
    assert [w for w in warnings if words in w and " = " in w]
    assert not load(put(PLAIN, "plain.csv")).about.warnings


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        ("<!DOCTYPE html>\n<html></html>", "web page"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x80\x04\x95", "a pickle"),
        (b"PAR1", "Parquet"),
    ],
)
def test_what_is_no_table_is_refused_by_content(put: Any, content: str | bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(put(content))


def test_an_archive_is_not_unpacked_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"x,kind\n" + b"1,a\n" * 100_000))
    monkeypatch.setattr(frame, "MAX_BYTES", 10_000)
    with pytest.raises(UserError, match="unpacked"):
        load(tmp_path / "t.csv.gz")


def test_thousands_and_decimals_are_found_only_where_they_are() -> None:
    assert form.numbers([["1.250.500"], ["12.000"]]) == {"thousands": "."}
    assert form.numbers([["56.522,60"], ["7,5"]]) == {"decimal": ",", "thousands": "."}
    assert form.numbers([["1,250"], ["12,000"]]) == {"thousands": ","}
    assert form.numbers([["0,250"], ["12,000"]]) == {"decimal": ","}
    assert form.numbers([["1.5"], ["red"]]) == {}


def test_the_first_suite_is_a_copy_and_paste(put: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{a};{b};{'red' if i % 3 else 'blue'};{c}\n" for i, (a, b, c) in enumerate(ROWS)]
    file = put("shell;slime;colour;kind\n" + "".join(lines).replace("blue", "?", 1), "snails.csv")
    assert main.main(["table", str(file), "--label", "kind"]) == 0
    printed = capsys.readouterr().out
    (own,) = tomllib.loads(printed)["tasks"].values()
    assert own == {"file": str(file), "label": "kind", "separator": ";", "text": "one-hot", "missing": "drop"}
    task = table.load("snails", TableSpec(**own))
    assert len(task.train.x) + len(task.validation.x) + len(task.test.x) == 29
    for words in ("# 30 rows, 4 columns", "1 gaps", "2 texts: blue, red", "# decide: "):
        assert words in printed


def test_what_cannot_be_read_is_refused_by_the_command(put: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["table", str(put("<html>", "page.csv"))]) == 2
    assert "is a web page" in capsys.readouterr().err


def test_naming_a_task_imports_neither_pandas_nor_arrow() -> None:
    code = (
        "import sys; import levelfield.harness.plan.suite, levelfield.tasks.registry, levelfield.tasks.tables.spec;"
        "sys.exit(bool({'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
