"""Text that source from outside may not contain."""

import time

import pytest

from metalsci.msl.rules.source_policy import refuse
from metalsci.msl.text.lexer import SourceText


def found(source: str) -> list[str]:
    return [str(d) for d in refuse(SourceText(source.encode()))]


@pytest.mark.parametrize(
    "source",
    [
        "#include <metal_stdlib>\n#include <metal_math>\n#include <simd/simd.h>\n#  include <metal_atomic> // x",
        '#include "metal_stdlib"',
        "// #include </etc/passwd> asm __builtin_trap\n",
        '/* asm("x") */ constant int assembly = 1; // __has_include',
        "#define WIDTH 4\n#pragma unroll\n#if WIDTH > 2\n#endif\n",
        "constant int a_builtin_ = 1;",
        "#pragma clang loop unroll(full)\n#pragma METAL fp math_mode(safe)\n#pragma nobody knows\n#pragma unroll 4\n",
        '#define UNROLL _Pragma("unroll") _Pragma("clang loop vectorize(enable)")',
        "#define PRAGMA(x) _Pragma(#x)\nPRAGMA(unroll) // GCC",
        "#define CAT(a, b) a##_##b\nint a, s, m, x__; int CAT(in, asm_) = __LINE__;",
        "__attribute__((always_inline, noinline, aligned(16), packed, unused)) int section(int used) { return used; }",
        "constant int t[[buffer(0)]] = alias[weak[1]];",
        "int n = __builtin_ctz(8) + __builtin_popcountll(7) + __builtin_clz(1);",
        "// π × ∞\nconstant int c = '\\x41'; // \xff",
        "int a = 1;\r\nint b = 2;\r\n",
    ],
)
def test_allowed(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("#include </etc/passwd>", "1:10"),
        ('\n#include "secret.h"', "2:10"),
        ("#import <stdio.h>", "1:9"),
        ("#include_next <metal_stdlib.h>", "1:15"),
        ("#include <../metal_stdlib>", "1:10"),
        ("#include <metal_stdlib/../../x>", "1:10"),
        ("#include <simd/../../x.h>", "1:10"),
        ("%:include <stdio.h>", "1:11"),
        ("/* a */ # /* b */ include <stdio.h>", "1:27"),
        ('#inc\\\nlude "x.h"', "1:10"),
        ("\\\n#include <x.h>", "1:10"),
        # What the compiler takes for white space or for the end of a line, or drops.
        ("int a;\r#include <x.h>\r", "2:10"),
        ("#inc\\\f\nlude <x.h>", "1:10"),
        ("// \\\x00\n#include <x.h>", "2:10"),
        ("\x00#include <x.h>", "1:11"),
        ("\ufeff#include <x.h>", "1:13"),
        ("\u00a0\u2003#include <x.h>", "1:15"),
        ("\U0001f980#include <x.h>", "1:14"),
    ],
)
def test_only_metals_headers_can_be_included(source: str, place: str) -> None:
    (message,) = found(source)
    assert message.startswith(f"{place}: error: '") and message.endswith("only Metal's own headers can be included")


