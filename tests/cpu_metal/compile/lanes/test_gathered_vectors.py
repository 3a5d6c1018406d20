"""Vectors of two and four elements that each thread loads from a place of its own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import memory
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution
from metalsci.files.locations import data

THREADS = 100
KERNEL = """
kernel void of_{kind}(device const {kind} *s, device const uint *p, device {kind} *o,
                    uint i [[thread_position_in_grid]]) {{
    if (p[i] % 3 == 1) {{
        o[i] = s[p[i]] * 2;
    }} else {{
        o[i] = s[p[p[i]]].{other};
    }}
}}
"""
KINDS = {
    **{f"{kind}2": ("yx", f"{dtype}4") for kind, dtype in (("float", "f"), ("uint", "u"))},
    **{f"{kind}4": ("wzyx", f"{dtype}4") for kind, dtype in (("float", "f"), ("int", "i"))},
    "half4": ("yxwz", "f2"),
    "long2": ("yx", "i8"),
}  # fmt: skip
SOURCE = "#include <metal_stdlib>\nusing namespace metal;\n" + "".join(
    KERNEL.format(kind=kind, other=other) for kind, (other, _) in KINDS.items()
)


@pytest.fixture(scope="module", params=["native", "x86-64-v3"])
def lanes(request: pytest.FixtureRequest) -> Iterator[Device]:
    toolchain = Toolchain(execution=ThreadExecution.LANES, architecture=request.param)
    with Device(toolchain=toolchain) as device:
        yield device


@pytest.mark.parametrize("kind", KINDS)
def test_each_thread_has_the_elements_of_its_own_place(lanes: Device, kind: str) -> None:
    given, places, want = example(kind)
    np.testing.assert_array_equal(found(lanes, kind, given, places), want)


def example(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    other, dtype = KINDS[kind]
    count = len(other)
    given = np.arange(THREADS * count).reshape(THREADS, count).astype(dtype)
    places = np.random.default_rng(1).permutation(THREADS).astype(np.uint32)
    order = ["xyzw".index(each) for each in other]
    want = np.where((places % 3 == 1)[:, None], given[places] * np.array(2, dtype), given[places[places]][:, order])
    return given, places, want


def found(device: Device, kind: str, given: np.ndarray, places: np.ndarray) -> np.ndarray:
    out = device.buffer(np.zeros_like(given))
    built = device.compile(SOURCE).kernels[f"of_{kind}"]
    arguments = {0: device.buffer(given), 1: device.buffer(places), 2: out}
    device.run([Dispatch(built, arguments, threads=(THREADS,), threadgroup=(THREADS,))])
    return np.array(out.array)


@pytest.mark.parametrize("kind", ["float2", "float4"])
def test_lanes_in_the_wrong_order_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    pairs, quads = memory._load_pairs, memory._load_quads
    monkeypatch.setattr(memory, "_load_pairs", lambda *each: pairs(*each)[::-1])
    monkeypatch.setattr(memory, "_load_quads", lambda *each: quads(*each)[::-1])
    given, places, want = example(kind)
    toolchain = Toolchain(execution=ThreadExecution.LANES)
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as device:
        assert (found(device, kind, given, places) != want).any()


@pytest.mark.parametrize("architecture", ["native", "x86-64-v3"])
def test_a_gate_on_qubits_is_left_to_llvm(architecture: str) -> None:
    """Taking a vector apart and putting one together is no work in lanes: it took 1.6 times as long."""
    with Device(architecture=architecture) as device:
        built = device.compile((data("tasks") / "qsim" / "seed.metal").read_text()).kernels["qsim_gate"]
    assert "in the lanes of vectors" not in built.how
