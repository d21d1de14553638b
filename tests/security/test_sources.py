"""What the sources must never do, whatever a file or a network says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import levelfield

ROOT = Path(levelfield.__file__).resolve().parents[1]
SOURCES = sorted(path for room in ("tasks", "adapters", "harness", "reports") for path in (ROOT / room).rglob("*.py"))
UNPICKLERS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "yaml",
}
LOADERS = {"torch.load", "np.load", "numpy.load", "pd.read_pickle", "pandas.read_pickle", "keras.models.load_model"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "eval", "exec"}


def faults(tree: ast.AST) -> Iterator[str]:
    """What is forbidden in one module, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                imported = {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str(module)):
                imported = {module.partition(".")[0]}
            case _:
                imported = set()
        for name in sorted(imported & UNPICKLERS):
            yield f"{node.lineno}: imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            said = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in LOADERS and said.get("allow_pickle") != "False":
                yield f"{node.lineno}: {called} without allow_pickle=False"
            if said.get("allow_pickle", "False") != "False":
                yield f"{node.lineno}: allow_pickle={said['allow_pickle']}"
            if called in SHELLS:
                yield f"{node.lineno}: {called}"
            if said.get("shell", "False") != "False":
                yield f"{node.lineno}: a shell"
            if called.endswith((".extractall", "unpack_archive")):
                yield f"{node.lineno}: {called} writes where an archive says"
            if called in ("os.chmod", "os.umask") or called.endswith(".chmod"):
                yield f"{node.lineno}: {called}: who may read is the umask's to say"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("http://"):
            allowed = ("http://www.w3.org/", "http://localhost", "http://127.0.0.1")  # names, not places to fetch from
            if not node.value.startswith(allowed):
                yield f"{node.lineno}: {node.value}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unpickles_uses_a_shell_or_fetches_in_the_clear(path):
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "torch.load(file)",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "tar.extractall(folder)",
        "path.chmod(0o777)",
        "eval(text)",
        "url = 'http://example.com/data'",
    ],
)
def test_each_of_these_would_be_noticed(line):
    assert list(faults(ast.parse(line)))
