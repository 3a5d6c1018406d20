"""A pytest plugin: every source that compiles for this processor must compile for that of METALSCI_ELSEWHERE, too.

That is a target and an architecture, as in `aarch64-linux-gnu armv8-a`. Nothing is run there.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from metalsci.cpu_metal import Device, Library
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain


def pytest_configure(config: pytest.Config) -> None:
    target, architecture = os.environ["METALSCI_ELSEWHERE"].split()
    folder = TemporaryDirectory(prefix="metalsci-elsewhere-")
    elsewhere = Device(1, cache=Cache(Path(folder.name)), toolchain=Toolchain(target=target, architecture=architecture))
    compile_here = Device.compile

    def compile_both(device: Device, *arguments: Any, **options: Any) -> Library:
        library = compile_here(device, *arguments, **options)
        compile_here(elsewhere, *arguments, **options)
        return library

    patch = pytest.MonkeyPatch()
    patch.setattr(Device, "compile", compile_both)
    config.add_cleanup(folder.cleanup)
    config.add_cleanup(patch.undo)
