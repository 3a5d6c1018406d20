"""A file is whole or not there, whatever happens while it is written."""

import ast
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Never

import pytest

from metalsci.files.whole_files import read_json, write_bytes, write_json, write_stream, write_text

PACKAGE = Path(__file__).parents[2] / "metalsci"


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


@contextmanager
def disk_of_a_hundred_bytes() -> Iterator[None]:
    """Refuse, as a full disk does, everything beyond a hundred bytes, in the middle of a write.

    Not a fixture: pytest writes its own output while those are up, which may go into a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_written_is_read_back_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    assert write_bytes(tmp_path / "a", b"one", durable=durable) == tmp_path / "a"
    write_bytes(tmp_path / "a", b"two", durable=durable)
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "gate.json", b"old")
    with disk_of_a_hundred_bytes(), pytest.raises(OSError, match="large"):
        write_bytes(path, bytes(200))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["gate.json"]


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a", b"old")

    def half(file: IO[bytes]) -> Never:
        file.write(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_stream(path, half)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_text_is_utf_8_with_its_own_line_ends_and_any_string_can_be_written(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a", "µ\r\n\ud800\n")
    assert path.read_bytes() == "µ\r\n?\n".encode()


def test_a_record_comes_back(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", Point(1))
    assert read_json(path, Point) == Point(1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": "one"}', b'{"y": 1}', b"\xff\xfe", bytes(64)])
def test_an_unreadable_record_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json", Point) is None
    assert read_json(tmp_path / "nowhere.json", Point) is None
    assert read_json(tmp_path, Point) is None


def test_every_text_file_is_read_and_written_with_its_encoding_named() -> None:
    """Else the user's locale decides, and a console in ASCII ends in a UnicodeDecodeError."""
    silent = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "whole_files")
    ]
    assert not silent
