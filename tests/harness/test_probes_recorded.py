"""The probes of devices that are not here, driven by recorded answers of the libraries they ask.

NVML's answers stand where nvidia-ml-py calls the driver's C library, so that its own functions, structures and error
classes are at work; the answers of tpumonitoring stand at its functions. Without a recorded answer the real library is
asked.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

from levelfield.harness.probes.gpm import Gpm
from levelfield.harness.probes.nvml import Nvml
from levelfield.harness.probes.probe import Probe, Watched, Window
from levelfield.harness.probes.tpu import Tpu
from levelfield.harness.records.quantity import Measured, Quantity, Unavailable

RECORDED = Path(__file__).parent / "recorded"
NVML = json.loads((RECORDED / "nvml.json").read_text())
TPU = json.loads((RECORDED / "tpu.json").read_text())
GPU = Watched(1, "gpu:0")
HALF = 0.5  # seconds between two samples of the replay


def number(quantity: Quantity) -> float:
    assert isinstance(quantity, Measured), quantity
    return quantity.value


def reason(quantity: Quantity) -> str:
    assert isinstance(quantity, Unavailable), quantity
    return quantity.reason


class Clock:
    """The monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(time, "monotonic", moved)
    return moved


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """NVML's C functions with the recorded answers, `at` counts the samples; `opened` are the devices asked for."""
    state = SimpleNamespace(at=0, opened=[], freed=0, users=0)

    def step(values: list[int]) -> int:
        return values[min(state.at, len(values) - 1)]

    def puts(answer: Callable[..., int]) -> Callable[..., int]:
        """As C does: the answer goes where the last argument points, what comes back is whether that was possible."""

        def function(*arguments: Any) -> int:
            arguments[-1]._obj.value = answer(*arguments[:-1])
            return pynvml.NVML_SUCCESS

        return function

    def fills(answer: Callable[[], dict[str, int]]) -> Callable[..., int]:
        def function(*arguments: Any) -> int:
            structure = arguments[-1]._obj
            if getattr(structure, "version", 1) != 1:
                return pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
            for name, value in answer().items():
                setattr(structure, name, value)
            return pynvml.NVML_SUCCESS

        return function

    def opens(name: Any, device: Any) -> int:
        state.opened.append(name.value.decode() if isinstance(name.value, bytes) else name.value)
        return pynvml.NVML_SUCCESS

    def clock_info(handle: Any, kind: Any) -> int:
        return step(NVML["clock"][{pynvml.NVML_CLOCK_SM: "sm", pynvml.NVML_CLOCK_MEM: "mem"}[kind.value]])

    def free(sample: Any) -> int:
        assert isinstance(sample, pynvml.c_nvmlGpmSample_t)
        state.freed += 1
        return pynvml.NVML_SUCCESS

    def metrics(argument: Any) -> int:
        asked = argument._obj
        if asked.version != pynvml.NVML_GPM_METRICS_GET_VERSION:
            return pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
        for metric in asked.metrics[: asked.numMetrics]:
            name = next(name for name in NVML["gpm"] if getattr(pynvml, name) == metric.metricId)
            metric.nvmlReturn, metric.value = pynvml.NVML_SUCCESS, NVML["gpm"][name]
        return pynvml.NVML_SUCCESS

    def done(*_: Any) -> int:
        return pynvml.NVML_SUCCESS

    def counts(change: int) -> Callable[..., int]:
        def function(*_: Any) -> int:
            state.users += change
            return pynvml.NVML_SUCCESS

        return function

    state.library = SimpleNamespace(
        nvmlInitWithFlags=counts(1),
        nvmlShutdown=counts(-1),
        nvmlDeviceGetHandleByIndex_v2=opens,
        nvmlDeviceGetHandleByUUID=opens,
        nvmlDeviceGetUtilizationRates=fills(lambda: {"gpu": step(NVML["utilization"])}),
        nvmlDeviceGetMemoryInfo=fills(lambda: NVML["memory"]),
        nvmlDeviceGetPowerUsage=puts(lambda handle: step(NVML["power"])),
        nvmlDeviceGetTotalEnergyConsumption=puts(lambda handle: step(NVML["energy"])),
        nvmlDeviceGetClockInfo=puts(clock_info),
        nvmlDeviceGetCurrentClocksThrottleReasons=puts(lambda handle: step(NVML["reasons"])),
        nvmlGpmQueryDeviceSupport=fills(lambda: {"isSupportedDevice": 1}),
        nvmlGpmSampleAlloc=done,
        nvmlGpmSampleGet=done,
        nvmlGpmSampleFree=free,
        nvmlGpmMetricsGet=metrics,
    )
    monkeypatch.setattr(pynvml, "nvmlLib", state.library)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return state


