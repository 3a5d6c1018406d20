"""The time of a lone simdgroup in a block: operations that wait for one another, and waits for memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction
from metalsci.cpu_metal.profiler.cycles import Cost, CostKind

INDEPENDENT = 2.5  # cycles an operation of a lone simdgroup if none depends on another: metal-benchmarks


@dataclass(frozen=True)
class BlockPath:
    """Path through one block.

    chain: cycles of operations. near: waits for threadgroup memory. own: for a thread's own arrays. levels: of each
    access to device memory, by its line in the module, how many waits for device memory come before it.
    """

    chain: float
    near: int
    own: int
    levels: Mapping[int, int]


def path_of(instructions: Sequence[CountedInstruction], prices: Mapping[int, Cost], near: frozenset[str]) -> BlockPath:
    """Compute the block's path. near: pointers into threadgroup memory."""
    # Of each value, until it is there: cycles; waits for device memory, threadgroup memory and own arrays.
    ready: dict[str, tuple[float, int, int, int]] = {}
    end, most_near, most_own, work = 0.0, 0, 0, 0.0
    levels: dict[int, int] = {}
    for instruction in instructions:
        price = prices[instruction.index]
        at, far, close, own = 0.0, 0, 0, 0
        if instruction.operation != "phi":
            for name in instruction.operands:
                before = ready.get(name, (0.0, 0, 0, 0))
                at, far = max(at, before[0]), max(far, before[1])
                close, own = max(close, before[2]), max(own, before[3])
        if price.kind is CostKind.MEMORY:
            if near.intersection(instruction.operands):
                close += instruction.operation != "store"
            else:
                levels[instruction.index] = far
                far += instruction.operation != "store"
        own += price.kind is CostKind.PRIVATE and instruction.operation == "load"
        at += price.latency
        work += price.cycles
        if instruction.name:
            ready[instruction.name] = (at, far, close, own)
        end, most_near, most_own = max(end, at), max(most_near, close), max(most_own, own)
    return BlockPath(max(end, INDEPENDENT * work), most_near, most_own, levels)


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
