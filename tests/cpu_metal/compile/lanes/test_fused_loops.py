"""Neighbouring loops of as many turns, which become one where they compute the same in part."""

from collections.abc import Sequence

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.lanes.fused_loops import with_loops_fused
from metalsci.cpu_metal.compile.llvm.function import Function
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

THREADS = 100
LOOPS = """\
define void @metal_run(i32 %x, i32 %y, i32 %n, i32 %other, ptr %p, ptr %q) {
entry:
  br label %first

first:
  %b = phi i32 [ 0, %entry ], [ %b.next, %first ]
  %a = phi i32 [ 0, %entry ], [ %a.next, %first ]
  %bit = and i32 %b, 31
  %shifted = lshr i32 %x, %bit
  %a.next = or i32 %a, %shifted
  %b.next = add nuw i32 %b, 1
  %end = icmp eq i32 %b.next, %n
  br i1 %end, label %between, label %first

between:
  %moved = add i32 %y, 1
  IN_BETWEEN
  br label %second

second:
  %c = phi i32 [ 0, %between ], [ %c.next, %second ]
  %d = phi i32 [ START, %between ], [ %d.next, %second ]
  %bit2 = and i32 %c, 31
  %shifted2 = lshr i32 MOVED, %bit2
  IN_SECOND
  %d.next = xor i32 %d, %shifted2
  %c.next = add nuw i32 %c, STEP
  %end2 = icmp eq i32 %c.next, LIMIT
  br i1 %end2, label %done, label %second

done:
  %sum = add i32 %a.next, %d.next
  store i32 %sum, ptr %p, align 4
  ret void
}"""
USUAL = {
    "IN_BETWEEN": "%read = load i32, ptr %p, align 4",
    "IN_SECOND": "",
    "MOVED": "%moved",
    "START": "5",
    "STEP": "1",
    "LIMIT": "%n",
}


def loops(**other: str) -> Function:
    text = LOOPS
    for name, usual in USUAL.items():
        text = text.replace(name, other.get(name, usual))
    return Function.parse(text.split("\n"))


def count(function: Function) -> int:
    return sum(block.label in block.successors for block in function.blocks)


def test_two_loops_over_the_same_bits_are_one_that_computes_the_bit_once() -> None:
    fused = with_loops_fused(loops())
    assert count(fused) == 1
    texts = [each.text for block in fused.blocks for each in block.instructions]
    assert [text.partition(" = ")[2] for text in texts].count("and i32 %b, 31") == 1
    assert "%shifted2 = lshr i32 %moved, %bit" in texts
    assert "%d = phi i32 [ 5, %entry ], [ %d.next, %first ]" in texts
    entry = [each.text for each in fused.by_label["%entry"].instructions]
    assert entry == ["%moved = add i32 %y, 1", "br label %first"]
    assert fused.by_label["%between"].instructions[-1].opcode == "ret"  # what comes behind the second loop


@pytest.mark.parametrize(
    "other",
    [
        {"LIMIT": "%other"},
        {"STEP": "2"},
        {"MOVED": "%a.next"},
        {"START": "%a.next"},
        {"IN_BETWEEN": "store i32 %moved, ptr %p, align 4"},
        {"IN_BETWEEN": "call void @metal_simdgroup_barrier()"},
        {"IN_SECOND": "store i32 %d, ptr %q, align 4"},
        {"IN_SECOND": "%volatile = load volatile i32, ptr %q, align 4"},
        {"IN_BETWEEN": "%read = load i32, ptr %p, align 4", "MOVED": "%read"},
        {"IN_SECOND": "\n  ".join(f"%own{n} = mul i32 %d, {n + 3}" for n in range(9))},  # little is shared
        {"IN_SECOND": "\n  ".join(f"%own{n} = lshr i32 %x, %bit" for n in range(400))},  # long
    ],
    ids=lambda other: "-".join(other),
)
def test_loops_stay_two(other: dict[str, str]) -> None:
    assert count(with_loops_fused(loops(**other))) == 2


KERNEL = """
#include <metal_stdlib>
using namespace metal;
static uint spread(uint v, uint bits, uint by) {
    uint r = 0;
    for (uint b = 0; b < bits; ++b) r |= ((v >> b) & 1u) << (by * b);
    return r;
}
kernel void bits(device const uint *u [[buffer(0)]], device uint *v [[buffer(1)]], constant uint &n [[buffer(2)]],
                 uint i [[thread_position_in_grid]]) {
    const uint x = u[i], own = COUNT;
    if (x % 7 == 3) { v[i] = spread(x + 1, own, 2) ^ spread(x, own, 2); return; }
    uint sum = spread(x, own, 3) + spread(x + 1, own, 3) * 3;
    sum += v[spread(x, 6, 1) % THREADS] * 0 + spread(sum, own, 2);
    float f = 0.0f, g = 0.0f;
    for (uint b = 0; b < own; ++b) f += float(u[b % THREADS] & 15) * 0.5f;
    for (uint b = 0; b < own; ++b) g = fma(float(u[b % THREADS] & 15), 0.25f, g);
    v[i] = sum + as_type<uint>(f) + as_type<uint>(g);
}
"""


def reference(values: Sequence[int], bits: Sequence[int]) -> list[int]:
    def spread(value: int, count: int, by: int) -> int:
        return sum(((value >> b) & 1) << (by * b & 31) for b in range(count)) & 0xFFFFFFFF

    made = []
    for value, count_ in zip(values, bits, strict=True):
        if value % 7 == 3:
            made.append(spread(value + 1, count_, 2) ^ spread(value, count_, 2))
            continue
        total = spread(value, count_, 3) + spread(value + 1, count_, 3) * 3 & 0xFFFFFFFF
        total += spread(total, count_, 2)
        numbers = [np.float32(values[b % THREADS] & 15) for b in range(count_)]
        f, g = (np.float32(sum(numbers, np.float32(0)) * np.float32(scale)) for scale in (0.5, 0.25))
        made.append(total + int(f.view(np.uint32)) + int(g.view(np.uint32)) & 0xFFFFFFFF)
    return made


@pytest.mark.parametrize("number", [0, 1, 5, 10])
@pytest.mark.parametrize("counts", ["n", "n + i % 3"], ids=["all alike", "of each thread"])
@pytest.mark.parametrize("execution", [ThreadExecution.LANES, ThreadExecution.STACKS])
def test_results_are_the_same(execution: ThreadExecution, counts: str, number: int) -> None:
    values = np.random.default_rng(number).integers(0, 1 << 10, THREADS, np.uint32)
    source = KERNEL.replace("COUNT", counts).replace("THREADS", str(THREADS))
    with Device(1, toolchain=Toolchain(execution=execution)) as device:
        kernel = device.compile(source).kernels["bits"]
        u, v = device.buffer(values), device.buffer(np.zeros(THREADS, np.uint32))
        device.run([Dispatch(kernel, {0: u, 1: v, 2: number}, threads=(THREADS,), threadgroup=(32,))])
        bits = [number + (i % 3 if "i" in counts else 0) for i in range(THREADS)]
        assert v.array.tolist() == reference(values.tolist(), bits)
