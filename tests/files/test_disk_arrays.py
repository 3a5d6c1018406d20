"""Arrays on disk: what they hold, and that whoever reads them has little in memory."""

import io
from pathlib import Path

import numpy as np
import pytest

from metalsci.files.disk_arrays import LARGE, empty_on_disk, let_go, on_disk, parts, read_parts, write_parts

NUMBERS = LARGE // 8 + 1001


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METALSCI_CACHE", str(tmp_path / "cache"))
    return tmp_path


def values() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(0).standard_normal(NUMBERS)


def is_on_disk(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return base is not None


def test_a_large_array_moves_to_disk_and_keeps_its_values() -> None:
    array = values()
    moved = on_disk(array)
    assert is_on_disk(moved)
    assert not is_on_disk(array)
    np.testing.assert_array_equal(moved, array)
    assert on_disk(moved) is moved
    assert on_disk(moved[1:].reshape(-1, 2)).base is not None


def test_small_ones_stay() -> None:
    small = np.zeros(10)
    assert on_disk(small) is small
    assert not is_on_disk(empty_on_disk((10,), np.float32))


def test_arrays_by_columns_keep_their_values() -> None:
    array = np.asfortranarray(values()[: 1 << 20].reshape(1024, 1024)).repeat(2, axis=0)
    np.testing.assert_array_equal(on_disk(array), array)


def test_what_was_let_go_is_still_there() -> None:
    array = empty_on_disk((NUMBERS,), np.float64)
    array[:] = values()
    let_go(array)
    let_go(array[3:10])
    let_go(array[:0])
    np.testing.assert_array_equal(array, values())


def test_parts_are_the_whole() -> None:
    array = on_disk(values())
    np.testing.assert_array_equal(np.concatenate(list(parts(array, 1000))), values())
    assert not list(parts(np.zeros(0), 10))


def test_files_leave_no_name(folder: Path) -> None:
    array = on_disk(values())
    assert list((folder / "cache").iterdir()) == []
    assert array.size == NUMBERS


def test_without_a_disk_they_stay_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("METALSCI_CACHE", str(folder / "file"))
    array = values()
    assert on_disk(array) is array
    assert not is_on_disk(empty_on_disk((NUMBERS,), np.float64))


def test_what_is_written_in_parts_is_read_in_parts() -> None:
    file, array = io.BytesIO(), np.arange(300_000).reshape(3, -1)
    write_parts(file, array)
    file.seek(0)
    read = np.zeros_like(array)
    read_parts(file, read)
    np.testing.assert_array_equal(read, array)
    with pytest.raises(EOFError):
        read_parts(io.BytesIO(file.getvalue()[:-1]), read)
