"""A pytest plugin: every device of the session is an aarch64 machine that QEMU emulates.

Kernels and runtime are compiled for it here; the device process runs there, in the Python of METALSCI_AARCH64_ROOT.
"""

import functools
import os

import pytest

from metalsci.cpu_metal import device
from metalsci.cpu_metal.compile.architecture import Architecture
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.execute.process import DeviceProcess


def interpreter(root: str) -> list[str]:
    """Return the emulator's command, with less address space than an aarch64 has.

    This QEMU keeps a table of it, and the device asks for a terabyte.
    """
    return ["qemu-aarch64", "-R", "16G", "-cpu", "max", "-L", root, f"{root}/usr/bin/python3", "-I", "-S"]


def pytest_configure(config: pytest.Config) -> None:
    how = interpreter(os.environ["METALSCI_AARCH64_ROOT"])
    architecture = os.environ["METALSCI_AARCH64_ARCHITECTURE"]
    patch = pytest.MonkeyPatch()
    toolchain = Toolchain(target="aarch64-linux-gnu", architecture=architecture)
    patch.setattr(Architecture, "toolchain", lambda _: toolchain)
    patch.setattr(device, "DeviceProcess", functools.partial(DeviceProcess, interpreter=how))
    config.add_cleanup(patch.undo)
