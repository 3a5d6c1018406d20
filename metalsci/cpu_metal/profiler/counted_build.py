"""A kernel prepared for counting: the facts known before it runs, and its text with the runtime's calls."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.llvm.division import without_traps
from metalsci.cpu_metal.compile.llvm.function import definitions
from metalsci.cpu_metal.profiler.block_paths import BlockPath, path_of, threadgroup_pointers
from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction, read_body
from metalsci.cpu_metal.profiler.cycles import BYTES, Cost, CostKind, Costs, result_type
from metalsci.cpu_metal.profiler.instrument import MOST_SITES, AccessSite, accesses, instrument
from metalsci.cpu_metal.profiler.kept_calls import function_name, is_computed
from metalsci.cpu_metal.profiler.liveness import BUDGETS, Shortage, alive_at_ends, crowded_words, most_alive, shortages
from metalsci.cpu_metal.profiler.loops import in_loop_order
from metalsci.cpu_metal.profiler.pressure import in_frugal_order
from metalsci.cpu_metal.profiler.scalar_values import is_by_element, scalars_of
from metalsci.cpu_metal.profiler.steering import steering_slots

_NONE = (Shortage(0, 0),) * len(BUDGETS)
_VERSION = re.compile(r'^!\d+ = !\{!"(.*clang version [\d.]+).*"\}', re.MULTILINE)
_ALLOCA = re.compile(r"alloca (?:\[(\d+) x )?(.*)")
_METADATA = re.compile(r"(?:,| (?=!dbg)) ?![\w.]+ !\d+")
_NODE = re.compile(r"^!.*\n?", re.MULTILINE)
_SCOPE = re.compile(r"^ +(?:tail )?call void @llvm\.(?:experimental\.noalias|lifetime|dbg)\..*\n", re.MULTILINE)


class UncountableError(ValueError):
    """A kernel with more accesses than can be numbered, or with calls that cannot be followed."""


@dataclass(frozen=True)
class LineCost:
    """Cost of one execution of a block, for one line of the user's source (0: none known). cycles: of an issue slot."""

    line: int
    cycles: float
    instructions: int


