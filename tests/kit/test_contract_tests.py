"""The skeleton, and the contract as a test: the right passes, each wrong fails by the name of what is wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from levelfield.harness.cli import new_adapter

pytestmark = pytest.mark.frameworks

PREDICT = "self.network.predict(x)"
GET_WEIGHTS = "return self.network.get_weights()"
GRADIENTS = "self.network.gradients(x[indices], y[indices])"
# fault: what of the skeleton is replaced, by what, and what must be said of it
FAULTS = {
    "lacks-a-method": ("def synchronize", "def wait", "contract, LacksAMethod: the class does not define synchronize"),
    "raises-on-import": (
        "import numpy",
        "import no_such\nimport numpy",
        "No module named 'no_such' (raises_on_import.py:7, in <module>)",
    ),
    "raises-when-built": ("(setting)", "(setting.nothing)", "'Setting' object has no attribute 'nothing'"),
    "wrong-type": (PREDICT, f"{PREDICT}.astype('f2')", "predict before training gives float16 (13, "),
    "wrong-shape": (PREDICT, f"{PREDICT}.T", "shapes and types"),
    "no-array": (PREDICT, f"{PREDICT}.tolist()", "predict before training gives list"),
    "wrong-weights": (
        GET_WEIGHTS,
        "return [Layer(k.T, b) for k, b in self.network.get_weights()]",
        "get_weights gives",
    ),
    "wrong-sum": (GRADIENTS, f"[len(indices) * g for g in {GRADIENTS}]", "8 times as far as they must"),
}


FIT = "        watch.ready()"
HELPER = "\n\ndef helper():\n    raise KeyError('in vain')\n"


def skeleton(name: str, tmp_path: Path) -> str:
    return new_adapter.as_package(name, tmp_path / name)[0].read_text()


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


@pytest.fixture
def tests(tmp_path: Path) -> Callable[..., Path]:
    """A folder with one contract test for each of these adapters, as an outside package would have it."""

    def write(*names: str) -> Path:
        folder = tmp_path / "package"
        folder.mkdir()
        (folder / "pytest.ini").touch()
        for name in names:
            lines = f"from levelfield import contract\n\ntest_contract = contract({name!r})\n"
            (folder / f"test_{name.replace('-', '_')}.py").write_text(lines)
        return folder

    return write


def test_a_new_adapter_in_a_checkout_certifies_and_passes_its_test_at_once(overlay, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for room in ("tasks", "adapters", "harness", "reports"):
        shutil.copytree(new_adapter.CHECKOUT / room, checkout / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(new_adapter.CHECKOUT / "levelfield", checkout / "levelfield", symlinks=True)
    shutil.copy(new_adapter.CHECKOUT / "pyproject.toml", checkout)
    (checkout / "tests").mkdir()
    levelfield = ("-m", "levelfield.harness.cli.main")
    made = overlay.run(*levelfield, "new-adapter", "lantern", cwd=checkout, PYTHONPATH=str(checkout))
    assert made.stdout.split() == [
        str(checkout / path) for path in ("adapters/lantern.py", "tests/adapters/test_lantern_contract.py")
    ]
    certified = overlay.run(*levelfield, "certify", "lantern", "--quick", cwd=checkout, PYTHONPATH=str(checkout))
    assert certified.stdout.startswith("lantern (eager): certified; "), certified.stdout + certified.stderr
    tested = overlay.run("-m", "pytest", "--levelfield-quick", cwd=checkout, PYTHONPATH=str(checkout))
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr

    # and what it raises is told as of a plug-in
    source = checkout / "adapters" / "lantern.py"
    source.write_text(source.read_text().replace(FIT, f"{FIT}\n        helper()", 1) + HELPER)
    line = len(source.read_text().splitlines())
    verbose = overlay.run(*levelfield, "certify", "lantern", "--quick", "-v", cwd=checkout, PYTHONPATH=str(checkout))
    tested = overlay.run("-m", "pytest", "--levelfield-quick", cwd=checkout, PYTHONPATH=str(checkout))
    for told in (verbose.stdout, tested.stdout):
        assert f"KeyError: 'in vain' (lantern.py:{line}, in helper)" in told
        assert f'lantern.py", line {line}, in helper' in told


def test_each_fault_is_one_failed_test_that_names_it_and_touches_no_other(overlay, tests, tmp_path: Path) -> None:
    right = skeleton("right", tmp_path)
    overlay.install("right", "right", right, "Right")
    for name, (old, new, _) in FAULTS.items():
        source = skeleton(name, tmp_path)
        assert old in source
        overlay.install(name, name.replace("-", "_"), source.replace(old, new), camel(name))
    folder = tests("right", *FAULTS)
    ran = overlay.run("-m", "pytest", "--levelfield-quick", "-rA", "--tb=short", cwd=folder)
    assert f"{len(FAULTS)} failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "PASSED test_right.py::test_contract[eager]" in ran.stdout
    for name, (_, _, said) in FAULTS.items():
        heading = f"{name} (eager) does not compute the specification"
        assert heading in ran.stdout
        told = re.split("^[_=]{3}", ran.stdout.partition(heading)[2], maxsplit=1, flags=re.MULTILINE)[0]
        assert said in told
        assert ("Traceback (most recent call last)" in told) is name.startswith("raises"), told


def test_an_adapter_left_out_of_the_registry_fails_with_the_reason(overlay, tests, tmp_path: Path) -> None:
    source = skeleton("half", tmp_path).replace('    api = "mixed"', "    # ")
    overlay.install("half", "half", source, "Half")
    ran = overlay.run("-m", "pytest", cwd=tests("half"))
    assert "there is no adapter 'half' (levelfield list adapters)" in ran.stdout
    assert "adapter 'half': class Half in half.py: lacks the literal 'api'" in ran.stdout


def test_an_adapter_whose_framework_is_absent_is_skipped_with_what_to_install(overlay, tests, tmp_path: Path) -> None:
    source = skeleton("absent", tmp_path).replace('framework = "numpy"', 'framework = "no-such-framework"')
    overlay.install("absent", "absent", source, "Absent")
    ran = overlay.run("-m", "pytest", "-rs", cwd=tests("absent"))
    assert "needs no-such-framework: pip install no-such-framework" in ran.stdout
    assert "1 skipped" in ran.stdout


def test_what_an_adapter_raises_has_its_line_and_its_traceback(overlay, tests, tmp_path: Path) -> None:
    source = skeleton("raises", tmp_path)
    assert FIT in source
    overlay.install("raises", "raises", source.replace(FIT, f"{FIT}\n        helper()", 1) + HELPER, "Raises")
    line = next(
        n for n, text in enumerate((overlay.site / "raises.py").read_text().splitlines(), 1) if "in vain" in text
    )
    place = f"KeyError: 'in vain' (raises.py:{line}, in helper)"

    certify = ("-m", "levelfield", "certify", "raises", "--quick")
    plain = overlay.run(*certify, cwd=tmp_path)
    assert plain.returncode == 1
    assert place in plain.stdout
    assert "Traceback" not in plain.stdout
    verbose = overlay.run(*certify, "-v", cwd=tmp_path)
    assert "Traceback (most recent call last)" in verbose.stdout
    assert f'raises.py", line {line}, in helper' in verbose.stdout
    tested = overlay.run("-m", "pytest", "--levelfield-quick", cwd=tests("raises"))
    assert place in tested.stdout
    assert f'raises.py", line {line}, in helper' in tested.stdout

    overlay.run("-m", "levelfield", "run", "smoke", "-a", "raises", "--no-certify", "-o", "out", cwd=tmp_path)
    records = [json.loads(text) for text in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert {record["reason"] for record in records} == {place}
    assert all("Traceback" in record["log"] for record in records)
