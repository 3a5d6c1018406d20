"""References on disk, so that each is computed only once.

One file a reference. Safe under many processes: a file appears whole or not at all, and one that is gone or broken is
computed again.
"""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from numpy.lib import format as layout

from metalsci.devices.program import Array
from metalsci.files.disk_arrays import empty_on_disk, on_disk, read_parts, write_parts
from metalsci.files.locations import cache
from metalsci.files.whole_files import write_stream
from metalsci.task import counter_hash as random
from metalsci.task import fields
from metalsci.task.definition import Size, Task

_SHARED = (Path(fields.__file__), Path(random.__file__))  # used by tasks, in addition to NumPy


@dataclass(frozen=True)
class References:
    """A folder of arrays.

    limit: in bytes; past it, the file that was unused for longest goes.
    worth: seconds; a reference that takes less is computed again rather than kept.
    """

    folder: Path = field(default_factory=lambda: cache() / "references")
    limit: int = 4 << 30
    worth: float = 0.25

    def get(self, task: Task, size: Size, draw: str, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Return `task.reference(size, inputs)`. Large arrays lie on disk: see metalsci.files.disk_arrays.

        draw: identifies the inputs: the state of the generator that they came from, and whatever else tells them apart.
        """
        path = self.folder / f"{task.name}-{_key(task, size, draw)}.npz"
        try:
            found = _stored(path)
            os.utime(path)
            return found
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            pass  # not there, or not whole
        begin = time.perf_counter()
        computed = [on_disk(array) for array in task.reference(size, inputs)]
        if time.perf_counter() - begin >= self.worth:
            with suppress(OSError):  # a full or read-only disk costs time, not the run
                self._keep(path, computed)
        return computed

    def _keep(self, path: Path, arrays: Sequence[Array]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Not durable: a file that is lost in a power cut is computed again.
        write_stream(path, lambda file: _store(file, arrays), durable=False)
        self._trim()

    def _trim(self) -> None:
        files = [(stat.st_mtime, stat.st_size, path) for path, stat in _stats(self.folder)]
        excess = sum(size for _, size, _ in files) - self.limit
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _store(file: BinaryIO, arrays: Sequence[Array]) -> None:
    """Write arrays as `numpy.savez` does, in parts."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for index, array in enumerate(arrays):
            with archive.open(f"arr_{index}.npy", "w", force_zip64=True) as member:
                whole = np.ascontiguousarray(array)
                layout.write_array_header_1_0(member, layout.header_data_from_array_1_0(whole))
                write_parts(member, whole)


def _stored(path: Path) -> list[Array]:
    """Read arrays that `_store` wrote. Raises OSError, ValueError, EOFError or BadZipFile."""
    with zipfile.ZipFile(path) as archive:
        found = []
        for name in archive.namelist():
            with archive.open(name) as member:
                found.append(_read(member))
        return found


def _read(member: IO[bytes]) -> Array:
    layout.read_magic(member)
    shape, by_columns, dtype = layout.read_array_header_1_0(member)
    if by_columns or dtype.hasobject:
        raise ValueError("a reference is an array of numbers, row by row")
    array = empty_on_disk(shape, dtype)
    read_parts(member, array)
    member.read()  # to the end, where its checksum is looked at
    return array


def _stats(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """List the files, including half-written ones. Files that another process just removed are left out."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((path, path.stat()))
    return found


def of_the_gate() -> References:
    """Return the references of the held-out size: in a folder of their own, which no search reads."""
    return References(cache() / "references-of-the-gate")


def _key(task: Task, size: Size, draw: str) -> str:
    code = [Path(task.reference.__code__.co_filename), *_SHARED]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in code))
    what = [dict(size.extents), dict(task.physics), draw, np.__version__]
    digest.update(json.dumps(what, sort_keys=True).encode())
    return digest.hexdigest()[:24]
