"""Folders of its own for every launch: whatever a framework writes aside lies below one that is removed afterwards.

Frameworks remember at import where they write: Keras its home, TensorFlow its flags, Python its folder for temporary
files. Launches are forked after the import. So the variables of a warm parent name a link, and the link leads to other
folders for each launch.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal, Self

Cache = Literal["empty", "filled"]  # what a launch met where its framework keeps what it compiled

_PREFIX = "levelfield-"
# Not "lock", which is in every run's folder too: a run that is kept in TMPDIR as levelfield-mine is not to be swept
_LOCK = "launches.lock"
_HEADERS = Path("inductor", "precompiled_headers")


def folders(root: Path) -> dict[str, str]:
    """Variables that lead all that a framework writes below `root`; what it has compiled goes to ``root/compiled``."""
    compiled, temporary, cache, config = (str(root / name) for name in ("compiled", "tmp", "cache", "config"))
    return {
        "TMPDIR": temporary,
        "JOBLIB_TEMP_FOLDER": temporary,
        "TPU_LOG_DIR": temporary,
        "XDG_CACHE_HOME": cache,
        "XDG_CONFIG_HOME": config,
        "XDG_DATA_HOME": str(root / "data"),
        "XDG_STATE_HOME": str(root / "state"),
        "KERAS_HOME": f"{config}/keras",
        "MPLCONFIGDIR": f"{config}/matplotlib",
        "HF_HOME": f"{cache}/huggingface",
        "TORCH_HOME": f"{cache}/torch",
        "TORCH_EXTENSIONS_DIR": f"{compiled}/torch_extensions",
        "TORCHINDUCTOR_CACHE_DIR": f"{compiled}/inductor",
        "TRITON_HOME": cache,
        "TRITON_CACHE_DIR": f"{compiled}/triton",
        "JAX_COMPILATION_CACHE_DIR": f"{compiled}/jax",
        "TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={compiled}/xla",
        "CUDA_CACHE_PATH": f"{compiled}/cuda",
        "NUMBA_CACHE_DIR": f"{compiled}/numba",
    }


def make(root: Path) -> None:
    """What must be there before a process starts; the rest is made by who needs it. Raises OSError."""
    for name in ("tmp", "cache", "config"):
        (root / name).mkdir(parents=True)


def cache() -> Path:
    """What is kept between runs: ``LEVELFIELD_CACHE``, else the user's cache."""
    import pooch

    return Path(os.environ.get("LEVELFIELD_CACHE") or pooch.os_cache("levelfield"))


def write(path: Path, data: bytes) -> None:
    """Whole or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


class Temporary:
    """A new folder ``levelfield-*``, removed by `close`; that of a process which was killed, by the next one's start.

    Its lock is held by this process, and by those that are given `fd`: only when all of them have ended is it free.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """In `parent`, by default where temporary files are. Raises OSError where there is no room."""
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        new = self.path / "new.lock"
        self._lock = new.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        new.rename(self.path / _LOCK)  # seen by others only when it is held

    @property
    def fd(self) -> int:
        return self._lock.fileno()

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sweep(parent: Path) -> None:
    """Remove the folders whose processes have all ended."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


class Places:
    """The folders of a warm parent, and of each of its jobs, all reached by the link `root`: it leads to those of the
    one job that is not stopped.

    `fd` is for the parent to hold, see `Temporary`. What is compiled is kept from job to job, unless a job says where
    else it goes.
    """

    def __init__(self, root: Path, fd: int | None = None) -> None:
        """Raises OSError where there is no room."""
        self.root, self.fd = root, fd
        self.parents = root.with_name(f"{root.name}.parent")
        self._compiled = root.with_name(f"{root.name}.compiled")
        self._headers = root.with_name(f"{root.name}.headers")
        self._numbers = itertools.count()
        self.remove()
        self._make(self.parents, self._compiled)
        self.lead_to(self.parents)

    @property
    def variables(self) -> dict[str, str]:
        return folders(self.root)

    def job(self, compiled: Path | None = None) -> JobPlaces:
        """New folders for one job; `compiled` stays when they are removed. Raises OSError where there is no room."""
        own = self.root.with_name(f"{self.root.name}.job{next(self._numbers)}")
        shutil.rmtree(own, ignore_errors=True)
        self._make(own, compiled or self._compiled)
        return JobPlaces(self, own, compiled)

    def remove(self) -> None:
        self.root.unlink(missing_ok=True)
        for folder in (self.parents, self._compiled):
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self, own: Path, compiled: Path) -> None:
        make(own)
        filled, headers = is_filled(compiled), compiled / _HEADERS
        headers.parent.mkdir(parents=True, exist_ok=True)
        if filled and self._headers.is_dir() and not headers.exists():
            headers.symlink_to(self._headers)
        (own / "compiled").symlink_to(compiled)
        # Whatever its variable says, torch keeps precompiled headers where its cache would be without one
        (own / "tmp" / f"torchinductor_{_user()}").symlink_to(headers.parent)

    def share(self, headers: Path) -> None:
        """Keep one of what is alike in all caches, and 150 MB; who finds an empty cache does not find it."""
        if headers.is_symlink():
            headers.unlink()
        elif headers.is_dir():
            shutil.rmtree(self._headers, ignore_errors=True)
            headers.rename(self._headers)

    def lead_to(self, folder: Path) -> None:
        new = self.root.with_name(f"{self.root.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(folder)
        new.replace(self.root)


class JobPlaces:
    """Those of one job."""

    def __init__(self, places: Places, own: Path, compiled: Path | None) -> None:
        self.places, self.own, self.compiled = places, own, compiled

    def lead(self) -> None:
        """To here, from now on. Raises OSError where there is no room."""
        self.places.lead_to(self.own)

    def remove(self) -> None:
        with contextlib.suppress(OSError):  # when the launcher was closed meanwhile, all is gone
            self.places.lead_to(self.places.parents)
            shutil.rmtree(self.own, ignore_errors=True)
            if self.compiled is not None:
                self.places.share(self.compiled / _HEADERS)


def _user() -> str:
    """As torch calls this user."""
    try:
        return re.sub(r'[\\/:*?"<>|]', "_", getpass.getuser())
    except (KeyError, OSError):
        return f"uid_{os.getuid()}"


def is_filled(cache: Path) -> bool:
    """Whether anything lies in a folder of what was compiled; empty folders are nothing."""
    return any(files for _, _, files in os.walk(cache))


def met(before: bool, after: bool) -> Cache | None:
    """Which cache a launch met, from whether it was filled before and after it; None: it keeps nothing on the disk."""
    return "filled" if before else "empty" if after else None
