"""A folder of results by content, shared by any number of processes.

An entry is a folder that appears whole, by a rename, and disappears in the same way. A process that dies in the middle
of either leaves only a temporary folder, which a later one removes.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from platformdirs import user_cache_dir

_TEMPORARY = "tmp-"
_ABANDONED = 3600.0  # seconds after which a temporary folder has no owner left
_WALKS = 64  # through all entries, on average, while as much is written as the cache may hold


def default_folder() -> Path:
    """Return `METALSCI_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("METALSCI_CACHE") or user_cache_dir("metalsci")) / "cpu_metal"


def digest(*parts: str | bytes) -> str:
    """Compute a name for content; parts do not run into one another."""
    hasher = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            data = part.encode(errors="surrogatepass")
        else:
            data = part
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:32]


@dataclass(frozen=True)
class Cache:
    """Entries by key. Beyond `limit` bytes the oldest use goes first.

    `grace`: seconds for which a recently used entry stays in any case, since another process may be about to read it.
    """

    folder: Path
    limit: int = 512 << 20
    grace: float = 60.0

    def entry(self, key: str, build: Callable[[Path], None]) -> Path:
        """Return the folder of `key`; if there is none, `build` is called to fill one. Its exceptions pass through."""
        path = self.folder / key
        if path.is_dir():
            if _is_whole(path):
                with suppress(OSError):
                    os.utime(path)
                return path
            self._remove(path)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(prefix=_TEMPORARY, dir=self.folder))
        try:
            build(temporary)
            try:
                temporary.rename(path)
            except OSError:
                if not path.is_dir():  # else another process was first, with the same content
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._prune(path)
        return path

    def _prune(self, new: Path) -> None:
        self._sweep()
        if not self._is_due(new):
            return
        entries = []
        now = time.time()
        for path in self.folder.iterdir():
            if path.name.startswith(_TEMPORARY):
                continue
            with suppress(OSError):  # another process may be pruning too
                entries.append((path.stat().st_mtime, _size(path), path))
        total = sum(size for _, size, _ in entries)
        for used, size, path in sorted(entries):
            if total <= self.limit or now - used < self.grace:
                break
            if path != new:
                self._remove(path)
                total -= size

    def _sweep(self) -> None:
        """Remove what processes that died left behind."""
        for path in self.folder.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)

    def _is_due(self, new: Path) -> bool:
        """Decide if all entries are looked at after this one, which is the likelier the larger it is.

        A look at a thousand takes 30 ms, half of what a small kernel takes to compile. The draw is the key's digest:
        processes need no account that they share, and nobody's random numbers are used up.
        """
        try:
            if self.limit:
                share = _WALKS * _size(new) / self.limit
            else:
                share = 1.0
        except OSError:  # another process has just removed it
            return False
        return int(digest(new.name)[:8], 16) < share * 16**8

    def _remove(self, path: Path) -> None:
        """Remove an entry by renaming it first, so that no other process finds half of it."""
        doomed = Path(mkdtemp(prefix=_TEMPORARY, dir=self.folder))
        with suppress(OSError):  # another process was first
            path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _is_whole(entry: Path) -> bool:
    """Check that no file is empty: a power cut soon after the rename leaves the names and not the bytes.

    Waiting for the disk before the rename instead would cost every new kernel tens of milliseconds.
    """
    try:
        return all(file.stat().st_size for file in entry.iterdir())
    except OSError:  # another process has just removed it
        return False


def _size(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.iterdir())
