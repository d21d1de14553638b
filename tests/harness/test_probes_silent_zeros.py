"""Counters of frameworks that read zero, or nothing, where there is no device: each becomes a reason, never a number.

Each test asks the real framework, in a process of its own, first for the silent zero and then through the runtime.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ASK = """
import json, os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import OURS, load
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

def peak(device):
    return load(OURS["{name}"]).peak_memory(Setting(MLP((4, 3)), Recipe("sgd", 0.1, 8, 1), device=device, mode="eager"))

def error(act):
    try:
        return repr(act())
    except Exception as raised:
        return type(raised).__name__

{zero}
print(json.dumps([zero, peak("cpu"), peak("gpu:0")]))
"""
ZEROS = {
    "torch": ("import torch\nzero = torch.cuda.max_memory_allocated()", (0,)),
    "tensorflow": (
        "import tensorflow as tf\nzero = error(lambda: tf.config.experimental.get_memory_info('CPU:0'))",
        # The first where its CPU allocator is oneDNN's, as it is by default on newer processors; else the second
        ("{'current': 0, 'peak': 0}", "ValueError"),
    ),
    "jax": (
        "import jax\nzero = [jax.devices('cpu')[0].memory_stats(), error(lambda: jax.devices('tpu'))]",
        ([None, "RuntimeError"],),
    ),
}


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ZEROS)
def test_a_silent_zero_of_a_framework_becomes_a_reason(name):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    ask, zeros = ZEROS[name]
    code = ASK.format(name=name, zero=ask)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert out.returncode == 0, out.stderr[-2000:]
    found, on_cpu, on_gpu = json.loads(out.stdout.splitlines()[-1])
    assert found in zeros
    for reason in (on_cpu, on_gpu):
        assert isinstance(reason, str)
        assert name in reason.lower()


def test_the_system_reads_zero_for_clocks_that_it_does_not_know():
    """Real psutil: whatever it reads here, a zero is no quantity."""
    import os
    import time

    import psutil

    from levelfield.harness.probes.clock import CpuClock
    from levelfield.harness.probes.probe import Watched, Window
    from levelfield.harness.records.quantity import Measured, Unavailable

    probe = CpuClock(Watched(os.getpid()))
    if (reason := probe.available()) is not None:
        assert reason == "the system does not tell the CPU's clock"
        return
    probe.start()
    found = probe.stop(Window(0.0, time.monotonic()))
    assert isinstance(found["cpu_clock_max"], Measured if psutil.cpu_freq().max else Unavailable)
