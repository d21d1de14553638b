"""Every variable that an installed framework's own source reads is in the table, in the lists, or told here why not.

A new version of a framework that reads a new variable fails this test: the table must then say what it changes.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from levelfield.harness.system import variables

PACKAGES = (
    *("keras", "tensorflow", "torch", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "sklearn", "joblib"),
    *("lightning", "lightning_fabric", "lightning_utilities", "torchmetrics", "threadpoolctl"),
)
NO_SOURCE = re.compile(r"(^|/)(tests?|testing|_testing|_test|distutils|_build_utils|third_party|test_util\w*)(/|\.py$)")
# Read by code that no launch runs, each for the reason it stands under; workers do not get any of them
ELSEWHERE = {
    "where a package is built, tested or documented": (
        *("ABSOFT", "ACCELERATE", "ATLAS_VERSION", "BAZEL_TEST", "CFLAGS", "COVERAGE_PROCESS_START", "CPPFLAGS", "OPT"),
        *("DISTUTILS_USE_SDK", "DOCTEST_DOWNLOAD_TIMEOUT", "FREEZE_REQUIREMENTS", "LAHEY", "MACOSX_DEPLOYMENT_TARGET"),
        *(
            "MKLROOT",
            "NUMERIX",
            "PYTEST_*",
            "SKIP_SLOW_DOCTEST",
            "SOURCE_DATE_EPOCH",
            "SVN_ASP_DOT_NET_HACK",
            "TCSDS_PATH",
        ),
        *("TEST_*", "WHEEL_VERSION_SUFFIX", "_PYTHON_HOST_PLATFORM", "collaborator_build", "project_name", "CI"),
        *("BENCHMARK_USE_DEV_SHM", "PRIMA_DEBUGGING", "GITHUB_TOKEN"),
    ),
    "other systems than Linux and macOS": (
        *("ANSICON", "MSYSTEM", "OSTYPE", "PROCESSOR_*", "PROGRAMFILES", "ProgramFiles*", "SYSTEMROOT", "USERPROFILE"),
        *("VCToolsInstallDir", "VSCMD_*", "WINDIR", "WINDOWS_CUDA_HOME", "include", "lib", "path"),
    ),
    "tools for debugging that only print or draw": (
        *(
            "DUMP_AOTI_MINIFIER",
            "FR_TRACE_VERBOSE_OUTPUT",
            "LOGLEVEL",
            "LOG_AUTOTUNE_RESULTS",
            "LOG_TLPARSE",
            "PYCHARM_HOSTED",
        ),
        *("debug_extract_compiled_graph", "_SPLITTER_MERGE_OVERLAPPING_FUSIONS", "USE_COLOR", "POSSIBLE_USER_WARNINGS"),
        *("TQDM_MINITERS", "COLAB_GPU", "FAKE_ALLOW_META", "MAST_HPC_JOB_NAME", "IS_FBCODE", "DISABLE_MPS"),
        *("BITSANDBYTES_NOWELCOME", "MLFLOW_TRACKING_URI", "WANDB_PROJECT"),
    ),
    "where a cloud's own service or a toolkit is found": (
        *("GCE_METADATA_*", "KUBERNETES_SERVICE_HOST", "CUDACXX", "NVSHMEM_LIB_DIR", "NVTOOLSEXT_PATH", "ONEAPI_ROOT"),
        *("ROCSHMEM_LIB_DIR", "LEVEL_ZERO_*", "CONDA_EXE", "SCIKIT_LEARN_DATA"),
    ),
}


def read(path: Path) -> Iterator[str]:
    """Names of variables that a file reads, as far as they are written in it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if (
        "environ" not in text
        and "getenv" not in text
        and "_env(" not in text
        and "_state(" not in text
        and "env_name_" not in text
    ):
        return
    tree = ast.parse(text)
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def value(node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        return constants.get(node.id) if isinstance(node, ast.Name) else None

    def environ(node: ast.expr) -> bool:
        return getattr(node, "attr", getattr(node, "id", "")) == "environ"

    for node in ast.walk(tree):
        name = None
        match node:
            case ast.Subscript(value=of, slice=key, ctx=ast.Load()) if environ(of):
                name = value(key)
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[of]) if environ(of):
                name = value(key)
            case ast.Call(func=ast.Attribute(value=of, attr="get" | "pop"), args=[key, *_]) if environ(of):
                name = value(key)
            case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[key, *_]):
                name = value(key)
            case ast.Call(func=function, args=args, keywords=words):
                called = getattr(function, "attr", getattr(function, "id", ""))
                found = value(args[0]) if args else None
                if called.endswith(("_env", "env_bool", "env_int")) and found and found.isupper():
                    name = found
                if called.endswith("_state"):  # of JAX's configuration: jax_disable_jit is JAX_DISABLE_JIT
                    found = next((value(word.value) for word in words if word.arg == "name"), found)
                    name = found.upper() if found and found.startswith("jax_") else None
                for word in words:  # of torch's configuration
                    if (word.arg or "").startswith("env_name_"):
                        given = word.value.elts if isinstance(word.value, ast.List | ast.Tuple) else [word.value]
                        yield from filter(None, map(value, given))
        if name:
            yield name


@cache
def names(package: str) -> dict[str, str]:
    """Name of a variable → one file that reads it."""
    return {name: str(path) for path in sources(package) for name in read(path)}


def sources(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return []
    if not spec.submodule_search_locations:
        return [Path(str(spec.origin))]
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = [path for path in folder.rglob("*.py") if not NO_SOURCE.search(path.relative_to(folder).as_posix())]
    return [path for path in found if not path.stem.startswith("test_") and not path.stem.endswith("_test")]


def known(name: str) -> bool:
    lists = (variables.LET_THROUGH, variables.KEPT, *ELSEWHERE.values())
    return variables.reader(name) is not None or any(variables.among(name, patterns) for patterns in lists)


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_a_variable_that_a_framework_reads_is_in_the_table(package):
    if not sources(package):
        pytest.skip(f"{package} is not installed")
    assert {name: path for name, path in names(package).items() if not known(name)} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "some"),
    [
        ("keras", {"KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_HOME", "KERAS_BACKEND"}),
        ("torch", {"TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE", "TORCHINDUCTOR_CACHE_DIR", "CXX"}),
        ("jax", {"JAX_DISABLE_JIT", "JAX_ENABLE_X64", "JAX_PLATFORMS", "XLA_FLAGS", "SLURM_JOB_ID"}),
    ],
)
def test_the_reading_of_sources_finds_what_is_known_to_be_there(package, some):
    if not sources(package):
        pytest.skip(f"{package} is not installed")
    assert some <= names(package).keys()
