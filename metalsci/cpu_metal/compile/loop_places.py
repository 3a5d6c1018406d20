"""The line of the source for which LLVM does not vectorise a kernel's loop over threads.

LLVM knows places only in a module that has them all, with which every kernel would take longer to compile. So the loop
is refused once more, for those who ask.
"""

from metalsci.cpu_metal.compile.front import as_metal_has_it
from metalsci.cpu_metal.compile.loop_remarks import REMARKS, place_of_refusal
from metalsci.cpu_metal.compile.scratch import FILE, TO_MODULE_WITH_PLACES, Scratch, place
from metalsci.cpu_metal.compile.wrapper import Mode, Wrapper, unit
from metalsci.msl.language.signature import KernelSignature

_SECONDS = 1.0  # of processor time, of which most kernels take a twentieth
_NO_CODE = ("-Xclang", "-emit-llvm-only")


def line_of_refusal(scratch: Scratch, signature: KernelSignature, mode: Mode) -> int:
    """Let LLVM refuse a kernel's loop over threads. Return the user's line, or 0. Raises CompileError."""
    kind = Wrapper(signature, scratch.function(signature), mode, independent=True)
    scratch.clang("places.cl", unit(FILE, [kind]), [*TO_MODULE_WITH_PLACES, "-o", "places.ll"], place(signature))
    scratch.write("places.ll", as_metal_has_it(scratch.read("places.ll")))
    flags, optimise = (*REMARKS, *_NO_CODE), scratch.toolchain.optimise
    found = place_of_refusal(
        scratch.ran(
            lambda: optimise(scratch.path, "places.ll", "places.o", scratch.math_mode, flags, _SECONDS),
            place(signature),
        ),
        FILE,
    )
    if found is None:
        return 0
    return scratch.source.original(*found)[0]
