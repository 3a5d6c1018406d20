"""The messages between the two sides of the Apple device, importable without MLX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.devices.program import Call, Extent, Symbol

# A line of the compiler's log, as MLX's RuntimeError quotes it.
DIAGNOSTIC = re.compile(
    r"^\S*?:(?P<line>\d+):(?P<column>\d+): (?P<severity>error|warning|note): (?P<message>.*)$", re.MULTILINE
)


@dataclass(frozen=True)
class Step:
    """A call whose threadgroup already fits the kernel."""

    call: Call
    threadgroup: Extent


@dataclass(frozen=True)
class CallChain:
    """A module's kernels, called step by step on a stage's arrays."""

    module: int
    stage: int
    steps: Sequence[Step]
    results: Sequence[Symbol]
