"""Kernels that macros write: found, compiled and run as if they were written out, with the lines of those uses."""

from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import lower
from metalsci.msl.text.kernel_macros import with_kernels_written_out
from metalsci.msl.text.lexer import SourceText

SOURCE = """#include <metal_stdlib>
using namespace metal;
template <typename T> constexpr uint many() { return 8 / sizeof(T); }
template <typename T, uint W = many<T>()>
[[kernel]] void scale(device const T *x, device T *y, constant float &by, uint i [[thread_position_in_grid]]) {
    y[i] = T(float(x[i]) * by) + T(W);
}
#define instantiate(name, f, ...) \\
    template [[host_name(name)]] [[kernel]] decltype(f<__VA_ARGS__>) f<__VA_ARGS__>;
#define both(tname, t)                         \\
    instantiate("scale_" #tname, scale, t)     \\
    instantiate("scale_" #tname "_3", scale, t, 3)
#define DEFINE_FILL(NAME, T) \\
kernel void fill_##NAME(device T *y, constant T &value, uint i [[thread_position_in_grid]]) { \\
    threadgroup T part[32]; \\
    part[i % 32] = value; \\
    threadgroup_barrier(mem_flags::mem_threadgroup); \\
    y[i] = part[(i + 1) % 32]; \\
}
#define DEFINE_FILLS(NAME, T) \\
    DEFINE_FILL(NAME, T)

both(f32, float);
both(f16,
     half)
#if defined(__HAVE_BFLOAT__)
both(bf16, bfloat);
#endif
DEFINE_FILLS(f32, float)
DEFINE_FILL(i64, long)
kernel void plain(device float *y, uint i [[thread_position_in_grid]]) { y[i] = i; }
"""
NAMES = [f"scale_{each}{more}" for each in ("f32", "f16", "bf16") for more in ("", "_3")]
NAMES += ["fill_f32", "fill_i64", "plain"]


def test_kernels_that_macros_write_are_found_with_the_lines_of_their_uses() -> None:
    unit = parse(SOURCE)
    assert not unit.diagnostics
    assert [kernel.name for kernel in unit.kernels] == NAMES
    lines = {kernel.name: kernel.line for kernel in unit.kernels}
    text = SOURCE.splitlines()
    assert text[lines["scale_f32_3"] - 1] == "both(f32, float);"
    assert text[lines["scale_f16"] - 1] == "both(f16,"
    assert text[lines["fill_i64"] - 1] == "DEFINE_FILL(i64, long)"
    assert text[lines["plain"] - 1].startswith("kernel void plain")
    assert unit.source == SOURCE
    assert [p.type for p in unit.kernels[2].parameters] == ["half", "half", "float", "uint"]


def test_they_run(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        kernels = device.compile(SOURCE).kernels
        assert list(kernels) == NAMES
        x = np.arange(64, dtype=np.float32)
        for name, dtype, more in (
            ("scale_f32", np.float32, 2),
            ("scale_f16", np.float16, 4),
            ("scale_f16_3", np.float16, 3),
        ):
            y = device.buffer(np.zeros(64, dtype))
            arguments = {0: device.buffer(x.astype(dtype)), 1: y, 2: np.float32(3)}
            device.run([Dispatch(kernels[name], arguments, threads=(64,), threadgroup=(32,))])
            assert np.array_equal(y.array, 3 * x + more)
        y = device.buffer(np.zeros(64, np.int64))
        fill = Dispatch(kernels["fill_i64"], {0: y, 1: np.int64(7)}, threads=(64,), threadgroup=(32,))
        device.run([fill], check=True)
        assert (y.array == 7).all()


def test_a_mistake_in_what_a_macro_writes_is_at_its_use(tmp_path: Path) -> None:
    source = SOURCE.replace("y[i] = part[(i + 1) % 32];", "y[i] = nothing;")
    uses = [number for number, line in enumerate(source.splitlines(), 1) if line.startswith("DEFINE_FILL")]
    with Device(cache=Cache(tmp_path)) as device, pytest.raises(CompileError) as error:
        device.compile(source)
    errors = [each for each in error.value.diagnostics if "use of undeclared identifier 'nothing'" in str(each)]
    assert [each.line for each in errors] == uses


def test_an_access_beyond_a_buffer_in_it_has_the_line_of_the_use(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        fill = device.compile(SOURCE).kernels["fill_f32"]
        y = device.buffer(np.zeros(60, np.float32))
        line = SOURCE.splitlines().index("DEFINE_FILLS(f32, float)") + 1
        with pytest.raises(Exception, match=rf"fill_f32, line {line}: write to y\[60\]"):
            device.run([Dispatch(fill, {0: y, 1: np.float32(1)}, threads=(64,), threadgroup=(32,))], check=True)


def test_they_can_be_lowered_for_mlx() -> None:
    unit = parse(SOURCE)
    lowered = lower(unit, ["fill_f32"])["fill_f32"]
    assert "part[i % 32] = value;" in " ".join(lowered.source.split()).replace(" [ ", "[").replace(" ]", "]")


def test_other_macros_are_left_to_the_compiler() -> None:
    text = SourceText(
        b"#define HEAD kernel void\n#define SQUARE(x) ((x) * (x))\nHEAD f(device float *y) { *y = SQUARE(2); }"
    )
    assert with_kernels_written_out(text) is text
    assert [kernel.name for kernel in parse(text.data.decode()).kernels] == ["f"]


@pytest.mark.parametrize(
    "source",
    [
        "#define A(x) kernel void f##x() {} \nA(",
        "#define A() kernel void f() {}\nA(1, 2)",
        "#define A kernel void f() { A }\nA\nA",
        "#define B A A A A A A A A\n#define A C C C C C C C C\n#define C D D D D D D D D\n#define D E E E E E E E E\n"
        "#define E F F F F F F F F\n#define F kernel void f() {} kernel void g() {}\nB",
    ],
    ids=["unterminated", "arguments", "itself", "bomb"],
)
def test_what_cannot_be_written_out_is_left(source: str) -> None:
    parse(source)
