"""What a launch writes aside lies in folders of its own, and is gone afterwards, whatever way the harness ends."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import CommandLine

from levelfield.adapters import registry as adapter_registry
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan.launches import Launch, starts
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.system import machine
from levelfield.tasks import registry

IRIS = registry.load("iris")
ADAPTERS = adapter_registry.find().adapters
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(8,)),
    recipe=NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.05, batch_size=16),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)


def cell(adapter: str, mode: str, **changes: object) -> Cell:
    info = ADAPTERS[adapter]
    who = {"adapter": adapter, "mode": mode, "framework": info.framework, "backend": info.backend}
    return Cell(**(CELL.model_dump() | who | changes))


def below(*roots: Path) -> set[Path]:
    return {path for root in roots for path in root.rglob("*")}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# What a launch finds

WRITES = """
import json, os, tempfile
from pathlib import Path
from levelfield.adapters.numpy.manual import NumpyManual

NAMES = ("TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")

def leave(what):
    found = {}
    for name in NAMES:
        folder = Path(os.environ[name])
        found[name] = sorted(path.name for path in folder.rglob("*") if path.is_file())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / what).write_text(what)
    with tempfile.NamedTemporaryFile(delete=False) as file:
        found["file"] = file.name
    with Path(__file__).with_name("found.jsonl").open("a") as out:
        out.write(json.dumps({"what": what} | found) + "\\n")

leave("import")

class Writes(NumpyManual):
    name = "writes"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def __init__(self, setting):
        leave(f"seed-{setting.seed}")
        super().__init__(setting)
"""


@pytest.mark.slow
def test_a_launch_sees_nothing_of_what_the_import_or_another_launch_has_left(command_line, install, tiny, tmp_path):
    plugin = install(tmp_path / "plugin", {"writes": "writes:Writes"}, {"writes.py": WRITES})
    temporary, home = tmp_path / "tmp", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    levelfield = command_line(plugins=[plugin], variables={"TMPDIR": str(temporary), "HOME": str(home)})
    text = tiny(learning='adapters = ["writes", "numpy-manual"]\nseeds = 3').replace("tiny", "writes", 1)
    (levelfield.folder / "suite.toml").write_text(text)
    done = levelfield("run", "suite.toml", "-q", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (plugin / "found.jsonl").read_text().splitlines()]
    assert found[0]["what"] == "import"
    launches = [one for one in found if one["what"] != "import"]
    assert len(launches) == 3
    for one in launches:
        assert one["file"].startswith(str(temporary / "levelfield-"))
        assert all(one[name] == [] for name in ("TMPDIR", "XDG_CACHE_HOME", "KERAS_HOME", "MPLCONFIGDIR"))
    assert below(temporary, home) == set()


# Which cache the first epoch met


@pytest.fixture(scope="module")
def launcher():
    with LocalHost(ADAPTERS, {"iris": IRIS}, machine.describe(True), machine.cores()[:1], 120.0, probes=False) as made:
        yield made


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("adapter", "mode", "keeps"),
    [
        ("numpy-manual", "eager", False),
        ("torch-nn", "eager", False),
        ("tensorflow-tape", "graph", False),
        ("jax-grad", "jit", True),
        ("tensorflow-tape", "xla", True),
    ],
)
def test_a_record_tells_what_was_in_the_cache_and_not_what_was_planned(launcher, adapter, mode, keeps):
    work = cell(adapter, mode)
    later = Launch(work, 7, seed=0, seconds=0.01, whole=True)  # of a run that is gone on with: nothing is there yet
    fresh = replace(later, block=0, fresh=True)
    made = [launcher.launch(one) for one in ((later, later, fresh, later) if keeps else (later, later))]
    other = launcher.launch(replace(later, cell=cell(adapter, mode, model=NamedModel(name="tiny", hidden=(4,)))))
    learning = launcher.launch(replace(later, cell=cell(adapter, mode, kind="learning")))
    assert {record.status for record in (*made, other, learning)} == {"ok"}, [r.reason for r in made]
    expected = ["empty", "filled", "empty", "filled", "empty"] if keeps else [None] * 3
    assert [record.cache for record in (*made, other)] == expected
    assert learning.cache is None


@pytest.mark.frameworks
@pytest.mark.slow
def test_torch_compiles_into_the_cache_of_the_run_and_not_into_the_users(tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.mkdir()
    (users / "mine").write_text("kernel")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(users))
    later = Launch(cell("torch-nn", "compile"), 7, seed=0, seconds=0.01, whole=True)
    tasks, cores = {"iris": IRIS}, machine.cores()[:1]
    with LocalHost(ADAPTERS, tasks, machine.describe(True), cores, 300.0, probes=False) as launcher:
        made = [launcher.launch(later) for _ in range(2)]
    assert [(r.status, r.reason, r.cache) for r in made] == [("ok", None, "empty"), ("ok", None, "filled")]
    assert [path.name for path in below(users)] == ["mine"]


@pytest.mark.frameworks
def test_several_replicas_of_jax_compile_anew_each_time():
    """An executable from the disk does not show how it divides a batch, and the launch would fail by its contract."""
    two = cell("jax-grad", "jit", replicas=2, replication="devices")
    work = Launch(two, 7, seed=0, seconds=0.01, whole=True)
    tasks, cores = {"iris": IRIS}, machine.cores()[:1]
    with LocalHost(ADAPTERS, tasks, machine.describe(True), cores, 120.0, probes=False) as launcher:
        made = [launcher.launch(work) for _ in range(2)]
    assert [(record.status, record.reason, record.cache) for record in made] == [("ok", None, None)] * 2


SPY = """
import json, os
from pathlib import Path
from levelfield.adapters.jax.grad import JaxGrad

