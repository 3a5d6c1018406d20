"""The digest of a folder changes with every file in it, and is read from the disk only if one has been changed."""

from pathlib import Path

import pytest

from metalsci.cpu_metal.compile.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "metal_math").write_text("one")
    (tmp_path / "device.py").write_text("two")
    return tmp_path


def test_it_changes_with_a_file_a_name_and_a_new_file(folder: Path) -> None:
    seen = [fingerprint(folder)]
    (folder / "include" / "metal_math").write_text("eno")
    seen.append(fingerprint(folder))
    (folder / "device.py").rename(folder / "devices.py")
    seen.append(fingerprint(folder))
    (folder / "include" / "metal_new").touch()
    seen.append(fingerprint(folder))
    assert len(set(seen)) == 4


def test_it_is_that_of_another_copy_and_not_of_compiled_python(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = fingerprint(folder)
    other = tmp_path_factory.mktemp("other")
    (other / "include").mkdir()
    for name in ("include/metal_math", "device.py"):
        (other / name).write_bytes((folder / name).read_bytes())
    assert fingerprint(other) == before
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "device.pyc").touch()
    assert fingerprint(folder) == before


def test_files_that_have_not_changed_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(folder)
    monkeypatch.setattr(Path, "read_bytes", None)
    assert fingerprint(folder) == before
