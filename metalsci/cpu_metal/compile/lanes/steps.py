"""One instruction of the threads' code, executed for a vector of threads."""

from metalsci.cpu_metal.compile.lanes.flow import Graph, RefusedError
from metalsci.cpu_metal.compile.lanes.memory import load, one_by_one, store
from metalsci.cpu_metal.compile.lanes.section import LANE
from metalsci.cpu_metal.compile.lanes.shapes import fixed, steps
from metalsci.cpu_metal.compile.lanes.values import Values, respelled
from metalsci.cpu_metal.compile.lanes.widen import is_elementwise, widen
from metalsci.cpu_metal.compile.llvm.instruction import Instruction

EXCHANGE, SIMDGROUP_BARRIER = "metal_exchange", "metal_simdgroup_barrier"
SIMDGROUP = 32
_EXCHANGE_TYPE = "[2056 x i8]"  # struct metal_exchange_t of include/metal_runtime: who is active, the lane, values
_LANE_OFFSET, _VALUES_OFFSET = 4, 8
_IGNORED = ("llvm.lifetime.", "llvm.assume", "llvm.experimental.noalias", "llvm.dbg.", "llvm.donothing")
_MEMORY = ("llvm.memcpy.", "llvm.memset.", "llvm.memmove.")


def touches_memory(each: Instruction) -> bool:
    """Return True if an instruction must not be executed when no lane is active."""
    if each.opcode == "call":
        return not is_elementwise(each.callee) and not each.callee.startswith(_IGNORED)
    return each.opcode in ("load", "store", "atomicrmw", "cmpxchg", "fence")


def step(values: Values, each: Instruction) -> None:
    """Add the effect of an instruction in all active lanes. Raises RefusedError."""
    if each.result in values.fixed_scalars:
        return
    if each.opcode == "call":
        _call(values, each)
    elif each.opcode == "store":
        if each.flags:
            one_by_one(values, each, lambda given: respelled(each, given))
        else:
            store(values, each)
    elif each.opcode in ("atomicrmw", "cmpxchg") or (each.opcode == "load" and each.flags):
        found = one_by_one(values, each, lambda given: respelled(each, given))
        values.keep(each.result, each.type, found)
    elif values.known.shapes[each.result].is_scalar:
        values.keep(each.result, each.type, _scalar(values, each))
    elif each.opcode == "load":
        values.keep(each.result, each.type, load(values, each))
    else:
        values.keep(each.result, each.type, widen(values, each))


def _scalar(values: Values, each: Instruction) -> str:
    if values.known.shapes[each.result].kind == "rows" and each.opcode == "getelementptr":
        return _row(values, each)
    return values.code.new(values.spelled(each))


def _row(values: Values, each: Instruction) -> str:
    """Move a pointer into rows: its elements are as many times further apart as there are lanes."""
    code, where, sizes = values.code, values.scalar(each.operands[0]), steps(each)
    if sizes is None:
        raise RefusedError("an address of a kind that is not known in lanes")
    total = fixed(each) * code.width
    where = code.new(f"getelementptr i8, ptr {where}, i64 {total}") if total else where
    for size, index in zip(sizes, each.operands[1:], strict=True):
        if size and index.value != "0":
            scalar = values.scalar(index)
            wide = scalar if index.type == "i64" else code.new(f"sext {index.type} {scalar} to i64")
            where = code.new(f"getelementptr i8, ptr {where}, i64 {code.new(f'mul i64 {wide}, {size * code.width}')}")
    return where


def _call(values: Values, each: Instruction) -> None:
    name, code = each.callee, values.code
    if name.startswith(_IGNORED) or name == LANE:
        return
    if name in (EXCHANGE, SIMDGROUP_BARRIER) and code.width != SIMDGROUP:
        raise RefusedError("a function of a simdgroup in fewer lanes than it has")
    if name == SIMDGROUP_BARRIER:
        return
    if name == EXCHANGE:
        _exchange(values, each)
    elif name.startswith(_MEMORY):
        _memory(values, each)
    elif each.result and values.known.shapes[each.result].is_scalar:
        values.keep(each.result, each.type, code.new(values.spelled(each)))
    elif is_elementwise(name):
        values.keep(each.result, each.type, widen(values, each))
    else:
        found = one_by_one(values, each, lambda given: respelled(each, given))
        if each.result:
            values.keep(each.result, each.type, found)


def exchanges(graph: Graph) -> tuple[set[str], set[str]]:
    """Return the values that stand for exchanged data of lanes, and those that are the lane itself."""
    body = [each for node in graph.nodes.values() for each in node.body]
    brought = {each.result for each in body if each.callee == EXCHANGE}
    places = {
        each.result
        for each in body
        if each.opcode == "getelementptr"
        and each.operands[0].value in brought
        and each.detail == "i8"
        and each.operands[1].value == str(_LANE_OFFSET)
    }
    return brought, {each.result for each in body if each.opcode == "load" and each.operands[0].value in places}


def _exchange(values: Values, each: Instruction) -> None:
    """Write each lane's data, and the mask of active lanes, for all to read."""
    pointer, size = each.operands
    shape, code = values.shape(pointer), values.code
    if shape.kind != "strided" or str(shape.stride) != size.value or each.result in values.crossing:
        raise RefusedError("a function of a simdgroup whose values do not lie side by side")
    place = code.alloca(_EXCHANGE_TYPE, 64)
    active = "-1" if values.full else code.as_bits(values.mask)
    code.do(f"store i32 {active}, ptr {place}, align 64")
    found = code.new(f"getelementptr i8, ptr {place}, i64 {_VALUES_OFFSET}")
    total = shape.stride * code.width
    code.run("llvm.memcpy.p0.p0.i64", [f"ptr {found}", f"ptr {values.scalar(pointer)}", f"i64 {total}", "i1 false"])
    values.keep(each.result, each.type, place)


def _memory(values: Values, each: Instruction) -> None:
    """Write a copy or a fill."""
    pointer = each.operands[0]
    shape = values.shape(pointer)
    if shape.kind == "rows":
        size = each.operands[2]
        if not each.callee.startswith("llvm.memset.") or not values.full_or_dead or size.is_local:
            raise RefusedError("a copy of a variable in rows")
        fill = values.scalar(each.operands[1])
        given = f"ptr {values.scalar(pointer)}, i8 {fill}, i64 {int(size.value) * values.code.width}, i1 false"
        values.code.do(f"call void {each.detail}({given})")
    elif all(values.shape(operand).kind == "uniform" for operand in each.operands):
        values.code.do(values.spelled(each))
    else:
        one_by_one(values, each, lambda given: respelled(each, given))
