"""The kernels of a file go through Clang together, and each through LLVM's optimiser once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch
from metalsci.cpu_metal.compile import front
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import divergence
from metalsci.cpu_metal.compile.llvm.split_module import SplitModule
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import Mode

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
PLAIN = "kernel void plain(device int *o, uint i [[thread_position_in_grid]]) { o[i] += 1; }\n"
LOOP = """kernel void loop(device int *o, constant uint &n, uint i [[thread_position_in_grid]]) {
    for (uint k = 0; k < n; ++k) o[i] = 3 * o[i] + 1; }
"""
WAITS = """kernel void waits(device int *o, uint i [[thread_position_in_grid]],
    uint l [[thread_index_in_threadgroup]]) {
    threadgroup int t[64]; t[l] = o[i]; threadgroup_barrier(mem_flags::mem_threadgroup); o[i] = t[63 - l]; }
"""
ATOMIC = """kernel void count(device atomic_int *o, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(o + i % 3, 1, memory_order_relaxed); }
"""
STEPS = ("compile_metal", "simplify", "optimise")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the processes of a compiler by what they do."""
    found = Counter[str]()

    def counted(name: str) -> Any:
        original = getattr(Toolchain, name)

        def call(*given: Any, **named: Any) -> Any:
            found[name] += 1
            return original(*given, **named)

        return call

    for name in STEPS:
        monkeypatch.setattr(Toolchain, name, counted(name))
    yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Device]:
    with Device(cache=Cache(tmp_path)) as device:
        device.compile(HEADER + "kernel void first() {}")
        yield device


@pytest.mark.parametrize(
    "kernels, wanted",
    [
        ((PLAIN,), {"compile_metal": 1, "simplify": 1, "optimise": 1}),
        ((PLAIN, LOOP, WAITS), {"compile_metal": 1, "simplify": 1, "optimise": 3}),
        ((PLAIN, ATOMIC), {"compile_metal": 1, "simplify": 1, "optimise": 2}),
    ],
    ids=["one", "loops, barriers and neither", "without vectors"],
)
def test_nothing_is_compiled_twice(
    fresh: Device, steps: Counter[str], kernels: tuple[str, ...], wanted: Mapping[str, int]
) -> None:
    library = fresh.compile(HEADER + "".join(kernels))
    assert len(library.kernels.compiled) == len(kernels)
    assert steps == wanted


def test_what_all_steps_need_of_a_module_is_found_once(fresh: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Counter[str]()

    def counted(module: ModuleType, name: str) -> None:
        original = getattr(module, name)

        def call(*given: Any) -> Any:
            found[name] += 1
            return original(*given)

        monkeypatch.setattr(module, name, call)

    counted(front, "as_metal_has_it")
    counted(divergence, "postdominators")
    assert [*fresh.compile(HEADER + PLAIN + LOOP + WAITS).kernels]
    # One module of three kernels; one graph of each, though WAITS has different places in a row, a vector and a group.
    assert found == {"as_metal_has_it": 1, "postdominators": 3}


def test_a_kernel_without_a_group_beside_others_with_one_runs_along_rows(device: Device) -> None:
    kernels = device.compile(HEADER + PLAIN + LOOP + WAITS).kernels
    assert [kernels[name].mode for name in ("plain", "loop", "waits")] == [Mode.GRID, Mode.GRID, Mode.GROUP]
    o = device.buffer(np.arange(128, dtype=np.int32))
    bound: dict[str, dict[int, Any]] = {"plain": {0: o}, "loop": {0: o, 1: 2}, "waits": {0: o}}
    device.run([Dispatch(kernels[name], bound[name], threads=(128,), threadgroup=(64,)) for name in bound])
    want = 9 * (np.arange(128) + 1) + 4
    np.testing.assert_array_equal(o.array, want.reshape(2, 64)[:, ::-1].ravel())


def test_an_error_that_one_of_several_kernels_makes_is_at_its_place(device: Device) -> None:
    template = """template <int N> kernel void sized(device int *o, uint i [[thread_position_in_grid]]) {
    static_assert(N < 8, "too many"); o[i] = N; }
template [[host_name("four")]] kernel void sized<4>(device int *, uint);
template [[host_name("nine")]] kernel void sized<9>(device int *, uint);
"""
    with pytest.raises(CompileError) as caught:
        device.compile(HEADER + PLAIN + template)
    assert [each.line for each in caught.value.diagnostics if "too many" in each.message] == [5]


def test_a_way_that_the_words_of_the_file_do_not_show_is_made_by_another_run_of_clang(
    fresh: Device, steps: Counter[str]
) -> None:
    source = HEADER + "#define GLUE(a, b) a##b\n" + PLAIN.replace("+= 1", "= GLUE(simd, _sum)(o[i])")
    kernel = fresh.compile(source).kernels["plain"]
    assert steps["compile_metal"] == 2
    o = fresh.buffer(np.arange(64, dtype=np.int32))
    fresh.run([Dispatch(kernel, {0: o}, threads=(64,), threadgroup=(64,))])
    np.testing.assert_array_equal(o.array, np.repeat([np.arange(32).sum(), np.arange(32, 64).sum()], 32))


MODULE = """\
target triple = "x86_64-unknown-linux-gnu"
@table = internal constant [2 x i32] zeroinitializer, section "here"
@"start up" = internal global ptr @on_load

declare void @outside()

define void @first(i32 %0) #0 {
  br label %2
2:                                                ; preds = %2, %1
  %3 = call i32 @helper(i32 %0)
  br i1 true, label %2, label %4
4:                                                ; preds = %2
  ret void
}

define internal i32 @helper(i32 %0) {
  %2 = alloca [4 x i32], align 4
  %3 = load i32, ptr @table, align 4
  call void @outside()
  ret i32 %3
}

define void @second() {
  ret void
}

define internal void @on_load() {
  ret void
}
attributes #0 = { nounwind }
"""


def test_parts_of_a_module() -> None:
    parts = SplitModule.parse(MODULE)
    assert parts.reached("@first") == {"@first", "@helper", "@table", "@outside"}
    assert parts.reached("@second") == {"@second"}
    assert parts.in_section("here", parts.reached("@first"))
    assert not parts.in_section("here", parts.reached("@second"))
    alone = SplitModule.parse(parts.renamed("@second", "@run").only(["@run"]))
    assert [*alone.functions] == ["@run", "@on_load"]
    assert alone.rest == parts.rest
    assert alone.functions["@run"].startswith("define void @run() {")
