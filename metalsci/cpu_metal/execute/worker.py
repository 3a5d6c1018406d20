"""The device process: loads kernels, maps buffers, runs command buffers. Started by process.py as a program of its own.

It imports nothing but the standard library, holds no expected results, no keys and no configuration, and once it has
loaded the runtime it can open no file, reach no network and start no process (runtime/isolation.c). So a kernel that
damages it harms nothing else.
"""

import ctypes
import mmap
import os
import select
import socket
import struct
import sys
import threading
from contextlib import suppress
from enum import IntEnum

# What the host and the device process say to one another. A request is `REQUEST`, with at most one descriptor beside
# it; each has one `REPLY`. What is large lies in shared memory.

REQUEST = struct.Struct("<qqq")
"""Operation and two numbers."""
REPLY = struct.Struct("<qq")
"""0, or what went wrong, and a number."""
STATUS = struct.Struct("<iIQIIQII3I2I4xQ")
"""As runtime/runtime.h lays out `struct Status`."""


PATIENCE = struct.Struct("<Q")
"""Nanoseconds that a worker looks out for work, at the end of the status. The host sets them."""


class Operation(IntEnum):
    MAP = 1
    """The descriptor's memory, of so many bytes, writable or not: gives its address."""
    UNMAP = 2
    """The mapping at an address, of so many bytes."""
    LOAD = 3
    """The descriptor's shared object: gives the address of its entry."""
    RUN = 4
    """The command buffer at an address, of so many dispatches."""
    CHECK = 5
    """The command buffer of the `struct Check` at an address."""
    PROFILE = 6
    """The dispatch of the `struct Profile` at an address."""
    FORGET = 7
    """Whatever kernels have left on the workers' stacks and in threadgroup memory."""


class DeviceWorker:
    def __init__(self, connection: socket.socket, runtime: ctypes.CDLL) -> None:
        self._connection = connection
        self._runtime = runtime
        self._libraries: list[ctypes.CDLL] = []

    def serve(self) -> None:
        """Answer requests until the host hangs up."""
        while True:
            request, descriptors, _, _ = socket.recv_fds(self._connection, REQUEST.size, 1)
            if len(request) < REQUEST.size:
                return
            operation, first, second = REQUEST.unpack(request)
            try:
                result = self._perform(operation, first, second, descriptors)
                reply = REPLY.pack(0 if result is not None else -1, result or 0)
            except OSError:
                reply = REPLY.pack(-1, 0)
            for descriptor in descriptors:
                os.close(descriptor)
            self._connection.sendall(reply)

    def _perform(self, operation: int, first: int, second: int, descriptors: list[int]) -> int | None:
        """Return the result, or None for a failure."""
        if operation == Operation.RUN:
            self._runtime.metal_run(first, second)
            return 0
        if operation == Operation.CHECK:
            self._runtime.metal_check(first)
            return 0
        if operation == Operation.PROFILE:
            self._runtime.metal_profile(first)
            return 0
        if operation == Operation.FORGET:
            self._runtime.metal_forget()
            return 0
        if operation == Operation.MAP:
            return self._runtime.metal_map(descriptors[0], first, second) or None
        if operation == Operation.UNMAP:
            self._runtime.metal_unmap(first, second)
            return 0
        if operation == Operation.LOAD:
            library = ctypes.CDLL(f"/proc/self/fd/{in_memory(descriptors[0])}")
            self._libraries.append(library)
            return ctypes.cast(library.metal_run, ctypes.c_void_p).value
        return None


def in_memory(descriptor: int) -> int:
    """Return a descriptor of the file's content, which the loader can open by name when no file can be opened.

    It is never closed: the loader knows libraries by name, so that no other may get this one's number.
    """
    copy = os.memfd_create("metal-kernel", os.MFD_CLOEXEC)
    os.write(copy, os.pread(descriptor, os.fstat(descriptor).st_size, 0))
    return copy


def load_runtime(path: str) -> ctypes.CDLL:
    # Kernels find the functions of libm and of the runtime among the global symbols.
    with suppress(OSError):  # musl's is part of its C library
        ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)
    runtime = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    runtime.metal_start.argtypes = [ctypes.c_void_p]
    runtime.metal_await.argtypes = [ctypes.c_uint32]
    runtime.metal_await.restype = None
    runtime.metal_run.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    runtime.metal_run.restype = None
    runtime.metal_check.argtypes = [ctypes.c_size_t]
    runtime.metal_check.restype = None
    runtime.metal_profile.argtypes = [ctypes.c_size_t]
    runtime.metal_profile.restype = None
    runtime.metal_forget.argtypes = []
    runtime.metal_forget.restype = None
    runtime.metal_map.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_int]
    runtime.metal_map.restype = ctypes.c_size_t
    runtime.metal_unmap.argtypes = [ctypes.c_size_t, ctypes.c_uint64]
    runtime.metal_unmap.restype = None
    return runtime


def end_with_host(connection: socket.socket) -> None:
    """End the process, whatever it is busy with, once the host is gone.

    (Linux's parent-death signal would do so too when the host's *thread* that started the device ends.)
    """
    poll = select.poll()
    poll.register(connection, 0)  # a hang-up is always reported
    poll.poll()
    os._exit(0)


def join(runtime: ctypes.CDLL) -> None:
    """Work until the process ends. It ends at once if there is no memory for another worker.

    ctypes gives up the interpreter's lock for as long as the call lasts: for good.
    """
    if runtime.metal_join():
        os._exit(1)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    status = mmap.mmap(int(sys.argv[2]), STATUS.size)
    runtime = load_runtime(sys.argv[3])
    if runtime.metal_isolate():
        sys.exit(1)
    threading.Thread(target=end_with_host, args=(connection,), daemon=True).start()
    address = ctypes.addressof(ctypes.c_char.from_buffer(status))
    workers = int(sys.argv[4])
    if runtime.metal_start(address) or runtime.metal_join():
        sys.exit(1)
    for _ in range(workers):
        threading.Thread(target=join, args=(runtime,), daemon=True).start()
    runtime.metal_await(workers + 1)
    DeviceWorker(connection, runtime).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
