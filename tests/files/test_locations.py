"""The cache that metalsci uses can be written, whatever the configured one is."""

import os
from pathlib import Path

import pytest

from metalsci.files.locations import cache, ensure_cache


def test_a_cache_that_takes_files_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALSCI_CACHE", str(tmp_path / "new" / "cache"))
    assert ensure_cache() == ""
    assert cache() == tmp_path / "new" / "cache"
    assert list(cache().iterdir()) == []


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("METALSCI_CACHE", str(tmp_path / "file" / "cache"))
    told = ensure_cache()
    assert f"{tmp_path / 'file' / 'cache'} cannot be written" in told
    assert "\n" not in told
    substitute = Path(os.environ["METALSCI_CACHE"])
    assert substitute == cache()
    assert substitute.is_dir()
    assert ensure_cache() == ""
