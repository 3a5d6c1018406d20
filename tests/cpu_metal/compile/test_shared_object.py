"""Kernels that call nothing are linked without LLVM's linker."""

import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.elf import read_sections
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.scratch import Scratch
from metalsci.cpu_metal.compile.shared_object import UnlinkedError, linked
from metalsci.cpu_metal.compile.toolchain import Run, Toolchain
from metalsci.files.locations import data

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="others are linked by LLVM's linker")

SOURCE = """#include <metal_stdlib>
using namespace metal;
constant float table[5] = {3, 1, 4, 1, 5};
constant uint4 wide = {9, 2, 6, 5};
kernel void looked_up(device float *o, uint i [[thread_position_in_grid]]) {
    switch (uint(o[i])) {
    case 0: o[i] = exp(table[i % 5]); break;
    case 1: o[i] = sin(table[(i + 1) % 5]); break;
    case 2: o[i] = float(wide[i % 4]); break;
    case 3: o[i] = 0.1f; break;
    default: o[i] = table[4] / o[i];
    }
}
kernel void turned(device float *o, uint i [[thread_position_in_grid]], uint l [[thread_index_in_threadgroup]]) {
    threadgroup float a[32];
    threadgroup float b[32];
    a[l] = o[i];
    b[31 - l] = 2 * o[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    o[i] = a[31 - l] + b[l];
}
"""
WAITS = """#include <metal_stdlib>
using namespace metal;
kernel void some(device int *o, uint l [[thread_position_in_threadgroup]], uint i [[thread_position_in_grid]]) {
    int a = o[i];
    if (l % 3 == 0)
        a += simd_sum(a);
    o[i] = a;
}
"""
Objects = Callable[[str], Sequence[bytes]]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """List the calls of LLVM's linker."""
    found, original = list[Any](), Toolchain.link

    def counted(self: Toolchain, *given: Any) -> Run:
        found.append(given)
        return original(self, *given)

    monkeypatch.setattr(Toolchain, "link", counted)
    return found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Device]:
    with Device(cache=Cache(tmp_path)) as device:
        device.compile("#include <metal_stdlib>\nkernel void first() {}")
        yield device


@pytest.fixture
def objects(fresh: Device, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Compile a source, and return its kernels' objects."""
    found, original = list[bytes](), Scratch.link_kernel

    def kept(self: Scratch, name: str, *given: Any) -> None:
        found.append((self.path / name).read_bytes())
        original(self, name, *given)

    def compiled(source: str) -> Sequence[bytes]:
        found.clear()
        fresh.compile(source)
        return tuple(found)

    monkeypatch.setattr(Scratch, "link_kernel", kept)
    return compiled


def ran(device: Device) -> np.ndarray:
    kernels = device.compile(SOURCE).kernels
    o = device.buffer(np.arange(96, dtype=np.float32) % 7)
    dispatches = [
        Dispatch(kernels[name], {0: o}, threads=(96,), threadgroup=(32,)) for name in ("looked_up", "turned") * 2
    ]
    device.run(dispatches)
    return o.array.copy()


def test_kernels_that_call_nothing_give_what_they_give_by_the_linker(
    fresh: Device, tmp_path: Path, links: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ran(fresh)
    assert links == []
    monkeypatch.setattr("metalsci.cpu_metal.compile.scratch.linked", _refused)
    with Device(cache=Cache(tmp_path / "other")) as other:
        other.compile("#include <metal_stdlib>\nkernel void first() {}")
        links.clear()
        np.testing.assert_array_equal(ran(other), found)
    assert len(links) == 2


def _refused(*_: Any) -> bytes:
    raise UnlinkedError


def test_the_kernels_of_a_task_need_no_linker(fresh: Device, links: list[Any]) -> None:
    fresh.compile((data("tasks") / "fft3d" / "seed.metal").read_text(encoding="utf-8"))
    assert links == []


def test_a_kernel_that_calls_the_runtime_goes_through_the_linker(fresh: Device, links: list[Any]) -> None:
    kernel = fresh.compile(WAITS).kernels["some"]
    assert len(links) == 1
    o = fresh.buffer(np.ones(32, dtype=np.int32))
    fresh.run([Dispatch(kernel, {0: o}, threads=(32,), threadgroup=(32,))])
    np.testing.assert_array_equal(o.array, np.where(np.arange(32) % 3 == 0, 12, 1))


def test_what_is_not_laid_out_as_expected_is_refused(objects: Objects) -> None:
    for whole in objects(SOURCE):
        assert linked(whole, "metal_run").startswith(b"\x7fELF")
        with pytest.raises(UnlinkedError, match="laid out"):
            linked(whole, "another")
        for end in range(0, len(whole), 97):
            with pytest.raises(UnlinkedError):
                linked(whole[:end], "metal_run")
        with pytest.raises(UnlinkedError, match="another machine"):
            linked(whole[:0x12] + b"\xb7\0" + whole[0x14:], "metal_run")


def test_a_section_that_can_be_written_is_left_to_the_linker(objects: Objects) -> None:
    (whole, _) = objects(SOURCE)
    table = int.from_bytes(whole[0x28:0x30], "little")
    number = next(i for i, each in enumerate(read_sections(whole)) if each.name.startswith(".rodata"))
    flags = table + 64 * number + 8
    with pytest.raises(UnlinkedError, match="it has a section"):
        linked(whole[:flags] + bytes([whole[flags] | 1]) + whole[flags + 1 :], "metal_run")


def test_a_section_that_the_source_names_is_left_to_the_linker(fresh: Device, links: list[Any]) -> None:
    named = '#define A(x) __attribute__((x))\nconstant float c A(section("mine")) A(used) = 1;\n'
    fresh.compile(SOURCE.replace("constant float table", named + "constant float table"))
    assert len(links) == 2
