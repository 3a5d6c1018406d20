"""No macro tells a kernel the software device from Apple's compiler, and no reserved name reaches past Metal."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch
from metalsci.cpu_metal.compile.toolchain import INCLUDE

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNEL = "kernel void k(device int *o, uint t [[thread_position_in_grid]])"
TOLD = (
    "__x86_64__", "__aarch64__", "__AVX2__", "__AVX512F__", "__ARM_NEON", "__linux__", "__unix__", "cl_khr_fp64",
    "__OPENCL_CPP_VERSION__",
    "METAL_FAST_MATH", "__METAL_CPU__", "__VERSION__", "__clang_version__", "__FILE__", "__TIME__", "__DATE__",
    "__COUNTER__", "__BIGGEST_ALIGNMENT__", "cl_khr_fp16", "__PIC__",
)  # fmt: skip
METALS = ("__METAL__", "__METAL_VERSION__", "__FAST_MATH__", "__LINE__", "__clang__", "__FLT_MAX__", "__CHAR_BIT__")


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device(threads=1) as device:
        yield device


def defined(device: Device, names: Sequence[str]) -> list[str]:
    """Return those of the names that are macros."""
    tests = "".join(f"#ifdef {name}\n    o[{i}] = 1;\n#endif\n" for i, name in enumerate(names))
    library = device.compile(f"{HEADER}{KERNEL} {{\n    o[{len(names)}] = 1;\n{tests}}}")
    out = device.buffer(np.zeros(len(names) + 1, np.int32))
    device.run(device.encode([Dispatch(library.kernels["k"], {0: out}, (1, 1, 1), (1, 1, 1))]))
    return [name for name, found in zip(names, out.array, strict=False) if found]


def test_macros_of_the_host_are_hidden_and_metals_are_not(device: Device) -> None:
    assert defined(device, TOLD + METALS) == list(METALS)


def test_all_that_is_hidden_is_a_name_of_the_host_or_of_opencl(device: Device) -> None:
    hidden = re.findall(r"^#undef (\w+)$", (INCLUDE / "metal_hidden").read_text(), re.MULTILINE)
    assert set(TOLD) - {"__METAL_CPU__"} <= set(hidden)
    assert not set(METALS) & set(hidden)
    assert defined(device, [name for name in hidden if not name.startswith("__opencl_")]) == []  # which are refused


@pytest.mark.parametrize(
    "statement",
    [
        "__int128 v = 1; o[t] = int(v);",
        "metal::_Dispatch d;",
        "__scoped_atomic_load_n(o, 0, 0);",
        "__c11_atomic_load(o, 0);",
    ],
)
def test_reserved_names_are_refused(device: Device, statement: str) -> None:
    with pytest.raises(CompileError):
        device.compile(f"{HEADER}{KERNEL} {{ {statement} }}")
