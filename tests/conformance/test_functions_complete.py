"""The headers declare the names in Metal's specification, and none that the suite does not test."""

import re
import subprocess

import pytest
from elementary import ELEMENTARY
from exact import EXACT_FUNCTIONS
from integers import FUNCTIONS as INTEGER_FUNCTIONS
from lanes import FUNCTIONS as LANE_FUNCTIONS
from test_functions_atomic import FETCHES
from test_functions_geometric import FUNCTIONS as VECTOR_FUNCTIONS
from test_functions_relational import TESTS

from metalsci.cpu_metal.compile.toolchain import INCLUDE, Toolchain

# Tables of the Metal Shading Language Specification.
SPECIFIED = {
    "6.1 common": "clamp mix saturate sign smoothstep step",
    "6.2 integer": "abs absdiff addsat clamp clz ctz extract_bits hadd insert_bits mad24 madhi madsat max max3 median3"
    " min min3 mul24 mulhi popcount reverse_bits rhadd rotate subsat",
    # And `not`, which is an operator.
    "6.3 relational": "all any isfinite isinf isnan isnormal isordered isunordered select signbit",
    "6.4 math": "acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh cospi divide exp exp2 exp10 fabs abs"
    " fdim floor fma fmax max fmax3 max3 fmedian3 median3 fmin min fmin3 min3 fmod fract frexp ilogb ldexp log log2"
    " log10 modf nextafter pow powr rint round rsqrt sin sincos sinh sinpi sqrt tan tanh tanpi trunc",
    "6.8 matrix": "determinant transpose",
    "6.9, 6.10 simdgroup matrix": "make_filled_simdgroup_matrix simdgroup_load simdgroup_store simdgroup_multiply"
    " simdgroup_multiply_accumulate",
    "6.11 geometric": "cross distance distance_squared dot faceforward length length_squared normalize reflect refract",
    "6.12 synchronisation": "threadgroup_barrier simdgroup_barrier",
    "6.14, 6.15 simdgroup": " ".join(f"simd_{function.name}" for function in LANE_FUNCTIONS),
    "6.16 to 6.18 quad": " ".join(f"quad_{function.name}" for function in LANE_FUNCTIONS),
    "6.15.4 atomic": "atomic_store_explicit atomic_load_explicit atomic_exchange_explicit"
    " atomic_compare_exchange_weak_explicit atomic_min_explicit atomic_max_explicit "
    + " ".join(f"atomic_fetch_{fetch.name}_explicit" for fetch in FETCHES),
}
# Tested one by one, beside the tables.
BY_HAND = {
    "test_functions_math": "sincos",
    "test_functions_exact": "nextafter",
    "test_functions_integer": "extract_bits insert_bits",
    "test_functions_relational": "isnormal select all any",
    "test_functions_geometric": "refract transpose determinant",
    "test_functions_matrix_of_simdgroups": SPECIFIED["6.9, 6.10 simdgroup matrix"] + " simdgroup_barrier",
    "test_functions_atomic": SPECIFIED["6.15.4 atomic"],
    "test_execution_semantics": "threadgroup_barrier",
}
# Types and their traits, the constants of enumerations, and what the language's own tests use.
NOT_OF_THE_LIBRARY = re.compile(
    r"(packed_)?(bool|u?char|u?short|u?int|u?long|half|bfloat|float)\d?(x\d)?|(is|remove|make|enable|decay|conditional)_\w+"
    r"|\w+_t|\w+_type|simdgroup_(matrix|float8x8|half8x8|bfloat8x8)|memory_order\w*|thread_scope\w*|mem_flags|\w+_vote"
    r"|(packed_)?vec|vec_elements|matrix|array|uniform|make_uniform|numeric_limits|conditional|enable_if|integral_constant|bool_constant"
    r"|integer_sequence|index_sequence|make_index_sequence|pair|swap|move|forward|declval|fast|precise|[A-Z]\w*"
)


@pytest.fixture(scope="module")
def declared() -> set[str]:
    """Return the names in namespace metal, and in the two of its math modes, as Clang lists them for <metal_stdlib>."""
    language = ["-x", "cl", "-cl-std=clc++2021", "-cl-no-stdinc", "-nostdinc", "-include", "metal_keywords"]
    listing = ["-fsyntax-only", "-Xclang", "-ast-list", str(INCLUDE / "metal_stdlib")]
    command = [Toolchain().zig, "clang", "-target", "x86_64-linux-gnu", *language, "-I", str(INCLUDE), *listing]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    found = {re.sub("^metal::(fast::|precise::)?", "", name) for name in names if name.startswith("metal::")}
    return {name for name in found if re.fullmatch(r"[A-Za-z]\w*", name)}


def covered() -> set[str]:
    names = {name for text in BY_HAND.values() for name in text.split()}
    names |= set(ELEMENTARY) | {name.split(":")[0] for name in EXACT_FUNCTIONS}
    names |= {function.name for function in INTEGER_FUNCTIONS} | {function.name for function in VECTOR_FUNCTIONS}
    names |= {call.split("(")[0] for call in TESTS if "(" in call}
    return names | {f"{group}_{function.name}" for group in ("simd", "quad") for function in LANE_FUNCTIONS}


def test_no_function_of_the_headers_is_left_out(declared: set[str]) -> None:
    functions = {name for name in declared if not NOT_OF_THE_LIBRARY.fullmatch(name)}
    assert len(functions) > 160
    assert functions - covered() == set()


@pytest.mark.parametrize("table", SPECIFIED)
def test_no_function_of_the_specification_is_missing(declared: set[str], table: str) -> None:
    assert set(SPECIFIED[table].split()) - declared == set()


def test_each_is_there_in_the_namespaces_of_the_math_modes() -> None:
    """Check tables 6.1, 6.4 and 6.11, as fast:: and as precise::."""
    source = "".join(
        f"namespace names {{ using metal::{space}::{name}; }}\n"
        for space in ("fast", "precise")
        for table in ("6.1 common", "6.4 math", "6.11 geometric")
        for name in SPECIFIED[table].split()
    )
    language = ["-x", "cl", "-cl-std=clc++2021", "-cl-no-stdinc", "-nostdinc", "-include", "metal_keywords"]
    command = [
        Toolchain().zig,
        "clang",
        "-target",
        "x86_64-linux-gnu",
        *language,
        "-I",
        str(INCLUDE),
        "-fsyntax-only",
        "-",
    ]
    run = subprocess.run(
        command, input=f"#include <metal_stdlib>\n{source}", capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
