"""Where chaos happens: real command lines in a folder of their own, and what must hold after them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from levelfield.harness.records import store
from levelfield.harness.records.record import Record

ROOT = Path(__file__).resolve().parents[3]
MARK = "LEVELFIELD_CHAOS_MARK"
SUITE = """
name = "chaos"
baseline = "numpy-manual"
peaks = false
time-limit = 60.0

[tasks.dots]
file = "dots.csv"
label = "colour"
split-column = "part"

[models.small]
hidden = [8]

[recipes.momentum]
optimizer = "momentum"
batch-size = 16
epochs = 2

[recipes.plain]
optimizer = "sgd"
batch-size = 16
epochs = 2

[[learning]]
task = "dots"
model = "small"
recipe = "momentum"
adapters = ["numpy-manual"]
seeds = 20

[[speed]]
task = "dots"
model = "small"
recipe = "momentum"
adapters = ["numpy-manual"]
blocks = 2
seconds = 0.005
threads = 1

[[speed]]
task = "dots"
model = "small"
recipe = "plain"
adapters = ["numpy-manual"]
blocks = 2
seconds = 0.005
threads = 1
"""
LEARNT, BLOCKS, TIMED = 20, 2, 2  # learning launches; blocks, and timed launches in each

# With a split of its own, so that no library is imported for that: there are many processes to start
DOTS = "x,y,colour,part\n" + "".join(
    f"{i % 7},{i % 5},{('red', 'blue')[i % 2]},{('train', 'train', 'train', 'validation', 'test')[i % 5]}\n"
    for i in range(120)
)


@dataclass
class Row:
    """What came of one fault. All counts but `tries` have to be 0."""

    fault: str
    expected: str
    tries: int = 0
    lost: int = 0  # launches without a record at the end
    twice: int = 0  # records of a launch that has one, but for those of a block that was torn
    orphans: int = 0  # processes that outlive their harness by PATIENCE
    zombies: int = 0  # dead children that nobody has reaped within a second
    wrong: list[str] = field(default_factory=list)  # exit codes and messages that were others than expected
    skipped: str | None = None

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.orphans or self.zombies or self.wrong)

    def expect(self, fine: bool, what: str) -> None:
        if not fine:
            self.wrong.append(what)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


PATIENCE = 10.0  # seconds


class Ground:
    """A folder with a suite, and every process that comes of it known by a variable in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        (folder / "chaos.toml").write_text(SUITE)
        (folder / "dots.csv").write_text(DOTS)
        (folder / "tmp").mkdir()
        self.made = 0
        begin = time.monotonic()
        code, err = self.run("run", "chaos.toml", "-o", "undisturbed", "--no-certify")
        self.seconds = time.monotonic() - begin
        assert code == 0, err
        self.ids = {record.launch_id for record in self.records(folder / "undisturbed")}
        assert len(self.ids) == LEARNT + BLOCKS * TIMED, len(self.ids)

    def new(self) -> Path:
        """A path for another run."""
        self.made += 1
        return self.folder / f"run-{self.made}"

    def start(
        self, *arguments: object, variables: Mapping[str, str] | None = None, limit_file: int | None = None
    ) -> subprocess.Popen[str]:
        """`limit_file` is the most bytes that any file may get, as a disk that refuses more."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LEVELFIELD_")}
        here = {"PYTHONPATH": str(ROOT), MARK: self.mark, "LEVELFIELD_CACHE": str(self.folder / "cache")}
        words = [sys.executable, "-P", "-m", "levelfield.harness.cli.main", *map(str, arguments)]
        if limit_file is not None:
            words = ["prlimit", f"--fsize={limit_file}", *words]
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=inherited | here | {"TMPDIR": str(self.folder / "tmp")} | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object, **how: object) -> tuple[int, str]:
        """Exit code and stderr of a command line that is left to itself."""
        process = self.start(*arguments, **how)  # type: ignore[arg-type]
        return self.end(process)

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        _, err = process.communicate(timeout=300)
        return process.returncode, err

    def go_on(self, folder: Path) -> tuple[int, str]:
        """Resume a run, or begin it when it had not come so far."""
        if (folder / "run.json").exists():
            return self.run("run", "--resume", folder)
        return self.run("run", "chaos.toml", "-o", folder, "--no-certify")

    def begin(self, folder: Path) -> subprocess.Popen[str]:
        if (folder / "run.json").exists():
            return self.start("run", "--resume", folder)
        return self.start("run", "chaos.toml", "-o", folder, "--no-certify")

    def records(self, folder: Path) -> list[Record]:
        """All whole ones, also those that a later one replaces."""
        return list(store._lines(folder, Record, []))

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def workers(self, harness: subprocess.Popen[str]) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [
                p for p in psutil.Process(harness.pid).children() if "levelfield.harness.launch.worker" in p.cmdline()
            ]
        return []

    def check(self, row: Row, folder: Path) -> list[Record]:
        """Count what is lost, twice and left behind, now that the run has been carried to its end."""
        made = self.records(folder)
        ids = {f"{record.cell.bare.id}#{record.block}" for record in made}  # whatever variables were passed on
        row.lost += len(self.ids - ids)
        row.twice += repeated(made)
        row.expect(ids <= self.ids, "a record of a launch that was not planned")
        self.check_orphans(row)
        shutil.rmtree(folder, ignore_errors=True)
        return made

    def check_orphans(self, row: Row) -> None:
        end = time.monotonic() + PATIENCE
        while (alive := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        row.orphans += len(alive)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                row.wrong.append("orphan: " + " ".join(process.cmdline()))
                process.kill()

    def check_zombies(self, row: Row, harness: subprocess.Popen[str]) -> None:
        """Count the harness' descendants that are dead now and still there in a second."""

        def dead() -> set[tuple[int, float]]:
            found = set()
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(harness.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if process.status() == psutil.STATUS_ZOMBIE:
                            found.add((process.pid, process.create_time()))
            return found

        if first := dead():
            time.sleep(1.0)
            row.zombies += len(first & dead())

    def lines(self, folder: Path) -> int:
        path = folder / "records.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def wait_for(self, process: subprocess.Popen[str], folder: Path, records: int) -> bool:
        """Until the run has its head and so many records. False when it ended before."""
        while process.poll() is None:
            if (folder / "run.json").exists() and self.lines(folder) >= records:
                return True
            time.sleep(0.002)
        return False


def repeated(made: Iterable[Record]) -> int:
    """Records of a launch that has one already. A block in whose records the harness was killed is made again as a
    whole, which counts as none; one that was complete is not."""
    learnt: Counter[str] = Counter()
    blocks: dict[int, set[str]] = {}
    twice = 0
    for record in made:
        if record.cell.kind == "learning":
            learnt[record.launch_id] += 1
            continue
        block = blocks.setdefault(record.block, set())
        if len(block) == TIMED:
            twice += 1
        elif record.launch_id in block:
            block.clear()
        block.add(record.launch_id)
    return twice + sum(n - 1 for n in learnt.values())


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[bool]:
    """A file system in memory, mounted on `folder`; False where that is not permitted."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "levelfield-chaos", folder], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True, capture_output=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True, capture_output=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
