"""The host's own kernels: one that does nothing, and fills."""

from functools import cached_property

from metalsci import cpu_metal

_OWN = "#include <metal_stdlib>\nkernel void empty(uint i [[thread_position_in_grid]]) {}\n" + "".join(
    f"kernel void fill{size}(device {type} *out, constant {type} &value, uint i [[thread_position_in_grid]]) "
    "{ out[i] = value; }\n"
    for size, type in {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}.items()
)


class OwnKernels:
    """Those of one device, compiled at first use for all of its stages."""

    def __init__(self, device: cpu_metal.Device) -> None:
        self._device = device

    @property
    def empty(self) -> cpu_metal.Kernel:
        return self._library.kernels["empty"]

    def fill(self, itemsize: int) -> cpu_metal.Kernel:
        """Return the kernel that writes a value of 1, 2, 4 or 8 bytes (argument 1) to all elements of argument 0."""
        return self._library.kernels[f"fill{itemsize}"]

    @cached_property
    def _library(self) -> cpu_metal.Library:
        return self._device.compile(_OWN)