@dataclass(frozen=True)
class BlockCost:
    """Cost of one execution of a block by a simdgroup.

    kinds: cycles of an issue slot by kind of instruction. chain, near, own: see block_paths.py. alive: most words of 32
    bits that a thread holds. spilled, reloaded, crowded: see liveness.py. barriers, private: instructions that wait for
    the threadgroup, and words of a thread's own arrays that it reads or writes. arrays: places of those among the
    kernel's. branch: line of the branch at its end, 0 for none.
    """

    chain: int
    near: int
    own: int
    alive: int
    spilled: tuple[int, ...]
    reloaded: tuple[int, ...]
    crowded: tuple[int, ...]
    instructions: int
    barriers: int
    private: int
    arrays: tuple[int, ...]
    branch: int
    kinds: dict[str, float]
    lines: tuple[LineCost, ...]

    @property
    def code(self) -> int:
        """Bytes of code, with the loads that are done again for want of registers, four words at a time."""
        return BYTES * (self.instructions + -(-self.reloaded[-1] // 4))


@dataclass(frozen=True)
class CountedBuild:
    """Facts about a counted kernel that are known before it runs.

    levels: for each access, the waits for device memory that come before it in its block. steering: slots of arguments
    whose contents decide where it goes, -1 for others. code: bytes. arrays: bytes of each of a thread's own arrays.
    compiler: the LLVM whose optimiser made the text. digest: of the optimised code, without its debug information.
    """

    blocks: tuple[BlockCost, ...]
    sites: tuple[AccessSite, ...]
    levels: tuple[int, ...]
    steering: tuple[int, ...]
    registers: int
    code: int
    arrays: tuple[int, ...]
    threadgroup_memory: int
    compiler: str
    digest: str


def count(
    module: str, function: str, kernel: str, file: str, original: Callable[[int, int], tuple[int, int]]
) -> tuple[str, CountedBuild]:
    """Return the optimised module ready to run, and the facts about it.

    original: the user's line and column for a place in `file`, the text that Clang compiled.
    """
    body = read_body(module, function, kernel, file, original)
    _check_calls(module, body)
    prices = Costs(body)
    graph = {label: block.successors for label, block in body.blocks.items()}
    order = in_loop_order(graph, body.entry)
    scalar = scalars_of(body, prices.words(), lambda instruction: result_type(instruction).count)
    words = scalar.words
    alive_at_end = alive_at_ends(scalar.body, words)
    alive = most_alive(scalar.body, words, alive_at_end)
    near = threadgroup_pointers(body)
    arrays = _arrays(body)
    loads = _loads(scalar.body, prices.of)
    levels: dict[int, int] = {}
    blocks = []
    for label in order:
        instructions = body.blocks[label].instructions
        scalars = scalar.body.blocks[label].instructions
        path = path_of(scalars, prices.of, scalar.shares, near)
        short = _shortages(scalars, words, alive_at_end[label], loads) if alive[label] > BUDGETS[0] else _NONE
        levels.update(path.levels)
        crowded = crowded_words(scalars, words, alive_at_end[label])
        own = {prices.private[name] for each in instructions for name in each.operands if name in prices.private}
        used = tuple(place for place, name in enumerate(arrays) if name in own)
        blocks.append(_block(instructions, scalars, prices.of, scalar.shares, path, alive[label], short, crowded, used))
    text, sites = instrument(module, body, order, frozenset(prices.private))
    if len(sites) >= MOST_SITES:
        raise UncountableError(f"the kernel has {len(sites):,} accesses to memory in its code, too many to be counted")
    version = _VERSION.search(module)
    build = CountedBuild(
        blocks=tuple(blocks),
        sites=sites,
        levels=tuple(levels.get(site.index, 0) for site in sites),
        steering=tuple(sorted(steering_slots(body))),
        registers=max(block.alive for block in blocks),
        code=sum(block.code for block in blocks),
        arrays=tuple(arrays.values()),
        threadgroup_memory=0,
        compiler=version[1] if version else "",
        digest=_digest(body),
    )
    return without_traps(_bare(text)), build


def _loads(body: CountedBody, prices: Mapping[int, Cost]) -> frozenset[str]:
    """Return the values that are loaded from memory that threads share."""
    return frozenset(
        each.name
        for block in body.blocks.values()
        for each in block.instructions
        if each.operation == "load" and prices[each.index].kind is CostKind.MEMORY
    )


def _shortages(
    instructions: Sequence[CountedInstruction],
    words: Mapping[str, int],
    alive_at_end: set[str],
    loads: Collection[str],
) -> tuple[Shortage, ...]:
    """Return what a lack of registers costs in LLVM's order or in one that needs few, whichever costs less."""
    frugal = in_frugal_order(instructions, words, alive_at_end)
    orders = [shortages(order, words, alive_at_end, loads) for order in (instructions, frugal)]
    return tuple(min(each, key=lambda shortage: shortage.words) for each in zip(*orders, strict=True))


def _block(
    instructions: Sequence[CountedInstruction],
    scalars: Sequence[CountedInstruction],
    prices: Mapping[int, Cost],
    shares: Mapping[int, float],
    path: BlockPath,
    alive: int,
    short: Sequence[Shortage],
    crowded: tuple[int, ...],
    arrays: tuple[int, ...],
) -> BlockCost:
    kinds: defaultdict[str, float] = defaultdict(float)
    cycles: defaultdict[int, float] = defaultdict(float)
    counts: defaultdict[int, float] = defaultdict(float)
    for instruction in scalars:
        price, share = prices[instruction.index], shares[instruction.index]
        if price.kind is not CostKind.FREE:
            kinds[price.kind.value] += price.cycles * share
            cycles[instruction.line] += price.cycles * share
            counts[instruction.line] += 1 if is_by_element(instruction) else share
    of_kind = [prices[i.index].kind for i in instructions]
    last = instructions[-1]
    return BlockCost(
        chain=round(path.chain),
        near=path.near,
        own=path.own,
        alive=alive,
        spilled=tuple(each.spilled for each in short),
        reloaded=tuple(each.reloaded for each in short),
        crowded=crowded,
        instructions=round(sum(counts.values())),
        barriers=of_kind.count(CostKind.BARRIER),
        private=sum(_words(i) for i in instructions if prices[i.index].kind is CostKind.PRIVATE),
        arrays=arrays,
        branch=last.line if last.operation in ("br", "switch") and last.operands and last.counted else 0,
        kinds=dict(kinds),
        lines=tuple(LineCost(line, cycles[line], round(counts[line])) for line in sorted(counts)),
    )


def _words(instruction: CountedInstruction) -> int:
    """Return the words of 32 bits that an access moves for each lane."""
    return sum(-(-access.bytes // 4) for access in accesses(instruction))


def _check_calls(module: str, body: CountedBody) -> None:
    """Refuse a call of a function that was not inlined, which would cost nothing. Raises UncountableError."""
    defined = {function.name for function in definitions(module.split("\n"))}
    for block in body.blocks.values():
        for instruction in block.instructions:
            name = instruction.callee
            if name in defined and not is_computed(name):
                raise UncountableError(f"'{function_name(name)[0] or name}' is not inlined, so it cannot be counted")


def _digest(body: CountedBody) -> str:
    texts = (f"{i.name} {i.text}" for block in body.blocks.values() for i in block.instructions)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _arrays(body: CountedBody) -> Mapping[str, int]:
    """Return the bytes of each of a thread's own variables."""
    found: dict[str, int] = {}
    for block in body.blocks.values():
        for instruction in block.instructions:
            if instruction.operation == "alloca" and instruction.counted:
                sizes = [int(count) for count in re.findall(r"(\d+) x ", instruction.text)]
                product = 1
                for size in sizes:
                    product *= size
                size = 8 if "i64" in instruction.text or "double" in instruction.text else 4
                found[instruction.name] = product * size
    return found


def _bare(module: str) -> str:
    """Remove references to the source, to scopes and to aliases: the code is made of it without further optimising."""
    return _NODE.sub("", _METADATA.sub("", _SCOPE.sub("", module)))
