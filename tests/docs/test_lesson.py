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

import pytest
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


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_table_of_the_lesson_is_what_its_command_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = main.main(["run", str(DOCS / "lesson" / "layers.toml"), "-a", "numpy-manual", "-o", "layers"])
    assert code == main.OK
    found = levelfield.load("layers").epochs
    means = found.groupby(["task", "model", "seed", "epoch"])[["validation_loss", "test_accuracy"]].mean()
    rows = re.findall(
        r"^\| (\w+) \| ([a-z-]+) \| (\d+) \| (0\.\d+) \|$", (DOCS / "lesson.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 4
    for task, model, epoch, accuracy in rows:
        own = means.loc["iris" if task == "Iris" else "digits-half", model]
        best = own.loc[own.groupby("seed").validation_loss.idxmin()]
        assert best.index.get_level_values("epoch").to_series().median() == pytest.approx(int(epoch), abs=2)
        assert best.test_accuracy.mean() == pytest.approx(float(accuracy), abs=0.005)
