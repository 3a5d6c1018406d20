"""Modules that LLVM would take long over, told by their lines before it starts, which are the same on every machine.

LLVM takes a second for 10,000 to 20,000 lines. A limit of its time alone throws away what it has done until then: a
quarter of the time that slow recorded candidates took went that way.
"""

import re

MOST_UNROLLED = 4000
"""Lines of Clang's module, of all its kernels, whose orders to unroll loops are left out without a try."""
MOST_SIMPLE = 1000
"""Lines of a simplified kernel whose orders are left out after all.

What loops become of them is longer by then than what vectors of threads gain by it: of 30 recorded candidates that
were longer, those with arrays of their own ran 3 to 10 times as fast with short loops, since the whole did not fit
into vectors at all, and the others as fast within a fifth.
"""
MOST_IN_LANES = 5000
"""Lines of a simplified kernel whose loops are not unrolled, though LLVM finds that right and nobody orders it.

It goes by each loop, which is too much if there are many: an example of hmc has eight instances of its step. It has
11,000 lines with whole loops unrolled and 7,000 with short ones, and those run as fast.
"""
MOST_SHORTENED = 12000
"""Lines of a simplified kernel that would stay too long for lanes with short loops too."""
MOST_OPTIMISED = 4000
"""Lines of a kernel's module that is optimised less, if it is not for vectors of threads."""
_ORDER = re.compile(r'!"llvm\.loop\.unroll\.(?:full|enable|count)"')


def lines(module: str) -> int:
    return module.count("\n")


def has_orders(module: str) -> bool:
    """Return True if the user orders a loop to be unrolled."""
    return _ORDER.search(module) is not None


def without_orders(module: str) -> str:
    """Return a module without the user's orders to unroll loops, which LLVM obeys whatever comes of them.

    It unrolls as it finds right, which keeps small arrays of a thread's own in registers.
    """
    return _ORDER.sub('!"metal.loop.unroll"', module)
