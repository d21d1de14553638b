"""Whatever an adapter does to its process, the run goes on: one failed record with its reason, and nothing left behind.

The faults are injected by a plug-in, installed as any other, into real processes.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from levelfield.harness.launch import local, parents, warm_parent
from levelfield.harness.records.record import Record

pytestmark = pytest.mark.slow

HEAD = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
import numpy as np
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.tasks.mlp import Layer

NOTES = Path(os.environ["LEVELFIELD_TEST_NOTES"])
"""

FAULTS = """
class RaisesInFit(NumpyManual):
    name = "raises-in-fit"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        raise RuntimeError("out of patience\\nand a second line")

class RaisesWhatCannotBeStored(NumpyManual):
    name = "raises-surrogates"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        raise ValueError("\\udcff" * 100_000)

class RaisesWhatCannotBePrinted(NumpyManual):
    name = "raises-unprintable"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        class Mute(Exception):
            def __str__(self):
                raise TypeError
        raise Mute

class AsksForAPetabyte(NumpyManual):
    name = "petabyte"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        np.ones(10**15)

class LeavesByExit(NumpyManual):
    name = "sys-exit"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        sys.exit("had enough")

class Exits(NumpyManual):
    name = "exits"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os._exit(3)

class ExitsAsIfAllWereWell(NumpyManual):
    name = "exits-with-0"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os._exit(0)

class Aborts(NumpyManual):
    name = "aborts"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.abort()

class Segfaults(NumpyManual):
    name = "segfaults"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        ctypes.string_at(0)

class Diverges(NumpyManual):
    name = "diverges"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def update(self, gradients):
        self.parameters[0][...] = np.nan

class ForgetsADimension(NumpyManual):
    name = "wrong-shape"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def predict(self, x):
        return super().predict(x)[:, 0]

class ForgetsASample(NumpyManual):
    name = "too-few-logits"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def predict(self, x):
        return super().predict(x)[1:]

class PredictsClasses(NumpyManual):
    name = "wrong-type"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def predict(self, x):
        return super().predict(x).astype(int)

class PredictsAList(NumpyManual):
    name = "a-list"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def predict(self, x):
        return super().predict(x).tolist()

class TransposesItsKernels(NumpyManual):
    name = "transposed"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def get_weights(self):
        return [Layer(layer.kernel.T, layer.bias) for layer in super().get_weights()]

class TrainsNothing(NumpyManual):
    name = "trains-nothing"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        watch.ready()

class NeverReady(NumpyManual):
    name = "never-ready"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        watch.epoch_end(0)

class CountsFromOne(NumpyManual):
    name = "counts-from-one"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        watch.ready()
        watch.epoch_end(1)

class CannotStop(NumpyManual):
    name = "cannot-stop"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        watch.ready()
        for epoch in range(order.epochs):
            watch.epoch_end(epoch)

class ClosesItsOutput(NumpyManual):
    name = "closed-output"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        sys.stdout.close()
        os.close(2)
        print("nobody hears this")

class Shouts(NumpyManual):
    name = "shouts"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        for i in range(50_000):
            print("shouting " * 10, i)
        print("the last words", flush=True)
        os._exit(7)

class MovesAway(NumpyManual):
    name = "moves-away"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.chdir("/")
        os.environ.clear()
        super().fit(train, order, watch)

class LeavesAGrandchild(NumpyManual):
    name = "grandchild"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        for hidden in (False, True):
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"],
                                       start_new_session=hidden, stdout=subprocess.DEVNULL)
            (NOTES / f"grandchild-{hidden}").write_text(str(process.pid))
        super().fit(train, order, watch)

class DiesBesideAGrandchild(NumpyManual):
    name = "grandchild-of-the-dead"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""

# In a module of their own, and so beside the others: they take their time
STALLS = """
class NeverEnds(NumpyManual):
    name = "never-ends"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass

class StandsStill(NumpyManual):
    name = "stopped"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.kill(os.getpid(), signal.SIGSTOP)

class KillsItsParent(NumpyManual):
    name = "kills-its-parent"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)

class StopsItsParent(NumpyManual):
    name = "stops-its-parent"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(1000)
"""

IMPORTS = {
    "import_raises": 'raise OSError("libmagic.so.9: cannot open shared object file")',
    "import_leaves": 'import sys; sys.exit("no licence")',
    "import_exits": "import os; print('these were its last words', flush=True); os._exit(4)",
    "import_crashes": "import ctypes; ctypes.string_at(0)",
}
CLASS = """
from levelfield.adapters.numpy.manual import NumpyManual
class Plug(NumpyManual):
    name = "{name}"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
