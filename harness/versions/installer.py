"""What makes environments and knows releases: uv where it is there, else Python's own venv and pip.

Where packages come from is their configuration, of which levelfield knows nothing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from levelfield.tasks.errors import UserError

Tool = Literal["uv", "pip"]
# Of the user's environment what would lead an installer elsewhere than into the environment that is made
_ASTRAY = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_DRY_RUN")
# What uv and pip say where nobody answers
_OFFLINE = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ProxyError|name resolution|Network is unreachable|Connection refused"
    r"|Failed to establish|error sending request|dns error|tcp connect error|client error \(Connect\)"
    r"|Network connectivity is disabled|network was disabled",
    re.IGNORECASE,
)
# And where there is no such version, for this Python or at all
_NO_SUCH = re.compile(
    r"No matching distribution found for|Could not find a version|there (?:is|are) no versions? of"
    r"|was not found in the package registry|has no wheels with a matching|has no usable wheels"
)
_NEAREST = 6  # releases that a message names


@dataclass(frozen=True)
class Installer:
    """The commands of one tool, for environments of the Python that this process runs in."""

    tool: Tool

    def make(self, folder: Path) -> list[str]:
        """A new environment in `folder`."""
        if self.tool == "uv":
            return ["uv", "venv", "--no-project", "--python", sys.executable, str(folder)]
        return [sys.executable, "-m", "venv", *(["--without-pip"] if _has_pip() else []), str(folder)]

    def install(self, folder: Path, requirements: Sequence[str]) -> list[str]:
        """All of them into the environment in `folder`."""
        python = str(folder / "bin" / "python")
        if self.tool == "uv":
            return ["uv", "pip", "install", "--compile-bytecode", "--python", python, *requirements]
        # The own pip does it for another interpreter, which then needs none
        pip = [sys.executable, "-m", "pip", "--python", python] if _has_pip() else [python, "-m", "pip"]
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        return [*pip, "install", *quiet, *requirements]


def _has_pip() -> bool:
    """Whether the interpreter that this process runs in has one; one that uv made has none."""
    return importlib.util.find_spec("pip") is not None


def choose(tool: Tool | None) -> Installer:
    """This one, by default uv where it is on the PATH. Raises UserError where `tool` is not there."""
    if tool == "uv" and shutil.which("uv") is None:
        raise UserError("uv is not on the PATH", "install uv, or leave --installer out")
    return Installer(tool or ("uv" if shutil.which("uv") else "pip"))


def run(command: Sequence[str], tell: Callable[[str], None], pass_fds: Collection[int] = ()) -> tuple[int, str]:
    """Its exit code and the end of what it says, each line of which is told at once. `pass_fds` it holds until it ends.

    Raises UserError where it cannot be started.
    """
    last: deque[str] = deque(maxlen=400)
    environment = {name: value for name, value in os.environ.items() if name not in _ASTRAY}
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            pass_fds=tuple(pass_fds),
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    last.append(line.rstrip())
                    tell(line.rstrip())
            except BaseException:
                process.kill()
                raise
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error}", "--installer pip or --installer uv") from None
    return process.returncode, "\n".join(last)


def refusal(installer: Installer, requirement: str, said: str) -> UserError:
    """Why `requirement` could not be installed, from what the installer said."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    known = _named_in(said)
    if _OFFLINE.search(said) and not known:
        other = "; uv does not read pip's configuration: --installer pip" if installer.tool == "uv" else ""
        return UserError(
            f"{requirement} cannot be installed: {installer.tool} reaches no package index",
            f"is this machine offline? A wheel on the disk can be a version, too{other}",
        )
    if _NO_SUCH.search(said) and _same(requirement, said):
        package = requirement.partition("==")[0].partition(" @ ")[0]
        where = f"the newest here are {', '.join(known[-_NEAREST:])}; " if known else ""
        return UserError(
            f"there is no {requirement} for {python} on this machine",
            f"{where}run levelfield under another Python for others; pip index versions {package} lists all",
        )
    return UserError(f"{requirement} cannot be installed: {_reason(said)[:300]}", "--verbose shows all that was said")


def _reason(said: str) -> str:
    """The first error in what was said, with the first cause that uv gives for it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"error|×", line, re.IGNORECASE)]
    causes = [line.partition(" ")[2] for line in lines if line.startswith(("cause: ", "╰─▶ "))]
    return ": ".join([*errors[:1], *causes[:1]] or lines[-1:] or ["it said nothing"])


def _same(requirement: str, said: str) -> bool:
    """Whether what is missing is the version that was asked for, and not something that it needs."""
    squeezed = re.sub(r"\s", "", said)
    return re.sub(r"\s", "", requirement) in squeezed


def _named_in(said: str) -> list[str]:
    """The releases that pip lists where it does not find the one asked for, the oldest first."""
    found = re.search(r"\(from versions: ([^)]*)\)", said)
    return [] if found is None or found[1] == "none" else found[1].split(", ")


def releases(package: str) -> list[str]:
    """All that pip finds for this Python on this machine, the oldest first, without those before a release.

    Raises UserError where it finds none, or where there is no pip.
    """
    pip = ["-m", "pip", "index", "versions", "--disable-pip-version-check", package]
    if _has_pip():
        command = [sys.executable, *pip]
    elif shutil.which("uv"):
        command = ["uv", "run", "--no-project", "--python", sys.executable, "--with", "pip", "python", *pip]
    else:
        raise UserError("which releases there are only pip tells, and it is not here", "python -m ensurepip")
    code, said = run(command, lambda _: None)
    found = re.search(r"^Available versions: (.+)$", said, re.MULTILINE)
    if code or found is None:
        raise refusal(Installer("pip"), package, said)
    return found[1].split(", ")[::-1]
