"""Description of an Apple GPU, real or predicted, for a model."""

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.protocol import Machine


def describe_gpu(name: str, ceilings: Ceilings) -> Machine:
    """Describe the properties that make a kernel fast there."""
    return Machine(
        (
            f"An Apple GPU: {name}.",
            "A simdgroup is 32 threads; a threadgroup has at most 1,024 threads and 32,768 bytes of its own memory.",
            "Accesses of the threads of a simdgroup are merged if they lie next to each other.",
            f"Ceilings: {ceilings.bandwidth:.3g} GB/s, {ceilings.fp32:.3g} GFLOP/s in single precision.",
        )
    )
