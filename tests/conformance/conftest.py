from collections.abc import Iterator

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.kernel_cache import Cache


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with Device(cache=Cache(tmp_path_factory.mktemp("kernels"))) as device:
        yield device
