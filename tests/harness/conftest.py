"""The command line as a user runs it, plug-ins as a package installs them, and small suites."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import levelfield
from levelfield.harness.cli import main
from levelfield.harness.records.record import Record

# Behind a shell's `&` Ctrl-C is ignored, and it would be in all commands that the tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(levelfield.__file__).resolve().parent.parent
MARK = "LEVELFIELD_TEST_MARK"

TINY = """
name = "tiny"
baseline = "numpy-manual"
peaks = false
time-limit = {time_limit}

[tasks.flowers]
file = {flowers}
label = "species"
split-column = "part"

[models.small]
hidden = [8]

[recipes.momentum]
optimizer = "momentum"
batch-size = 16
epochs = 2
"""


@dataclass
class CommandLine:
    """``levelfield …`` in a folder of its own. Every process that comes of it carries `mark` in its environment."""

    folder: Path
    plugins: Sequence[Path] = ()
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LEVELFIELD_")}
        path = os.pathsep.join(map(str, [ROOT, *self.plugins]))
        return subprocess.Popen(
            [str(self.python), "-P", "-m", "levelfield.harness.cli.main", *map(str, arguments)],
            cwd=self.folder,
            env=inherited
            | {"PYTHONPATH": path, MARK: self.mark, "LEVELFIELD_CACHE": str(self.folder / "cache")}
            | dict(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run to the end; whatever the input, no traceback may be seen."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=900)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback" not in out + err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def inside(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The command in this process: what starts no other one is answered without the seconds of a start."""
        words, out, err = [str(word) for word in arguments], io.StringIO(), io.StringIO()
        with contextlib.chdir(self.folder), pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("LEVELFIELD_")]:
                patch.delenv(name)
            patch.setenv("LEVELFIELD_CACHE", str(self.folder / "cache"))
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main.main(words)
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def processes(self) -> list[psutil.Process]:
        """All that are alive and came of this command line, in whatever session they hide."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def left_behind(self, patience: float = 120.0) -> list[str]:
        """What is still alive after the last of them has had time to notice that the harness is gone."""
        _, alive = psutil.wait_procs(self.processes(), timeout=patience)
        return [" ".join(process.cmdline()) for process in alive if process.is_running()]


@pytest.fixture(scope="session")
def levelfield(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("levelfield"))


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., CommandLine]]:
    """Makes command lines with plug-ins or variables of their own; nothing of them may outlive the module."""
    made: list[CommandLine] = []

    def make(**arguments: object) -> CommandLine:
        made.append(CommandLine(tmp_path_factory.mktemp("levelfield"), **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        for process in one.processes():
            process.kill()


@pytest.fixture(scope="session")
def install() -> Callable[..., Path]:
    """Writes a package as an installer would: modules, and a dist-info with its entry points."""

    def write(folder: Path, entry_points: Mapping[str, str], modules: Mapping[str, str]) -> Path:
        about = folder / "outside_frameworks-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-frameworks\nVersion: 1.0\n")
        lines = ["[levelfield.adapters]", *(f"{name} = {value}" for name, value in entry_points.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, text in modules.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return write


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris as a file with its splits: a command that reads it imports no scikit-learn, which takes half of a start."""
    from levelfield.tasks import registry

    iris, file = registry.load("iris"), tmp_path_factory.mktemp("flowers") / "flowers.csv"
    lines = ["a,b,c,d,species,part"]
    for part in ("train", "validation", "test"):
        x, y = getattr(iris, part)
        lines += [
            ",".join([*(repr(float(v)) for v in row), f"kind {kind}", part]) for row, kind in zip(x, y, strict=True)
        ]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="session")
def tiny(flowers: Path) -> Callable[..., str]:
    """The text of a small suite: the parts given, on Iris with one small model and recipe."""

    def text(learning: str = "", speed: str = "", time_limit: float = 60.0) -> str:
        both = 'task = "flowers"\nmodel = "small"\nrecipe = "momentum"\n'
        parts = [f"[[{kind}]]\n{both}{rest}\n" for kind, rest in (("learning", learning), ("speed", speed)) if rest]
        return "\n".join([TINY.format(time_limit=time_limit, flowers=json.dumps(str(flowers))), *parts])

    return text


@pytest.fixture(scope="session")
def records_of() -> Callable[[Path], list[Record]]:
    """All records of a run directory, also those that a later one replaces."""

    def read(folder: Path) -> list[Record]:
        lines = (folder / "records.jsonl").read_text().splitlines()
        return [Record.model_validate(json.loads(line)) for line in lines]

    return read
