"""The device on machines other than this one: aarch64 under QEMU, and objects for macOS on Apple silicon."""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import RUNTIME, Toolchain
from metalsci.cpu_metal.compile.wrapper import Mode, Wrapper, unit
from metalsci.cpu_metal.legalize import rewrite
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import parse
from metalsci.msl.text.lexer import SourceText

TESTS = Path(__file__).parents[1]
ROOT = os.environ.get("METALSCI_AARCH64_ROOT")
NO_QEMU = "no qemu-aarch64 (of Debian's qemu-user) or no METALSCI_AARCH64_ROOT: see tests/conformance/aarch64_root.sh"

EVERYTHING = """#include <metal_stdlib>
using namespace metal;
kernel void grid(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] = sin(x[i]) / 3; }
kernel void waits(device half *x [[buffer(0)]], device atomic_uint *count [[buffer(1)]],
                  uint i [[thread_index_in_threadgroup]]) {
    threadgroup half t[64];
    threadgroup bfloat u[64];
    t[i] = x[i];
    u[i] = bfloat(float(x[i]));
    threadgroup_barrier(mem_flags::mem_threadgroup);
    x[i] = simd_sum(t[63 - i]) + half(float(u[i]));
    atomic_fetch_add_explicit(count, uint(x[i]), memory_order_relaxed);
}
"""
# What is about the device's language and how it runs. QEMU does not tell a faulting read from a write, and where its
# address space is short, so are the guards.
FILES = [f"cpu_metal/test_{name}.py" for name in ("execution", "language", "modes_agree", "division", "conversions")]
FILES += [f"cpu_metal/test_{name}.py" for name in ("lanes_and_atomics", "device_errors")]
FILES += [f"conformance/test_functions_{name}.py" for name in ("math", "integer", "lanes", "atomic", "relational")]
LEFT_OUT = "not wild and not constant_argument and not nowhere"


# ---- aarch64, Linux


def machine_of(library: bytes) -> int:
    """Return the machine as ELF numbers them."""
    return int(struct.unpack_from("<H", library, 18)[0])


@pytest.mark.parametrize("architecture", ["armv8-a", "armv8.6-a"])
def test_kernels_and_runtime_compile_for_aarch64(tmp_path: Path, cache: Cache, architecture: str) -> None:
    toolchain = Toolchain(target="aarch64-linux-gnu", architecture=architecture)
    with Device(cache=cache, toolchain=toolchain) as device:
        kernels = device.compile(EVERYTHING).kernels
    assert {machine_of(kernel.code) for kernel in kernels.values()} == {183}
    assert (kernels["grid"].mode, kernels["waits"].mode) == (Mode.GRID, Mode.THREAD)
    assert kernels["waits"].threadgroup_memory == 256
    toolchain.build_runtime(tmp_path / "runtime.so")
    assert machine_of((tmp_path / "runtime.so").read_bytes()) == 183


@pytest.mark.conformance
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None or ROOT is None, reason=NO_QEMU)
@pytest.mark.parametrize("architecture", ["armv8-a", "armv8.6-a"])  # without and with instructions for half and bfloat
def test_the_devices_own_tests_pass_on_aarch64(architecture: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "aarch64_device", "--timeout", "1200", "-k", LEFT_OUT]
        + [str(TESTS / file) for file in FILES],
        env={**os.environ, "METALSCI_AARCH64_ARCHITECTURE": architecture, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]


# ---- a short address space, as some aarch64 has

SHORT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (40 << 30,) * 2)
import numpy as np
from metalsci.cpu_metal import Device, Dispatch, DeviceCrash
with Device(2) as device:
    source = "kernel void k(device float *x [[buffer(0)]], constant int &n [[buffer(1)]]) { x[n] *= 2; }"
    kernel = device.compile(source).kernels["k"]
    buffers = [device.buffer(np.float32([n])) for n in range(100)]
    device.run([Dispatch(kernel, {0: x, 1: 0}, (1,), (1,)) for x in buffers])
    assert [x.array[0] for x in buffers] == [2 * n for n in range(100)]
    try:
        device.run([Dispatch(kernel, {0: buffers[0], 1: 1 << 20}, (1,), (1,))])
    except DeviceCrash as crash:
        assert "beyond the end of buffer 0 'x'" in str(crash)
    else:
        assert False
