"""A candidate's verdict does not depend on the processor: sources compile for all, and are right on those there are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from accepted_programs import PROGRAMS, promises
from llvm_operations import operations

from metalsci.cpu_metal import ArchitectureError, Device
from metalsci.cpu_metal.compile.architecture import VARIABLE, Architecture
from metalsci.cpu_metal.compile.elf import read_object
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.symbols import ALLOWED
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.msl.language.math_mode import MathMode

TESTS = Path(__file__).parents[1]
X86 = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "znver3", "znver5", "skylake-avx512", "icelake-server", "sapphirerapids")
ARM = ("armv8-a", "armv8.6-a", "apple-m1")
ELSEWHERE = [*(("x86_64-linux-gnu", name) for name in X86), *(("aarch64-linux-gnu", name) for name in ARM)]
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
CALLS = PROGRAMS / "calls.metal"
FILES = [*PROGRAMS.glob("*.metal"), *(TESTS / "msl" / "kernels").glob("*.metal")]
FILES += (TESTS.parent / "tasks").glob("*/seed.metal")
FILES += (TESTS.parent / "tasks").glob("*/examples/*.metal")
# Tests whose sources are Metal's whole library; and of these, and of the tasks, what is judged by a function's bounds.
COMPILED = [f"conformance/test_functions_{name}.py" for name in ("exact", "geometric", "integer", "lanes", "math")]
COMPILED += [f"conformance/test_functions_{name}.py" for name in ("atomic", "matrix_of_simdgroups", "relational")]
COMPILED += ["conformance/test_execution_semantics.py", "cpu_metal/test_language.py", "cpu_metal/test_execution.py"]
RUN = [*COMPILED, "conformance/test_accepted.py", "tasks/test_on_the_device.py", "cpu_metal/test_modes_agree.py"]
RUN += ["cpu_metal/test_half_arithmetic.py", "cpu_metal/test_conversions.py", "cpu_metal/test_division.py"]


def run_tests(files: list[str], *options: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--timeout", "1800", *options, *(str(TESTS / file) for file in files)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]


def refuse_foreign(level: str) -> None:
    try:
        Architecture(level).toolchain()
    except ArchitectureError as error:
        pytest.skip(str(error))


# ---- Compiled for every architecture


@pytest.mark.parametrize(("target", "architecture"), ELSEWHERE)
def test_what_becomes_a_call_compiles(cache: Cache, target: str, architecture: str) -> None:
    """The instructions that LLVM replaces by a function, and the loops that it takes for one of the C library."""
    toolchain = Toolchain(target=target, architecture=architecture)
    with Device(cache=cache, toolchain=toolchain) as device:
        assert device.compile(CALLS.read_text()).kernels.keys() == {promise.kernel for promise in promises(CALLS)}


def called(folder: Path, toolchain: Toolchain, text: str) -> frozenset[str]:
    """Return the symbols that the code for a module of LLVM's, as it is, leaves undefined."""
    (folder / "module.ll").write_text(text)
    run = toolchain.optimise(folder, "module.ll", "module.o", MathMode.safe, ["-O1", "-Xclang", "-disable-llvm-passes"])
    assert run.code == 0, run.messages
    return read_object((folder / "module.o").read_bytes()).undefined


SIZES = [
    pytest.param((1,), id="scalars"),
    pytest.param((2, 3, 4, 8, 16, 32), id="vectors", marks=[pytest.mark.conformance, pytest.mark.timeout(3600)]),
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("target", "architecture"), ELSEWHERE)
def test_every_operation_calls_what_the_device_process_has(
    tmp_path: Path, target: str, architecture: str, sizes: tuple[int, ...]
) -> None:
    toolchain = Toolchain(target=target, architecture=architecture, timeout=600)
    assert called(tmp_path, toolchain, operations(sizes)) <= ALLOWED


def test_an_operation_without_an_instruction_is_seen_as_a_call(tmp_path: Path) -> None:
    """The same look at what <metal_half> avoids and at an operation that Metal has not."""
    module = """
declare half @llvm.maxnum.f16(half, half)
define void @f(ptr %p, half %a, half %b) {
  %c = call half @llvm.maxnum.f16(half %a, half %b)
  %d = frem half %c, %a
  store half %d, ptr %p
  ret void
}
"""
    toolchain = Toolchain(target="x86_64-linux-gnu", architecture="x86-64-v2")
    assert called(tmp_path, toolchain, module) - ALLOWED == {"fmaxf", "fmodf"}


HALFS = {
    "greatest": "half m = x[0]; for (uint k = 0; k < n; ++k) m = max(m, x[k]); y[i] = m;",
    "greatest by choice": "half m = x[0]; for (uint k = 0; k < n; ++k) m = x[k] > m ? x[k] : m; y[i] = m;",
    "least by branch": "half m = x[0]; for (uint k = 0; k < n; ++k) if (x[k] < m) m = x[k]; y[i] = m;",
    "clamped": "half m = x[0]; for (uint k = 0; k < n; ++k) m = clamp(x[k], m, half(2)); y[i] = m;",
    "least of three": "half m = x[0]; for (uint k = 0; k < n; ++k) m = min3(x[k], m, x[k + 1]); y[i] = m;",
    "of a simdgroup": "y[i] = simd_max(simd_min(x[i]) + x[i]);",
    "vectors": "half4 m = v[0]; for (uint k = 0; k < n; ++k) m = fmin(m, v[k]); y[i] = max(max(m.x, m.y), m.z);",
}
REDUCTION = """#include <metal_stdlib>
using namespace metal;
kernel void {name}(device half *y, device const half *x, device const half4 *v, constant uint &n,
                   uint i [[thread_position_in_grid]]) {{
    {body}
}}
"""


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("architecture", ["x86-64-v2", "x86-64-v4"])
def test_loops_over_halfs_become_no_call(cache: Cache, architecture: str, mode: str) -> None:
    """LLVM's vectoriser makes reductions of its own."""
    toolchain = Toolchain(target="x86_64-linux-gnu", architecture=architecture)
    with Device(cache=cache, toolchain=toolchain) as device:
        for name, body in HALFS.items():
            kernel = name.replace(" ", "_")
            assert device.compile(REDUCTION.format(name=kernel, body=body), mode).kernels.keys() == {kernel}


@pytest.mark.conformance
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize(("target", "architecture"), ELSEWHERE)
def test_every_program_compiles(cache: Cache, target: str, architecture: str, mode: str) -> None:
    """Programs that must be accepted, kernels of MLX's kind, seed kernels and examples."""
    toolchain = Toolchain(target=target, architecture=architecture)
    with Device(cache=cache, toolchain=toolchain) as device:
        for path in FILES:
            assert device.compile(path.read_text(), mode).kernels, path


@pytest.mark.conformance
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("target", "architecture"), ELSEWHERE)
def test_the_whole_library_compiles(target: str, architecture: str) -> None:
    run_tests(COMPILED, "-p", "compile_elsewhere", METALSCI_ELSEWHERE=f"{target} {architecture}")


# ---- Run on what this processor can be taken for


@pytest.mark.parametrize("level", LEVELS)
def test_what_becomes_a_call_is_right(cache: Cache, level: str) -> None:
    refuse_foreign(level)
    with Device(1, architecture=level, cache=cache) as device:
        library = device.compile(CALLS.read_text(), "safe")
        for promise in promises(CALLS):
            promise.check(device, library.kernels[promise.kernel])


@pytest.mark.conformance
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("level", LEVELS)
def test_the_devices_own_tests_pass(level: str) -> None:
    refuse_foreign(level)
    run_tests(RUN, **{VARIABLE: level})
