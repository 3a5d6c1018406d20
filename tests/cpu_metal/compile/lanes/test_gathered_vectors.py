"""Vectors of two and four elements that each thread loads from a place of its own, or stores there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import own_places
from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
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
kernel void to_{kind}(device const {kind} *s, device const uint *p, device {kind} *o,
                    uint i [[thread_position_in_grid]]) {{
    if (p[i] % 3 == 1) {{
        o[p[i]] = s[i] * 2;
    }} else {{
        o[p[i]] = s[i].{other};
    }}
}}
"""
KINDS = {
    **{f"{kind}2": ("yx", f"{dtype}4") for kind, dtype in (("float", "f"), ("uint", "u"))},
    **{f"{kind}4": ("wzyx", f"{dtype}4") for kind, dtype in (("float", "f"), ("int", "i"))},
    "half4": ("yxwz", "f2"),
    "long2": ("yx", "i8"),
}  # fmt: skip
HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
SOURCE = HEADER + "".join(KERNEL.format(kind=kind, other=other) for kind, (other, _) in KINDS.items())


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


@pytest.mark.parametrize("kind", KINDS)
def test_each_thread_writes_to_its_own_place(lanes: Device, kind: str) -> None:
    given, places, want = example_of_stores(kind)
    np.testing.assert_array_equal(found(lanes, kind, given, places, "to"), want)


def example_of_stores(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    given, places, _ = example(kind)
    other, dtype = KINDS[kind]
    order = ["xyzw".index(each) for each in other]
    want = np.empty_like(given)
    want[places] = np.where((places % 3 == 1)[:, None], given * np.array(2, dtype), given[:, order])
    return given, places, want


def found(device: Device, kind: str, given: np.ndarray, places: np.ndarray, way: str = "of") -> np.ndarray:
    out = device.buffer(np.zeros_like(given))
    built = device.compile(SOURCE).kernels[f"{way}_{kind}"]
    arguments = {0: device.buffer(given), 1: device.buffer(places), 2: out}
    device.run([Dispatch(built, arguments, threads=(THREADS,), threadgroup=(THREADS,))])
    return np.array(out.array)


@pytest.mark.parametrize("kind", ["float2", "float4"])
def test_lanes_in_the_wrong_order_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    pairs, quads = own_places._load_pairs, own_places._load_quads
    monkeypatch.setattr(own_places, "_load_pairs", lambda *each: pairs(*each)[::-1])
    monkeypatch.setattr(own_places, "_load_quads", lambda *each: quads(*each)[::-1])
    given, places, want = example(kind)
    toolchain = Toolchain(execution=ThreadExecution.LANES)
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as device:
        assert (found(device, kind, given, places) != want).any()


@pytest.mark.parametrize("kind", ["float2", "float4"])
def test_stored_lanes_in_the_wrong_order_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    pairs, quads = own_places._store_pairs, own_places._store_quads
    monkeypatch.setattr(
        own_places, "_store_pairs", lambda values, element, where, new: pairs(values, element, where, new[::-1])
    )
    monkeypatch.setattr(
        own_places, "_store_quads", lambda values, element, where, new: quads(values, element, where, new[::-1])
    )
    given, places, want = example_of_stores(kind)
    toolchain = Toolchain(execution=ThreadExecution.LANES)
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as device:
        assert (found(device, kind, given, places, "to") != want).any()


def test_elements_side_by_side_are_stored_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A scatter takes some 25 operations for eight elements: transforms took 1.4 times as long."""
    two, four = (written(monkeypatch, tmp_path, kind) for kind in ("float2", "float4"))
    assert "scatter.v8i64" in two
    assert "scatter.v8f32" not in two
    assert "scatter" not in four
    assert "store <4 x float>" in four


def test_with_mask_registers_masks_say_which_lanes_access_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else addresses are chosen for each lane: eight operations of an inner loop of lj."""
    assert chooses_addresses(written(monkeypatch, tmp_path / "without", "float2"))
    monkeypatch.setattr(Code, "has_mask_registers", True)
    monkeypatch.setattr(Code, "shift_counts", lambda self, count: self.splat("i32", count))
    assert not chooses_addresses(written(monkeypatch, tmp_path / "with", "float2"))
    given, places, want = example("float2")
    toolchain = Toolchain(execution=ThreadExecution.LANES, architecture="x86-64-v3")
    with Device(cache=Cache(tmp_path / "run"), toolchain=toolchain) as device:
        np.testing.assert_array_equal(found(device, "float2", given, places), want)


def chooses_addresses(module: str) -> bool:
    return any("select" in line and "<8 x ptr>" in line for line in module.splitlines())


def written(monkeypatch: pytest.MonkeyPatch, folder: Path, kind: str) -> str:
    """Return the modules that are made of a kind's kernels for eight lanes, as one text."""
    modules: list[str] = []

    def spy(*given: Any, **how: Any) -> InLanes:
        made = in_lanes(*given, **how)
        modules.append(made.module)
        return made

    monkeypatch.setattr(kernel_build, "in_lanes", spy)
    toolchain = Toolchain(execution=ThreadExecution.LANES, architecture="x86-64-v3")
    with Device(cache=Cache(folder), toolchain=toolchain) as device:
        device.compile(HEADER + KERNEL.format(kind=kind, other=KINDS[kind][0]))
    assert len(modules) == 2
    return "\n".join(modules)


@pytest.mark.parametrize("architecture", ["native", "x86-64-v3"])
def test_a_gate_on_qubits_is_left_to_llvm(architecture: str) -> None:
    """Taking a vector apart and putting one together is no work in lanes: it took 1.6 times as long."""
    with Device(architecture=architecture) as device:
        built = device.compile((data("tasks") / "qsim" / "seed.metal").read_text()).kernels["qsim_gate"]
    assert "in the lanes of vectors" not in built.how
