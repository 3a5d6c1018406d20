"""A candidate's verdict does not depend on the processor: sources compile for all, and are right on those there are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from accepted_programs import PROGRAMS, promises

from metalsci.cpu_metal import ArchitectureError, Device
from metalsci.cpu_metal.compile.architecture import VARIABLE, Architecture
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain

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
