"""The cache: by content, whole entries only, within its limit, under many processes."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from metalsci.cpu_metal import CompileError, Device
from metalsci.cpu_metal.cache import Cache, default_folder, digest

SOURCE = """#include <metal_stdlib>
kernel void twice(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] *= 2; }
"""


def compile_in(folder: Path) -> str:
    with Device(cache=Cache(folder)) as device:
        return str(device.compile(SOURCE).kernels["twice"].path)


def kernels(folder: Path) -> list[Path]:
    """Entries of compiled sources; Metal's own headers, precompiled, and the compiler's launcher have theirs too."""
    return [path for path in folder.iterdir() if not path.name.startswith(("prelude-", "launcher-"))]


def test_processes_that_compile_the_same_share_one_entry(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        paths = set(pool.map(compile_in, [tmp_path] * 6))
    assert len(paths) == 1
    assert Path(paths.pop()).is_file()
    assert len(kernels(tmp_path)) == 1


def test_a_second_compile_starts_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_in(tmp_path)
    monkeypatch.setattr("metalsci.cpu_metal.toolchain.subprocess.Popen", None)
    compile_in(tmp_path)


def test_math_mode_and_source_are_part_of_the_key(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        paths = {
            device.compile(SOURCE, "fast").kernels["twice"].path,
            device.compile(SOURCE, "safe").kernels["twice"].path,
            device.compile(SOURCE + " ", "fast").kernels["twice"].path,
        }
    assert len(paths) == 3


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


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALSCI_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "cpu_metal"
    monkeypatch.delenv("METALSCI_CACHE")
    assert "metalsci" in default_folder().parts


def test_parts_of_a_key_do_not_run_into_one_another() -> None:
    assert digest("ab", "c") != digest("a", "bc")