"""

LINE = r"( \((faults|import_\w+)\.py:\d+, in [\w<>]+\))?"  # of the adapter, where it was one that raised
REASONS = {
    "raises-in-fit": r"RuntimeError: out of patience",
    "raises-surrogates": r"ValueError: \?{400,488}",
    "raises-unprintable": r"Mute, whose message cannot be printed",
    "petabyte": r"MemoryError: Unable to allocate .*",
    "sys-exit": r"SystemExit: had enough",
    "exits": r"ended with exit code 3",
    "exits-with-0": r"ended with exit code 0 and without a result",
    "aborts": r"ended by SIGABRT",
    "segfaults": r"ended by SIGSEGV",
    "never-ends": r"took longer than its limit of 8 s and was killed",
    "stopped": r"took longer than its limit of 8 s and was killed",
    "kills-its-parent": r"the warm parent ended by SIGKILL",
    "stops-its-parent": r"the warm parent did not answer in time",
    "diverges": r"FloatingPointError: the training loss is nan after epoch 1",
    "wrong-shape": r"BrokenContract: predict returned shape \(104,\) for 104 samples and 3 outputs: .* \(104, 3\)",
    "too-few-logits": r"BrokenContract: predict returned shape \(103, 3\) for 104 samples and 3 outputs: .*",
    "wrong-type": r"BrokenContract: predict returned numbers of type int64 for .*",
    "a-list": r"BrokenContract: predict returned a builtins\.list for .*",
    "transposed": r"BrokenContract: get_weights returned shape \(8, 4\) for the kernel of layer 0: .* \(4, 8\)",
    "trains-nothing": r"BrokenContract: fit returned after 0 epochs, it was asked for 2",
    "never-ready": r"BrokenContract: fit ended an epoch before it had called ready",
    "counts-from-one": r"BrokenContract: fit called epoch_end\(1\), epoch 0 was due",
    "closed-output": r"ValueError: I/O operation on closed file\.?",
    "shouts": r"ended with exit code 7",
    "grandchild-of-the-dead": r"ended by SIGKILL",
    "import-raises": r"cannot be imported: OSError: libmagic\.so\.9: cannot open shared object file",
    "import-leaves": r"cannot be imported: SystemExit: no licence",
    "import-exits": r"the warm parent ended with exit code 4",
    "import-crashes": r"the warm parent ended by SIGSEGV",
}
KINDS = {
    "petabyte": "memory",
    "exits": "exit",
    "exits-with-0": "no result",
    "aborts": "signal",
    "segfaults": "signal",
    "never-ends": "time",
    "stopped": "time",
    "kills-its-parent": "parent",
    "stops-its-parent": "parent",
    "shouts": "exit",
    "grandchild-of-the-dead": "signal",
    "import-raises": "import",
    "import-leaves": "import",
    "import-exits": "import",
    "import-crashes": "import",
}  # the others: exception
HARMLESS = ["moves-away", "grandchild", "numpy-manual", "sklearn-mlp"]
TIMED = {
    "diverges": r"FloatingPointError: the training loss is nan after epoch \d+",
    "too-few-logits": r"BrokenContract: predict returned shape \(0, 3\) for 1 samples and 3 outputs: .*",
    "cannot-stop": r"BrokenContract: fit went on after epoch_end had answered False to epoch \d+",
    "trains-nothing": r"BrokenContract: fit returned after 0 epochs, .*",
    "segfaults": r"ended by SIGSEGV",
}


@pytest.fixture(scope="module")
def faulty(command_line, install, tiny, records_of, tmp_path_factory):
    """One run over all faults, with two harmless neighbours."""
    folder, notes = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("notes")
    points, modules = {}, {}
    for module, text in (("faults", FAULTS), ("stalls", STALLS)):
        classes = re.findall(r'class (\w+)\(NumpyManual\):\n    name = "([^"]+)"', text)
        points |= {name: f"{module}:{cls}" for cls, name in classes}
        modules[f"{module}.py"] = HEAD + text
    for module, text in IMPORTS.items():
        name = module.replace("_", "-")
        points[name] = f"{module}:Plug"
        modules[f"{module}.py"] = CLASS.format(name=name) + text + "\n"
    install(folder, points, modules)
    levelfield = command_line(plugins=[folder], variables={"LEVELFIELD_TEST_NOTES": str(notes)})
    suite = tiny(
        learning=f"adapters = {[*HARMLESS, *REASONS]}",
        speed=f"adapters = {['numpy-manual', *TIMED]}\nblocks = 1\nseconds = 0.01\nthreads = 1",
        time_limit=8.0,
    )
    (levelfield.folder / "faults.toml").write_text(suite)
    done = levelfield("run", "faults.toml", "-o", "out", "--no-certify")
    left = levelfield.left_behind()
    records = records_of(levelfield.folder / "out")
    return SimpleNamespace(done=done, all=records, records=last(records), left=left, notes=notes)


def last(records: list[Record]) -> list[Record]:
    """Of each launch: a speed launch that the machine disturbed is repeated."""
    return list({record.launch_id: record for record in records}.values())


def the(records: list[Record], kind: str, adapter: str) -> Record:
    [record] = [r for r in records if (r.cell.kind, r.cell.adapter) == (kind, adapter)]
    return record


@pytest.mark.parametrize("name", REASONS)
def test_a_fault_becomes_one_failed_record_with_its_reason_in_one_line(faulty, name):
    record = the(faulty.records, "learning", name)
    assert record.status == "failed"
    assert re.fullmatch(REASONS[name] + LINE, record.reason), record.reason
    assert record.failure == KINDS.get(name, "exception")
    assert record.final is None
    assert record.epochs == []


@pytest.mark.parametrize("name", TIMED)
def test_a_fault_in_a_speed_launch_leaves_no_timings(faulty, name):
    record = the(faulty.records, "speed", name)
    assert record.status == "failed"
    assert re.fullmatch(TIMED[name] + LINE, record.reason), record.reason
    assert record.epoch_seconds == []
    assert record.predict_seconds == {}


@pytest.mark.parametrize("name", HARMLESS)
def test_the_neighbours_of_faults_are_untouched(faulty, name):
    record = the(faulty.records, "learning", name)
    assert record.status == "ok", record.reason
    assert record.epochs[-1].train.loss < record.epochs[0].train.loss


def test_neighbours_compute_what_they_compute_without_faults(faulty, levelfield, tiny, records_of):
    (levelfield.folder / "alone.toml").write_text(tiny(learning='adapters = ["numpy-manual"]'))
    assert levelfield("run", "alone.toml", "-o", "alone", "--no-certify").returncode == 0
    [alone] = records_of(levelfield.folder / "alone")
    assert the(faulty.records, "learning", "numpy-manual").epochs == alone.epochs
    assert the(faulty.records, "learning", "moves-away").epochs == alone.epochs


def test_the_run_goes_on_to_its_end_and_says_so_by_its_exit_code(faulty):
    assert faulty.done.returncode == 1, faulty.done.stderr
    assert len(faulty.records) == len(HARMLESS) + len(REASONS) + 1 + len(TIMED)
    assert all(record.contaminated for record in faulty.all if record not in faulty.records)
    assert f"{len(HARMLESS) + 1} ok, {len(REASONS) + len(TIMED)} failed" in faulty.done.stderr
    assert faulty.done.stderr.count("RuntimeError: out of patience") >= 1


def test_no_process_is_left_behind_not_even_in_a_session_of_its_own(faulty):
    assert faulty.left == []
    notes = {note.name: int(note.read_text()) for note in faulty.notes.iterdir()}
    assert set(notes) == {"grandchild-False", "grandchild-True"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in notes.values())


def test_a_failed_record_keeps_the_end_of_the_output_and_no_more(faulty):
    shouts = the(faulty.records, "learning", "shouts")
    assert len(shouts.log) == parents.LOG_TAIL
    assert shouts.log.endswith("the last words\n")
    assert "Traceback" in the(faulty.records, "learning", "raises-in-fit").log
    assert "and a second line" in the(faulty.records, "learning", "raises-in-fit").log
    assert "libmagic" in the(faulty.records, "learning", "import-raises").log
    assert "these were its last words" in the(faulty.records, "learning", "import-exits").log


def test_an_import_that_never_ends_is_ended_and_not_tried_again(command_line, install, tiny, monkeypatch, tmp_path):
    from levelfield.adapters.registry import find
    from levelfield.harness.plan import suite
    from levelfield.harness.plan.launches import Surroundings, plan
    from levelfield.harness.system import machine
    from levelfield.tasks import registry

    install(tmp_path, {"sleeper": "import_sleeps:Plug"}, {"import_sleeps.py": CLASS.format(name="sleeper") + SLEEP})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(warm_parent, "_IMPORT_LIMIT", 2.0)
    text = tiny(learning='adapters = ["sleeper"]\nseeds = 2')
    adapters, tasks = find().adapters, {"flowers": registry.load("iris")}
    launches = plan(suite.parse(text, tmp_path / "suite.toml"), Surroundings(adapters, tasks, 1))
    assert len(launches) == 2
    with local.LocalHost(adapters, tasks, machine.describe(True), machine.cores(), 60.0) as launcher:
        first, second = (launcher.launch(launch) for launch in launches)
        assert launcher.parents.alive == {}
    for record in (first, second):
        assert (record.status, record.reason) == ("failed", "importing took longer than 2 s")
        assert "asleep" in record.log
    assert second.wall_seconds < first.wall_seconds
    assert (tmp_path / "pids").read_text().count("\n") == 1
    assert not Path(f"/proc/{(tmp_path / 'pids').read_text().strip()}").exists()


SLEEP = """
import os, time
print("asleep", flush=True)
with open(os.path.join(os.path.dirname(__file__), "pids"), "a") as file:
    print(os.getpid(), file=file)
time.sleep(1000)
"""
