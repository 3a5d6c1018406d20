"""Whatever a file looks like, reading it ends, and with nothing but diagnostics."""

import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import lower
from metalsci.msl.mlx.python_export import export_python
from metalsci.msl.rules.metal_rules import check

SOURCES = [path.read_text() for path in sorted((Path(__file__).parent / "kernels").glob("*.metal"))]
PIECES = [
    "{", "}", "(", ")", "[[", "]]", "#define X ", "#if ", "#else\n", "#endif\n", "kernel ", "template <typename T> ",
    "\\\n", '"', "'", "/*", "*/", "//", "[[kernel]]", "device ", "&", "*", "<", ">", ";", ",", "\x00", "²", "##",
    "max_total_threads_per_threadgroup(", '[[host_name("a")]] ', "restrict ", "using T = ", "=", "0x", 'R"(',
]  # fmt: skip
EDIT = st.tuples(st.integers(0, 2000), st.integers(0, 60), st.sampled_from(["", *PIECES]))


def read(source: str) -> None:
    unit = parse(source)
    check(unit, unit.kernels)
    try:
        export_python(lower(unit).values(), title="mutated")
    except CompileError as error:
        assert error.diagnostics


@given(st.sampled_from(SOURCES), st.lists(EDIT, min_size=1, max_size=8))
@settings(max_examples=200, deadline=2000)
def test_mutated_files(source: str, edits: list[tuple[int, int, str]]) -> None:
    for start, length, piece in edits:
        source = source[:start] + piece + source[start + length :]
    read(source)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=2000)
def test_any_text(source: str) -> None:
    read(source)


def test_a_file_of_many_kernels_takes_time_in_proportion_to_the_text_it_becomes() -> None:
    source = "".join(f"kernel void k{i}(device float *x) {{ x[0] = {i}; }}\n" for i in range(500))
    started = time.process_time()
    read(source)
    assert time.process_time() - started < 5
