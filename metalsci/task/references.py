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

import numpy as np

from metalsci.devices.program import Array
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
        """Return `task.reference(size, inputs)`.

        draw: identifies the inputs: the state of the generator that they came from, and whatever else tells them apart.
        """
        path = self.folder / f"{task.name}-{_key(task, size, draw)}.npz"
        try:
            with np.load(path) as stored:
                found = [stored[name] for name in stored.files]
            os.utime(path)
            return found
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            pass  # not there, or not whole
        begin = time.perf_counter()
        computed = task.reference(size, inputs)
        if time.perf_counter() - begin >= self.worth:
            with suppress(OSError):  # a full or read-only disk costs time, not the run
                self._keep(path, computed)
        return computed

    def _keep(self, path: Path, arrays: Sequence[Array]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Not durable: a file that is lost in a power cut is computed again.
        write_stream(path, lambda file: np.savez(file, *arrays), durable=False)
        self._trim()

    def _trim(self) -> None:
        files = [(stat.st_mtime, stat.st_size, path) for path, stat in _stats(self.folder)]
        excess = sum(size for _, size, _ in files) - self.limit
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


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
