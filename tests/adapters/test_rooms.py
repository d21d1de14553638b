"""The rooms of the house: who may import whom, and how small the contract with a framework stays."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import levelfield
from levelfield.adapters.adapter import Adapter
from levelfield.adapters.literals import REQUIRED
from levelfield.adapters.registry import find

ROOT = Path(levelfield.__file__).resolve().parent.parent
ROOMS = ("tasks", "adapters", "harness", "reports")
# Lowest first: a room imports only from those before it
FLOORS = (
    "tasks",
    "adapters",
    "system",
    "records",
    "judge",
    "preview",
    "plan",
    "probes",
    "measure",
    "certify",
    "launch",
    "explain",
    "run",
    "results",
    "doctor",
    "versions",
    "reports",
    "cli",
)
FILES = {room: sorted((ROOT / room).rglob("*.py")) for room in ROOMS}
# What adapters compute with; NumPy and scikit-learn serve the rest of the house as well, for arrays and data sets
FRAMEWORKS = {name for info in find().adapters.values() for name in info.distributions} - {"numpy", "scikit-learn"}


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, anywhere in it, and whether only for the type checker."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module, node in typing_only
            yield from ((f"{node.module}.{alias.name}", node in typing_only) for alias in node.names)


def room_of(module: str) -> str:
    """The room that a module is in, or its own top name."""
    return module.removeprefix("levelfield.").partition(".")[0]


def test_the_frameworks_are_the_known_ones():
    assert {"torch", "lightning", "tensorflow", "keras", "jax", "flax", "optax"} <= FRAMEWORKS


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "adapters"])
def test_nothing_outside_adapters_imports_a_framework(room):
    found = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in FILES[room]
        for module, _ in imports(path)
        if module.partition(".")[0] in FRAMEWORKS
    }
    assert found == set()


def test_ray_is_imported_by_one_launcher_and_that_one_only_when_it_is_asked_for():
    files = [path for room in ROOMS for path in FILES[room]]
    (launcher,) = (path for path in files if "ray" in {module for module, _ in imports(path)})
    assert floor_of(module_of(launcher)) == "launch"
    users = [
        path for path in files if module_of(launcher) in {m for m, typing_only in imports(path) if not typing_only}
    ]
    assert users
    for path in users:
        at_top = {node.module for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "module")}
        assert module_of(launcher) not in at_top, path


def module_of(path: Path) -> str:
    return "levelfield." + ".".join(path.relative_to(ROOT).with_suffix("").parts)


def floor_of(module: str) -> str | None:
    """The floor that a module is on; None for one that is not ours, and for the doors of the harness."""
    top, room, *rest = [*module.split("."), "", ""]
    if top != "levelfield":
        return None
    floor = rest[0] if room == "harness" else room
    return floor if floor in FLOORS else None


def against_the_floors(path: Path) -> list[str]:
    """What a file imports from a floor above its own; the command alone knows the reports."""
    own = floor_of(module_of(path))
    if own is None:
        return []
    above = set(FLOORS[FLOORS.index(own) + 1 :]) - ({"reports"} if own == "cli" else set())
    return [module for module, typing_only in imports(path) if not typing_only and floor_of(module) in above]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_lower_ones(room):
    found = {f"{path.relative_to(ROOT)}: {m}" for path in FILES[room] for m in against_the_floors(path)}
    assert found == set()


def test_the_floors_are_the_rooms_that_there_are():
    inside = {path.name for path in (ROOT / "harness").iterdir() if (path / "__init__.py").is_file()}
    assert inside | {"tasks", "adapters", "reports"} == set(FLOORS)


def test_the_harness_draws_its_rooms_in_ten_lines():
    text = (ROOT / "harness" / "__init__.py").read_text(encoding="utf-8")
    rows = [re.split(r" {2,}", row) for row in text.split("\n\n")[1].strip().splitlines()]
    drawn = [row[0] for row in rows] + [row[2] for row in rows if len(row) > 2]
    assert drawn == [room for room in FLOORS if room not in ROOMS]
    assert len(text.splitlines()) == 10


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_has_more_than_400_lines(room):
    assert {path for path in FILES[room] if len(path.read_text(encoding="utf-8").splitlines()) > 400} == set()


@pytest.mark.parametrize("room", ROOMS)
def test_everything_of_ours_is_imported_by_its_one_name(room):
    found = {f"{path.relative_to(ROOT)}: {m}" for path in FILES[room] for m, _ in imports(path) if m in ROOMS}
    assert found == set()


def texts(path: Path) -> Iterator[str]:
    """String literals of a file that are not docstrings, parts of f-strings among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words:
            yield node.value


