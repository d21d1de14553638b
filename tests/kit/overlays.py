"""Environments to install in: everything that this one has, and a site-packages of their own."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Overlay:
    """An environment over the one that the tests run in. What is installed here is seen only here."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        return next((self.folder / "lib").glob("python*/site-packages"))

    def run(self, *arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """``python ARGUMENTS``, as a user would who has nothing else on the path."""
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd,
            env={k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))} | variables,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def install(self, name: str, module: str, source: str, attribute: str) -> None:
        """Leave what pip leaves of a package with one adapter: a module and an entry point."""
        (self.site / f"{module}.py").write_text(source)
        info = self.site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[levelfield.adapters]\n{name} = {module}:{attribute}\n")


def make_overlay(folder: Path) -> Overlay:
    venv.create(folder, symlinks=True)
    overlay = Overlay(folder)
    below = [sysconfig.get_path(kind) for kind in ("purelib", "platlib")]
    lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in dict.fromkeys(below))
    (overlay.site / "below.pth").write_text(lines)
    return overlay
