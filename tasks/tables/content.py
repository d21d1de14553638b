"""What is in a file whatever it is called: refused by content, unpacked within the limit."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from levelfield.tasks.errors import UserError
from levelfield.tasks.tables import frame

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".parquet": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".npz": "npz",
    ".arff": "arff",
    ".xlsx": "xlsx",
    ".libsvm": "libsvm",
    ".svmlight": "libsvm",
}
PACKED = (".gz", ".zip")
KNOWN = f'known: {", ".join(FORMATS)}, and .gz or .zip of one; or format = "csv" (or another one) for such a file'


def load(file: Path, form: str | None) -> tuple[bytes, str, str]:
    """(the content, unpacked; its format; the suffix that told it). Raises UserError."""
    suffix = _suffix(file.name)
    if form is None and suffix not in FORMATS and suffix not in PACKED:
        raise _unknown(file)
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is not a file" if file.exists() else "does not exist"
            raise UserError(f"{file} {what}", "files are named relative to the folder of the suite file")
        size = file.stat().st_size
        if size == 0:
            raise UserError(f"{file} is empty", "it needs a row for each sample")
        if size > frame.MAX_BYTES:
            raise frame.too_big(file, f"{size:,} bytes")
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}", "check the file and its rights") from None
    if file.suffix.lower() in PACKED:
        data, suffix = _unpacked(file, data)
    found = form or FORMATS.get(suffix)
    if found is None:
        raise UserError(f"{file}: unknown kind of file {suffix!r} inside it", KNOWN)
    _refuse(file, data, found)
    return data, found, suffix


def _suffix(name: str) -> str:
    return PurePosixPath(name.lower().removesuffix(".gz") if name.lower().endswith(".gz") else name.lower()).suffix


def _unknown(file: Path) -> UserError:
    """With what it seems to be by its content, where that can be told."""
    message = f"{file}: unknown kind of file {file.suffix!r}"
    try:
        with file.open("rb") as content:
            words = content.read(4096).splitlines()[0].split()
    except (OSError, IndexError):
        words = []
    if len(words) > 1 and all(b":" in word for word in words[1:]):
        return frame.Remedied(f"{message}, which looks like LIBSVM", 'write format = "libsvm"', {"format": "libsvm"})
    return UserError(message, KNOWN)


def _unpacked(file: Path, data: bytes) -> tuple[bytes, str]:
    """What a .gz or a .zip of one file holds, at most the limit, and the suffix of what is inside."""
    try:
        if file.suffix.lower() == ".gz":
            with gzip.open(io.BytesIO(data)) as inside:
                content, suffix = inside.read(frame.MAX_BYTES + 1), _suffix(file.name)
        else:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX")]
                if len(names) != 1:
                    listed = ", ".join(names[:5]) or "nothing"
                    raise UserError(
                        f"{file} holds {len(names)} files: {listed}", "unpack it, and name the one that is meant"
                    )
                with archive.open(names[0]) as inside:
                    content, suffix = inside.read(frame.MAX_BYTES + 1), _suffix(names[0])
    except UserError:
        raise
    # A password is a RuntimeError, a compression that zipfile has not a NotImplementedError
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(f"{file} cannot be unpacked: {error}", "pack it again, or name the unpacked file") from None
    if len(content) > frame.MAX_BYTES:
        raise frame.too_big(file, f"more than {frame.MAX_BYTES:,} bytes unpacked")
    if not content:
        raise UserError(f"{file} is empty", "it needs a row for each sample")
    return content, suffix


def _refuse(file: Path, data: bytes, form: str) -> None:
    """What is no data at all, or of another kind than its name says."""
    head = data[:512].lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise UserError(
            f"{file} is a Git LFS pointer, not the data",
            f"fetch what it points to: git lfs pull --include {file.name}",
        )
    if head[:9].lower() in (b"<!doctype", b"<html>") or head[:5].lower() == b"<html":
        raise UserError(f"{file} is a web page, not the data", "download the file itself (on GitHub: the raw file)")
    magic = {b"PK\x03\x04": "a zip archive (.zip, .npz or .xlsx)", b"\x1f\x8b": "packed by gzip (.gz)"}
    magic |= {b"PAR1": "Parquet", b"ARROW1": "Feather", b"\x93NUMPY": "one NumPy array (.npy)"}
    magic |= {b"\x80\x03": "a pickle", b"\x80\x04": "a pickle", b"\x80\x05": "a pickle", b"SQLite": "a database"}
    if form in ("csv", "arff", "libsvm"):
        for start, what in magic.items():
            if data.startswith(start):
                raise UserError(
                    f"{file} is {what}, not text", "give the file the suffix that it is, or say its `format`"
                )
