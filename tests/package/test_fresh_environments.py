"""What somebody gets who installs levelfield into a new environment, under each Python that it is for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from overlays import Overlay

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> str | None:
    """One that runs: what is on the path may be a shim that only knows where others are."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [sys.executable] if version == OWN else [shutil.which(f"python{version}")]
    found += sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}")))
    for python in filter(None, found):
        asked = [python, "-c", "import ensurepip, ssl, sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            return python
    return None


def pip(environment: Overlay, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment.python, *words], capture_output=True, text=True
    )


def install(environment: Overlay, *words: str | Path) -> None:
    done = pip(environment, "install", "-q", "--no-compile", "--disable-pip-version-check", *words)
    if done.returncode and pip(environment, "download", "-q", "--no-deps", "-d", environment.folder, "pip").returncode:
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def fresh(request, tmp_path_factory) -> Iterator[Overlay]:
    """An environment with levelfield and what it needs: from the source archive here, from the wheel elsewhere."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} that runs is at hand")
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    environment = Overlay(folder)
    install(environment, request.getfixturevalue("sdist" if request.param == OWN else "wheel"))
    yield environment
    shutil.rmtree(folder)


def listed(environment: Overlay, folder: Path) -> None:
    done = environment.run("-m", "levelfield", "list", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "numpy-manual" in done.stdout.split()


def test_all_that_it_needs_comes_with_it(fresh, tmp_path):
    assert pip(fresh, "check").stdout.strip() == "No broken requirements found."
    listed(fresh, tmp_path)


def test_it_runs_a_suite_and_reports_it(fresh, tmp_path):
    chosen = ["-a", "numpy-manual", "--blocks", "1", "--seeds", "1", "-o", "out"]
    done = fresh.run("-m", "levelfield", "run", "smoke", *chosen, cwd=tmp_path, LEVELFIELD_CACHE=str(tmp_path))
    assert done.returncode in (0, 1), done.stderr  # one block is too few for a verdict
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert {record["status"] for record in records if record["cell"]["adapter"] == "numpy-manual"} == {"ok"}
    assert (tmp_path / "out" / "report.html").is_file()
    machine = json.loads((tmp_path / "out" / "run.json").read_text())["machine"]
    assert machine["commit"] is None
    assert machine["package"].startswith("sha256:")
    assert "+" not in machine["package"]


@pytest.mark.parametrize("fresh", [OWN], indirect=True)  # what lies where does not depend on the version
def test_it_lives_beside_another_package_called_adapters(fresh, tmp_path):
    install(fresh, "--no-deps", "adapters")  # AdapterHub's: with its framework it would be gigabytes
    ask = "import importlib.metadata as m, importlib.util as u; print(u.find_spec('adapters').origin)\n"
    theirs = fresh.run("-c", ask + "print(*m.packages_distributions()['adapters'])", cwd=tmp_path).stdout.splitlines()
    assert theirs == [str(fresh.site / "adapters" / "__init__.py"), "adapters"]
    listed(fresh, tmp_path)
    assert pip(fresh, "uninstall", "-y", "-q", "adapters").returncode == 0
    assert not (fresh.site / "adapters" / "__init__.py").exists()
    listed(fresh, tmp_path)


def test_the_source_archive_holds_what_building_needs_and_no_tests(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "CHANGELOG.md", "docs/certificates.md", "levelfield/tasks/iris.py"} <= names
    assert not any(name.startswith("tests") for name in names)
