"""The places of the project's data: at the top of a checkout, inside the package in a wheel."""

import atexit
import os
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from platformdirs import user_cache_path

_PACKAGE = Path(__file__).resolve().parents[1]


def data(folder: str) -> Path:
    """Return the folder `conf` or `tasks` of this installation."""
    shipped = _PACKAGE / "_data" / folder
    if shipped.is_dir():
        return shipped
    return _PACKAGE.parent / folder


def package(name: str) -> Path:
    """Return the folder of an installed package, which may hold a task. Raises ModuleNotFoundError."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package named {name!r}", name=name)
    return Path(next(iter(spec.submodule_search_locations)))


def shown(path: Path) -> str:
    """Shorten a path for a person: relative to the working folder, if it is below."""
    here = Path.cwd()
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return str(path)


def cache() -> Path:
    """Return the folder for things that may be forgotten: compiled kernels, references, measured ceilings.

    METALSCI_CACHE names another folder.
    """
    return Path(os.environ.get("METALSCI_CACHE") or user_cache_path("metalsci"))


def ensure_cache() -> str:
    """Check that the cache takes files, and return "" if it does.

    If not, METALSCI_CACHE, which child processes read too, names a temporary folder until this process ends, and the
    returned sentence says so.
    """
    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        os.environ["METALSCI_CACHE"] = substitute = mkdtemp(prefix="metalsci-cache-")
        atexit.register(shutil.rmtree, substitute, ignore_errors=True)
        return (
            f"the cache {folder} cannot be written ({error.strerror}), so this process uses a temporary one and the "
            "next one starts without; METALSCI_CACHE=FOLDER names another"
        )
    return ""


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder that nothing was written into, and those above it up to `root` that are empty with it."""
    root = root.absolute()
    folder = folder.absolute()
    inside = [path for path in (folder, *folder.parents) if path.is_relative_to(root)] or [folder]
    with suppress(OSError):  # one that holds something
        for path in inside:
            path.rmdir()
