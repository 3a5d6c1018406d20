"""Run a command that may write into some folders only and read everything but some others: `confine.py JSON COMMAND…`.

A program of its own, with nothing but the standard library, between metalsci and an agent. JSON holds `writable`,
`hidden` and `shown`, lists of absolute paths, and `largest`, bytes of a file. What is writable or shown is so inside a
hidden folder too. Landlock (Linux 5.13 and later) holds for the command and for all that it starts; on other systems
the command runs as it is.

On Linux this program stays as the command's guard, and ends as the command does. With the command, with the thread that
started the guard, and on SIGTERM everything ends that the command has started, in sessions of their own too.
"""

import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
from collections.abc import Iterator

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # numbers of system calls, the same on all processors
_NO_NEW_PRIVILEGES, _DEATH_SIGNAL, _ADOPT_ORPHANS = 38, 1, 36  # of prctl
_ROUNDS = 1000  # of ending what is there, while that starts more
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY, _REFER, _TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 13, 14))
_READ = _EXECUTE | _READ_FILE | _READ_DIRECTORY
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_CAPABILITIES = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0] * 6)  # of this process: none
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts")


def _restrict(writable: list[str], hidden: list[str], shown: list[str]) -> None:
    """Apply what this kernel has; nothing if it has no Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    handled = (1 << 13) - 1  # the rights of the first version
    if version >= 2:
        handled |= _REFER
    if version >= 3:
        handled |= _TRUNCATE
    attributes = struct.pack("Q", handled)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    rules = [(path, handled) for path in (*writable, *_DEVICES)]
    rules += [(path, _READ) for path in (*shown, *_readable("/", hidden))]
    for path, access in rules:
        try:
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # it is not there, or may not be looked at anyway
        if stat.S_ISDIR(os.fstat(file).st_mode):
            allowed = access
        else:
            allowed = access & _OF_FILES
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed & handled, file), 0)
        os.close(file)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(*_CAPABILITIES)  # root could read the memory of other processes, Landlock or not
    if libc.syscall(_RESTRICT_SELF, ruleset, 0):
        sys.exit(f"confine: {os.strerror(ctypes.get_errno())}")


def _readable(folder: str, hidden: list[str]) -> Iterator[str]:
    """Yield the largest folders that hold nothing hidden: Landlock can only add to what is allowed.

    A link is left out, since it would allow all of the folder that it leads to.
    """
    if folder in hidden or os.path.islink(folder):  # noqa: PTH114
        return
    if not any(path.startswith(folder.rstrip("/") + "/") for path in hidden):
        yield folder
        return
    try:
        names = os.listdir(folder)  # noqa: PTH208  (strings from end to end)
    except OSError:
        return
    for name in names:
        yield from _readable(os.path.join(folder, name), hidden)  # noqa: PTH118


def _guard() -> None:
    """Return in a child process; this one waits for it, ends its descendants, and ends as it did."""
    libc = ctypes.CDLL(None)
    libc.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: _end_all())
    libc.prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    command = os.fork()
    if not command:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        return
    ended = status = 0
    while ended != command:
        ended, status = os.waitpid(-1, 0)
    _end_all(status)


def _end_all(status: int = 0) -> None:
    """End all children, which orphans become too, and then this process, as a process with this status did."""
    for _ in range(_ROUNDS):
        children = _children()
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        if not children:
            break
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _children() -> list[int]:
    try:
        with open("/proc/thread-self/children") as file:  # noqa: PTH123
            return [int(child) for child in file.read().split()]
    except OSError:
        return []  # a kernel that does not say: what is in the command's session ends with it all the same


def main() -> None:
    limits = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["largest"], limits["largest"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _guard()
        _restrict(limits["writable"], limits["hidden"], limits["shown"])
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")


if __name__ == "__main__":
    main()
