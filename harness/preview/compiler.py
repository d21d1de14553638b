"""One adapter compiled for one chip, in a process of its own: a compiler that aborts takes nobody with it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from levelfield.adapters import runtime
from levelfield.adapters.adapter import Setting
from levelfield.adapters.registry import AdapterInfo, version
from levelfield.harness.preview import preview
from levelfield.harness.preview.chips import Chip
from levelfield.harness.preview.preview import Preview, Subject
from levelfield.harness.system import folders, paths, variables
from levelfield.tasks.errors import UserError

COMPILES = {"jax": "levelfield.adapters.jax.absent"}  # runtime → the module that can compile for absent chips
TIME_LIMIT = 1200.0  # seconds; a network of width 4096 in float32 takes one minute
SAMPLES = 60_000  # as many as MNIST has, all zero: a program depends on shapes only
_LONGEST = 300  # characters of a reason


def lacking(chip: Chip, info: AdapterInfo) -> str | None:
    """What to install before `info` can be compiled for `chip`, or None. Raises UserError where the compiler's version
    does not fit JAX's."""
    absent = [name for name in chip.needs if version(name) is None]
    if absent:
        return f"needs {' and '.join(absent)}: pip install 'levelfield[{chip.extra}]'"
    jax = version("jax")
    for name in chip.needs:
        if name.startswith("jax-") and version(name) != jax:
            raise UserError(f"{name} {version(name)} is not for jax {jax}", f"pip install '{name}=={jax}'")
    return info.missing()


def subject(chip: Chip, info: AdapterInfo, setting: Setting) -> Subject:
    widths, r, precision = setting.model.widths, setting.recipe, setting.precision
    assert precision != "float64"  # of references only
    network = "-".join(map(str, widths))
    return Subject(
        chip=chip.name,
        adapter=info.name,
        mode=setting.mode,
        precision=precision,
        replicas=setting.replicas,
        work=f"{SAMPLES:,} × {widths[0]} features, {network}, {r.optimizer}, batch {r.batch_size}",
        data_bytes=4 * SAMPLES * widths[0],
    )


def compiled(chip: Chip, info: AdapterInfo, setting: Setting) -> Preview:
    """Compile what `info` compiles while it trains as `setting` says. What the compiler refuses, and that it breaks
    off, is in the preview. Raises UserError for a number of devices that the chip's hosts do not have."""
    about = subject(chip, info, setting)
    versions = {name: found for name in chip.needs if (found := version(name))} | info.versions()
    own = info.of(setting.replicas)
    job = {
        "adapter": f"{own.module}:{own.qualname}",
        "runtime": runtime.place(info),
        "paths": [str(info.root)] if not info.builtin else [],
        "setting": dataclasses.asdict(setting),
        "samples": SAMPLES,
        "kind": chip.kind,
        "topology": chip.topology(setting.replicas),
        "variants": chip.variants(),
    }
    with folders.Temporary() as folder:
        answer = _answer(COMPILES[info.runtime], job, folder.path, environment(chip, info, folder.path))
    if "error" in answer:
        return Preview(subject=about, versions=versions, memory=chip.memory, **answer)
    return preview.read(about, chip, versions, answer)


def environment(chip: Chip, info: AdapterInfo, root: Path) -> dict[str, str]:
    """Variables of the process that compiles: of a worker on the CPU, and what keeps compilers from looking for chips,
    from locking others out, and from writing aside."""
    found = runtime.environment(info.framework, info.backend, "cpu", 1) | folders.folders(root)
    del found["JAX_COMPILATION_CACHE_DIR"]  # what was compiled for absent chips cannot be kept there
    found |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if chip.kind == "tpu":
        quiet = {"TPU_STDERR_LOG_LEVEL": "3", "TPU_MIN_LOG_LEVEL": "3", "TPU_WORKER_HOSTNAMES": "localhost"}
        return found | quiet | {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    return found | {"XLA_FLAGS": f"--xla_dump_to={root / 'dump'}"}


def _answer(module: str, job: Mapping[str, Any], root: Path, ours: Mapping[str, str]) -> dict[str, Any]:
    """What the process answers, or the ``error`` because of which it does not."""
    given, answer, dump, log = (root / name for name in ("job.json", "answer.json", "dump", "log"))
    folders.make(root)
    dump.mkdir()
    given.write_text(json.dumps(job), encoding="utf-8")
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                paths.module(module, str(given), str(answer), str(dump)),
                env=variables.build(os.environ, ours),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"compiling took longer than its limit of {TIME_LIMIT:g} s and was stopped"}
    if done.returncode == 0:
        read: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return read
    told = log.read_text(encoding="utf-8", errors="replace").strip()
    how = f"by signal {-done.returncode}" if done.returncode < 0 else f"with code {done.returncode}"
    last = told.splitlines()[-1][:_LONGEST] if told else "it said nothing"
    return {"error": f"the process that compiles was ended {how}: {last}", "trace": told}
