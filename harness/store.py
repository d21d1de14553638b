"""A run directory: ``run.json`` (its head) and ``records.jsonl``, to which records are appended and never rewritten."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from harness.record import Record, Run
from tasks.errors import UserError

RUNS = Path("runs")
_HEAD, _RECORDS = "run.json", "records.jsonl"


class Store:
    """Appends records to a run directory; each is on the disk when `append` returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path, run: Run) -> Store:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / _HEAD).exists():
                raise UserError(f"{folder} holds a run already", f"levelfield run … --resume {folder}")
            partial = folder / "run.json.partial"
            partial.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
            partial.replace(folder / _HEAD)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}", "choose another folder with -o") from None
        return cls(folder)

    def append(self, record: Record) -> None:
        line = record.model_dump_json() + "\n"
        with self._lock, (self.folder / _RECORDS).open("ab") as file:
            if file.tell() and not _ends_with_newline(self.folder / _RECORDS):
                file.write(b"\n")  # a write that was cut off stays a damaged line of its own
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read(folder: Path) -> tuple[Run, list[Record], list[str]]:
    """The head, the records (of each launch the last), and one line for every damaged line of the file."""
    head = folder / _HEAD
    try:
        run = Run.model_validate_json(head.read_bytes())
    except OSError as error:
        raise UserError(
            f"{head}: {error.strerror}", "give the folder of a run, as 'levelfield run' printed it"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{head}: {where}: {first['msg']}", "the file is damaged or not from levelfield") from None
    records: dict[str, Record] = {}
    damaged = []
    path = folder / _RECORDS
    if path.exists():
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    record = Record.model_validate_json(line)
                except ValidationError as error:
                    damaged.append(f"{path}:{number}: set aside: {error.errors()[0]['msg']}")
                    continue
                records[record.launch_id] = record
    return run, list(records.values()), damaged


def newest() -> Path:
    """The run that was started last in the usual place."""
    runs = [path.parent for path in RUNS.glob(f"*/{_HEAD}")]
    if not runs:
        raise UserError(f"there is no run in {RUNS}/", "make one: levelfield run smoke")
    return max(runs, key=lambda folder: (folder / _HEAD).stat().st_mtime_ns)


def new_folder(suite: str) -> Path:
    """A name in the usual place that is not taken."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = RUNS / f"{stamp}-{suite}"
    number = 2
    while folder.exists():
        folder = RUNS / f"{stamp}-{suite}-{number}"
        number += 1
    return folder
