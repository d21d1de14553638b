"""Environments in levelfield's cache: each is made whole or not at all, once for the same content, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from levelfield.harness.plan.environments import WORKER
from levelfield.harness.system import folders
from levelfield.harness.system.folders import Temporary
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.versions import installer
from levelfield.harness.versions.installer import Installer
from levelfield.harness.versions.wanted import Wanted, normal
from levelfield.tasks.errors import UserError, unknown

_ABOUT = "about.json"
_PACKAGES = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions() if d.name}))"
)
Tell = Callable[[str], None]


class About(Frozen):
    """What an environment is, as it was built."""

    name: str
    package: str
    requirement: str
    version: str | None  # of the package, as its environment tells it
    python: str
    packages: dict[str, str]  # all distributions → versions
    installer: str
    built: str  # UTC, ISO 8601


@dataclass(frozen=True)
class Built:
    """An environment that is there and whole."""

    folder: Path
    about: About

    @property
    def name(self) -> str:
        """In suites and tables."""
        return self.about.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def size(self) -> int:
        """Bytes on the disk, those of files that other environments share by hard links among them."""
        return sum(os.lstat(Path(place, name)).st_size for place, _, files in os.walk(self.folder) for name in files)


def folder() -> Path:
    """Where they are kept."""
    return folders.cache() / "environments"


def place(wanted: Wanted, needs: Sequence[str]) -> Path:
    """Its folder; the name holds a digest of what it is made from: interpreter, version, and what adapters need."""
    interpreter = (os.path.realpath(sys.executable), sys.version, platform.machine())
    made_from = json.dumps([interpreter, wanted.requirement, wanted.content, requirements(wanted, needs)])
    return folder() / f"{wanted.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}"


def requirements(wanted: Wanted, needs: Sequence[str]) -> list[str]:
    """What is installed: the version, and besides it what workers and adapters need, in whatever version fits it."""
    package = normal(wanted.package)
    own = {package, package.removesuffix("-cpu")}  # TensorFlow's build for the CPU has its own name
    return [wanted.requirement, *sorted({normal(name) for name in (*WORKER, *needs)} - own)]


def obtain(wanted: Wanted, needs: Sequence[str], using: Installer, tell: Tell, said: Tell = lambda _: None) -> Built:
    """The environment, built where it is not there. What goes on is told, and each line of the installer is `said`.

    Raises UserError where it cannot be built; nothing is left then.
    """
    final = place(wanted, needs)
    if (there := _read(final)) is not None:
        return there
    tell(f"building {wanted.name} with {using.tool}; this is done once")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with Temporary(final.parent) as temporary:
            new = temporary.path / "environment"
            for command in (using.make(new), using.install(new, requirements(wanted, needs))):
                code, output = installer.run(command, said, [temporary.fd])
                if code:
                    raise installer.refusal(using, wanted.requirement, output)
            _describe(new, wanted, using)
            _keep(new, final)
    except OSError as error:
        raise UserError(
            f"{error.filename or final.parent}: {error.strerror or error}",
            "environments need room that can be written: set LEVELFIELD_CACHE to a folder that has it",
        ) from None
    built = _read(final)
    assert built is not None
    tell(f"built {built.name}: {built.size / 1e6:,.0f} MB in {final}")
    return built


def _describe(new: Path, wanted: Wanted, using: Installer) -> None:
    """Write down what has come into it. Raises UserError where it is not what was asked for."""
    command = [str(new / "bin" / "python"), "-I", "-c", _PACKAGES]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise UserError(f"{wanted.name} was built, and its Python does not run: {answer.stderr.strip()[-300:]}")
    packages: dict[str, str] = dict(sorted(json.loads(answer.stdout).items()))
    version = {normal(name): version for name, version in packages.items()}.get(normal(wanted.package))
    if version is None:
        raise UserError(f"{wanted.requirement} installs no package named {wanted.package}")
    about = About(
        name=wanted.name,
        package=wanted.package,
        requirement=wanted.requirement,
        version=version,
        python=platform.python_version(),
        packages=packages,
        installer=using.tool,
        built=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    (new / _ABOUT).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _keep(new: Path, final: Path) -> None:
    """Under its own name from now on, unless another process was quicker. What is there and is not whole goes."""
    if final.exists() and _read(final) is None:
        final.rename(new.with_name("damaged"))
    try:
        new.rename(final)
    except OSError:
        if _read(final) is None:
            raise


def _read(folder: Path) -> Built | None:
    """What is there under a name that only whole environments have."""
    try:
        return Built(folder, About.model_validate_json((folder / _ABOUT).read_bytes()))
    except (OSError, ValidationError):
        return None


def kept() -> list[Built]:
    """All that are there, by name."""
    found = [_read(path.parent) for path in sorted(folder().glob(f"*/{_ABOUT}"))]
    return [one for one in found if one is not None]


def remove(name: str) -> list[Built]:
    """Those of this name, or ``all``. Raises UserError where there is none.

    They lose their names before their files: what is half removed is no environment.
    """
    there = kept()
    gone = [one for one in there if name in ("all", one.name, one.folder.name)]
    if not gone and name != "all":
        raise unknown("environment", name, [one.name for one in there], "levelfield versions --list")
    for one in gone:
        with Temporary(one.folder.parent) as temporary:
            one.folder.rename(temporary.path / "gone")
    return gone


def differences(environments: Sequence[Built]) -> list[str]:
    """Of other packages than the one compared, those that have not the same version in all, a line each."""
    own = {normal(one.about.package) for one in environments}
    tables = [{normal(name): version for name, version in one.about.packages.items()} for one in environments]
    names = sorted({name for table in tables for name in table} - own)
    return [
        f"{name}: {' / '.join(versions)}"
        for name in names
        if len(set(versions := [table.get(name, "absent") for table in tables])) > 1
    ]