def refuse(nvml: SimpleNamespace, name: str, code: int) -> None:
    assert hasattr(nvml.library, name)
    pynvml._nvmlGetFunctionPointer_cache.clear()
    setattr(nvml.library, name, lambda *_: code)


def replay(probe: Probe, state: SimpleNamespace, clock: Clock, step: float) -> dict[str, Quantity]:
    """Three samples, `step` seconds apart; the window holds all of them."""
    assert probe.available() is None
    begin = clock.now
    for state.at in range(3):
        probe.sample() if state.at else probe.start()
        clock.now += step
    return dict(probe.stop(Window(begin, clock.now - step)))


def test_nvml_gives_base_units(nvml, clock):
    found = replay(Nvml(GPU), nvml, clock, 2.0)
    assert set(found) == set(Nvml.names)
    assert number(found["gpu_kernel_share"]) == pytest.approx((0 + 0.97 + 0.98) / 3)
    assert number(found["gpu_memory_used"]) == 4020809984
    assert number(found["gpu_power"]) == pytest.approx((71.234 + 412.345 + 498.765) / 3)
    assert number(found["gpu_clock_sm"]) == pytest.approx((345e6 + 2 * 1980e6) / 3)
    assert number(found["gpu_clock_memory"]) == pytest.approx(2619e6)
    assert number(found["gpu_throttled"]) == pytest.approx(1 / 3)  # idle is no throttling, a power cap is
    assert number(found["energy"]) == pytest.approx(90.0)
    assert {q.unit for q in found.values() if isinstance(q, Measured)} == {"1", "B", "W", "Hz", "J"}
    assert "idle detector" in found["gpu_kernel_share"].source  # type: ignore[union-attr]


def test_what_nvml_averages_over_a_second_is_not_told_of_a_shorter_window(nvml, clock):
    found = replay(Nvml(GPU), nvml, clock, 0.1)
    for name, least in (("gpu_kernel_share", "1 s"), ("gpu_power", "1 s"), ("energy", "3 s")):
        assert reason(found[name]) == f"needs steady epochs of {least}, these lasted 0.2 s"
    assert number(found["gpu_memory_used"]) > 0


def test_a_query_that_a_gpu_does_not_support_is_the_reason_for_its_quantity_alone(nvml, clock):
    refuse(nvml, "nvmlDeviceGetTotalEnergyConsumption", pynvml.NVML_ERROR_NOT_SUPPORTED)
    found = replay(Nvml(GPU), nvml, clock, 2.0)
    assert reason(found["energy"]) == "NVML: NVMLError_NotSupported: Not Supported"
    assert number(found["gpu_power"]) > 0


