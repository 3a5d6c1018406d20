"""What source from outside may not contain."""

import pytest

from metalsci.msl.lexer import SourceText
from metalsci.msl.untrusted import refuse


def found(source):
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
    ],
)
def test_allowed(source):
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
    ],
)
def test_only_metals_headers_can_be_included(source, place):
    (message,) = found(source)
    assert message.startswith(f"{place}: error: '") and message.endswith("only Metal's own headers can be included")


def test_a_header_must_be_named():
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
    ],
)
def test_refused(source, message):
    (refused,) = found(source)
    assert refused.startswith(message)


def test_lines_after_a_splice_keep_their_numbers():
    assert found("#define A \\\n 1 \\\n 2\n\nvoid g() { asm(); }")[0].startswith("5:12:")
