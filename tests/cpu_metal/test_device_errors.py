"""Failures on the device come back typed, name the cause if it is known, and leave the device usable."""

import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from metalsci.cpu_metal import Device, DeviceCrash, DeviceTimeout, Dispatch, DispatchError, Kernel, PipelineError
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.msl.diagnostics import Severity
from metalsci.msl.language.math_mode import MathMode

SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void fill(device float *out [[buffer(0)]], uint i [[thread_position_in_grid]]) { out[i] = 1; }
kernel void forever(device float *out [[buffer(0)]], uint i [[thread_position_in_grid]]) { while (true) out[i] += 1; }
kernel void spin(uint i [[thread_position_in_grid]]) { while (true) {} }
kernel void offset(device float *out [[buffer(0)]], device const float *x [[buffer(1)]], constant int &by [[buffer(2)]],
                   uint i [[thread_position_in_grid]]) { out[i] = x[int(i) + by]; }
kernel void offset_write(device float *f_out [[buffer(1)]], constant int &by [[buffer(2)]],
                         uint i [[thread_position_in_grid]]) { f_out[int(i) + by] = 1; }
kernel void cast_away(device const float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    ((device float *)x)[i] = 1;
}
kernel void null(device float *out [[buffer(0)]], uint i [[thread_position_in_grid]]) { *(device float *)8 = out[i]; }
kernel void diverge(device float *out [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
    if (i < 3) { threadgroup_barrier(mem_flags::mem_none); out[i] = 1; }
    else { out[i] = 2; threadgroup_barrier(mem_flags::mem_none); out[i] = 3; }
}
[[max_total_threads_per_threadgroup(64)]] kernel void capped(device float *out [[buffer(0)]]) {}
kernel void greedy(device float *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    threadgroup float big[8448];
    big[i] = 1; out[i] = big[i + 1];
}
"""


@pytest.fixture(scope="module")
def kernels(device: Device) -> dict[str, Kernel]:
    return dict(device.compile(SOURCE).kernels)


def still_works(device: Device, kernels: dict[str, Kernel]) -> bool:
    out = device.empty((10,), np.float32)
    device.run([Dispatch(kernels["fill"], {0: out}, (10,), (10,))])
    return bool((out.array == 1).all())


@pytest.mark.parametrize("name", ["forever", "spin"])
def test_an_endless_loop_is_killed_and_gone(device: Device, kernels: dict[str, Kernel], name: str) -> None:
    out = device.empty((64,), np.float32)
    arguments = {0: out} if name == "forever" else {}
    device.restart()
    others = set(psutil.Process().children(recursive=True))
    children: set[psutil.Process] = set()
    over = threading.Event()

    def watch() -> None:
        while not children and not over.wait(0.01):
            children.update(set(psutil.Process().children(recursive=True)) - others)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(DeviceTimeout, match=f"{name}, dispatch 0: not finished after 0.3 s"):
            device.run([Dispatch(kernels[name], arguments, (64,), (64,))], timeout=0.3)
    finally:
        over.set()
        watcher.join()
    assert children
    assert not any(child.is_running() for child in children)
    assert still_works(device, kernels)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (64, "read just beyond the end of buffer 1 'x' (256 bytes)"),
        (64 + 1024, "read 4,096 bytes beyond the end of buffer 1 'x' (256 bytes)"),
        (2**31 - 1, "read 8,589,934,332 bytes beyond the end of buffer 1 'x' (256 bytes)"),
        (-(2**31), "read 8,589,934,592 bytes before the start of buffer 1 'x' (256 bytes)"),
    ],
)
def test_a_wild_read_names_the_buffer(device: Device, kernels: dict[str, Kernel], by: int, said: str) -> None:
    out, x = device.empty((64,), np.float32), device.empty((64,), np.float32)
    with pytest.raises(DeviceCrash) as crash:
        device.run([Dispatch(kernels["offset"], {0: out, 1: x, 2: by}, (1,), (1,))])
    assert str(crash.value) == f"offset, dispatch 0: {said}"
    assert [finding.kind for finding in crash.value.findings] == ["memory fault"]
    assert still_works(device, kernels)


def test_a_read_of_the_first_byte_beyond_a_whole_page_says_so(device: Device, kernels: dict[str, Kernel]) -> None:
    out, x = device.empty((64,), np.float32), device.empty((1024,), np.float32)
    with pytest.raises(DeviceCrash, match=re.escape("read just beyond the end of buffer 1 'x' (4,096 bytes)")):
        device.run([Dispatch(kernels["offset"], {0: out, 1: x, 2: 1024}, (1,), (1,))])


def test_a_wild_write_names_dispatch_buffer_and_distance(device: Device, kernels: dict[str, Kernel]) -> None:
    out = device.empty((64,), np.float32)
    fine = Dispatch(kernels["fill"], {0: out}, (64,), (64,))
    wild = Dispatch(kernels["offset_write"], {1: out, 2: 64 + 1024}, (1,), (1,))
    with pytest.raises(DeviceCrash) as crash:
        device.run([fine, fine, fine, wild, fine])
    said = "offset_write, dispatch 3: write 4,096 bytes beyond the end of buffer 1 'f_out' (256 bytes)"
    assert str(crash.value) == said
    assert (out.array == 1).all()


def test_a_constant_argument_cannot_be_written_to(device: Device, kernels: dict[str, Kernel]) -> None:
    x = device.buffer(np.arange(64, dtype=np.float32))
    with pytest.raises(DeviceCrash, match=r"write at byte \d+ of buffer 0 'x' \(256 bytes\), which is not writable"):
        device.run([Dispatch(kernels["cast_away"], {0: x}, (64,), (64,))])
    assert (x.array == np.arange(64)).all()


def test_a_pointer_to_nowhere(device: Device, kernels: dict[str, Kernel]) -> None:
    with pytest.raises(DeviceCrash, match=r"null, dispatch 0: write at an address outside every buffer \(0x8\)"):
        device.run([Dispatch(kernels["null"], {0: device.empty((64,), np.float32)}, (64,), (64,))])


def test_a_barrier_in_divergent_flow(device: Device, kernels: dict[str, Kernel]) -> None:
    with pytest.raises(DeviceCrash, match=r"diverge, dispatch 0: .* different barriers, in lines 15 and 16"):
        device.run([Dispatch(kernels["diverge"], {0: device.empty((64,), np.float32)}, (64,), (64,))])
    assert still_works(device, kernels)


def test_limits_of_the_pipeline_in_apples_words(device: Device, kernels: dict[str, Kernel]) -> None:
    out = device.empty((4096,), np.float32)
    with pytest.raises(PipelineError, match=r"Thread group size \(2048\) .* threads per threadgroup \(1024\)"):
        device.run([Dispatch(kernels["fill"], {0: out}, (4096,), (2048,))])
    with pytest.raises(PipelineError, match=r"Thread group size \(128\) .* threads per threadgroup \(64\)"):
        device.encode([Dispatch(kernels["capped"], {0: out}, (4096,), (128,))])
    message = r"Threadgroup memory size \(33792\) exceeds the maximum threadgroup memory allowed \(32768\)"
    with pytest.raises(PipelineError, match=message):
        device.encode([Dispatch(kernels["greedy"], {0: out}, (64,), (64,))])


@pytest.mark.parametrize(
    ("arguments", "threads", "said"),
    [
        ({}, (64,), "nothing bound at buffer 0 'out'"),
        ({0: np.zeros(4, np.float32), 5: 1}, (64,), "no buffer 5"),
        ({0: 1.0}, (64,), "'out' of 'fill' is written to: bind a buffer"),
        (None, (0,), "threads must be one to three positive numbers"),
    ],
)
def test_a_dispatch_that_makes_no_sense(
    device: Device, kernels: dict[str, Kernel], arguments: dict[int, object] | None, threads: tuple[int], said: str
) -> None:
    bound = {0: device.empty((64,), np.float32)} if arguments is None else arguments
    with pytest.raises(ValueError, match=said):
        device.encode([Dispatch(kernels["fill"], bound, threads, (64,))])


def test_values_that_do_not_fit_their_argument(device: Device, kernels: dict[str, Kernel]) -> None:
    out = device.empty((64,), np.float32)
    for value in (2**31, 0.5):
        with pytest.raises(ValueError, match=r"does not fit a int|is not a whole number"):
            device.encode([Dispatch(kernels["offset_write"], {1: out, 2: value}, (1,), (1,))])


def test_the_device_process_sees_none_of_the_hosts_environment(
    cache: Cache, kernels: dict[str, Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    before = set(psutil.Process().children())
    with Device(cache=cache) as device:
        assert still_works(device, kernels)
        (child,) = set(psutil.Process().children()) - before
        environment = child.environ()
        assert "SOME_API_KEY" not in environment
        assert set(environment) <= {"LC_ALL", "LD_LIBRARY_PATH"}
    assert not child.is_running()


def test_an_interrupt_leaves_nothing_behind(device: Device, kernels: dict[str, Kernel]) -> None:
    assert still_works(device, kernels)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        device.run([Dispatch(kernels["spin"], {}, (1,), (1,))], timeout=5)
    assert still_works(device, kernels)


def test_devices_leak_neither_descriptors_nor_processes(cache: Cache, kernels: dict[str, Kernel]) -> None:
    def use() -> None:
        with Device(cache=cache) as device:
            assert still_works(device, kernels)

    use()
    gc.collect()  # devices of other tests
    descriptors = psutil.Process().num_fds()
    children = len(psutil.Process().children())
    for _ in range(3):
        use()
    assert psutil.Process().num_fds() == descriptors
    assert len(psutil.Process().children()) == children


def test_the_device_process_dies_with_its_host(cache: Cache) -> None:
    """Even while it is busy with a kernel that never ends."""
    program = f"""
import threading, time, os, psutil
from pathlib import Path
from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.msl.diagnostics import Severity
from metalsci.msl.language.math_mode import MathMode
device = Device(cache=Cache(Path({str(cache.folder)!r})))
kernel = device.compile({SOURCE!r}).kernels["spin"]
run = threading.Thread(target=device.run, args=([Dispatch(kernel, {{}}, (1,), (1,))],), daemon=True)
run.start()
while not psutil.Process().children(): time.sleep(0.01)
time.sleep(0.3)
print(psutil.Process().children()[0].pid, flush=True)
os._exit(1)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    pid = int(result.stdout)
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


STANDARD = "#include <metal_stdlib>\nusing namespace metal;\n"


def test_threadgroup_memory_comes_in_multiples_of_16_bytes(device: Device) -> None:
    head = "kernel void f(device float *out, threadgroup float *t, uint i [[thread_index_in_threadgroup]])"
    (kernel,) = device.compile(STANDARD + head + " { t[i] = i; out[i] = t[i]; }").kernels.values()
    out = device.empty((4,), np.float32)
    device.run([Dispatch(kernel, {0: out}, (4,), (4,), {0: 32})])
    with pytest.raises(
        ValueError, match=r"^threadgroup memory 0 't' of 'f' has 20 bytes: Metal takes multiples of 16$"
    ):
        device.run([Dispatch(kernel, {0: out}, (4,), (4,), {0: 20})])


def test_an_access_that_the_processor_refuses_has_no_address(device: Device) -> None:
    source = "#include <metal_stdlib>\nusing namespace metal;\nkernel void f(device float *out) {\n"
    (kernel,) = device.compile(
        source + "*(device float4 *)(out + 1) = 2 * *(device float4 *)(out + 5); }"
    ).kernels.values()
    dispatch = Dispatch(kernel, {0: device.buffer(np.ones(32, np.float32))}, (1,), (1,))
    with pytest.raises(DeviceCrash, match=r"^f, dispatch 0: an access that the processor refuses: of a vector at an"):
        device.run([dispatch])
    with pytest.raises(DispatchError, match=r"line 4: misaligned"):
        device.run([dispatch], check=True)


def test_a_device_may_have_pipelines_of_fewer_threads() -> None:
    source = STANDARD + "kernel void f(device float *out, uint i [[thread_position_in_grid]]) { out[i] = i; }"
    with Device(threads=1, max_threads_per_threadgroup=384) as device:
        (kernel,) = device.compile(source).kernels.values()
        assert kernel.max_total_threads_per_threadgroup == 384
        out = device.empty((512,), np.float32)
        device.run([Dispatch(kernel, {0: out}, (512,), (384,))])
        with pytest.raises(PipelineError, match=r"\(512\) is greater than  the maximum allowed .* \(384\)"):
            device.run([Dispatch(kernel, {0: out}, (512,), (512,))])
    with pytest.raises(ValueError, match="max_threads_per_threadgroup=2000: 1 to 1024"):
        Device(max_threads_per_threadgroup=2000)


COMPARISONS = """#include <metal_stdlib>
using namespace metal;
kernel void f(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    float v = x[i];
    y[i] = v != v ? 0.0f : 1.0f;
    if (x[i] == x[i] && x[i] == y[i]) y[i] = 2.0f;
}
"""


def test_a_comparison_with_itself_is_a_warning_under_fast_math(device: Device) -> None:
    fast = device.compile(COMPARISONS).warnings
    assert [(warning.severity, warning.line) for warning in fast] == [(Severity.WARNING, 5), (Severity.WARNING, 6)]
    assert "Apple's compiler may take 'v != v' to be false" in fast[0].message
    assert "'x[i] == x[i]' to be true" in fast[1].message
    assert device.compile(COMPARISONS, MathMode.safe).warnings == ()
