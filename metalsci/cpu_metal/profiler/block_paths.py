"""The time of a lone simdgroup in a block: operations that wait for one another, and waits for memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction
from metalsci.cpu_metal.profiler.cycles import COMPLEX, Cost, CostKind

# Cycles of an operation of a lone simdgroup if none depends on another: 0.43 of a dependent one's in metal-benchmarks'
# tables by occupancy.
INDEPENDENT = 1.7


@dataclass(frozen=True)
class BlockPath:
    """Path through one block.

    chain: cycles of operations. near: waits for threadgroup memory. own: loads from a thread's own arrays, which wait
    one after the other: of recorded kernels, those that read such arrays by fours took a third to half of the time.
    levels: of each access to device memory, by its line in the module, how many waits for device memory come before it.
    """

    chain: float
    near: int
    own: int
    levels: Mapping[int, int]


def path_of(
    instructions: Sequence[CountedInstruction],
    prices: Mapping[int, Cost],
    shares: Mapping[int, float],
    near: frozenset[str],
) -> BlockPath:
    """Compute the path of a block without vectors.

    shares: see scalar_values.py. near: pointers into threadgroup memory.
    """
    # Of each value, until it is there: cycles; waits for device memory and for threadgroup memory.
    ready: dict[str, tuple[float, int, int]] = {}
    end, most_near, own, simple, complicated = 0.0, 0, 0.0, 0.0, 0.0
    levels: dict[int, int] = {}
    for instruction in instructions:
        price, share = prices[instruction.index], shares[instruction.index]
        at, far, close = 0.0, 0, 0
        if instruction.operation != "phi":
            for name in instruction.operands:
                before = ready.get(name, (0.0, 0, 0))
                at, far, close = max(at, before[0]), max(far, before[1]), max(close, before[2])
        if price.kind is CostKind.MEMORY:
            if near.intersection(instruction.operands):
                close += instruction.operation != "store"
            else:
                levels[instruction.index] = far
                far += instruction.operation != "store"
        if price.kind is CostKind.PRIVATE and instruction.operation == "load":
            own += share
        at += price.latency - price.cycles * (1 - share)
        if price.kind in COMPLEX:
            simple += share
            complicated += price.cycles * share
        else:
            simple += price.cycles * share
        if instruction.name:
            ready[instruction.name] = (at, far, close)
        end, most_near = max(end, at), max(most_near, close)
    return BlockPath(max(end, INDEPENDENT * simple, complicated), most_near, round(own), levels)


def threadgroup_pointers(body: CountedBody) -> frozenset[str]:
    """Return values computed from the address of the stack, by which a kernel finds its threadgroup memory."""
    found: set[str] = set()
    for block in body.blocks.values():
        for instruction in block.instructions:
            own = "@llvm.frameaddress" in instruction.text
            carries = instruction.operation in (
                "getelementptr", "ptrtoint", "inttoptr", "and", "add", "or", "sub", "select", "phi", "bitcast",
            )  # fmt: skip
            if instruction.name and (own or (carries and found.intersection(instruction.operands))):
                found.add(instruction.name)
    return frozenset(found)
