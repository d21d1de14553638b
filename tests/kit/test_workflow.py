"""The workflow of docs/gate.md: its shell steps, in their order, in a folder of their own, over a small project.

What needs a network is prepared: ``python -m venv`` makes an environment over the one that the tests run in, where pip
finds levelfield installed, and a checkout is a folder that is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from levelfield.harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
NAME = "my-adapter"  # of the page
PYTHON = """#!{python}
import os, sys
from pathlib import Path
if sys.argv[1:3] == ["-m", "venv"]:
    sys.path.append({kit!r})
    from overlays import make_overlay
    script = make_overlay(Path(sys.argv[3])).folder / "bin" / "levelfield"
    python = Path(sys.argv[3]).absolute() / "bin" / "python"
    script.write_text(f"#!{{python}}\\nimport runpy\\nrunpy.run_module('levelfield')\\n")
    script.chmod(0o755)
else:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
STEP = "self.network.update("


def fenced(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return found


def workflow() -> dict[str, Any]:
    return yaml.safe_load(fenced("yaml"))


def short(suite: str) -> str:
    """The page's suite on Iris, with few blocks of the adapter that the workflow speaks of."""
    text = suite.replace("sklearn-mlp", NAME).replace("digits", "iris").replace("[128]", "[8]")
    return text.replace("blocks = 8", "blocks = 5\nseconds = 0.05\nstart-up = false")


def steps() -> list[dict[str, Any]]:
    (job,) = workflow()["jobs"].values()
    return job["steps"]


def test_the_workflow_checks_out_both_sides_and_keeps_the_page_of_a_job_that_failed() -> None:
    used = [(step["uses"].partition("@")[0], step["with"]) for step in steps() if "uses" in step]
    assert [what.partition("/")[2] for what, _ in used] == ["checkout", "checkout", "setup-python", "upload-artifact"]
    assert [given["path"] for what, given in used if what.endswith("checkout")] == ["new", "base"]
    assert used[1][1]["ref"] == "${{ github.base_ref }}"
    assert steps()[-1]["if"] == "always()"
    assert all(set(step) <= {"name", "uses", "with", "run", "if"} for step in steps())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the checkouts leave: the same adapter twice."""
    folder = tmp_path_factory.mktemp("workflow")
    assert main.main(["new-adapter", NAME, "--package", str(folder / "new"), "-q"]) == 0
    (folder / "new" / "gate.toml").write_text(short(fenced("toml")))
    shutil.copytree(folder / "new", folder / "base")
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text(PYTHON.format(python=sys.executable, kit=str(Path(__file__).parent)))
    python.chmod(0o755)
    return folder


def carried_out(project: Path) -> list[tuple[str, int, str]]:
    """Name, exit code and output of each shell step, as far as it goes: as a runner does, by ``bash -e``."""
    (job,) = workflow()["jobs"].values()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    given = {
        **job["env"],
        "LEVELFIELD": "levelfield",
        "LEVELFIELD_CACHE": str(project / "cache"),
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's own way to say so
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = []
    for step in steps():
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            ran = subprocess.run(command, cwd=project, env=kept | given, capture_output=True, text=True, timeout=900)
            done.append((step["name"], ran.returncode, ran.stdout + ran.stderr))
            if ran.returncode:
                break
    return done


@pytest.mark.slow
@pytest.mark.frameworks
def test_a_change_that_makes_nothing_slower_passes_and_one_that_does_fails_the_last_step(project: Path) -> None:
    named = [step["name"] for step in steps() if "run" in step]
    passed = carried_out(project)
    assert [(name, code) for name, code, _ in passed] == [(name, 0) for name in named], passed[-1]
    assert (project / "runs" / "change.html").is_file()
    for made in ("env-base", "env-new", "runs"):
        shutil.rmtree(project / made)
    (module,) = (project / "new").glob("levelfield_*.py")
    text = module.read_text()
    assert text.count(STEP) == 1
    module.write_text(text.replace(STEP, f"__import__('time').sleep(1e-3) or {STEP}"))  # some ten times as long
    failed = carried_out(project)
    assert [code for _, code, _ in failed] == [0] * (len(named) - 1) + [1], failed[-1]
    assert f"{NAME} (eager): slower, materially  ×" in failed[-1][2]
    assert "confirmed as slower" in failed[-1][2]