def test_the_gpu_is_counted_as_the_workers_count(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8f6a")
    for device in ("gpu:0", "gpu:1"):
        assert Nvml(Watched(1, device)).available() is None
    assert nvml.opened == [3, "GPU-8f6a"]


def test_gpm_is_asked_between_two_samples_and_gives_shares(nvml, clock):
    found = replay(Gpm(GPU), nvml, clock, 0.1)
    assert {name: number(quantity) for name, quantity in found.items()} == pytest.approx(
        {"gpm_sm_util": 0.964, "gpm_sm_occupancy": 0.249, "gpm_tensor_util": 0.713, "gpm_dram_util": 0.182}
    )
    assert nvml.freed == 3


def test_gpm_asks_first_whether_the_gpu_has_it(nvml):
    refuse(nvml, "nvmlGpmQueryDeviceSupport", pynvml.NVML_SUCCESS)  # and leaves isSupportedDevice at 0
    assert "no performance monitoring" in (Gpm(GPU).available() or "")
    refuse(nvml, "nvmlGpmQueryDeviceSupport", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert Gpm(GPU).available() == "NVML GPM: Not Supported"
    assert nvml.users == 0


@pytest.mark.parametrize("probe", [Nvml, Gpm])
def test_the_library_is_left_where_the_gpu_cannot_be_opened(nvml, probe):
    refuse(nvml, "nvmlDeviceGetHandleByIndex_v2", pynvml.NVML_ERROR_NOT_FOUND)
    assert "NVML: " in probe(GPU).available()
    assert nvml.users == 0


def test_a_driver_older_than_a_query_is_the_reason_for_its_quantity_alone(nvml, clock):
    del nvml.library.nvmlDeviceGetTotalEnergyConsumption
    found = replay(Nvml(GPU), nvml, clock, 2.0)
    assert reason(found["energy"]) == "NVML: NVMLError_FunctionNotFound: Function Not Found"
    assert number(found["gpu_power"]) > 0


def test_gpm_needs_two_samples_in_the_window(nvml, clock):
    probe = Gpm(GPU)
    assert probe.available() is None
    probe.start()
    found = probe.stop(Window(clock.now, clock.now + 0.05))
    assert {reason(quantity) for quantity in found.values()} == {
        "NVML GPM: fewer than two samples fell into the 0.05 s of steady epochs, they come every 0.1 s"
    }
    assert nvml.freed == 1


def test_a_gpm_metric_that_fails_is_the_reason_for_its_quantity_alone(nvml, clock):
    whole = nvml.library.nvmlGpmMetricsGet

    def metrics(argument: Any) -> int:
        answer = whole(argument)
        argument._obj.metrics[2].nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
        return answer

    nvml.library.nvmlGpmMetricsGet = metrics
    found = replay(Gpm(GPU), nvml, clock, 0.1)
    assert reason(found["gpm_tensor_util"]) == "NVML GPM: NVML_GPM_METRIC_ANY_TENSOR_UTIL: Not Supported"
    assert number(found["gpm_sm_util"]) == pytest.approx(0.964)


@pytest.mark.parametrize("probe", [Nvml, Gpm])
def test_the_real_library_says_why_there_is_no_gpu(probe):
    """Nothing is replayed: on a machine without a driver, NVML's library is not found."""
    found = probe(GPU).available()
    if found is None:
        pytest.skip("there is a GPU here")
    assert found.startswith(("NVML: NVMLError_LibraryNotFound", "NVML: NVMLError_DriverNotLoaded", "NVML GPM", "this"))


# TPU


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """A /dev with the chips of a TPU host."""
    for number in range(2):
        (tmp_path / f"accel{number}").touch()
    return tmp_path


def monitoring(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]], supported: list[str]) -> None:
    module = ModuleType("libtpu.sdk.tpumonitoring")
    metric = {name: SimpleNamespace(data=lambda data=data: data) for name, data in answers.items()}
    module.list_supported_metrics = lambda: supported  # type: ignore[attr-defined]
    module.get_metric = metric.__getitem__  # type: ignore[attr-defined]
    sdk = ModuleType("libtpu.sdk")
    sdk.tpumonitoring = module  # type: ignore[attr-defined]
    for name, part in {"libtpu": ModuleType("libtpu"), "libtpu.sdk": sdk, module.__name__: module}.items():
        monkeypatch.setitem(sys.modules, name, part)


def test_a_tpu_tells_shares_and_bytes_of_its_own_device(monkeypatch, chips, clock):
    monitoring(monkeypatch, TPU["busy"], TPU["supported"])
    found = replay(Tpu(Watched(1, "tpu:0"), chips), SimpleNamespace(), clock, HALF)
    assert number(found["tpu_tensorcore_util"]) == pytest.approx(0.14)
    assert number(found["tpu_duty_cycle"]) == pytest.approx(1.0)
    assert number(found["tpu_memory_used"]) == 2 << 30
    assert number(found["tpu_memory_total"]) == 16 << 30


def test_empty_lists_are_no_zeros(monkeypatch, chips, clock):
    monitoring(monkeypatch, TPU["no_device"], TPU["supported"])
    found = replay(Tpu(Watched(1, "tpu:0"), chips), SimpleNamespace(), clock, HALF)
    assert reason(found["tpu_duty_cycle"]) == "tpumonitoring gave no duty_cycle_pct in the steady epochs"
    assert {type(quantity) for quantity in found.values()} == {Unavailable}


def test_a_metric_that_is_not_supported_says_so(monkeypatch, chips, clock):
    monitoring(monkeypatch, TPU["busy"], ["duty_cycle_pct"])
    found = replay(Tpu(Watched(1, "tpu:0"), chips), SimpleNamespace(), clock, HALF)
    assert reason(found["tpu_tensorcore_util"]) == "tpumonitoring does not support tensorcore_util here"
    assert number(found["tpu_duty_cycle"]) == pytest.approx(1.0)
    monitoring(monkeypatch, {}, [])
    assert Tpu(Watched(1, "tpu:0"), chips).available() == "tpumonitoring supports none of the metrics here"


def test_without_chips_the_library_is_not_even_asked(tmp_path):
    """The real one would search the network for minutes."""
    assert "shows no TPU" in (Tpu(Watched(1, "tpu:0"), tmp_path).available() or "")


def test_chips_without_the_library_give_a_reason(monkeypatch, chips):
    monkeypatch.setitem(sys.modules, "libtpu", None)
    assert "monitoring library is not there" in (Tpu(Watched(1, "tpu:0"), chips).available() or "")