"""


def test_a_short_address_space_has_room_for_many_buffers() -> None:
    done = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- macOS

MACH_O, ARM64, SEGMENT, SYMBOLS = 0xFEEDFACF, 0x100000C, 0x19, 0x2


def mach_o(data: bytes) -> tuple[set[tuple[str, str]], set[str]]:
    """Return segment and section of each section of an object for Apple silicon, and its undefined symbols."""
    magic, machine, _, _, commands, *_ = struct.unpack_from("<8I", data)
    assert (magic, machine) == (MACH_O, ARM64)
    sections: set[tuple[str, str]] = set()
    undefined: set[str] = set()
    at = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<2I", data, at)
        if command == SEGMENT:
            (count,) = struct.unpack_from("<I", data, at + 64)
            for start in range(at + 72, at + 72 + count * 80, 80):
                section, segment = struct.unpack_from("16s16s", data, start)
                sections.add((segment.rstrip(b"\0").decode(), section.rstrip(b"\0").decode()))
        if command == SYMBOLS:
            symbols, count, names, _ = struct.unpack_from("<4I", data, at + 8)
            for start in range(symbols, symbols + count * 16, 16):
                name, kind = struct.unpack_from("<IB", data, start)
                if kind & 0xE == 0:
                    undefined.add(data[names + name : data.index(b"\0", names + name)].decode())
        at += size
    return sections, undefined


def compiled_for_macos(folder: Path, flags: Sequence[str], source: Path) -> tuple[set[tuple[str, str]], set[str]]:
    command = [Toolchain().zig, "clang", "-target", "arm64-apple-macos", *flags, "-c", str(source), "-o", "made.o"]
    subprocess.run(command, cwd=folder, check=True)
    return mach_o((folder / "made.o").read_bytes())


@pytest.mark.parametrize("file", ["threads.c", "pool.c", "memory.c", "switch.c", "conversions.c", "fused.c", "check.c"])
def test_the_runtime_compiles_for_macos(tmp_path: Path, file: str) -> None:
    flags = ["-std=c11", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-O2", "-Wall", "-Werror"]
    sections, undefined = compiled_for_macos(tmp_path, flags, RUNTIME / file)
    assert ("__TEXT", "__text") in sections
    assert "_syscall" not in undefined  # Linux's way to sleep


@pytest.mark.parametrize("index", [0, 1])
def test_kernels_compile_for_macos(tmp_path: Path, index: int) -> None:
    toolchain = Toolchain(target="arm64-apple-macos", architecture="armv8.5-a")
    signature = parse(EVERYTHING).kernels[index]
    mode = (Mode.GRID, Mode.THREAD)[index]
    (tmp_path / "kernel.metal").write_bytes(rewrite(SourceText(EVERYTHING.encode())).text)
    text = unit("kernel.metal", [Wrapper(signature, signature.name, mode, independent=mode is not Mode.THREAD)])
    (tmp_path / "0.cl").write_text(text)
    run = toolchain.compile_metal(tmp_path, "0.cl", MathMode.fast, None, ["-S", "-emit-llvm", "-O0", "-o", "0.ll"])
    assert run.code == 0, run.messages
    run = toolchain.optimise(tmp_path, "0.ll", "0.o", MathMode.fast, [])
    assert run.code == 0, run.messages
    sections, undefined = mach_o((tmp_path / "0.o").read_bytes())
    wait = {"_metal_threadgroup_barrier", "_metal_exchange", "section$start$__METAL$threadgroup"}
    assert undefined & wait == (wait if mode is Mode.THREAD else set())
    assert (("__METAL", "threadgroup") in sections) is (mode is Mode.THREAD)
