"""A run directory: ``run.json`` is its head; ``records.jsonl``, ``certificates.jsonl``, ``peaks.jsonl`` and
``explained.jsonl`` only ever grow."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.explanation import Explanation
from levelfield.harness.records.peak import Peak
from levelfield.harness.records.record import SCHEMA, Record, Run
from levelfield.tasks.errors import UserError

RUNS = Path("runs")
Entry = TypeVar("Entry", Record, Certificate, Peak, Explanation)
_HEAD, _LOCK = "run.json", "lock"
_FILES: dict[type[BaseModel], str] = {
    Record: "records.jsonl",
    Certificate: "certificates.jsonl",
    Peak: "peaks.jsonl",
    Explanation: "explained.jsonl",
}


class Store:
    """Appends records to a run directory; each is on the disk when `append` returns.

    One process at a time: the directory is locked until `close`, or until the process ends in whatever way.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the run in `folder`. Raises UserError when another process is writing to it, or it is read-only."""
        self.folder = folder
        self._guard = threading.Lock()
        try:
            self._lock = (folder / _LOCK).open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another levelfield is writing to {folder}", "wait until it has ended") from None
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}", "a run needs a folder that can be written") from None

    @classmethod
    def create(cls, folder: Path, run: Run) -> Store:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}", "choose another folder with -o") from None
        store = cls(folder)
        if (folder / _HEAD).exists():
            store.close()
            raise UserError(f"{folder} holds a run already", f"levelfield run --resume {folder}")
        store.write_head(run)
        return store

    def write_head(self, run: Run) -> None:
        """Whole or not at all."""
        partial = self.folder / f"{_HEAD}.partial"
        try:
            with partial.open("wb") as file:
                file.write(run.model_dump_json(indent=1).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())  # or a loss of power may leave the new name with no contents
            partial.replace(self.folder / _HEAD)
        except OSError as error:
            raise self._failure(error) from None

    def append(self, entry: Record | Certificate | Peak | Explanation) -> None:
        path = self.folder / _FILES[type(entry)]
        try:
            with self._guard, path.open("ab") as file:
                if file.tell() and not _ends_with_newline(path):
                    file.write(b"\n")  # a write that was cut off stays a damaged line of its own
                file.write(entry.model_dump_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._failure(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lock.close()

    def _failure(self, error: OSError) -> UserError:
        hint = f"mend that, then go on with: levelfield run --resume {shlex.quote(str(self.folder))}"
        return UserError(f"{self.folder}: cannot be written: {error.strerror}", hint)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@dataclass(frozen=True)
class Contents:
    """All of a run directory: of each launch the last record, of each subject the last certificate and peak, of each
    pair the last explanation."""

    run: Run
    records: list[Record]
    certificates: list[Certificate]
    damaged: list[str]  # one line for every line that had to be set aside
    peaks: list[Peak] = field(default_factory=list)
    explained: list[Explanation] = field(default_factory=list)


def read(folder: Path) -> Contents:
    """What is on the disk. Raises UserError when there is no run; damaged lines are set aside and told."""
    head = folder / _HEAD
    try:
        text = head.read_bytes()
        run = Run.model_validate_json(text)
    except OSError as error:
        hint = "give the folder of a run, as 'levelfield run' printed it"
        raise UserError(f"{head}: {error.strerror}", hint) from None
    except ValidationError as error:
        if (other := _other_schema(text)) is not None:
            raise UserError(f"{head}: {other}", "make it again, or read it with the levelfield that made it") from None
        raise UserError(f"{head}: {_first(error)}", "the file is damaged or not from levelfield") from None
    run = run.model_copy(update={"folder": str(folder)})
    damaged: list[str] = []
    records = {record.place: record for record in _lines(folder, Record, damaged)}
    certificates = {_subject(c): c for c in _lines(folder, Certificate, damaged)}
    peaks = {(peak.machine, peak.subject): peak for peak in _lines(folder, Peak, damaged)}
    explained = {one.pair: one for one in _lines(folder, Explanation, damaged)}
    lists = (list(records.values()), list(certificates.values()), damaged, list(peaks.values()))
    return Contents(run, *lists, list(explained.values()))


def _subject(c: Certificate) -> tuple[object, ...]:
    """What a certificate is about; two environments may differ in what an adapter does not name."""
    where = (c.environment, c.device, c.precision, c.replicas, c.replication, c.machine)
    return (c.adapter, c.mode, *where, *sorted(c.versions.items()), *sorted(c.variables.items()))


def _lines(folder: Path, model: type[Entry], damaged: list[str]) -> Iterator[Entry]:
    path = folder / _FILES[model]
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield model.model_validate_json(line)
                except ValidationError as error:
                    damaged.append(f"{path}:{number}: set aside: {_first(error)}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "the run is damaged or not from levelfield") from None


def _other_schema(head: bytes) -> str | None:
    """Which levelfield a head is of, where its schema is not ours."""
    try:
        schema = json.loads(head)["schema_version"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    if type(schema) is not int or schema < 1 or schema == SCHEMA:
        return None
    which = "levelfield 0.1" if schema < SCHEMA else "a later levelfield"
    return f"made by {which} (schema {schema}, this one reads {SCHEMA})"


def _first(error: ValidationError) -> str:
    """What is wrong, and at which key."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    text = f"{where}: {first['msg']}" if where else first["msg"]
    return text.encode("utf-8", "backslashreplace").decode().replace("\n", " ")


def newest() -> Path:
    """The run that was started last in the usual place."""
    heads = {path.parent: _head(path) for path in RUNS.glob(f"*/{_HEAD}")}
    if not heads:
        raise UserError(f"there is no run in {RUNS}/", "make one: levelfield run smoke")
    return max(heads, key=lambda folder: (str(heads[folder].get("started", "")), folder.name))


def _head(path: Path) -> dict[str, Any]:
    """What a head says; nothing where it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def new_folder(suite: str) -> Path:
    """A name in the usual place that is not taken."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = RUNS / f"{stamp}-{suite}"
    number = 2
    while folder.exists():
        folder = RUNS / f"{stamp}-{suite}-{number}"
        number += 1
    return folder
