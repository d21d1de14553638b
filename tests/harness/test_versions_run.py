"""``levelfield versions`` to its table: real versions of NumPy, and a package whose second release is slower."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wheels

from levelfield.harness.plan.environments import WORKER

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

VERSIONS = ("2.3.4", "2.3.5")  # of NumPy, neither of which is here
SPEED = "blocks = 3\nseconds = 0.02\nthreads = 1\nstart-up = false"
ADAPTER = """
import slow_step
from levelfield.adapters.numpy.manual import NumpyManual

class Slow(NumpyManual):
    name = "slow-numpy"
    packages = ("slow-step",)

    def gradients(self, x, y):
        slow_step.wait()
        return super().gradients(x, y)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What workers need, two versions of NumPy, and a package that waits in each step since its release 1.1."""
    folder = tmp_path_factory.mktemp("index")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", str(folder)]
    rest = [name for name in WORKER if name != "numpy"]
    subprocess.run([*pip, f"numpy=={VERSIONS[1]}", *rest], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", f"numpy=={VERSIONS[0]}"], check=True, capture_output=True)
    for version, seconds in (("1.0", 0.0), ("1.1", 0.02), ("1.2", 0.02)):
        text = f"import time\n\ndef wait():\n    time.sleep({seconds})\n"
        wheels.make(folder, "slow-step", version, {"slow_step.py": text})
    return folder


@pytest.fixture
def command(index: Path, command_line, install, tiny, tmp_path: Path):
    plugin = install(tmp_path / "plugin", {"slow-numpy": "slow_numpy:Slow"}, {"slow_numpy.py": ADAPTER})
    made = command_line(plugins=[plugin], variables=wheels.only(index))
    (made.folder / "tiny.toml").write_text(tiny(speed=SPEED))
    return made


def test_two_versions_are_certified_timed_in_turns_and_compared(command, records_of):
    words = ["versions", "numpy", *VERSIONS, "-a", "numpy-manual", "--suite", "tiny.toml", "-o", "out", "--json"]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("this is done once") == 2
    found = json.loads(done.stdout)
    names = [f"numpy-{version}" for version in VERSIONS]
    assert [found["environments"][name]["version"] for name in names] == list(VERSIONS)
    (row,) = found["rows"]
    assert [point["version"] for point in row["versions"]] == names
    assert [point["reason"] for point in row["versions"]] == [None, None]
    assert row["versions"][1]["ratio"]["n"] == 3
    records = records_of(command.folder / "out")
    used = {(record.cell.environment, record.versions["numpy"]) for record in records}
    assert used == set(zip(names, VERSIONS, strict=True))
    lines = (command.folder / "out" / "certificates.jsonl").read_text().splitlines()
    proofs = {(proof["environment"], proof["versions"]["numpy"]) for proof in map(json.loads, lines)}
    assert proofs == used
    head = json.loads((command.folder / "out" / "run.json").read_text())
    assert (head["baseline"], head["baseline_environment"]) == ("numpy-manual", names[0])
    for name in ("report.html", "versions.svg", "versions.toml"):
        assert (command.folder / "out" / name).stat().st_size

    again = command(*words)
    assert again.returncode == 2
    assert "out holds a run already" in again.stderr
    resumed = command("run", "--resume", "out")
    assert resumed.returncode == 0, resumed.stderr
    assert len(records_of(command.folder / "out")) == len(records)


def test_the_release_that_became_slower_is_found(command):
    """It waits for hundreds of times as long as a step takes: no load hides that."""
    words = ["-a", "slow-numpy", "--suite", "tiny.toml", "--blocks", "5", "-o", "out"]
    done = command("versions", "slow-step", "1.0", "1.2", "--bisect", "slower:10%", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("slow-step 1.1 is the first release that is slower by more than 10 %: slow-numpy")
    assert lines[1] == "1.0 is the last one that is not"
    assert [line.split()[0] for line in lines[4:]] == ["1.2", "1.1"]
    assert sorted(path.parent.name for path in (command.folder / "out").glob("*/run.json")) == ["1-1.2", "2-1.1"]
