"""The example packages, installed as a user would install them, certify their frameworks in full."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
WALK_THROUGH = {"adding-an-adapter.md": "levelfield-equinox", "adapters-in-full.md": "levelfield-skorch"}
PACKAGES = {"levelfield-equinox": ["filter_jit"], "levelfield-mlx": ["lazy", "compile"], "levelfield-skorch": ["eager"]}
OWNS_ITS_LOOP = "levelfield-skorch"  # a callback and a sampler more


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, overlay_maker):
    """An environment with all packages and their frameworks, and the folder that they were installed from."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, folder / "sources")
    overlay = overlay_maker(folder / "environment")
    constraints = [part for path in (EXAMPLES, EXAMPLES.parents[1]) for part in ("-c", str(path / "constraints.txt"))]
    sources = [str(folder / "sources" / name) for name in PACKAGES]
    pip = overlay.run("-m", "pip", "install", "--disable-pip-version-check", *constraints, *sources, cwd=folder)
    if pip.returncode and "CI" not in os.environ and re.search(r"from versions: none|onnection", pip.stderr):
        pytest.skip(f"the package registry cannot be reached: {pip.stderr.strip().splitlines()[-1]}")
    assert pip.returncode == 0, pip.stdout + pip.stderr
    return overlay, folder / "sources"


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("package", PACKAGES)
def test_an_example_package_passes_its_own_test(package: str, installed) -> None:
    overlay, sources = installed
    ran = overlay.run("-m", "pytest", "-rA", "-p", "no:cacheprovider", cwd=sources / package)
    passed = re.findall(r"^PASSED test_contract\.py::test_contract\[(\w+)\]", ran.stdout, re.MULTILINE)
    assert passed == PACKAGES[package], ran.stdout + ran.stderr
    assert ran.returncode == 0


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_example_adapters_are_listed_beside_all_others(installed) -> None:
    overlay, sources = installed
    listed = overlay.run("-m", "levelfield.harness.cli.main", "list", "adapters", cwd=sources)
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"equinox", "mlx", "skorch", "numpy-manual", "torch-nn"} <= set(names)
    assert "(left out)" not in names


@pytest.mark.parametrize("package", PACKAGES)
def test_an_example_adapter_is_at_most_80_lines_130_where_the_loop_is_not_ours(package: str) -> None:
    (module,) = (EXAMPLES / package).glob("levelfield_*.py")
    assert len(module.read_text().splitlines()) <= (130 if package == OWNS_ITS_LOOP else 80)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_test_of_an_example_is_one_line_and_an_import(package: str) -> None:
    lines = [line for line in (EXAMPLES / package / "test_contract.py").read_text().splitlines() if line]
    assert len(lines) == 2


@pytest.mark.parametrize("page", WALK_THROUGH)
def test_the_walk_through_shows_the_code_that_is_tested(page: str) -> None:
    sources = [path.read_text() for path in (EXAMPLES / WALK_THROUGH[page]).glob("*.py")]
    shown = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / page).read_text(), re.DOTALL)
    assert len(shown) >= 2
    for block in shown:
        assert any(block in source for source in sources), block


@pytest.mark.slow
@pytest.mark.frameworks
def test_trying_out_by_hand_prints_what_the_walk_through_shows(installed) -> None:
    overlay, sources = installed
    text = (EXAMPLES.parent / "adding-an-adapter.md").read_text()
    shown = re.search(r"\$ python -c \"([^\"]*)\"\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    told = overlay.run("-c", shown[1], cwd=sources)
    rounding = re.compile(r"  \S+$", re.MULTILINE)  # how far the weights are off differs from machine to machine
    assert rounding.sub("", told.stdout) == rounding.sub("", shown[2]), told.stderr
