"""The cache: by content, whole entries only, within its limit, under many processes."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache, default_folder, digest
from metalsci.cpu_metal.compile.toolchain import Toolchain

SOURCE = """#include <metal_stdlib>
kernel void twice(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] *= 2; }
"""


def compile_in(folder: Path) -> str:
    with Device(cache=Cache(folder)) as device:
        return digest(device.compile(SOURCE).kernels["twice"].code)


def kernels(folder: Path) -> list[Path]:
    """List entries of compiled sources, without those of Metal's precompiled headers and the compiler's launcher."""
    return [path for path in folder.iterdir() if not path.name.startswith(("prelude-", "launcher-", "runtime-"))]


def test_processes_that_compile_the_same_share_one_entry(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        codes = set(pool.map(compile_in, [tmp_path] * 6))
    assert len(codes) == 1
    assert len(kernels(tmp_path)) == 1


WORKER = """
import random, sys
from pathlib import Path
from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache

folder, seed, count, limit, grace = Path(sys.argv[1]), *map(int, sys.argv[2:])
rng = random.Random(seed)
with Device(threads=1, cache=Cache(folder, limit, grace)) as device:
    print("started", flush=True)
    for n in [rng.randrange(count) for _ in range(3 * count)]:
        source = f"kernel void k(device float *x [[buffer(0)]]) {{ x[0] *= {n}; }}"
        kernel = device.compile(source).kernels["k"]
        assert kernel.code[:4] == b"\\x7fELF"
        assert device.compile(source).kernels["k"].code == kernel.code
print("done", flush=True)
"""


def worker(folder: Path, *numbers: int) -> subprocess.Popen[str]:
    """Start a process on the cache. `numbers`: seed, how many different sources, the cache's limit and grace."""
    arguments = [str(folder), *map(str, numbers)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("limit", "grace"), [(1 << 30, 60), (0, 3)], ids=["none is pruned", "all are pruned"])
def test_processes_that_are_killed_anywhere_harm_no_other(tmp_path: Path, limit: int, grace: int) -> None:
    rng = random.Random(limit)
    lasting = [worker(tmp_path, seed, 12, limit, grace) for seed in range(2)]
    for seed in range(4):
        victim = worker(tmp_path, 100 + seed, 12, limit, grace)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "started\n"
        time.sleep(rng.uniform(0, 0.6))
        victim.kill()
        assert victim.wait() in (0, -signal.SIGKILL)
    assert [process.communicate(timeout=600)[0] for process in lasting] == ["started\ndone\n"] * 2
    with Device(cache=Cache(tmp_path, limit)) as device:  # what they left is whole
        for path in (path for path in kernels(tmp_path) if not path.name.startswith("tmp-")):
            assert {file.name for file in path.iterdir()} == {"0.so", "facts.json"}
        for n in range(12):
            kernel = device.compile(f"kernel void k(device float *x [[buffer(0)]]) {{ x[0] *= {n}; }}").kernels["k"]
            x = device.buffer(np.array([3], np.float32))
            device.run([Dispatch(kernel, {0: x}, (1,), (1,))])
            assert x.array[0] == 3 * n


def test_what_was_just_used_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=0, grace=1000)
    for age in (0, 900, 1100):
        path = cache.entry(str(age), lambda folder: (folder / "data").touch())
        (path / "data").write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    cache.entry("new", lambda folder: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "900", "new"]


