"""The vector of threads that runs: which of its group's threads its lanes are, and their places.

Vectors that lie in a row know their first thread's place, from which the lanes count. In others, each lane's place is
computed from its index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.section import INDEX, X, Y, Z
from metalsci.cpu_metal.compile.lanes.values import Values


@dataclass(frozen=True)
class GroupSize:
    """Numbers that are the same for all vectors of a group, i32s.

    x, y: threads in a row, and rows in a layer. threads, vectors: in the whole group.
    in_rows: an i1, true if each vector lies in a row. is_one_row: an i1.
    """

    x: str
    y: str
    threads: str
    vectors: str
    in_rows: str
    is_one_row: str


def group_size(code: Code, size: tuple[str, str, str]) -> GroupSize:
    """Compute the numbers of a group. size: of its threads on each axis."""
    x, y, z = size
    rows = code.new(f"mul i32 {y}, {z}")
    threads = code.new(f"mul i32 {x}, {rows}")
    # A vector of threads lies in a row if rows are made of whole vectors, or if there is only one row.
    rest = code.new(f"and i32 {x}, {code.width - 1}")
    whole = code.new(f"icmp eq i32 {rest}, 0")
    single = code.new(f"icmp eq i32 {rows}, 1")
    in_rows = code.new(f"or i1 {whole}, {single}")
    more = code.new(f"add i32 {threads}, {code.width - 1}")
    vectors = code.new(f"lshr i32 {more}, {code.width.bit_length() - 1}")
    return GroupSize(x, y, threads, vectors, in_rows, single)


@dataclass(frozen=True)
class Tile:
    """The vector of threads that runs.

    number: an i32; wide: an i64; first: the index of its first thread. x, y, z: its first thread's place in the group,
        if vectors lie in rows. in_grid: its number in the row of the grid, by the names that the kernel has for it.
    """

    number: str
    wide: str
    first: str
    x: str
    y: str
    z: str
    in_grid: Mapping[str, str]


def move(code: Code, tile: Tile, size: GroupSize, moved: Sequence[str]) -> None:
    """Compute the place of the next vector's first thread, if vectors lie in rows. moved: names for it, by axis."""
    next_x, next_y = code.new(f"add i32 {tile.x}, {code.width}"), code.new(f"add i32 {tile.y}, 1")
    ends_row = code.new(f"icmp uge i32 {next_x}, {size.x}")
    ends_layer = code.new(f"icmp uge i32 {next_y}, {size.y}")
    first_y = code.new(f"select i1 {ends_layer}, i32 0, i32 {next_y}")
    next_z = code.new(f"add i32 {tile.z}, {code.new(f'zext i1 {ends_layer} to i32')}")
    code.do(f"{moved[X]} = select i1 {ends_row}, i32 0, i32 {next_x}")
    code.do(f"{moved[Y]} = select i1 {ends_row}, i32 {first_y}, i32 {tile.y}")
    code.do(f"{moved[Z]} = select i1 {ends_row}, i32 {next_z}, i32 {tile.z}")


def store_there(code: Code, tile: Tile, size: GroupSize, live: str) -> None:
    """Store the mask of the lanes that are threads of the group."""
    lane = code.ramp("i32", tile.first, 1)
    limit = code.splat("i32", size.threads)
    there = code.new(f"icmp ult {code.vector('i32')} {lane}, {limit}")
    code.do(f"store {code.mask} {there}, ptr {live}")


def place_in_row(values: Values, tile: Tile, lanes: Mapping[str, int]) -> None:
    """Give the threads' places their values, for a vector that lies in a row. lanes: axes by their names."""
    found = {X: tile.x, Y: tile.y, Z: tile.z, INDEX: tile.first}
    values.fixed_scalars |= {name: found[axis] for name, axis in lanes.items()}


def place_anywhere(values: Values, tile: Tile, size: GroupSize, lanes: Mapping[str, int]) -> None:
    """Give the threads' places their values, for a vector that may reach over the ends of rows."""
    code = values.code
    index = code.ramp("i32", tile.first, 1)
    row, x_of = _divided(code, index, size.x)
    layer, y_of = _divided(code, row, size.y)
    vectors = {X: x_of, Y: y_of, Z: layer}
    for name, axis in lanes.items():
        if axis == INDEX:
            values.fixed_scalars[name] = tile.first
        else:
            values.fixed_vectors[name] = [vectors[axis]]


def _divided(code: Code, vector: str, scalar: str) -> tuple[str, str]:
    """Compute quotient and remainder of numbers below 2048 with floats, whose quotients do not round up to a whole."""
    whole, floats = code.vector("i32"), code.vector("float")
    divisor = code.splat("i32", scalar)
    upper = code.new(f"uitofp {whole} {vector} to {floats}")
    lower = code.new(f"uitofp {whole} {divisor} to {floats}")
    quotient = code.new(f"fptoui {floats} {code.new(f'fdiv {floats} {upper}, {lower}')} to {whole}")
    quotient = code.new(f"freeze {whole} {quotient}")
    product = code.new(f"mul {whole} {quotient}, {divisor}")
    return quotient, code.new(f"sub {whole} {vector}, {product}")
