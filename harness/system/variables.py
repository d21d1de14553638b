"""The environment of a worker is built, not inherited: from a list of what is let through, what levelfield sets, and
what the user passes on by ``--env`` or an environment's ``env``.

`TABLE` holds, as data, who reads which variable and what it changes. Whatever is neither in `LET_THROUGH` nor in
`KEPT` is dropped; the table says which of the dropped ones a user has to be told of. A test reads the sources of
the installed frameworks for names that are in none of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from levelfield.tasks.errors import UserError

Passed = tuple[tuple[str, str], ...]  # name and value, in the order of the names


class Reader(NamedTuple):
    """Variables of one reader: a name, or a prefix and ``*``. `changes` is empty where none of them matters here."""

    pattern: str
    reader: str
    changes: str
    ours: str = ""  # how levelfield sets it itself


_CLUSTER = "which processes train together"
_OURS = "for every launch"

# In a process that has imported scikit-learn: nobody has set these
SET_BY_SKLEARN = {"KMP_DUPLICATE_LIB_OK": "True", "KMP_INIT_AT_FORK": "FALSE"}

# The first that fits says what a variable is
TABLE = (
    # What levelfield sets: `adapters.runtime.environment`, `harness.measure.rank_group`, and the folders of a launch
    Reader("OMP_NUM_THREADS", "OpenMP", "threads", ours="by --threads"),
    Reader("OPENBLAS_NUM_THREADS", "OpenBLAS", "threads", ours="by --threads"),
    Reader("MKL_NUM_THREADS", "MKL", "threads", ours="by --threads"),
    Reader("CUDA_VISIBLE_DEVICES", "CUDA", "which GPUs there are", ours="by --device, among those set here"),
    Reader("CUDA_DEVICE_ORDER", "CUDA", "the numbers of GPUs", ours="by --device"),
    Reader("JAX_PLATFORMS", "JAX", "the device", ours="by --device"),
    Reader("TPU_VISIBLE_CHIPS", "libtpu", "which chips there are", ours="by --device"),
    Reader("TPU_CHIPS_PER_PROCESS_BOUNDS", "libtpu", "which chips there are", ours="by --device"),
    Reader("TPU_PROCESS_BOUNDS", "libtpu", "which chips there are", ours="by --device"),
    Reader("KERAS_BACKEND", "Keras", "the backend", ours="by the adapter"),
    Reader("TF_CPP_MIN_LOG_LEVEL", "TensorFlow", "", ours=_OURS),
    Reader("TF_FORCE_GPU_ALLOW_GROWTH", "TensorFlow", "memory of the device", ours=_OURS),
    Reader("XLA_PYTHON_CLIENT_PREALLOCATE", "JAX", "memory of the device", ours=_OURS),
    *(
        Reader(name, "torch and JAX", _CLUSTER, ours="by the suite's replicas")
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    ),
    Reader("TMPDIR", "everything", "where temporary files are", ours="within the folder that is set here"),
    Reader("KERAS_HOME", "Keras", "the user's own keras.json", ours=_OURS),
    Reader("TORCHINDUCTOR_CACHE_DIR", "torch.compile", "the compile cache", ours=_OURS),
    Reader("TRITON_CACHE_DIR", "Triton", "the compile cache", ours=_OURS),
    Reader("JAX_COMPILATION_CACHE_DIR", "JAX", "the compile cache", ours=_OURS),
    Reader("TORCH_HOME", "torch", "where its files are", ours=_OURS),
    Reader("TORCH_EXTENSIONS_DIR", "torch", "the compile cache", ours=_OURS),
    Reader("TRITON_HOME", "Triton", "the compile cache", ours=_OURS),
    Reader("CUDA_CACHE_PATH", "CUDA", "the compile cache", ours=_OURS),
    Reader("NUMBA_CACHE_DIR", "Numba", "", ours=_OURS),
    Reader("JOBLIB_TEMP_FOLDER", "joblib (scikit-learn)", "where temporary files are", ours=_OURS),
    Reader("TPU_LOG_DIR", "libtpu", "", ours=_OURS),
    Reader("HF_HOME", "Hugging Face's libraries", "", ours=_OURS),
    Reader("XDG_*", "Matplotlib, PyTorch and others", "", ours=_OURS),
    Reader("MPLCONFIGDIR", "Matplotlib", "", ours=_OURS),
    Reader("LEVELFIELD_*", "levelfield", "", ours="itself: set it before the command"),
    # Python
    Reader("PYTHONUNBUFFERED", "Python", ""),
    Reader("PYTHONDONTWRITEBYTECODE", "Python", ""),
    Reader("PYTHONIOENCODING", "Python", ""),
    Reader("PYTHONUTF8", "Python", ""),
    Reader("PYTHONPATH", "Python", "which packages are found"),
    Reader("PYTHON*", "Python", "how the interpreter works"),
    Reader("LD_PRELOAD", "the loader", "libraries, such as the allocator"),
    Reader("LD_*", "the loader", "how libraries are bound"),
    Reader("DYLD_*", "the loader", "libraries"),
    # Allocators
    Reader("MALLOC_*", "the C library or jemalloc", "how memory is given out"),
    Reader("GLIBC_TUNABLES", "the C library", "how memory is given out"),
    Reader("TCMALLOC_*", "tcmalloc", "how memory is given out"),
    Reader("MIMALLOC_*", "mimalloc", "how memory is given out"),
    # Threads and linear algebra
    Reader("OMP_*", "OpenMP", "threads, and where they run"),
    Reader("KMP_*", "Intel's OpenMP", "how long idle threads spin, and where they run"),
    Reader("GOMP_*", "GNU's OpenMP", "how long idle threads spin, and where they run"),
    Reader("MKL_*", "MKL", "which instructions, and threads"),
    Reader("OPENBLAS_*", "OpenBLAS", "which instructions, and threads"),
    Reader("GOTO_NUM_THREADS", "OpenBLAS", "threads"),
    Reader("BLIS_*", "BLIS", "threads"),
    Reader("FLEXIBLAS*", "FlexiBLAS", "which BLAS"),
    Reader("NVPL_*", "NVPL", "which instructions, and threads"),
    Reader("VECLIB_*", "Accelerate", "threads"),
    Reader("NUMEXPR_*", "NumExpr", "threads"),
    Reader("ONEDNN_*", "oneDNN", "which instructions, and precision"),
    Reader("DNNL_*", "oneDNN", "which instructions, and precision"),
    Reader("TBB_*", "TBB", "threads"),
    Reader("ARM_COMPUTE_*", "Arm's Compute Library", "precision"),
    # Frameworks
    Reader("KERAS_MAX_STEPS_PER_EPOCH", "Keras", "epochs end early"),
    Reader("KERAS_MAX_EPOCHS", "Keras", "training ends early"),
    Reader("KERAS_*", "Keras", "how it trains, and where"),
    Reader("JAX_DISABLE_JIT", "JAX", "nothing is compiled"),
    Reader("JAX_ENABLE_X64", "JAX", "precision"),
    Reader("JAX_*", "JAX", "compiling, precision, devices"),
    Reader("JAX2TF_*", "JAX", "exports"),
    Reader("JAXLIB_*", "JAX", ""),
    Reader("XLA_*", "XLA (JAX and TensorFlow)", "compiling, memory of the device"),
    Reader("PJRT_*", "XLA", "devices"),
    Reader("PT_XLA_*", "XLA", "compiling"),
    Reader("LIBTPU_*", "libtpu", "compiling"),
    Reader("TPU_*", "libtpu", "devices"),
    Reader("MOSAIC_*", "JAX", "compiling"),
    Reader("TORCH_COMPILE_DISABLE", "torch", "nothing is compiled"),
    Reader("TORCHDYNAMO_DISABLE", "torch", "nothing is compiled"),
    Reader("TORCHELASTIC_*", "torchrun", _CLUSTER),
    Reader("TORCH*", "torch", "compiling, kernels, checks"),
    Reader("PYTORCH_*", "torch", "memory of the device, kernels, compiling"),
    Reader("ATEN_*", "torch", "which instructions"),
    Reader("AOT*", "torch.compile", "compiling"),
    Reader("INDUCTOR_*", "torch.compile", "compiling"),
    Reader("PARTITIONER_*", "torch.compile", "compiling"),
    Reader("TENSORIFY_PYTHON_SCALARS", "torch.compile", "compiling"),
    Reader("ENABLE_PERSISTENT_TMA_MATMUL", "torch.compile", "kernels"),
    Reader("ENABLE_TMA_*", "torch.compile", "kernels"),
    Reader("ENABLE_TEMPLATE_TMA_*", "torch.compile", "kernels"),
    Reader("CUTLASS_*", "torch.compile", "kernels"),
    Reader("CUTEDSL_*", "torch.compile", "kernels"),
    Reader("QUACK_*", "torch.compile", "kernels"),
    Reader("HALIDE_*", "torch.compile", "kernels"),
    Reader("TRITON_*", "Triton", "compiling"),
    Reader("FX_*", "torch", "compiling"),
    Reader("FSDP_*", "torch", "how ranks train together"),
    Reader("UNSAFE_SKIP_FSDP_*", "torch", "how ranks train together"),
    Reader("DCP_*", "torch", "checkpoints"),
    Reader("KINETO_*", "torch's profiler", "profiling"),
    Reader("ENABLE_PYTORCH_*", "torch's profiler", "profiling"),
    Reader("COMPILE_STROBELIGHT_*", "torch's profiler", "profiling"),
    Reader("LTC_*", "torch", "queues of work"),
    Reader("PT2_*", "torch.compile", "compiling"),
    Reader("USE_LIBUV", "torch", "how ranks meet"),
    Reader("TVM_*", "torch.compile", "compiling"),
    Reader("MAX_JOBS", "torch", "processes that compile"),
    Reader("NCCL_*", "NCCL", "how ranks exchange gradients"),
    Reader("GLOO_*", "Gloo", "how ranks exchange gradients"),
    Reader("UCX_*", "UCX", "how ranks exchange gradients"),
    Reader("CUDNN_*", "cuDNN", "kernels"),
    Reader("CUBLAS*", "cuBLAS", "kernels, and whether they repeat their bits"),
    Reader("NVIDIA_TF32_OVERRIDE", "CUDA's libraries", "precision"),
    Reader("CUDA_*", "CUDA", "how the device is driven"),
    Reader("HIP_*", "ROCm", "devices"),
    Reader("ROCR_*", "ROCm", "devices"),
    Reader("HSA_*", "ROCm", "devices"),
    Reader("ZE_*", "Level Zero", "devices"),
    *(
        Reader(f"TF_{name}", "Terraform", "")
        for name in ("CLI_*", "VAR_*", "LOG*", "DATA_DIR", "IN_AUTOMATION", "TOKEN_*")
    ),
    Reader("TF_CONFIG", "TensorFlow", _CLUSTER),
    Reader("TF_*", "TensorFlow", "compiling, kernels, precision, threads"),
    Reader("AUTOGRAPH_*", "TensorFlow", "tracing"),
    Reader("DTENSOR_*", "TensorFlow", "devices"),
    Reader("TFDS_*", "TensorFlow Datasets", "how data are read"),
    Reader("SM_*", "SageMaker's launcher, read by TensorFlow", _CLUSTER),
    Reader("PL_*", "Lightning", "seeds, and how it trains"),
    Reader("LT_*", "Lightning", "how it is started"),
    Reader("FLAX_*", "Flax", "how it trains"),
    Reader("OPTAX_*", "Optax", "how it trains"),
    Reader("NPY_*", "NumPy", "which instructions, and types"),
    Reader("NUMPY_*", "NumPy", "how memory is given out"),
    Reader("SCIPY_*", "SciPy", "arrays and their devices"),
    Reader("SKLEARN_*", "scikit-learn", "checks and memory"),
    Reader("JOBLIB_*", "joblib (scikit-learn)", "processes"),
    Reader("LOKY_*", "joblib (scikit-learn)", "processes"),
    # Launchers of clusters
    Reader("SLURM_*", "Slurm's launcher, read by JAX and Lightning", _CLUSTER),
    Reader("OMPI_*", "Open MPI's launcher, read by JAX", _CLUSTER),
    Reader("PMI*", "MPI launchers", _CLUSTER),
    Reader("MEGASCALE_*", "JAX", _CLUSTER),
    Reader("JSM_*", "Lightning", _CLUSTER),
    Reader("LSB_*", "LSF, read by Lightning", _CLUSTER),
    Reader("NODE_RANK", "Lightning", _CLUSTER),
    Reader("GROUP_RANK", "torchrun", _CLUSTER),
    Reader("ROLE_*", "torchrun", _CLUSTER),
    Reader("STANDALONE_PORT", "Lightning", _CLUSTER),
    Reader("JOB_COMPLETION_INDEX", "Kubernetes, read by JAX", _CLUSTER),
)

# Let through, and no word of it: none of them changes what is computed
LET_THROUGH = (
    *("PATH", "HOME", "USER", "USERNAME", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_*", "LOCALE_ARCHIVE"),
    *("TZ", "TMPDIR", "TEMP", "TMP", "XDG_*", "VIRTUAL_ENV", "CONDA_PREFIX", "HOSTNAME", "LEVELFIELD_*"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "CUDA_VISIBLE_DEVICES",  # a worker gets its own; who asks for devices looks among these
)

# A machine may need them to compute rightly, or at all: let through, written into the records, compared
KEPT = (
    *(
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "OPENBLAS_CORETYPE",
        "OPENBLAS_L2_SIZE",
        "NVPL_BLAS_DEBUG_CPU_TYPE",
    ),
    *("CC", "CXX", "CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH"),
    *("ROCM_HOME", "ROCM_PATH", "HSA_OVERRIDE_GFX_VERSION", "TPU_LIBRARY_PATH", "TPU_SKIP_MDS_QUERY"),
)

JOINED = {"PYTHONPATH": os.pathsep, "TF_XLA_FLAGS": " "}  # what is passed on is added to what levelfield sets

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 32_000  # bytes of a value: it is written into every record
_MOST_NAMED = 12


def fits(name: str, pattern: str) -> bool:
    """Whether a variable is one of a pattern of the tables above."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def reader(name: str) -> Reader | None:
    """Who reads a variable, as far as the table knows."""
    return next((one for one in TABLE if fits(name, one.pattern)), None)


