"""The suite of one's own that docs/run.md shows to a newcomer works as it stands there."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")


def levelfield(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LEVELFIELD_CACHE": str(cwd / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "levelfield.harness.cli.main", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.frameworks
def test_the_suite_of_ones_own_with_a_csv_file_and_three_layers_runs(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    suite = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert suite is not None
    (tmp_path / "flowers.toml").write_text(suite.group(1), encoding="utf-8")
    iris = load_iris()
    with (tmp_path / "flowers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*iris.feature_names, "species"])
        writer.writerows([*x, iris.target_names[y]] for x, y in zip(iris.data, iris.target, strict=True))

    chosen = ("-a", "numpy-manual", "-a", "sklearn-mlp", "--blocks", "1", "--seeds", "1")
    done = levelfield("run", "flowers.toml", *chosen, "-o", "mine", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(Path("mine/report.html"))
    page = (tmp_path / "mine/report.html").read_text(encoding="utf-8")
    assert "flowers" in page
    assert "sklearn-mlp" in page
