from collections.abc import Iterator

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache


@pytest.fixture(scope="session")
def device(cache: Cache) -> Iterator[Device]:
    with Device(cache=cache) as device:
        yield device
