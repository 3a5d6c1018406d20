"""Files that are whole or not there: written next to their place, then renamed into it.

A process that is killed or a disk that is full in the middle leaves the old file, or none, and never half of one.
Readers treat a file that they cannot read as absent: other programs, older versions and damaged disks also write.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> Path:
    """Write `data` to `path` and return `path`.

    durable: wait until the disk has it. Without, a power cut may lose it, and still never leaves half of it.
    Raises OSError with the old file, if there was one, as it was.
    """
    return write_stream(path, lambda file: file.write(data), durable=durable)


def write_text(path: Path, text: str, *, durable: bool = True) -> Path:
    """Write `text` as UTF-8 with its line ends as they are. A lone surrogate, which no file can hold, becomes "?"."""
    return write_bytes(path, text.encode(errors="replace"), durable=durable)


def write_stream(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> Path:
    """Let `write` fill the file; for content that is too large to be held twice."""
    # The process id keeps two processes apart that write the same cache file at once.
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        scratch.replace(path)
        if durable:
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return path


def read_json(path: Path, kind: type[T]) -> T | None:
    """Decode a JSON file as `kind`; None if it is absent, empty, or anything else than a whole `kind`."""
    import msgspec  # here, so that `--help` does not pay for it

    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):  # a ValidationError is a DecodeError
        return None


def write_json(path: Path, value: object) -> Path:
    """Write `value` as indented JSON."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    return write_bytes(path, text + b"\n")


def _sync_folder(folder: Path) -> None:
    """Put the rename itself on disk. Some file systems refuse to sync a folder, and their renames are durable."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