def test_a_header_must_be_named() -> None:
    assert found("#define H <stdio.h>\n#include H\n") == ['2:10: error: expected "FILENAME" or <FILENAME>']


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('#embed "/etc/passwd"', "1:8: error: '#embed' cannot be used here"),
        ('#if __has_include("/etc/passwd")\n#endif', "1:5: error: '__has_include' cannot be used here"),
        ('#if __has_embed("x")\n#endif', "1:5: error: '__has_embed' cannot be used here"),
        ('#define HAS __has_include("x")', "1:13: error: '__has_include' cannot be used here"),
        ('kernel void f() { asm("nop"); }', "1:19: error: inline assembly is not supported in Metal"),
        ('kernel void f() { __asm__ volatile("nop"); }', "1:19: error: inline assembly is not supported in Metal"),
        ("#define RUN asm", "1:13: error: inline assembly is not supported in Metal"),
        ("void g() { __builtin_trap(); }", "1:12: error: use of undeclared identifier '__builtin_trap'"),
        ("void g() { __built\\\nin_trap(); }", "1:12: error: use of undeclared identifier '__builtin_trap'"),
        ('constant char *s = R"(" )"; void g() { asm(""); }', "1:40: error: inline assembly"),
        ('constant char *s = LR"x(" )x"; void g() { asm(""); }', "1:43: error: inline assembly"),
        ("constant int n = 1'000; void g() { asm(''); }", "1:36: error: inline assembly"),
        ("/* // */ void g() { asm(); }", "1:21: error: inline assembly"),
        ('#pragma GCC dependency "/etc/passwd"', "1:9: error: '#pragma GCC' cannot be used here"),
        ("#pragma clang __debug crash", "1:9: error: '#pragma clang' cannot be used here"),
        ("#pragma clang module load x", "1:9: error: '#pragma clang' cannot be used here"),
        ('_Pragma("GCC dependency \\"x\\"")', "1:1: error: '#pragma GCC' cannot be used here"),
        ('#define P _Pragma("comment(lib)")', "1:11: error: '#pragma comment' cannot be used here"),
        ("// \\\n asm();\nvoid g() { asm(); }", "3:12: error: inline assembly"),
        ("int a;\r// asm\rvoid g() { asm(); }", "3:12: error: inline assembly"),
        ("#pragma OPENCL EXTENSION all : enable", "1:9: error: '#pragma OPENCL' cannot be used here"),
        ("#pragma weak f = g", "1:9: error: '#pragma weak' cannot be used here"),
        ("#pragma redefine_extname f system", "1:9: error: '#pragma redefine_extname' cannot be used here"),
        ('#define D "GCC dependency \\"x\\""\n_Pragma(D)', "2:1: error: '#pragma GCC' cannot be used here"),
        ("#define D(x) _Pragma(#x)\nD(OPENCL EXTENSION x : enable)", "1:14: error: '#pragma OPENCL' cannot be used"),
        # Words that macros paste together.
        ("#define P(a, b) a##b\nP(__built, in_trap)();", "1:18: error: use of undeclared identifier '__builtin_'"),
        ("#define P(a, b) a %:%: b\nP(__atom, ic_load)();", "1:19: error: use of undeclared identifier '__atomic_'"),
        ("#define P(a, b) a##b\n#if P(__has_,include)(<x>)\n#endif", "1:18: error: '__has_include' cannot be used"),
        ("#define P(a, b) a##b\n#if P(P(_, _has), _embed)(<x>)\n#endif", "1:18: error: '__has_embed' cannot be used"),
        ('#define P(a, b) a##b\nP(_Prag, ma)("x")', "1:18: error: '#pragma ' cannot be used here"),
        # Attributes that decide what a symbol is to a linker or a caller.
        ("__attribute__((constructor)) void f();", "1:16: error: 'constructor' attribute cannot be used here"),
        ('__attribute__ ((aligned(8), __section__("x")))', "1:29: error: '__section__' attribute cannot be used"),
        ("#define A __attribute__((ifunc(x)))", "1:26: error: 'ifunc' attribute cannot be used here"),
        ('[[gnu::alias("x")]] void f();', "1:8: error: 'alias' attribute cannot be used here"),
        ("void f() { __attribute((cleanup(g))) int n; }", "1:25: error: 'cleanup' attribute cannot be used here"),
    ],
)
def test_refused(source: str, message: str) -> None:
    (refused,) = found(source)
    assert refused.startswith(message)


def test_lines_after_a_splice_keep_their_numbers() -> None:
    assert found("#define A \\\n 1 \\\n 2\n\nvoid g() { asm(); }")[0].startswith("5:12:")


def test_a_source_has_a_length_that_can_be_read() -> None:
    longest = "//" + " " * ((1 << 20) - 2)
    assert found(longest) == []
    assert found(longest + "\nasm") == ["0:0: error: the source is longer than 1,048,576 bytes"]


@pytest.mark.parametrize(
    "piece", ["[[", "__attribute__((", "_Pragma ", "(", '"', 'R"(', "/*", "#if 1\n", "\\\n", "a##"]
)
def test_reading_takes_time_in_proportion_to_the_text(piece: str) -> None:
    source = piece * (200_000 // len(piece))
    started = time.process_time()
    found(source)
    assert time.process_time() - started < 4
