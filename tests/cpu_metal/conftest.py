from collections.abc import Iterator

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="session")
def device(cache: Cache) -> Iterator[Device]:
    with Device(cache=cache) as device:
        yield device