class Spy(JaxGrad):
    name = "spy"
    framework = "jax"
    api = "low"
    modes = ("jit",)

    def __init__(self, setting):
        self.tell("before")
        super().__init__(setting)

    def predict(self, x):
        answer = super().predict(x)
        self.tell("after")
        return answer

    def tell(self, when):
        files = sum(len(files) for _, _, files in os.walk(os.environ["JAX_COMPILATION_CACHE_DIR"]))
        with Path(__file__).with_name("seen.jsonl").open("a") as out:
            out.write(json.dumps([when, os.getpid(), files]) + "\\n")
"""


@pytest.mark.frameworks
def test_the_first_launch_compiles_anew_and_later_ones_do_not(command_line, install, tiny, tmp_path, records_of):
    """Told by the files that each launch found and left; a cache of the user's own is neither read nor written."""
    plugin = install(tmp_path / "plugin", {"spy": "spy:Spy"}, {"spy.py": SPY})
    users = tmp_path / "users"
    users.mkdir()
    (users / "mine").write_text("kernel")
    levelfield = command_line(plugins=[plugin], variables={"JAX_COMPILATION_CACHE_DIR": str(users)})
    text = tiny(speed='adapters = ["spy"]\nblocks = 4\nseconds = 0.01\nthreads = 1', time_limit=300.0)
    (levelfield.folder / "suite.toml").write_text(text)
    done = levelfield("run", "suite.toml", "-q", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in users.iterdir()] == ["mine"]
    made = records_of(levelfield.folder / "out")
    assert {record.status for record in made} == {"ok"}
    fresh, whole = starts(4)
    cache = {**dict.fromkeys(range(whole), "filled"), **dict.fromkeys(range(fresh), "empty")}
    assert [record.cache for record in made] == [cache.get(record.block) for record in made]
    seen = [json.loads(line) for line in (plugin / "seen.jsonl").read_text().splitlines()]
    before = [files for when, _, files in seen if when == "before"]
    after = dict((process, files) for when, process, files in seen if when == "after")
    assert [files == 0 for files in before] == [record.block < fresh for record in made]
    assert len(after) == len(made)
    assert all(files > 0 for files in after.values())


# What is left behind


@pytest.fixture
def apart(command_line, tmp_path) -> CommandLine:
    """A command line whose HOME and folder for temporary files are its own, and empty."""
    for name in ("tmp", "home"):
        (tmp_path / name).mkdir()
    own = {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home")}
    own |= dict.fromkeys(["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME", "MPLCONFIGDIR"], "")
    return command_line(variables={name: value for name, value in own.items() if value})


def everything(line: CommandLine) -> set[str]:
    """All that lies in TMPDIR, HOME and the working folder, and is not levelfield's own cache."""
    roots = line.folder, Path(line.variables["TMPDIR"]), Path(line.variables["HOME"])
    return {str(path) for path in below(*roots) if line.folder / "cache" not in (path, *path.parents)}


def suite(line: CommandLine, tiny, much: str) -> None:
    (line.folder / "suite.toml").write_text(tiny(speed=much, time_limit=300.0))


# Keras on one backend: what it writes of its own does not depend on it; Lightning brings PyTorch
EVERY_FRAMEWORK = ["numpy-manual", "sklearn-mlp", "torch-lightning", "tensorflow-tape", "flax-nnx", "keras-jax"]


def test_these_are_adapters_of_every_framework():
    found = {name for adapter in EVERY_FRAMEWORK for name in ADAPTERS[adapter].distributions}
    assert {info.framework for info in ADAPTERS.values()} <= found


@pytest.mark.frameworks
@pytest.mark.slow
def test_a_run_of_every_framework_leaves_nothing_but_its_folder(apart, tiny):
    adapters = json.dumps(EVERY_FRAMEWORK)
    suite(apart, tiny, f'modes = "default"\nadapters = {adapters}\nblocks = 1\nseconds = 0.01\nthreads = 1')
    before = everything(apart)
    done = apart("run", "suite.toml", "-q", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    new = everything(apart) - before
    assert {path for path in new if not path.startswith(str(apart.folder / "out"))} == set()


@pytest.mark.frameworks
@pytest.mark.slow
def test_certifying_and_a_duel_leave_nothing(apart):
    before = everything(apart)
    assert apart("certify", "keras-torch", "--quick").returncode == 0
    duel = apart("duel", "keras-torch", "numpy-manual", "--pairs", 2)
    assert duel.returncode in (0, 1), duel.stderr
    assert everything(apart) == before


@pytest.mark.frameworks
def test_after_a_kill_in_the_middle_the_next_start_leaves_nothing(apart, tiny):
    suite(apart, tiny, 'modes = "all"\nadapters = ["tensorflow-tape", "jax-grad"]\nblocks = 2\nseconds = 5.0')
    before = everything(apart)
    running = apart.start("run", "suite.toml", "-q", "-o", "out", "--no-certify", "-a", "tensorflow-tape")
    temporary = Path(apart.variables["TMPDIR"])
    end = time.monotonic() + 300
    while not list(temporary.glob("levelfield-*/compiled/*")) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(temporary.glob("levelfield-*/p0.job*"))
    running.kill()
    running.communicate()
    assert apart.left_behind() == []
    assert list(temporary.glob("levelfield-*"))  # nobody was there to remove it
    assert apart("certify", "numpy-manual", "--quick").returncode == 0
    new = everything(apart) - before
    assert {path for path in new if not path.startswith(str(apart.folder / "out"))} == set()
