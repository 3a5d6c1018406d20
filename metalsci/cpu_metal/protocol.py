"""What the host and its device process say to one another. Standard library only: the device process imports it.

A request is `REQUEST`, with at most one descriptor beside it; each has one `REPLY`. What is large lies in shared memory.
"""

import struct
from enum import IntEnum

REQUEST = struct.Struct("<qqq")
"""Operation and two numbers."""
REPLY = struct.Struct("<qq")
"""0, or what went wrong, and a number."""
STATUS = struct.Struct("<iIQIIQII3I4x")
"""As runtime/runtime.h lays out `struct Status`."""


class Operation(IntEnum):
    MAP = 1
    """The descriptor's memory, of so many bytes, writable or not: gives its address."""
    UNMAP = 2
    """The mapping at an address, of so many bytes."""
    LOAD = 3
    """The descriptor's shared object: gives the address of its entry."""
    RUN = 4
    """The command buffer at an address, of so many dispatches."""
