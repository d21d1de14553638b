"""The notebook runs from its first cell to its last, and shows what it says it shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lesson_tables
import pytest
from official_files import mnist_files
from pages import DOCS, ROOT

import levelfield
from levelfield.harness.cli import main

NOTEBOOK = DOCS / "lesson.ipynb"


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def kinds(cell: dict[str, Any]) -> set[str]:
    return {kind for output in cell["outputs"] for kind in output["data"]}


def shown(cell: dict[str, Any]) -> str:
    return "".join(cell["outputs"][0]["data"]["text/plain"])


def test_it_shows_the_main_picture_and_the_frames() -> None:
    outputs = [kinds(cell) for cell in cells(NOTEBOOK)]
    assert sum("image/svg+xml" in found for found in outputs) == 1
    assert sum("text/html" in found for found in outputs) >= 4


def test_it_names_no_folder_of_who_ran_it() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "/tmp/" not in text
    assert "/home/" not in text


@pytest.mark.slow
@pytest.mark.frameworks
def test_it_runs_and_shows_the_same_frames(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "lesson", tmp_path / "lesson")
    copy = shutil.copy(NOTEBOOK, tmp_path / "lesson.ipynb")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    program = [sys.executable, str(ROOT / "tests" / "docs" / "notebook.py"), str(copy)]
    ran = subprocess.run(program, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    before, after = cells(NOTEBOOK), cells(Path(copy))
    picture = {"image/svg+xml"}  # a busy machine may give a reason instead
    assert [kinds(cell) - picture for cell in after] == [kinds(cell) - picture for cell in before]
    learnt = [cell for cell in after if "".join(cell["source"]).startswith("learnt")]
    (row, _) = [line.split() for line in shown(learnt[0]).splitlines() if "layer" in line]
    assert len(set(row[1:])) == 1, "three adapters, one loss"
    epochs = dict(line.split() for line in shown(after[-1]).splitlines() if "layer" in line)
    assert int(epochs["multi-layer"]) < int(epochs["single-layer"])


SUITES = {"layers": {"iris": "Iris", "digits-half": "digits"}, "mnist": {"mnist": "MNIST"}}
ROW = re.compile(r"^\| (\w+) \| ([a-z-]+) \| (\d+) \| (0\.\d+) \| (0\.\d+) \|$", re.MULTILINE)


def rows(name: str) -> list[tuple[str, ...]]:
    """Of the table of the suite of this name."""
    shown = re.search(
        f"<!-- {name} -->\n(.*?)<!-- end of {name} -->", (DOCS / "lesson.md").read_text("utf-8"), re.DOTALL
    )
    assert shown is not None
    assert re.search(r"^Measured on \d{4}-\d\d-\d\d at [0-9a-f]{7}\.$", shown[1], re.MULTILINE)
    return ROW.findall(shown[1])


@pytest.mark.parametrize("name", SUITES)
def test_a_table_of_the_lesson_has_both_networks_for_each_task(name: str) -> None:
    named = [(task, model) for task, model, *_ in rows(name)]
    assert named == [(task, model) for task in SUITES[name].values() for model in ("single-layer", "multi-layer")]


def test_on_mnist_the_hidden_layer_makes_less_than_a_third_of_the_errors_with_a_larger_gap() -> None:
    (single_gap, single), (multi_gap, multi) = (map(float, row[-2:]) for row in rows("mnist"))
    assert 3 * (1 - multi) < 1 - single
    assert multi_gap > single_gap


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("name", SUITES)
def test_the_tables_of_the_lesson_are_what_their_commands_find(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ["--data-dir", str(mnist_files())] if name == "mnist" else []
    monkeypatch.chdir(tmp_path)
    words = ["run", str(DOCS / "lesson" / f"{name}.toml"), "-a", "numpy-manual", "-o", "found", *data]
    assert main.main(words) == main.OK
    found = lesson_tables.best(levelfield.load("found").epochs)
    for (task, _), (_, model, epoch, gap, accuracy) in zip(
        [(task, n) for task in SUITES[name] for n in range(2)], rows(name), strict=True
    ):
        own = found.loc[task, model]
        assert own.epoch == pytest.approx(int(epoch), abs=2)
        assert own.gap == pytest.approx(float(gap), abs=0.02)
        assert own.accuracy == pytest.approx(float(accuracy), abs=0.005)


def test_a_table_is_written_between_its_marks() -> None:
    page = "before\n<!-- layers -->\nold\n<!-- end of layers -->\nbehind\n"
    assert lesson_tables.written(page, "layers", "new\n") == page.replace("old", "new")
    with pytest.raises(ValueError, match="no <!-- mnist -->"):
        lesson_tables.written(page, "mnist", "new\n")
