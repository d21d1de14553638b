"""Whatever is typed, written or damaged: never a traceback, always a message and exit code 2."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.cli import main
from levelfield.harness.cli.arguments import parse
from levelfield.tasks.errors import UserError

pytestmark = pytest.mark.slow

settings.load_profile("fuzz")
EXAMPLES = settings().max_examples
GOOD = {0, 1, 2, 5}  # 3 is an internal error: a traceback that was held back


class Capture(io.TextIOWrapper):
    def __init__(self, errors: str = "strict") -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors=errors, write_through=True)

    @property
    def text(self) -> str:
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


class Tool:
    """The command line in this process, in a folder from which it can do no harm."""

    def __init__(self, folder: Path, tried: Counter[tuple[str, int]]) -> None:
        self.folder, self.tried = folder, tried

    def __call__(self, what: str, *arguments: object) -> tuple[int, str]:
        out, err = Capture(), Capture("backslashreplace")  # as Python opens the two
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main.main([str(word) for word in arguments])
            except SystemExit as error:  # --help and --version
                code = int(error.code or 0)
        self.tried[what, code] += 1
        assert code in GOOD, (arguments, err.text)
        assert "Traceback" not in err.text
        if code == 2:
            assert err.text.count("error: ") == 1, err.text
        return code, err.text


@pytest.fixture(scope="module")
def tool(tmp_path_factory, tried):
    folder = tmp_path_factory.mktemp("fuzz") / "deep" / "er"
    folder.mkdir(parents=True)
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("LEVELFIELD_CACHE", str(folder / "cache"))
    patch.delenv("LEVELFIELD_DATA", raising=False)
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        patch.setenv(name, "http://127.0.0.1:9")  # nothing is fetched
    (folder / "mine.toml").write_text(toml(SUITE))
    part = SUITE | {"learning": [{"task": "iris", "model": "small", "recipe": "plain"}], "tasks": {}, "peaks": False}
    (folder / "short.toml").write_text(toml(part))
    # A real run, whose files are damaged and which can be resumed
    words = ["run", "short.toml", "-a", "numpy-manual", "--no-certify", "--anonymous", "-q", "-o", "run"]
    assert main.main(words) in (0, 1)
    shutil.copytree(folder / "run", folder / "kept")
    yield Tool(folder, tried)
    patch.undo()


# Suites

SUITE: dict[str, Any] = {
    "name": "mine",
    "summary": "a suite",
    "baseline": "numpy-manual",
    "seed": 3,
    "time-limit": 60.0,
    "memory-limit": "80%",
    "models": {"small": {"hidden": [8, 4], "activation": "relu", "dropout": 0.1, "l2": 0.0}},
    "recipes": {"plain": {"optimizer": "sgd", "learning-rate": 0.1, "batch-size": 16, "epochs": 2}},
    "tasks": {"own": {"file": "own.csv", "label": "species", "kind": "classification", "splits": [0.6, 0.2, 0.2]}},
    "learning": [{"task": "iris", "model": "small", "recipe": "plain", "adapters": ["numpy-manual"], "seeds": 2}],
    "speed": [{"task": ["iris"], "model": "small", "recipe": "plain", "modes": "all", "blocks": 2, "seconds": 0.1}],
}
SPECIAL: list[Any] = [
    *[0, -1, 1, 10**9, 10**18, 2**63, -(2**63), 10**400, 0.0, -0.0, 1e-320, 1e308, float("nan"), float("inf"), True],
    *["", "*", "iris", "small", "plain", "all", "auto", "0", "1e9", "80%", "1e9GB", "../../x", "a" * 300],
    *["\x00", "\u202e", "é", "own.csv", "numpy-manual", "torch-nn", "eager"],
    *[[], {}, [[]], [10**9, 10**9], [1] * 5000, {"": 0}, {"x": {"x": {}}}],
]
text = st.text(st.characters(exclude_characters="/"), max_size=20)
scalars = st.booleans() | st.integers() | st.floats() | text
hostile = (
    st.sampled_from(SPECIAL) | scalars | st.lists(scalars, max_size=3) | st.dictionaries(text, scalars, max_size=3)
)


def toml(value: object, top: bool = True) -> str:
    if isinstance(value, dict) and top:
        return "".join(f"{json.dumps(str(key))} = {toml(item, False)}\n" for key, item in value.items())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(item, False)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item, False) for item in value) + "]"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in below for place in places(item, (*path, key))]


def change(data: st.DataObject, value: Any, most: int = 3) -> Any:
    """A copy with some of its values replaced, removed or added."""
    value = json.loads(json.dumps(value))
    for _ in range(data.draw(st.integers(1, most))):
        where = places(value)
        if not where:
            break
        *path, last = data.draw(st.sampled_from(where))
        holder = value
        for key in path:
            holder = holder[key]
        action = data.draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if action == "remove":
            del holder[last]
        elif action == "add" and isinstance(holder, dict):
            holder[data.draw(text)] = copy.deepcopy(data.draw(hostile))
        else:
            holder[last] = copy.deepcopy(data.draw(hostile))
    return value


def damage(data: st.DataObject, content: bytes) -> bytes:
    """Cut, overwritten, doubled, or with something put in."""
    at = data.draw(st.integers(0, len(content)))
    size = data.draw(st.integers(0, 40))
    put = data.draw(
        st.binary(max_size=40) | st.sampled_from([b"\0" * 100, b"[" * 3000, b"\xff\xfe", b'"', b"9" * 5000])
    )
    return data.draw(
        st.sampled_from(
            [content[:at], content[:at] + put, content[:at] + put + content[at + size :], content + content]
        )
    )


@given(st.data())
def test_suites(tool, data):
    (tool.folder / "own.csv").write_text("a,b,species\n" + "1,2,x\n3,4,y\n" * 20)
    content = toml(change(data, SUITE)).encode("utf-8", "surrogatepass")
    if data.draw(st.integers(0, 4)) == 0:
        content = damage(data, content)
    (tool.folder / "fuzzed.toml").write_bytes(content)
    code, err = tool("suites", "run", "fuzzed.toml", "--dry-run")
    if code == 2:
        assert "fuzzed.toml" in err or "models." in err or "own" in err, err
        assert "hint: " in err, err


# Command lines

commands = ["list", "run", "certify", "report", "compare", "show", "export", "new-adapter", "doctor", "--version"]
flags = ["-a", "-t", "--mode", "--threads", "--blocks", "--budget", "--precision", "--cold", "--seeds", "--data-dir"]
flags += [
    "--no-certify",
    "--resume",
    "--allow-changes",
    "--dry-run",
    "--anonymous",
    "-o",
    "--json",
    "-q",
    "-v",
    "--help",
]
flags += ["--format", "--baseline", "--threshold", "--fail-on", "--force", "--quick", "--package", "--threads=2", "--"]
words = [
    "mine.toml",
    "run",
    "run/run.json",
    "iris",
    "numpy-manual",
    "eager",
    "adapters",
    "tasks",
    "suites",
    "csv",
    "json",
]
words += ["markdown", "html", "parquet", "pytest-benchmark", "0", "1", "-1", "2%", "1e9", "10m", "nan", "inf", "-inf"]
words += [
    "99999999999999999999",
    "",
    " ",
    "x" * 500,
    "absent",
    "..",
    ".",
    "../x",
    "\x00",
    "\udcff",
    "é",
    "--runx",
    "slower",
]
tokens = st.sampled_from(words) | st.sampled_from(flags) | text.filter(lambda word: "open".find(word.strip("-")) < 0)


@given(st.sampled_from(commands) | tokens, st.lists(tokens, max_size=6))
def test_command_lines(tool, first, rest):
    words = [first, *rest]
    if first == "run" and "--dry-run" not in words:
        words.insert(1, "--dry-run")
    options = None
    with contextlib.suppress(UserError, SystemExit), contextlib.redirect_stdout(Capture()):
        options = parse(words)
    command = getattr(options, "command", None)
    if command == "run":
        assert options.dry_run  # type: ignore[union-attr]
    if command in ("certify", "doctor") or getattr(options, "open", False):
        tool.tried["command lines", 0] += 1  # understood; what it starts is tested elsewhere
        return
    if command == "new-adapter":
        words += ["--package", "made"]
        shutil.rmtree(tool.folder / "made", ignore_errors=True)
    tool("command lines", *words)


# Data directories

OFFICIAL = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
HEADERS = [b"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1c", b"\0\0\x08\x01\0\0\xea\x60", b"\0\0\x08\x03" + b"\xff" * 12]


@settings(max_examples=EXAMPLES // 2)
@given(st.data())
def test_folders_of_mnist(tool, data):
    folder = tool.folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in OFFICIAL:
        content = data.draw(st.sampled_from([b"", *HEADERS])) + data.draw(st.binary(max_size=100))
        match data.draw(st.sampled_from(["plain", "gzip", "gzip", "damaged", "bomb", "folder", "loop", "device"])):
            case "plain":
                (folder / name).write_bytes(content)
            case "gzip":
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            case "damaged":
                (folder / f"{name}.gz").write_bytes(damage(data, gzip.compress(content * 20)))
            case "bomb":
                (folder / f"{name}.gz").write_bytes(BOMB)
            case "folder":
                (folder / name).mkdir()
            case "loop":
                (folder / name).symlink_to(name)
                (folder / f"{name}.gz").write_bytes(content)
            case "device":
                (folder / name).symlink_to("/dev/full")
    suite = SUITE | {"learning": [{"task": "mnist", "model": "small", "recipe": "plain"}], "speed": [], "tasks": {}}
    (tool.folder / "mnist.toml").write_text(toml(suite))
    code, err = tool("data directories", "run", "mnist.toml", "--data-dir", "data", "--dry-run")
    assert code == 2
    assert "data/" in err, err


BOMB = gzip.compress(b"\0" * 50_000_000, 9)


@settings(max_examples=EXAMPLES // 2)
@given(st.data())
def test_files_of_samples(tool, data):
    import numpy as np

    kind = data.draw(st.sampled_from(["csv", "npz", "parquet"]))
    if kind == "csv":
        content = "a,b,species\n" + "1,2,x\n3,4,y\n" * 20
        content = content.encode()
    else:
        held = io.BytesIO()
        columns = {"a": np.arange(40.0), "b": np.ones(40), "species": np.array(["x", "y"] * 20)}
        if kind == "npz":
            np.savez(held, **columns)
        else:
            import pandas as pd

            pd.DataFrame(columns).to_parquet(held)
        content = held.getvalue()
    file = tool.folder / f"own.{kind}"
    file.write_bytes(damage(data, content))
    own = change(data, {"file": f"own.{kind}", "label": "species"}, 1) if data.draw(st.booleans()) else {}
    own = {"file": f"own.{kind}", "label": "species"} | (own if isinstance(own, dict) else {})
    part = {"task": "own", "model": "small", "recipe": "plain", "adapters": ["numpy-manual"]}
    suite = SUITE | {"tasks": {"own": own}, "learning": [part], "speed": []}
    content = toml(suite).encode("utf-8", "surrogatepass")
    (tool.folder / "own.toml").write_bytes(content)
    code, err = tool("data directories", "run", "own.toml", "--dry-run")
    if code == 2:
        assert "own" in err, err


# Record files


@given(st.data())
def test_files_of_records(tool, data):
    folder = tool.folder / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    kept = tool.folder / "kept"
    shutil.copytree(kept, folder)
    name = data.draw(st.sampled_from(["run.json", "records.jsonl", "records.jsonl", "records.jsonl"]))
    lines = (kept / name).read_bytes().splitlines() if name != "run.json" else [(kept / name).read_bytes()]
    number = data.draw(st.integers(0, len(lines) - 1))
    if data.draw(st.booleans()):
        changed = change(data, json.loads(lines[number]), 2)
        lines[number] = json.dumps(changed).encode()
    else:
        lines[number] = damage(data, lines[number])
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    asked = data.draw(st.sampled_from(ASKED))
    code, err = tool("record files", *asked)
    if code == 2:
        assert "fuzzed" in err or re.search(UNKNOWN.get(asked[0], "fuzzed"), err), err


# What may be wrong with a run whose files can be read: it lacks what was asked for, or names what is not there any more
UNKNOWN = {"show": "error: unknown cell 'numpy'", "run": r"error: .*unknown (suite|task|adapter|mode) "}
ASKED = [
    ["show", "fuzzed"],
    ["show", "fuzzed", "--json"],
    ["show", "fuzzed", "numpy"],
    ["export", "fuzzed", "--format", "csv"],
    ["export", "fuzzed", "--format", "json"],
    ["export", "fuzzed", "--format", "markdown"],
    ["export", "fuzzed", "--format", "pytest-benchmark"],
    ["export", "fuzzed", "--format", "parquet"],
    ["compare", "fuzzed", "run"],
    ["compare", "run", "fuzzed", "--force", "--json"],
    ["run", "--resume", "fuzzed", "--dry-run"],
    ["report", "fuzzed"],
]
