import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from composing import Compose, compose_config

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache, default_folder
from metalsci.devices.ceilings import Ceilings, Level
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.experiment.schemas import register
from metalsci.files.whole_files import write_json

_LONG = ("full", "conformance", "attacks", "kills")


def pytest_configure() -> None:
    """Heed interrupts: a shell that starts `make test` in the background has all of it ignore them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip long tests unless they are asked for, with `-m full`, `-m conformance` or `-m attacks`."""
    left_out = [marker for marker in _LONG if marker not in config.getoption("-m")]
    long = [item for item in items if any(map(item.get_closest_marker, left_out))]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the session a cache of its own: tests neither read nor fill the user's.

    The session shares one, as runs on one machine do, and so do its workers.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    os.environ["METALSCI_CACHE"] = str(folder)
    yield folder
    del os.environ["METALSCI_CACHE"]


@pytest.fixture(scope="session", autouse=True)
def bytecode_of_its_own(cache_of_its_own: Path) -> Iterator[None]:
    """Let processes that tests start share compiled Python, even if the user's write none: 1 s of 4 of a run."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(cache_of_its_own / "bytecode"))
        yield


@pytest.fixture(scope="session", autouse=True)
def ceilings_of_its_own(cache_of_its_own: Path) -> None:
    """Keep ceilings for the session's runs: on a busy machine measuring takes a minute and settles nothing.

    A kernel that is faster than the machine is suspect, so no machine may be faster than these: no cache is as fast as
    the level of one byte, which no kernel fits into.
    """
    levels = (Level(1, 1e5), Level(2, 40.0), Level(384 << 20, 40.0))
    found = Ceilings(40.0, 1e5, "given to the tests", levels)
    for threads in (None, 1):
        device = CpuDevice(threads=threads)
        write_json(device.ceilings_file, found)
        device.close()


@pytest.fixture(scope="session")
def cache(cache_of_its_own: Path) -> Cache:
    """Return the cache of the session's kernels: Metal's headers alone take a second to compile."""
    return Cache(default_folder())


@pytest.fixture(scope="session")
def device(cache: Cache) -> Iterator[Device]:
    """Return the session's software device."""
    with Device(cache=cache) as device:
        yield device


@pytest.fixture(scope="session")
def composed() -> Compose:
    """Return a function that composes a config as the command line does."""
    register()
    return compose_config
