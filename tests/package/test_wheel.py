"""levelfield as its users get it: installed from a wheel, beside whatever else they have."""

from __future__ import annotations

import email
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

OLDER = "2.3.5"  # a NumPy that this environment does not have
SUITE = """
name = "both"
summary = "One adapter under two interpreters"
baseline = "numpy-manual"
peaks = false

[environments]
older = "{python}"

[models.small]
hidden = [8]

[recipes.plain]
optimizer = "sgd"
learning-rate = 0.1
epochs = 2

[[speed]]
task = "iris"
model = "small"
recipe = "plain"
environments = ["default", "older"]
adapters = ["numpy-manual"]
blocks = 1
seconds = 0.01
threads = 1
"""
TASK = "def build():\n    return 'mine'\n"


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's folder, in which our rooms' names are taken."""
    (tmp_path / "tasks.py").write_text(TASK)
    for name in ("harness", "reports", "adapters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"name = 'my {name}'\n")
    (tmp_path / "test_mine.py").write_text(
        "import adapters, harness, reports, tasks\n\n"
        "def test_mine():\n"
        "    assert tasks.build() == 'mine'\n"
        "    assert [m.name for m in (adapters, harness, reports)] == ['my adapters', 'my harness', 'my reports']\n"
    )
    return tmp_path


def test_the_wheel_installs_one_name_and_all_that_a_run_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"levelfield"}
    for file in (
        "py.typed",
        "harness/plan/suites/default.toml",
        "harness/cli/skeleton/adapter.py.txt",
        "reports/page/templates/page.html",
        "reports/findings/published.toml",
        "reports/page/static/page.css",
        "adapters/torch/nn.py",
        "tasks/iris.py",
    ):
        assert f"levelfield/{file}" in names


def test_it_runs_in_a_folder_where_the_names_of_its_rooms_are_taken(installed, project):
    listed = installed.run("-m", "levelfield", "list", "suites", cwd=project, PYTHONPATH=".")
    assert listed.returncode == 0, listed.stderr
    script = project / "script.py"
    script.write_text(
        "import levelfield\n"
        "found = levelfield.run('smoke', adapters=['numpy-manual'], blocks=1, output='out')\n"
        "print(levelfield.__file__)\n"
        "print(len(found.launches))\n"
    )
    done = installed.run(script, cwd=project, LEVELFIELD_CACHE=str(project / "cache"))
    assert done.returncode == 0, done.stderr
    file, launches = done.stdout.split()
    assert Path(file).is_relative_to(installed.site)
    assert int(launches) >= 1
    run = json.loads((project / "out" / "run.json").read_text())
    assert run["machine"]["levelfield"]
    assert run["machine"]["package"].startswith("sha256:")
    assert {record["status"] for record in records(project / "out")} == {"ok"}


def test_a_package_whose_files_were_changed_says_so(installed, tmp_path):
    ask = "from levelfield.harness.system import machine; print(machine.package(), machine.commit())"
    came = installed.run("-c", ask, cwd=tmp_path).stdout.split()
    changed = installed.site / "levelfield" / "tasks" / "iris.py"
    text = changed.read_text(encoding="utf-8")
    changed.write_text(text + "\n", encoding="utf-8")
    then = installed.run("-c", ask, cwd=tmp_path).stdout.split()
    changed.write_text(text, encoding="utf-8")
    assert came[0].startswith("sha256:")
    assert [then, came] == [[f"{came[0]}+changes", "None"], [came[0], "None"]]


def test_what_an_index_shows_of_it_needs_no_repository(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(archive.read(name))
    assert about["Description-Content-Type"] == "text/markdown"
    text = str(about.get_payload())
    assert text.lstrip().startswith("# levelfield")
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith(("https:", "#"))] == []
    extras = set(about.get_all("Provides-Extra"))
    named = {name for names in re.findall(r"levelfield\[([^]]+)\]", text) for name in names.split(",")}
    assert named <= extras
    assert {"Programming Language :: Python :: 3.13", "Typing :: Typed"} <= set(about.get_all("Classifier"))


def test_other_peoples_tests_run_as_if_it_were_not_there(installed, project):
    for words in (["-m", "pytest", "-q", "test_mine.py"], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]):
        done = installed.run(*words, cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout


def test_pytest_imports_nothing_of_it_until_it_is_asked(installed, project):
    (project / "test_mine.py").write_text(
        "import sys\n\n"
        "def test_mine():\n"
        "    ours = sorted(name for name in sys.modules if name.startswith('levelfield'))\n"
        "    assert ours == ['levelfield', 'levelfield.harness', 'levelfield.harness.pytest_plugin']\n"
        "    assert 'numpy' not in sys.modules\n"
    )
    done = installed.run("-m", "pytest", "-q", cwd=project)
    assert done.returncode == 0, done.stdout


def test_each_interpreter_measures_its_own_packages(installed, tmp_path):
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", str(other)], check=True)
    python = other / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"numpy=={OLDER}"]
    subprocess.run([*install, "pydantic", "threadpoolctl"], check=True, capture_output=True)
    (tmp_path / "both.toml").write_text(SUITE.format(python=python))
    done = installed.run(
        "-m", "levelfield", "run", "both.toml", "-o", "out", cwd=tmp_path, LEVELFIELD_CACHE=str(tmp_path / "cache")
    )
    assert done.returncode in (0, 1), done.stderr  # one block is too few for a verdict
    found = {record["cell"]["environment"]: record for record in records(tmp_path / "out")}
    assert {name: record["status"] for name, record in found.items()} == {"default": "ok", "older": "ok"}
    assert found["older"]["versions"]["numpy"] == OLDER
    assert found["default"]["versions"]["numpy"] != OLDER
    assert found["older"]["files"]["numpy"].startswith("lib/python")
    proofs = [json.loads(line) for line in (tmp_path / "out" / "certificates.jsonl").read_text().splitlines()]
    assert {proof["versions"]["numpy"] for proof in proofs} == {
        record["versions"]["numpy"] for record in found.values()
    }


def test_the_doctor_needs_no_file_of_the_checkout(installed, tmp_path):
    words = ["doctor", "--only", "itself", "-a", "numpy-manual", "--budget", "5s", "--json"]
    done = installed.run("-m", "levelfield", *words, cwd=tmp_path, LEVELFIELD_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert (trial["part"], trial["adapter"]) == ("itself", "numpy-manual")
    # On a busy machine five seconds may be over before the first block
    assert trial["step_seconds"] > 0 if trial["reason"] is None else trial["reason"] == "the time for it was over"
