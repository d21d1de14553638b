"""``levelfield new-adapter``: a skeleton that runs and certifies at once, in a checkout or as a package of its own."""

from __future__ import annotations

import keyword
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from levelfield.adapters import registry
from levelfield.harness.system.paths import ROOT
from levelfield.tasks.errors import UserError

SKELETON = Path(__file__).parent / "skeleton"
CHECKOUT = ROOT
LONGEST = 40  # characters of a name


def in_checkout(name: str, root: Path = CHECKOUT) -> list[Path]:
    """Write the adapter and its test into a checkout; the files written. UserError where that cannot be."""
    module = checked(name).replace("-", "_")
    adapters, tests = root / "adapters", root / "tests" / "adapters"
    if not (root / "pyproject.toml").is_file() or not tests.parent.is_dir():
        raise UserError("levelfield does not run from a checkout", f"levelfield new-adapter {name} --package")
    files = {adapters / f"{module}.py": "adapter.py", tests / f"test_{module}_contract.py": "test_adapter.py"}
    taken = [path for path in (*files, adapters / module) if path.exists()]
    if taken:
        raise UserError(f"{taken[0]} exists already", "choose another name")
    values = _values(name, module)
    contents = {path: _fill(template, values) for path, template in files.items()}
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in contents:
            path.unlink(missing_ok=True)
        raise UserError(f"{error.filename}: {error.strerror}", f"levelfield new-adapter {name} --package") from None
    return list(files)


def as_package(name: str, folder: Path | None = None) -> list[Path]:
    """Write a package, by default into ``levelfield-NAME`` here; the files written. UserError where that cannot be."""
    module = "levelfield_" + checked(name).replace("-", "_")
    folder = folder or Path(f"levelfield-{name}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already", "give another folder: --package DIR")
    values = _values(name, module)
    files = {
        f"{module}.py": "adapter.py",
        "test_contract.py": "test_contract.py",
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
    }
    contents = {path: _fill(template, values) for path, template in files.items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".levelfield-") as aside:
            partial = Path(aside) / folder.name
            partial.mkdir()
            for path, text in contents.items():
                (partial / path).write_text(text, encoding="utf-8")
            partial.replace(folder)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}", "give another folder: --package DIR") from None
    return [folder / path for path in files]


def checked(name: str) -> str:
    """A name that an adapter and its module can have, and that is free; else UserError."""
    good = re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) and len(name) <= LONGEST and not keyword.iskeyword(name)
    if not good:
        raise UserError(
            f"{name!r} cannot be an adapter's name",
            f"lower-case words and hyphens, at most {LONGEST} characters, such as {_proposal(name)}",
        )
    known = registry.find().adapters
    if name in known:
        raise UserError(f"there is an adapter {name!r} already: {known[name].source}", "choose another name")
    return name


def _proposal(name: str) -> str:
    """A good name near a bad one."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name).lower()
    good = "-".join(re.findall(r"[a-z0-9]+", apart)).lstrip("-0123456789")[:LONGEST].rstrip("-") or "my-framework"
    return good + "-nn" if keyword.iskeyword(good) else good


def _values(name: str, module: str) -> dict[str, str]:
    words = name.split("-")
    return {
        "name": name,
        "module": module,
        "title": " ".join(word.capitalize() for word in words),
        "class_name": "".join(word.capitalize() for word in words),
    }


def _fill(template: str, values: Mapping[str, str]) -> str:
    return Template((SKELETON / f"{template}.txt").read_text(encoding="utf-8")).substitute(values)
