"""The isolation of compiler and device process from the rest of the machine, as far as this one's kernel can.

Both apply everything that it has before they touch untrusted code, or do not start: `runtime/isolation.c`.
"""

import ctypes
import platform
import sys
from dataclasses import dataclass

_SECCOMP = {"x86_64": 317, "aarch64": 277}  # numbers of system calls
_LANDLOCK_CREATE_RULESET = 444
_ACTION_KNOWN, _REFUSE, _VERSION = 2, 0x50000, 1  # SECCOMP_GET_ACTION_AVAIL, its question, and landlock's


@dataclass(frozen=True)
class Isolation:
    """Isolation of a process.

    seccomp: system calls are limited to those that are needed: no network, no new process, no signal.
    landlock: the version that limits files to a scratch folder, and the device's to none; 0 for none.
    """

    seccomp: bool
    landlock: int

    @property
    def lacking(self) -> tuple[str, ...]:
        """The gaps that this kernel leaves, in words."""
        without_seccomp = "no seccomp: compiler and kernels may reach the network and other processes"
        without_landlock = "no landlock (Linux 5.13 and later have it): compiler and kernels may open files"
        return (() if self.seccomp else (without_seccomp,)) + (() if self.landlock else (without_landlock,))


def state() -> Isolation:
    """Return the isolation of every compiler and device process that is started on this machine."""
    number = _SECCOMP.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return Isolation(seccomp=False, landlock=0)
    syscall = ctypes.CDLL(None).syscall
    syscall.restype = ctypes.c_long
    refuse = ctypes.c_uint32(_REFUSE)
    seccomp = syscall(ctypes.c_long(number), ctypes.c_long(_ACTION_KNOWN), ctypes.c_long(0), ctypes.byref(refuse)) == 0
    version = syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET), ctypes.c_void_p(), ctypes.c_size_t(0), ctypes.c_long(_VERSION)
    )
    return Isolation(seccomp, max(0, version))
