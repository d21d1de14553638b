"""MNIST: handwritten digits of 28×28 pixels, read from the four official IDX files.

The files are looked for in the folder that the user names (``--data-dir``, else ``LEVELFIELD_DATA``), else in the
user's cache: in the folder itself or in its subfolder ``mnist``, gzipped or not. A file that is not there is
downloaded into that subfolder; a file that is there is never replaced. Whichever way a file came, the MD5 of its
uncompressed content is checked, because every mirror compresses anew; a download gets its name only after that.

The images are standardised as a whole, by one mean and one deviation over all training pixels (dividing the bytes
by 255 before would change nothing). The test split is the official one; validation is a sixth of the official
training images, stratified.
"""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import math
import os
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Task, assemble, stratified_cut

NAME = "mnist"
SOURCE = "MNIST handwritten digits (LeCun, Cortes & Burges): 70,000 images of 28×28 pixels, 10 classes"
LICENCE = "CC BY-SA 3.0"

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = (5, 30)  # seconds to connect, and between two pieces of a download
GZIP_OVERHEAD = 1 << 16  # bytes by which an honest archive may be larger than its content


@dataclass(frozen=True)
class Archive:
    """One IDX file of unsigned bytes: `file` name without ``.gz``, `md5` of the uncompressed content, `shape`."""

    file: str
    md5: str
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """Magic number (0, 0, type 8 = unsigned byte, dimensions) and the shape, big-endian."""
        return bytes([0, 0, 8, len(self.shape)]) + np.array(self.shape, ">u4").tobytes()

    @property
    def size(self) -> int:
        """Bytes of the uncompressed file."""
        return len(self.header) + math.prod(self.shape)


class Archives(NamedTuple):
    """The four files: images (n, rows, columns) and labels (n,)."""

    train_images: Archive
    train_labels: Archive
    test_images: Archive
    test_labels: Archive


OFFICIAL = Archives(
    Archive("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb", (60_000, 28, 28)),
    Archive("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", (60_000,)),
    Archive("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea", (10_000, 28, 28)),
    Archive("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", (10_000,)),
)


def load(
    seed: int = 0,
    *,
    data_dir: Path | None = None,
    archives: Archives = OFFICIAL,
    mirrors: Sequence[str] = MIRRORS,
) -> Task:
    """MNIST with its official test split; `seed` chooses the validation images.

    Raises UserError when a file is damaged or not the official one, and when it is neither there nor downloadable.
    """
    flat, labels = pooled(data_dir, archives, mirrors)
    learning = archives.train_labels.shape[0]
    train, validation = stratified_cut(
        NAME, np.arange(learning), labels, learning // 6, kind="classification", seed=seed
    )
    test = np.arange(learning, len(flat))
    return assemble(NAME, flat, labels, train, validation, test, source=SOURCE, licence=LICENCE, scaling="whole")


def pooled(
    data_dir: Path | None, archives: Archives = OFFICIAL, mirrors: Sequence[str] = MIRRORS
) -> tuple[np.ndarray, np.ndarray]:
    """All images as rows (n, pixels) uint8 and their classes (n,), the official training images first."""
    paths = locate(data_folder(data_dir), archives, mirrors)
    arrays = [read_idx(path, archive) for path, archive in zip(paths, archives, strict=True)]
    images = np.concatenate([arrays[0], arrays[2]])
    return images.reshape(len(images), -1), np.concatenate([arrays[1], arrays[3]])


def data_folder(data_dir: Path | None) -> Path:
    """The folder that the user names, which must exist, else the one in the user's cache, which need not."""
    named, by = (str(data_dir), "--data-dir") if data_dir else (os.environ.get("LEVELFIELD_DATA"), "LEVELFIELD_DATA")
    if not named:
        import pooch

        return Path(pooch.os_cache("levelfield"))
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UserError(f"{by}: {folder} is not a folder", "name an existing folder for the data files")
    return folder


def locate(folder: Path, archives: Archives, mirrors: Sequence[str]) -> list[Path]:
    """Where each of `archives` lies, after downloading the absent ones into ``folder/mnist``."""
    target = folder / NAME
    paths = []
    for archive in archives:
        names = (archive.file, f"{archive.file}.gz")
        found = (place / name for place in (folder, target) for name in names if (place / name).is_file())
        paths.append(next(found, None) or _download(archive, archives, target, mirrors))
    return paths


def read_idx(path: Path, archive: Archive) -> np.ndarray:
    """The uint8 array in an IDX file, gzipped or not (its first bytes tell), after checking size, header and MD5.

    At most one byte more than expected is unpacked, so that no archive can fill the memory.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            content = file.read(archive.size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, archive, f"it cannot be unpacked or read ({error})") from None
    header = archive.header
    if content[: len(header)] != header[: len(content)]:
        raise _damaged(path, archive, f"its header is not that of unsigned bytes of shape {archive.shape}")
    if len(content) > archive.size:
        raise _damaged(path, archive, f"it holds more than {archive.size:,} bytes")
    if len(content) < archive.size:
        raise _damaged(path, archive, f"it ends after {len(content):,} of {archive.size:,} bytes")
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != archive.md5:
        raise _damaged(path, archive, f"the MD5 of its uncompressed content is not {archive.md5}")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(archive.shape)


def _damaged(path: Path, archive: Archive, why: str) -> UserError:
    return UserError(
        f"{path} is not the {archive.file} of MNIST: {why}",
        "delete the file, and it will be downloaded again, or put the right one in its place",
    )


def _download(archive: Archive, archives: Archives, target: Path, mirrors: Sequence[str]) -> Path:
    """Fetch one archive into `target` from the first mirror that gives the right content."""
    hint = (
        f"put {', '.join(a.file for a in archives)}, gzipped (.gz) or not, into {target}, "
        "or name their folder by --data-dir or LEVELFIELD_DATA"
    )
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{archive.file} is absent, and {target} cannot be made: {error.strerror}", hint) from None
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}{archive.file}.gz"
        part = target / f".{archive.file}.{uuid.uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                _fetch(url, file, archive.size + GZIP_OVERHEAD)
            read_idx(part, archive)
            path = target / f"{archive.file}.gz"
            part.replace(path)
            return path
        except UserError as error:
            reasons.append(f"{url}: {error.message.partition(': ')[2]}")
        except (OSError, ValueError) as error:  # the errors of requests are OSErrors
            reasons.append(f"{url}: {type(error).__name__}: {str(error)[:200]}")
        finally:
            part.unlink(missing_ok=True)
    raise UserError(
        f"{archive.file} is not in {target} and cannot be downloaded: {'; '.join(reasons) or 'no mirror is known'}",
        hint,
    )


def _fetch(url: str, file: BinaryIO, limit: int) -> None:
    """Download at most `limit` bytes by https, or by http from this very machine; no redirect is followed."""
    import pooch

    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and _loopback(address.hostname or "")):
        raise ValueError("only https is allowed")
    download = pooch.HTTPDownloader(timeout=TIMEOUT, allow_redirects=False)
    download(url, _Limited(file, limit), None)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Limited:
    """A file to write to that takes `room` bytes and no more."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise ValueError("it sends more than the file can hold")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()
