"""A version of a package as a user names it: a release, a requirement, a wheel or a checkout on the disk."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from levelfield.tasks.errors import UserError

_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RELEASE = re.compile(r"[0-9][A-Za-z0-9.+!_-]*")
_MADE = ("build", "dist")  # at the top of a checkout: what was made from the rest of it
_LONGEST = 40  # as names in a suite are


@dataclass(frozen=True)
class Wanted:
    """One version: its `name` in suites and tables, and the `requirement` as pip and uv read it.

    `content` tells apart what the requirement has led to at different times: the digest of a wheel or of a checkout.
    """

    package: str
    name: str
    requirement: str
    content: str = ""

    @property
    def release(self) -> str | None:
        """The release that was named, if it was one."""
        _, equal, release = self.requirement.partition("==")
        return release if equal else None


def package(word: str) -> str:
    """The name of a package. Raises UserError where it cannot be one."""
    if not _PACKAGE.fullmatch(word):
        raise UserError(f"{word!r} is no name of a package", "levelfield versions torch 2.9.1 2.13.0")
    return word


def normal(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(package: str, word: str) -> Wanted:
    """A release (``2.9.1``), a requirement (``torch @ file:///tmp/some.whl``), or the path of a wheel or a checkout.

    Raises UserError that says what is wrong with `word`.
    """
    hint = "give a release such as 2.9.1, a requirement 'NAME @ ADDRESS', or the path of a wheel or a checkout"
    if _RELEASE.fullmatch(word):
        return Wanted(package, _name(package, word), f"{package}=={word}")
    name, at, address = (part.strip() for part in word.partition("@"))
    if at and _PACKAGE.fullmatch(name):
        if normal(name) != normal(package):
            raise UserError(f"{word!r} is a version of {name}, not of {package}", f"levelfield versions {name} …")
        if address.startswith("file:"):
            return _on_disk(package, Path(unquote(urlparse(address).path)), word, hint)
        if not urlparse(address).scheme:
            raise UserError(f"{word!r}: {address!r} is no address", hint)
        return Wanted(package, _named(package, "", word), f"{package} @ {address}")
    return _on_disk(package, Path(word).expanduser(), word, hint)


def _on_disk(package: str, path: Path, word: str, hint: str) -> Wanted:
    path = path.absolute()
    if path.is_file() and path.suffix == ".whl":
        own, _, rest = path.stem.partition("-")
        if normal(own) != normal(package):
            raise UserError(f"{path} is a wheel of {own}, not of {package}", hint)
        version = rest.partition("-")[0]
    elif path.is_dir() and any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        version = path.name
    else:
        what = "does not exist" if not path.exists() else "is neither a wheel nor a folder that pip can install"
        raise UserError(f"{word!r} is no release, and {path} {what}", hint)
    content = _digest(path)
    return Wanted(package, _named(package, version, content), f"{package} @ {path.as_uri()}", content)


def _digest(path: Path) -> str:
    """Of a file, or of all that a checkout holds besides its history and what was made from it."""
    found = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(_files(path)):
        found.update(f"{file.relative_to(path)}\n".encode("utf-8", "surrogateescape"))
        try:
            with file.open("rb") as opened:
                found.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}", "all files of a version must be readable") from None
    return found.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        made = _MADE if Path(place) == folder else ()
        folders[:] = [name for name in folders if not (name in made or name.endswith((".egg-info", "__pycache__")))]
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.endswith(".pyc"))


def _named(package: str, version: str, text: str) -> str:
    """With some digits of what it is made from: two of them may call themselves alike."""
    digits = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{_name(package, version)[: _LONGEST - 9].rstrip('-')}-{digits}"


def _name(package: str, version: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{package}-{version}")[:_LONGEST].rstrip("-")
