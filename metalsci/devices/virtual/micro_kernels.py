"""Micro-kernels, each of which spends its time on one of the model's assumed constants.

Each runs a loop of two lengths: the difference of their times is that of so many turns, whatever else a run costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metalsci.devices.program import Array, Kernels, Program, Symbol, trace
from metalsci.devices.protocol import Device, Module
from metalsci.devices.virtual.gpu_facts import GpuFacts
from metalsci.msl.language.parse import parse

SOURCE = """#include <metal_stdlib>
using namespace metal;
// each load waits for the one before it
kernel void chase(device const uint *next, device uint *out, constant uint &turns, uint i [[thread_position_in_grid]]) {
    uint at = 0;
    for (uint turn = 0; turn < turns; ++turn) at = next[at];
    out[i] = at;
}
kernel void near_chase(device const uint *next, device uint *out, constant uint &turns,
                       uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]]) {
    threadgroup uint here[256];
    for (uint k = t; k < 256; k += 32) here[k] = next[k];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint at = 0;
    for (uint turn = 0; turn < turns; ++turn) at = here[at];
    out[i] = at;
}
kernel void barriers(device const uint *next, device uint *out, constant uint &turns,
                     uint i [[thread_position_in_grid]]) {
    for (uint turn = 0; turn < turns; ++turn) threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = next[i & 255];
}
kernel void collide(device const uint *next, device atomic_uint *out, constant uint &turns,
                    uint i [[thread_position_in_grid]]) {
    for (uint turn = 0; turn < turns; ++turn) atomic_fetch_add_explicit(&out[0], next[i & 255], memory_order_relaxed);
}
kernel void idle(device const uint *next, device uint *out, constant uint &turns, uint i [[thread_position_in_grid]]) {
    out[i] = turns;
}
"""
SIGNATURES = parse(SOURCE).kernels
_NEAR = 256  # words that a line cache holds
_LINE = 32  # words
_SHARED = 1 << 15  # words, of which each cache of all cores holds that many, and no core's own
_SYSTEM = 1 << 20  # words, twice as many as any cache of all cores holds, and fewer than any system cache
_REPEATS = 5


@dataclass(frozen=True)
class MicroKernel:
    """A kernel that measures one constant.

    constant: its name in gpu_facts. words: of the table that it follows. threads: of its only threadgroup. turns: of
    the two loops; the shorter one follows the whole table. stride: words from one that is followed to the next. per: of
    the constant, that one turn costs; a collision costs one for each lane.
    """

    constant: str
    kernel: str
    words: int
    threads: int
    turns: tuple[int, int]
    stride: int = 1
    per: float = 1.0


def micro_kernels(gpu: GpuFacts) -> tuple[MicroKernel, ...]:
    """Return the kernels that measure a chip's constants."""
    far = 2 * round(gpu.system_cache.value) // 4
    return (
        MicroKernel("cached_wait", "chase", _NEAR, 1, (1024, 9216)),
        MicroKernel("shared_wait", "chase", _SHARED, 1, (1024, 9216), _LINE),
        MicroKernel("system_wait", "chase", _SYSTEM, 1, (_SYSTEM // _LINE, 2 * _SYSTEM // _LINE), _LINE),
        MicroKernel("memory_wait", "chase", far, 1, (far // _LINE, 2 * far // _LINE), _LINE),
        MicroKernel("threadgroup_wait", "near_chase", _NEAR, 32, (1024, 9216)),
        MicroKernel("barrier_wait", "barriers", _NEAR, 256, (1024, 9216)),
        MicroKernel("collision", "collide", _NEAR, 32, (256, 2304), per=32.0),
    )


def cycles_of(device: Device, module: Module, micro: MicroKernel, clock: float) -> float:
    """Measure the constant, in cycles of `clock`."""
    table = _table(micro.words, micro.stride)
    seconds = [_seconds(device, module, _program(micro.kernel, table, turns, micro.threads)) for turns in micro.turns]
    few, many = micro.turns
    return (seconds[1] - seconds[0]) / (many - few) / micro.per * clock


def seconds_of_a_launch(device: Device, module: Module, calls: int = 64) -> float:
    """Measure a dispatch that does nothing, in a chain of dependent ones."""
    table = _table(_NEAR)
    one, chain = (_seconds(device, module, _program("idle", table, 1, 32, each)) for each in (1, calls + 1))
    return (chain - one) / calls


def _table(words: int, stride: int = 1) -> Array:
    """Draw one cycle through the first of every `stride` words, so that a chase meets each of them."""
    order = stride * np.random.default_rng(0).permutation(words // stride).astype(np.uint32)
    order = np.roll(order, -int(np.argmin(order)))  # a chase starts at word 0
    table = np.zeros(words, np.uint32)
    table[order] = np.roll(order, -1)
    return table


def _program(kernel: str, table: Array, turns: int, threads: int, calls: int = 1) -> Program:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
        given = inputs["next"]
        out = given
        for _ in range(calls):
            (out,) = getattr(kernels, kernel)(
                given, np.uint32(turns), threads=(threads, 1, 1), threadgroup=(threads, 1, 1),
                outputs=[((max(threads, _NEAR),), np.uint32)], init=0 if kernel == "collide" else None,
            )  # fmt: skip
            given = out if kernel == "idle" else given
        return (out,)

    return trace(host, {"next": table}, SIGNATURES)


def _seconds(device: Device, module: Module, program: Program) -> float:
    stage = device.stage(program)
    try:
        execution = stage.bind(module)
        execution.run()
        return min(execution.run().seconds for _ in range(_REPEATS))
    finally:
        stage.close()
