"""When two sources are the same program."""

import re

import pytest

from metalsci.files.locations import data
from metalsci.msl.language.program_form import likeness
from metalsci.msl.language.spelling import spelling, structure


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int a ; // one\n", "int  a;"),
        ("a /* b */ + c", "a+c"),
        ("f(a , b)", "f(a,\n  b)"),
    ],
)
def test_comments_and_blanks_make_no_new_source(one: str, other: str) -> None:
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int ab;", "int a b;"),
        ("a+ ++b", "a++ +b"),
        ("a - -b", "a--b"),
        ("#define F (x)\n", "#define F(x)\n"),
        ("#define N 1\n2", "#define N 1 2"),
        ('"a  b"', '"a b"'),
        ("1.0f", "1.0"),
    ],
)
def test_what_means_something_else_is_another_source(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


HELPED = """#include <metal_stdlib>
using namespace metal;
constant float WEIGHT = 0.5f;
struct Pair { float a; float b; };
static float twice(float v) { return WEIGHT * v; }
static float thrice(float v) { return twice(v) + v; }
kernel void step(device const float *x, device float *out, constant uint &n, uint i [[thread_position_in_grid]]) {
    if (i >= n) return;
    Pair p = {x[i], 1.0f};
    const float2 q = float2(p.a, p.b);
    for (uint k = 0; k < 4; ++k) out[i] = dot(q, q.yx) + thrice(x[i]);
}
"""


def replaced(*pairs: tuple[str, str]) -> str:
    text = HELPED
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "other",
    [
        replaced(("float v)", "float w)"), ("* v;", "* w;"), ("+ v;", "+ w;"), ("(v)", "(w)")),
        replaced(("q", "quaint")),
        replaced(("WEIGHT", "Half"), ("twice", "first"), ("thrice", "other")),
        replaced(("uint i ", "uint where "), ("i >=", "where >="), ("[i]", "[where]")),
        replaced(
            ("constant float WEIGHT = 0.5f;\n", ""),
            ("using namespace metal;", "using namespace metal;\nstatic float twice(float v);"),
            ("static float twice(float v);", "constant float WEIGHT = 0.5f;"),
        ),
        HELPED.replace("struct Pair { float a; float b; };\n", "").replace(
            "kernel", "struct Pair { float a; float b; };\nkernel"
        ),
    ],
    ids=["parameter", "local", "globals", "position", "same place", "order"],
)
def test_names_and_order_make_no_new_source(other: str) -> None:
    assert spelling(other) == spelling(HELPED)
    assert likeness(structure(other), structure(HELPED)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replaced(("dot(", "distance(")),
        replaced(("thread_position_in_grid", "thread_position_in_threadgroup")),
        replaced(("q.yx", "q.xy")),
        replaced(("p.a, p.b", "p.b, p.a")),
        replaced(("0.5f", "0.25f")),
        replaced(("thrice(x[i])", "twice(x[i])")),
        replaced(("WEIGHT * v", "v * v")),
        replaced(("float2(p.a, p.b)", "float2(x[i], p.b)")),
        replaced(("x[i], 1.0f", "out[i], 1.0f")),
        replaced(("void step", "void other_step")),
    ],
)
def test_other_programs_are_spelled_otherwise(other: str) -> None:
    assert spelling(other) != spelling(HELPED)
    assert 0.3 < likeness(structure(other), structure(HELPED)) <= 1


@pytest.mark.parametrize("task", sorted(path.name for path in data("tasks").iterdir() if path.is_dir()))
def test_every_seed_kernel_with_other_names_is_the_same(task: str) -> None:
    seed = (data("tasks") / task / "seed.metal").read_text()
    name = next(name for name in ("gid", "i", "u", "c", "n") if re.search(rf"\b{name}\b", seed))
    renamed = re.sub(rf"(?<![\w.])(?<!->){name}\b", "somewhere", seed)
    assert renamed != seed
    assert spelling(renamed) == spelling(seed)
    example = next((data("tasks") / task / "examples").glob("*.metal")).read_text()
    assert spelling(example) != spelling(seed)
    assert likeness(structure(example), structure(seed)) < 0.95


def test_hostile_text_is_spelled_too() -> None:
    for text in ("", "}" * 1000, "{(" * 5000, "[[" * 1000, "#define x\n" * 100, "kernel void f(", "\x00\ud800"):
        assert spelling(text)
        structure(text)
