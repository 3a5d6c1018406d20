"""`device=auto`: the Apple GPU if there is one, the software device everywhere else."""

import sys

from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.protocol import Device
from metalsci.msl.language.math_mode import MathMode


def has_metal() -> bool:
    """Return True if MLX can use a GPU here. MLX is imported on a Mac only."""
    if sys.platform != "darwin":
        return False
    import mlx.core as mx

    return mx.metal.is_available()


def choose(
    *,
    math_mode: MathMode = MathMode.fast,
    time_limit: float = 10.0,
    threads: int | None = None,
    architecture: str | None = None,
    chip: str | None = None,
    gpu_cores: int | None = None,
    ceilings: GivenCeilings = GivenCeilings(),
) -> Device:
    """Choose the Apple GPU if MLX reports Metal, cpu_metal otherwise. The settings of the other are not looked at.

    - math_mode: fast (as in the published sweeps) or safe.
    - time_limit: seconds for one run of a task's program; a candidate that takes longer is killed.
    - threads: of cpu_metal; null for every core that this process may use.
    - architecture: of cpu_metal, what kernels are compiled for; null for METALSCI_ARCHITECTURE or this processor.
    - chip: of the Apple GPU, such as "M4 Max", for its ceilings; null for the one that MLX reports.
    - gpu_cores: of the Apple GPU; null for the number that macOS reports.
    - ceilings: of the roofline, instead of those measured (cpu_metal) or of the data sheet (Apple).
    """
    if has_metal():
        from metalsci.devices.apple.apple_device import AppleDevice

        return AppleDevice(
            math_mode=math_mode, time_limit=time_limit, chip=chip, gpu_cores=gpu_cores, ceilings=ceilings
        )
    from metalsci.devices.cpu.cpu_device import CpuDevice

    return CpuDevice(
        threads=threads, architecture=architecture, math_mode=math_mode, time_limit=time_limit, ceilings=ceilings
    )
