"""Source is untrusted: it reads no file, calls nothing of the host, and cannot hold the compiler for long."""

import time
from pathlib import Path

import pytest

from metalsci.cpu_metal import CompileError, Device
from metalsci.cpu_metal.cache import Cache
from metalsci.cpu_metal.host import Limits
from metalsci.cpu_metal.toolchain import Toolchain

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNEL = "kernel void k(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) {{ {} }}\n"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h"
    path.write_text("constant float tell_me = 42; secret_word;")
    return path


@pytest.mark.parametrize(
    "directive",
    [
        '#include "{path}"',
        "#include <{path}>",
        '#  /* */ include /* */ "{path}"',
        '#inc\\\nlude "{path}"',
        '#define FILE "{path}"\n#include FILE',
        '#include_next "{path}"',
        '#import "{path}"',
        '%:include "{path}"',
        '??=include "{path}"',
        'constant char data[] = {{\n#embed "{path}"\n}};',
        '#if __has_include("{path}")\n#error it is there\n#endif',
        '#pragma GCC dependency "{path}"',
        '_Pragma("include \\"{path}\\"")',
    ],
)
def test_no_file_is_read(device: Device, secret: Path, directive: str) -> None:
    source = directive.format(path=secret) + "\n" + HEADER + KERNEL.format("x[i] = tell_me;")
    with pytest.raises(CompileError) as refused:
        device.compile(source)
    assert "secret_word" not in str(refused.value)
    assert "it is there" not in str(refused.value)


@pytest.mark.parametrize("file", ["kernel.metal", "./kernel.metal", "0.cl"])
def test_the_source_cannot_include_itself(device: Device, file: str) -> None:
    guard = f'#ifndef ONCE\n#define ONCE\n#include "{file}"\n#endif\n'
    with pytest.raises(CompileError):
        device.compile(HEADER + guard + KERNEL.format("x[i] = 1;"))


@pytest.mark.parametrize(
    ("declaration", "statement"),
    [
        ('extern "C" int system(const char *);', "char c[3] = {'l', 's', 0}; x[i] = system(c);"),
        ('extern "C" int getpid();', "x[i] = getpid();"),
        ("extern device int environ;", "x[i] = environ;"),
        ("", '__builtin_printf("%d", 1);'),
        ('extern "C" void metal_stop();', "metal_stop();"),
    ],
)
def test_nothing_of_the_host_can_be_called(device: Device, declaration: str, statement: str) -> None:
    with pytest.raises(CompileError):
        device.compile(HEADER + declaration + "\n" + KERNEL.format(statement))


@pytest.mark.parametrize(
    "statement",
    ['asm("nop");', '__asm__ volatile("syscall");', "__asm nop", '#define A as##m\nA("nop");'],
)
def test_no_inline_assembly(device: Device, statement: str) -> None:
    with pytest.raises(CompileError):
        device.compile(HEADER + KERNEL.format("\n" + statement + "\n"))


@pytest.mark.parametrize(
    "bomb",
    [
        "template <int N> struct S { typename S<N - 1>::type a; typedef S<N> type; }; S<100000> s;",
        "#define A(x) x x x x x x x x x x\nint a = A(A(A(A(A(A(A(A(1 +)))))))) 0;",
        "template <int A, int B> struct T { static constexpr int v = T<A - 1, B>::v + T<A, B - 1>::v; };\n"
        "constant int v = T<200, 200>::v;",
        "constexpr int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\nconstant int v = f(60);",
    ],
)
def test_a_compile_bomb_is_stopped(cache: Cache, bomb: str) -> None:
    with Device(cache=cache, toolchain=Toolchain(Limits(memory=1 << 30), timeout=1.5)) as device:
        started = time.monotonic()
        with pytest.raises(CompileError) as refused:
            device.compile(HEADER + bomb + "\n" + KERNEL.format("x[i] = 1;"))
        assert time.monotonic() - started < 8
    assert refused.value.diagnostics
