"""The line of the source for which a kernel does not run in lanes, found for those who ask: see loop_places.py."""

from metalsci.cpu_metal.compile.front import as_metal_has_it
from metalsci.cpu_metal.compile.kernel_build import lanes_of
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.kernel import in_lanes
from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo
from metalsci.cpu_metal.compile.scratch import FILE, TO_MODULE_WITH_PLACES, Scratch, place
from metalsci.cpu_metal.compile.wrapper import RUN, Mode, Wrapper, unit
from metalsci.msl.language.signature import KernelSignature

_SECONDS = 1.0  # of processor time, of which most kernels take a tenth


def line_outside_lanes(scratch: Scratch, signature: KernelSignature, mode: Mode) -> int:
    """Refuse a kernel in lanes once more. Return the user's line, or 0. Raises CompileError."""
    mode, where = min(mode, Mode.GROUP), place(signature)
    kind = Wrapper(signature, scratch.function(signature), mode, lanes=True)
    scratch.clang("lanes.cl", unit(FILE, [kind]), [*TO_MODULE_WITH_PLACES, "-o", "lanes.ll"], where)
    scratch.write("lanes.ll", as_metal_has_it(scratch.read("lanes.ll")))
    simplify, names = scratch.toolchain.simplify, ("lanes.ll", "simple.ll")
    scratch.ran(lambda: simplify(scratch.path, *names, scratch.math_mode, _SECONDS), where)
    module = scratch.read("simple.ll")
    try:
        in_lanes(module, RUN, lanes_of(module), is_row=mode is Mode.GRID, if_faster=True)
    except RefusedError as error:
        found = DebugInfo(module, FILE).place(error.at.metadata) if error.at is not None else None
        if found is not None:
            return scratch.source.original(found.line, found.column)[0]
    return 0
