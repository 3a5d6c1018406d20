"""`device=auto`: the Apple GPU where there is one, the software device everywhere else."""

import sys
from collections.abc import Mapping

from metalsci.devices.protocol import Device
from metalsci.msl.language.math_mode import MathMode


def has_metal() -> bool:
    """Whether MLX can use a GPU here. Only a Mac can say yes, so nothing else pays for the import."""
    if sys.platform != "darwin":
        return False
    import mlx.core as mx

    return mx.metal.is_available()


def choose(
    *,
    math_mode: MathMode,
    time_limit: float,
    threads: int | None,
    chip: str | None,
    gpu_cores: int | None,
    ceilings: Mapping[str, float | None],
) -> Device:
    """The settings of the device that is not chosen are not looked at."""
    if has_metal():
        from metalsci.devices.apple.apple_device import AppleDevice

        return AppleDevice(
            math_mode=math_mode, time_limit=time_limit, chip=chip, gpu_cores=gpu_cores, ceilings=ceilings
        )
    from metalsci.devices.cpu.cpu_device import CpuDevice

    return CpuDevice(threads=threads, math_mode=math_mode, time_limit=time_limit, ceilings=ceilings)
