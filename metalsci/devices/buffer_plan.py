"""The buffers of a program's arrays. A chain of a hundred steps needs two buffers, not a hundred."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from metalsci.devices.program import Program, Symbol


@dataclass(frozen=True)
class BufferPlan:
    """Buffers for all arrays of a program.

    buffer_of: from a symbol's id to a buffer.
    sizes: the buffers' bytes.
    inputs: that many buffers, the first ones, hold the program's inputs, which no output ever reuses.
    """

    buffer_of: Mapping[int, int]
    sizes: tuple[int, ...]
    inputs: int


def lay_out(program: Program) -> BufferPlan:
    """Assign arrays to buffers, greedily: an output reuses a buffer of its size after the buffer's last reader has run.

    Results are kept to the end.
    """
    last_use = {s.id: len(program.calls) for s in program.results}
    for step, call in reversed(list(enumerate(program.calls))):
        for symbol in (*call.arguments, *call.outputs):
            if isinstance(symbol, Symbol):
                last_use.setdefault(symbol.id, step)

    buffer_of = {symbol.id: index for index, (symbol, _) in enumerate(program.inputs)}
    sizes = [symbol.nbytes for symbol, _ in program.inputs]
    free: defaultdict[int, list[int]] = defaultdict(list)
    released: defaultdict[int, list[Symbol]] = defaultdict(list)
    for step, call in enumerate(program.calls):
        for symbol in released.pop(step - 1, []):
            free[symbol.nbytes].append(buffer_of[symbol.id])
        for symbol in call.outputs:
            if free[symbol.nbytes]:
                buffer_of[symbol.id] = free[symbol.nbytes].pop()
            else:
                buffer_of[symbol.id] = len(sizes)
                sizes.append(symbol.nbytes)
            released[last_use[symbol.id]].append(symbol)
    return BufferPlan(buffer_of, tuple(sizes), len(program.inputs))