def test_a_process_killed_in_the_middle_of_a_write_leaves_no_entry(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def write_half(folder: Path) -> None:
            (folder / "0.so").write_bytes(b"half")
            os.write(writing, b"!")
            time.sleep(60)

        Cache(tmp_path).entry("key", write_half)
        os._exit(1)
    assert os.read(reading, 1) == b"!"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert [path.name.startswith("tmp-") for path in tmp_path.iterdir()] == [True]
    whole = Cache(tmp_path).entry("key", lambda folder: None)
    assert list(whole.iterdir()) == []


def test_a_second_compile_starts_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_in(tmp_path)
    monkeypatch.setattr("metalsci.cpu_metal.compile.toolchain.subprocess.Popen", None)
    compile_in(tmp_path)


def test_math_mode_and_source_are_part_of_the_key(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        for source, math_mode in ((SOURCE, "fast"), (SOURCE, "safe"), (SOURCE + " ", "fast"), (SOURCE, "fast")):
            device.compile(source, math_mode)
    assert len(kernels(tmp_path)) == 3


def test_a_kernel_outlives_its_entry(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        kernel = device.compile(SOURCE).kernels["twice"]
        for entry in kernels(tmp_path):
            shutil.rmtree(entry)
        x = device.buffer(np.array([3], np.float32))
        device.run([Dispatch(kernel, {0: x}, (1,), (1,))])
        assert x.array[0] == 6


def test_a_refused_source_leaves_nothing(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device, pytest.raises(CompileError):
        device.compile(SOURCE + "oops")
    assert kernels(tmp_path) == []


def test_a_crash_in_the_middle_of_writing_leaves_no_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def write_half(folder: Path) -> None:
        (folder / "0.so").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry("key", write_half)
    assert list(tmp_path.iterdir()) == []
    abandoned = tmp_path / "tmp-of-a-dead-process"
    abandoned.mkdir()
    os.utime(abandoned, (time.time() - 7200,) * 2)
    cache.entry("key", lambda folder: None)
    assert not abandoned.exists()


def test_an_entry_that_a_power_cut_left_empty_is_built_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def build(folder: Path) -> None:
        (folder / "0.so").write_bytes(b"whole")

    entry = cache.entry("key", build)
    (entry / "0.so").write_bytes(b"")
    assert (cache.entry("key", build) / "0.so").read_bytes() == b"whole"


def test_the_oldest_entries_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=2500)

    def write(folder: Path) -> None:
        (folder / "data").write_bytes(bytes(1000))

    for age, key in enumerate(["a", "b"]):
        path = cache.entry(key, write)
        os.utime(path, (1000 + age, 1000 + age))
    cache.entry("a", write)  # used again: now younger than b
    cache.entry("c", write)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_many_small_entries_stay_within_the_limit_though_few_are_looked_for(tmp_path: Path) -> None:
    """A look at all entries is made now and then; no key is exempt from being one's occasion."""
    cache = Cache(tmp_path, limit=100_000, grace=0)
    held = []

    def fill(folder: Path) -> None:
        (folder / "data").write_bytes(bytes(1000))

    for key in range(600):
        cache.entry(str(key), fill)
        if key % 20 == 19:
            held.append(len(list(tmp_path.iterdir())))
    assert 100 <= max(held) < 115


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALSCI_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "cpu_metal"
    monkeypatch.delenv("METALSCI_CACHE")
    assert "metalsci" in default_folder().parts


def test_parts_of_a_key_do_not_run_into_one_another() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_kernels_for_any_group_are_compiled_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = """
kernel void sum_NAME(device float *out, uint i [[thread_position_in_threadgroup]],
                     uint n [[threads_per_threadgroup]], uint g [[threadgroup_position_in_grid]]) {
    threadgroup float parts[32];
    parts[i] = float(i);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[g * n + i] = parts[n - 1 - i];
}
"""
    source = "#include <metal_stdlib>\nusing namespace metal;\n" + "".join(
        kernel.replace("NAME", name) for name in "abc"
    )
    fronts = []
    compile_metal = Toolchain.compile_metal

    def logged(*arguments: Any) -> Any:
        fronts.append(arguments)
        return compile_metal(*arguments)

    with Device(threads=1, cache=Cache(tmp_path)) as device:
        library = device.compile(source)
        monkeypatch.setattr(Toolchain, "compile_metal", logged)
        for name in "abc":
            out = device.empty([10], np.float32)
            dispatch = Dispatch(library.kernels[f"sum_{name}"], {0: out}, threads=(10, 1, 1), threadgroup=(5, 1, 1))
            device.run([dispatch])
            np.testing.assert_array_equal(out.array, [4, 3, 2, 1, 0] * 2)
    assert len(fronts) <= 1  # none on a processor without masks for vectors
