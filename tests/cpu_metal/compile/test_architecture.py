"""Kernels for another processor than this one: chosen by a name, run if this processor can, refused in a sentence."""

import platform
from pathlib import Path

import pytest

from metalsci.cpu_metal import ArchitectureError, Device
from metalsci.cpu_metal.compile.architecture import VARIABLE, Architecture, instructions, told
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain

SOURCE = "#include <metal_stdlib>\nkernel void k(device float *x [[buffer(0)]]) { x[0] = metal::floor(x[1]); }"
x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="names an x86-64 level")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv(VARIABLE, raising=False)
    return monkeypatch


def test_the_name_that_is_given_comes_before_the_variable_and_that_before_this_processor(
    unset: pytest.MonkeyPatch,
) -> None:
    assert Architecture.chosen(None).name == "native"
    unset.setenv(VARIABLE, "x86-64-v2")
    assert Architecture.chosen(None) == Architecture("x86-64-v2", VARIABLE)
    assert Architecture.chosen("native").name == "native"


def test_an_empty_name_chooses_nothing(unset: pytest.MonkeyPatch) -> None:
    unset.setenv(VARIABLE, "")
    assert Architecture.chosen(None).name == Architecture.chosen("").name == "native"


@pytest.mark.parametrize("name", ["a-toaster", "x86-64-v2 -v"])
def test_an_unknown_architecture_gets_a_sentence(name: str) -> None:
    with pytest.raises(ArchitectureError, match=f"architecture={name}: the compiler knows no such .*; choose .*native"):
        Device(architecture=name)


def test_the_variable_is_named_where_it_is_at_fault(unset: pytest.MonkeyPatch) -> None:
    unset.setenv(VARIABLE, "a-toaster")
    with pytest.raises(ArchitectureError, match=f"{VARIABLE}=a-toaster"):
        Device()


@x86_only
def test_what_this_processor_cannot_run_is_refused_before_it_is_run(tmp_path: Path) -> None:
    """No processor has all of these: AVX-512's FP16 of Intel and FMA4 of AMD."""
    name = "sapphirerapids" if "AVX512FP16" not in instructions(Toolchain()) else "bdver4"
    with pytest.raises(ArchitectureError, match=r"lacks instructions .* \(.*\); choose .*x86-64-v2, native"):
        Device(architecture=name, cache=Cache(tmp_path))
    assert not list(tmp_path.iterdir())


@x86_only
def test_the_architecture_is_part_of_the_caches_key(unset: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def code(architecture: str | None) -> bytes:
        with Device(architecture=architecture, cache=cache) as device:
            return device.compile(SOURCE).kernels["k"].code

    first, second = code("x86-64"), code("x86-64-v2")
    assert first != second
    assert (code("x86-64"), code("x86-64-v2")) == (first, second)
    entries = [path for path in tmp_path.iterdir() if not path.name.startswith(("prelude-", "launcher-", "runtime-"))]
    assert len(entries) == 2
    unset.setenv(VARIABLE, "x86-64-v2")
    assert code(None) == second
    assert len(list(tmp_path.glob("prelude-*"))) == 2


@x86_only
def test_instructions_are_those_that_bear_on_kernels() -> None:
    third = instructions(Toolchain(architecture="x86-64-v3"))
    assert third >= {"AVX2", "FMA", "F16C", "BMI2"}
    assert not any(name.startswith(("AVX512", "MWAITX", "RDPRU")) for name in third)
    assert told(third) == "AVX2, FMA, F16C; halfs as floats"
    assert told(instructions(Toolchain(architecture="x86-64-v2"))) == "SSE4.2; halfs as floats"
    rapids = told(instructions(Toolchain(architecture="sapphirerapids")))
    assert rapids == "AVX512F, FMA, F16C, AVX512FP16, AVX512BF16; halfs by themselves"


def test_processors_of_apple_have_names_and_halfs() -> None:
    apple = Toolchain(target="aarch64-linux-gnu", architecture="apple-m1")
    assert "FP16" in told(instructions(apple))
    assert told(instructions(apple)).endswith("halfs by themselves")
    plain = Toolchain(target="aarch64-linux-gnu", architecture="armv8-a")
    assert told(instructions(plain)).endswith("halfs as floats")
