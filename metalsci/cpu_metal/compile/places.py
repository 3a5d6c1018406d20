"""Lines of the source for which a kernel does not run in the fastest way, found for those who ask.

LLVM knows places only in a module that has them all, with which every kernel would take longer to compile. So it is
refused once more.
"""

import re
from collections import Counter

from metalsci.cpu_metal.compile.front import as_metal_has_it
from metalsci.cpu_metal.compile.kernel_build import lanes_of
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.kernel import in_lanes
from metalsci.cpu_metal.compile.lanes.worth import WhenInLanes
from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo
from metalsci.cpu_metal.compile.long_modules import MOST_UNROLLED, lines, without_orders
from metalsci.cpu_metal.compile.loop_remarks import REMARKS, place_of_refusal
from metalsci.cpu_metal.compile.scratch import FILE, TO_MODULE_WITH_PLACES, Scratch, place
from metalsci.cpu_metal.compile.wrapper import RUN, Mode, Wrapper, unit
from metalsci.msl.language.signature import KernelSignature

_SECONDS = 1.0  # of processor time, of which most kernels take a tenth
_MODULE = "places.ll"
_METADATA = re.compile(r"^!.*\n", re.MULTILINE)
_NO_CODE = ("-Xclang", "-emit-llvm-only")


def line_of_refusal(scratch: Scratch, signature: KernelSignature, mode: Mode) -> int:
    """Let LLVM refuse a kernel's loop over threads. Return the user's line, or 0. Raises CompileError."""
    _write_module(scratch, Wrapper(signature, scratch.function(signature), mode, independent=True))
    optimise, flags = scratch.toolchain.optimise, (*REMARKS, *_NO_CODE)
    messages = scratch.ran(
        lambda: optimise(scratch.path, _MODULE, "places.o", scratch.math_mode, flags, _SECONDS), place(signature)
    )
    return _line(scratch, place_of_refusal(messages, FILE))


def line_outside_lanes(scratch: Scratch, signature: KernelSignature, mode: Mode) -> int:
    """Refuse a kernel in lanes once more. Return the user's line, or 0. Raises CompileError.

    Whether it is long is not asked again: that condition is the last one.
    """
    mode = min(mode, Mode.GROUP)
    _write_module(scratch, Wrapper(signature, scratch.function(signature), mode, lanes=True))
    module = scratch.read(_MODULE)
    is_long = lines(_METADATA.sub("", module)) > MOST_UNROLLED
    if is_long:
        scratch.write(_MODULE, without_orders(module))
    simplify, names = scratch.toolchain.simplify, (_MODULE, "simple.ll")
    scratch.ran(lambda: simplify(scratch.path, *names, scratch.math_mode, _SECONDS, is_long=is_long), place(signature))
    module = scratch.read(names[1])
    try:
        in_lanes(module, RUN, lanes_of(module), is_row=mode is Mode.GRID, when=WhenInLanes.IF_FASTER_THOUGH_LONG)
    except RefusedError as error:
        found = DebugInfo(module, FILE).place(error.at.metadata) if error.at is not None else None
        if found is not None:
            return _line(scratch, (found.line, found.column))
    return 0


def line_of_most_code(scratch: Scratch, signature: KernelSignature, mode: Mode) -> int:
    """Return the user's line that the most instructions come from, 0 if none does. Raises CompileError.

    They are counted after loops have been unrolled as the user asks. If that takes too long there is none.
    """
    _write_module(scratch, Wrapper(signature, scratch.function(signature), min(mode, Mode.GROUP), lanes=True))
    simplify, names = scratch.toolchain.simplify, (_MODULE, "simple.ll")
    scratch.ran(lambda: simplify(scratch.path, *names, scratch.math_mode, _SECONDS, is_long=False), place(signature))
    module = scratch.read(names[1])
    info = DebugInfo(module, FILE)
    places = Counter(found for line in module.splitlines() if (found := info.place(line)) is not None)
    lines_of = Counter[int]()
    for found, count in places.items():
        lines_of[_line(scratch, (found.line, found.column))] += count
    del lines_of[0]
    return max(lines_of, key=lambda line: (lines_of[line], -line), default=0)


def _write_module(scratch: Scratch, wrapper: Wrapper) -> None:
    flags = [*TO_MODULE_WITH_PLACES, "-o", _MODULE]
    scratch.clang("places.cl", unit(FILE, [wrapper]), flags, place(wrapper.signature))
    scratch.write(_MODULE, as_metal_has_it(scratch.read(_MODULE)))


def _line(scratch: Scratch, at: tuple[int, int] | None) -> int:
    """Return the user's line of a place in what Clang has read, 0 if there is none."""
    if at is None:
        return 0
    return scratch.source.original(*at)[0]