def among(name: str, patterns: Iterable[str]) -> bool:
    return any(fits(name, pattern) for pattern in patterns)


def problem(name: str, value: str) -> tuple[str, str] | None:
    """Why a variable cannot be passed on, and what would be right; or None."""
    if not _NAME.fullmatch(name):
        return f"{name[:60]!r} is no name of a variable", "letters, digits and _, such as OMP_PROC_BIND=close"
    if (known := reader(name)) is not None and known.ours:
        return f"{name} is set by levelfield, {known.ours}", "leave it out"
    if "\0" in value or len(value.encode("utf-8", "replace")) > _LONGEST:
        return f"the value of {name} is too long, or holds a null character", f"at most {_LONGEST:,} bytes of text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"the value of {name} is not UTF-8 text", "a record can hold text only"
    return None


def parse(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """``NAME=VALUE``, or ``NAME`` for the value that it has here. Raises UserError."""
    name, equals, value = text.partition("=")
    value = value if equals else environ.get(name, "")
    if (wrong := problem(name, value)) is not None:
        raise UserError(*wrong)
    if not equals and name not in environ:
        raise UserError(f"{name} is not set here, so that it has no value to pass on", f"--env {name}=VALUE")
    return name, value


def passed(given: Mapping[str, str]) -> Passed:
    """In the order of the names."""
    return tuple(sorted(given.items()))


def shown(variables: Passed) -> str:
    """For a label: ``A=1 B=2``."""
    return " ".join(f"{name}={value}" for name, value in variables)


def build(environ: Mapping[str, str], ours: Mapping[str, str], passed: Passed = ()) -> dict[str, str]:
    """The environment of a worker: of `environ` what is let through, then what is passed on, then `ours`, which
    levelfield sets. What is `JOINED` and passed on stands behind ours; else it is an error to pass on one of ours."""
    given = dict(passed)
    if clash := sorted(given.keys() & ours.keys() - JOINED.keys()):
        raise UserError(f"{clash[0]} is set by levelfield", "leave it out")
    found = {name: value for name, value in environ.items() if among(name, LET_THROUGH) or among(name, KEPT)}
    both = {name: JOINED[name].join([ours[name], given[name]]) for name in given.keys() & ours.keys()}
    return {**found, **given, **ours, **both}


def kept(environ: Mapping[str, str], passed: Passed = ()) -> dict[str, str]:
    """Those of `environ` that a launch gets because the machine may need them, by name; what is passed on is not among
    them. What is no text is written with its bytes escaped."""
    own = {name for name, _ in passed}
    return {
        name: value.encode("utf-8", "backslashreplace").decode()
        for name, value in sorted(environ.items())
        if among(name, KEPT) and name not in own
    }


def dropped(
    environ: Mapping[str, str], passed: Passed = (), folders: Collection[Path] = ()
) -> list[tuple[str, Reader]]:
    """Variables of `environ` that are not passed on and would have changed something, in the order of the table.

    `folders` of a ``PYTHONPATH`` reach the workers in another way.
    """
    own = {name for name, _ in passed}
    found = []
    for name in environ.keys() - own:
        known = reader(name)
        if known is None or known.ours or not known.changes or among(name, LET_THROUGH) or among(name, KEPT):
            continue
        if SET_BY_SKLEARN.get(name) == environ[name]:
            continue
        if name == "PYTHONPATH" and _folders(environ) <= set(map(os.path.realpath, folders)):
            continue
        found.append((name, known))
    return sorted(found, key=lambda one: (TABLE.index(one[1]), one[0]))


def on_path(environ: Mapping[str, str], folders: Iterable[Path]) -> list[Path]:
    """Those of `folders` that are found by the ``PYTHONPATH`` of `environ`: workers are told of them one by one."""
    there = _folders(environ)
    return [folder for folder in dict.fromkeys(folders) if os.path.realpath(folder) in there]


def _folders(environ: Mapping[str, str]) -> set[str]:
    return {os.path.realpath(part) for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part}


def warnings(environ: Mapping[str, str], passed: Passed = (), folders: Collection[Path] = ()) -> list[str]:
    """One sentence that names what is dropped and matters, or none. Values are never told."""
    found = dropped(environ, passed, folders)
    if not found:
        return []
    groups: dict[Reader, list[str]] = {}
    for name, known in found:
        groups.setdefault(known, []).append(name)
    told = [f"{_listed(names)} ({known.reader}: {known.changes})" for known, names in groups.items()]
    are = "is" if len(found) == 1 else "are"
    return [f"{'; '.join(told)} {are} set here and not passed on to launches; --env NAME passes one on and records it."]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names if more <= 0 else [*names[:_MOST_NAMED], f"{more} more of these"])
