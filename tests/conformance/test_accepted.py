"""Programs that Apple's compiler accepts, run: each kernel of `programs/accepted` leaves what its comment says.

The files are Metal as anyone would write it, and stand by themselves.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch, Library

PROGRAMS = Path(__file__).parent / "programs" / "accepted"
KERNEL = re.compile(r"^// gives (?P<values>.*)\n(?:(?!//).*\n)*?.*\bkernel void (?P<name>\w+)", re.MULTILINE)
EACH = [
    pytest.param(path, match["name"], match["values"], id=f"{path.stem}-{match['name']}")
    for path in sorted(PROGRAMS.glob("*.metal"))
    for match in KERNEL.finditer(path.read_text())
]


@pytest.fixture(scope="module")
def library(device: Device) -> Callable[[Path], Library]:
    """Each file compiled once."""
    return cache(lambda path: device.compile(path.read_text()))


@pytest.mark.parametrize(("path", "name", "values"), EACH)
def test_a_program_runs_and_is_right(
    device: Device, library: Callable[[Path], Library], path: Path, name: str, values: str
) -> None:
    kernel = library(path).kernels[name]
    want = np.array([float(value) for value in values.split()], np.float32)
    out, ones = device.empty((64,), np.float32), device.buffer(np.ones(64, np.float32))
    arguments = {argument.index: ones if argument.index else out for argument in kernel.arguments}
    device.run([Dispatch(kernel, arguments, threads=(1,), threadgroup=(1,))])
    np.testing.assert_allclose(out.array[: len(want)], want, rtol=1e-6)


def test_there_are_enough() -> None:
    assert len(EACH) >= 150
