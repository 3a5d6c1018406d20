"""The programs of `programs/accepted`, Metal as anyone would write it, with each kernel's results in a comment."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metalsci.cpu_metal import Device, Dispatch, Kernel

PROGRAMS = Path(__file__).parent / "programs" / "accepted"
_KERNEL = re.compile(r"^// gives (?P<values>.*)\n(?:(?!//).*\n)*?.*\bkernel void (?P<name>\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Promise:
    """A kernel and the first values of its output, if it runs on one thread and every input is 1."""

    path: Path
    kernel: str
    values: tuple[float, ...]

    def check(self, device: Device, kernel: Kernel) -> None:
        out, ones = device.empty((64,), np.float32), device.buffer(np.ones(64, np.float32))
        arguments = {argument.index: ones if argument.index else out for argument in kernel.arguments}
        device.run([Dispatch(kernel, arguments, threads=(1,), threadgroup=(1,))])
        np.testing.assert_allclose(out.array[: len(self.values)], self.values, rtol=1e-6)


def promises(path: Path) -> list[Promise]:
    """Read the promises of one file."""
    found = _KERNEL.finditer(path.read_text())
    return [Promise(path, match["name"], tuple(map(float, match["values"].split()))) for match in found]


EACH = [promise for path in sorted(PROGRAMS.glob("*.metal")) for promise in promises(path)]