def outside(path: Path) -> list[str]:
    """Paths into folders that only a checkout has, as a file of the product names them; no sentences, no links."""
    folders = re.compile(r"(?!https://)(.*/)?(tests|docs)(/\S*)?")
    return [text for text in texts(path) if folders.fullmatch(text)]


@pytest.mark.parametrize("room", ROOMS)
def test_no_product_code_reads_tests_or_docs(room):
    """The one that names them writes: a new adapter of the checkout gets its test there."""
    found = {f"{path.relative_to(ROOT)}: {text}" for path in FILES[room] for text in outside(path)}
    assert found <= {"harness/cli/new_adapter.py: tests"}


def test_a_path_into_tests_or_docs_would_be_found(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        '"""Of tests/ and docs/."""\n'
        "A = ROOT / 'tests' / 'plain'\n"
        "B = open(f'{ROOT}/docs/soak.json')\n"
        "C = 'see docs/clusters.md for more'\n"
        "D = 'https://example.org/docs/page.html'\n"
        "D = '../docs'\n"
    )
    assert sorted(outside(path)) == ["../docs", "/docs/soak.json", "tests"]


def test_an_import_against_the_floors_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "harness" / "judge" / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text("def act():\n    from levelfield.harness.run import session\n")
    assert "levelfield.harness.run" in against_the_floors(path)


def test_no_adapter_is_imported_outside_its_worker():
    # The float64 reference is NumPy only: certificates are made in workers, and what was timed there is judged outside
    allowed = {
        "levelfield.adapters.adapter",
        "levelfield.adapters.choices",
        "levelfield.adapters.registry",
        "levelfield.adapters.runtime",
        "levelfield.adapters.limits",
        "levelfield.adapters.sources",
    }
    found = set()
    for path in FILES["harness"] + FILES["reports"] + FILES["tasks"]:
        certifier = (ROOT / "harness" / "certify") in path.parents
        for module, _ in imports(path):
            if room_of(module) != "adapters" or module == "levelfield.adapters":
                continue
            known = allowed | ({"levelfield.adapters.numpy"} if certifier else set())
            if not any(module == name or module.startswith(f"{name}.") for name in known):
                found.add(f"{path.relative_to(ROOT)}: {module}")
    assert found == set()


def test_the_registry_and_the_contract_import_no_framework():
    for name in sorted(path.name for path in (ROOT / "adapters").glob("*.py")):
        modules = {module.partition(".")[0] for module, _ in imports(ROOT / "adapters" / name)}
        assert not modules & FRAMEWORKS


def test_the_contract_asks_for_six_methods_and_four_literals():
    assert Adapter.__abstractmethods__ == {"set_weights", "get_weights", "fit", "predict", "synchronize", "__init__"}
    assert REQUIRED == ("name", "framework", "api", "modes")


def test_all_thirteen_adapters_are_there():
    assert set(find().adapters) >= {
        "numpy-manual",
        "torch-autograd",
        "torch-nn",
        "torch-lightning",
        "tensorflow-tape",
        "keras-tensorflow",
        "keras-jax",
        "keras-torch",
        "keras-loop",
        "keras-custom-layer",
        "jax-grad",
        "flax-nnx",
        "sklearn-mlp",
    }
    assert find().problems == []
