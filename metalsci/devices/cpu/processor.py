"""The processor under the software device: its name, and a description for a model."""

import os
from pathlib import Path

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.protocol import Machine

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

_IDEAS = (
    "let fewer threads do more each, in long loops over contiguous data; fuse passes that read the same arrays; keep "
    "values in local variables instead of threadgroup memory; remove barriers, shuffles and integer divisions; hoist "
    "index arithmetic out of inner loops"
)


def describe_processor(threads: int, name: str, ceilings: Ceilings) -> Machine:
    """Describe the properties that make a kernel fast on cpu_metal."""
    facts = [
        f"cpu_metal, a Metal device in software, on {threads} threads of this processor: {name}.",
        "A threadgroup runs on one processor thread from beginning to end; threadgroups run side by side.",
        "The threads of a threadgroup run one after another or in vector lanes. Barriers, shuffles and other simdgroup "
        "functions make them take turns and cost much more than on a GPU; threadgroup memory is ordinary memory and "
        "saves nothing that the caches would not.",
        "Access is fast if one thread, and then its neighbour, read and write contiguous elements.",
        f"Ceilings: {ceilings.bandwidth:.3g} GB/s, {ceilings.fp32:.3g} GFLOP/s in single precision.",
    ]
    caches = _cache_sizes()
    if caches:
        facts.insert(1, f"Caches of a core: {caches}.")
    return Machine(tuple(facts), _IDEAS)


def _cache_sizes() -> str:
    """Return the data caches as the operating system reports them; empty if it does not."""
    sizes = []
    for index in sorted(_CACHES.glob("index*")):
        try:
            kind, level, size = (
                (index / name).read_text(encoding="utf-8").strip() for name in ("type", "level", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes)


def processor_name() -> str:
    """Return the processor's marketing name, as the operating system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return os.uname().machine
