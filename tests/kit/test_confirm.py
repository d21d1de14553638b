"""``levelfield compare --confirm``: what looks slower is measured again in both environments, or it is said why not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from overlays import Overlay

MINE = """
from levelfield.adapters.numpy.manual import NumpyManual

class Mine(NumpyManual):
    name = "mine"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
"""
SLOW = """
    def gradients(self, x, y):
        for _ in range(20):
            super().gradients(x, y)
        return super().gradients(x, y)
"""
GATE = """
name = "gate"
baseline = "numpy-manual"
peaks = false

[models.small]
hidden = [8]

[recipes.momentum]
optimizer = "momentum"
batch-size = 16

[[speed]]
task = "iris"
model = "small"
recipe = "momentum"
adapters = ["numpy-manual", "mine"]
blocks = 3
threads = 1
seconds = 0.05
start-up = false
"""
# So wide that nothing but what is meant to be slower is: this is no test of how fast the machine is. Three pairs
WIDE = ("--threshold", "50%", "--budget", "1s")


@dataclass(frozen=True)
class Project:
    """Two environments with an adapter of the same name, of which the new one is slower, and a run of each."""

    folder: Path
    base: Overlay
    new: Overlay

    def __call__(self, overlay: Overlay, *words: str) -> subprocess.CompletedProcess[str]:
        cache = str(self.folder / "cache")
        done = overlay.run("-P", "-m", "levelfield", *words, cwd=self.folder, LEVELFIELD_CACHE=cache)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def compare(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self(self.new, "compare", *words, "--fail-on", "slower", *WIDE)

    def copy(self, run: str, name: str, edit: Callable[[str, dict[str, Any]], None]) -> str:
        """The run under another name, every line of its files changed by `edit`, which gets the file's name too."""
        shutil.copytree(self.folder / run, self.folder / name)
        for path in (self.folder / name).glob("*.jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            for line in lines:
                edit(path.name, line)
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return name


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, overlay_maker) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "gate.toml").write_text(GATE)
    made = Project(folder, overlay_maker(folder / "env-base"), overlay_maker(folder / "env-new"))
    made.base.install("mine", "mine", MINE, "Mine")
    made.new.install("mine", "mine", MINE + SLOW, "Mine")
    for overlay, run in ((made.base, "base"), (made.new, "new")):
        done = made(overlay, "run", "gate.toml", "-o", run, "-q")
        assert done.returncode == 0, done.stderr
    return made


def of_mine(told: str) -> str:
    (line,) = [line for line in told.splitlines() if line.startswith("iris small momentum mine (eager): ")]
    return line


@pytest.mark.slow
@pytest.mark.frameworks
def test_what_is_slower_is_confirmed_in_the_environments_that_made_the_runs(project: Project) -> None:
    done = project.compare("base", "new", "--confirm")
    assert done.returncode == 1, done.stdout + done.stderr
    assert of_mine(done.stdout).startswith("iris small momentum mine (eager): slower, materially  ×")
    assert ", in turns; across the runs ×" in of_mine(done.stdout)
    assert "1 confirmed as slower" in done.stdout
    assert "again, in turns: iris small momentum mine (eager), ×" in done.stderr


@pytest.mark.slow
@pytest.mark.frameworks
def test_a_drift_of_the_machine_between_the_runs_fails_the_gate_only_where_it_is_not_confirmed(
    project: Project,
) -> None:
    def drift(file: str, line: dict[str, Any]) -> None:
        if file == "records.jsonl" and line["cell"]["adapter"] == "mine":
            line["epoch_seconds"] = [5 * seconds for seconds in line["epoch_seconds"]]

    drifted = project.copy("base", "drifted", drift)
    assert project.compare("base", drifted).returncode == 1
    page = ("-o", "page.html", "--json")
    done = project.compare("base", drifted, "--confirm", *page)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = [row for row in json.loads(done.stdout)["changes"] if "/mine/" in row["cell"]]
    assert (row["across"]["word"], row["across"]["material"], row["material"]) == ("slower", True, False)
    assert row["word"] != "not judged"
    text = (project.folder / "page.html").read_text(encoding="utf-8")
    assert "Measured again with both environments in turns, it is " in text


@pytest.mark.slow
@pytest.mark.frameworks
def test_other_versions_than_those_of_the_run_are_no_side_of_it(project: Project) -> None:
    def older(file: str, line: dict[str, Any]) -> None:
        if "numpy" in line.get("versions", {}):
            line["versions"]["numpy"] = "1.0"

    done = project.compare(project.copy("base", "older", older), "new", "--confirm")
    assert done.returncode == 2
    assert of_mine(done.stdout)  # the comparison is told all the same
    assert "error: the base run cannot be measured again: mine was timed with numpy==1.0, and " in done.stderr
    assert "hint: --environment base=PYTHON, the interpreter of an environment with numpy==1.0" in done.stderr


@pytest.mark.slow
@pytest.mark.frameworks
def test_other_code_than_that_of_the_run_is_no_side_of_it(project: Project) -> None:
    python = str(project.new.python)
    done = project.compare("base", "new", "--confirm", "--environment", f"base={python}")
    assert done.returncode == 2
    assert f"the base run cannot be measured again: mine there ({python}), or levelfield's certifier, is other" in (
        done.stderr
    )
