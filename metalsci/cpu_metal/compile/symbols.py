"""The symbols that a kernel's object may leave undefined: functions of the device process, and the linker's.

The compiler calls some functions by itself, in place of an instruction that the processor lacks. These have one right
value each, to the last bit, so a kernel's values depend neither on the processor nor on the host's libm. Functions with
more than one right value, such as `sinf`, are part of Metal's headers and never called.
"""

THREADGROUP_SECTION = "metal_threadgroup"
WAITS = frozenset({"metal_threadgroup_barrier", "metal_simdgroup_barrier", "metal_exchange"})
_OF_16_BITS = {"__truncsfbf2", "__truncsfhf2", "__truncdfbf2", "__truncdfhf2", "__extendhfsf2", "__extendhfdf2"}
_MEMORY = {"memcpy", "memset", "memmove"}
# A processor before x86-64-v2 has no instruction that rounds.
_ROUNDING = {f"{name}{kind}" for name in ("ceil", "floor", "round", "roundeven", "trunc") for kind in ("", "f")}
HELPERS = frozenset({*_OF_16_BITS, *_MEMORY, *_ROUNDING, "fma", "fmaf"})
"""Functions of the runtime (runtime/conversions.c, runtime/fused.c) and of the C library."""
ALLOWED = WAITS | HELPERS | {f"__start_{THREADGROUP_SECTION}", "_GLOBAL_OFFSET_TABLE_"}

_ACCESSES = ("read", "write", "atomic", "copy", "fill", "index", "out_of_bounds")
_CHECKS = (*_ACCESSES, "divided", "made", "image", "source", "unset")
CHECKS = frozenset(f"metal_{name}" for name in _CHECKS) | {"__ehdr_start", "_end"}
"""Functions that an instrumented kernel calls too, for the sanitizer."""
COUNTS = frozenset(f"metal_profile_{name}" for name in ("block", "touch", "change"))
"""Functions that a counted kernel calls too, for the profiler."""
