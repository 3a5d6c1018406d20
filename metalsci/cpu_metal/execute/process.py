"""The host's side of a device process: start, ask, and kill."""

import mmap
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metalsci.cpu_metal.execute.host import limit, shared_memory
from metalsci.cpu_metal.execute.worker import PATIENCE, REPLY, REQUEST, STATUS, Operation

_WORKER = Path(__file__).parent / "worker.py"
_INTERPRETER = (sys.executable, "-I", "-S")
_MEMORY = 4 << 30  # bytes that a device may allocate, apart from its buffers and its worker threads' stacks
_ARENA = 128 << 20  # bytes of a worker thread's stacks: see runtime/worker.h
_PATIENCE = 30  # times its limit that a run may take by the clock on the wall, which ends what sleeps
_SOON = 1.0  # milliseconds: most requests are answered by then, and reading /proc takes a tenth of it
_FILE_SIZE = 64 << 20  # bytes of a kernel's code


class ProcessTimeout(Exception):  # noqa: N818  it becomes DeviceTimeout, which knows the dispatch
    """No answer in time. The process has been killed."""


class ProcessDied(Exception):  # noqa: N818  it becomes DeviceCrash, which knows the buffer
    """The process ended instead of answering."""


@dataclass(frozen=True)
class Status:
    """The record that the device process writes about itself; see runtime/runtime.h."""

    signal: int
    access: int
    address: int
    dispatch: int
    finished: int
    guard: int
    finding: int
    thread: int
    group: tuple[int, int, int]
    lines: tuple[int, int]


class DeviceProcess:
    """One process, from start to kill. It ends by itself when this one does.

    workers: its threads that run kernels. interpreter: runs Python there.
    """

    def __init__(self, runtime: Path, workers: int, interpreter: Sequence[str] = _INTERPRETER) -> None:
        self.workers = workers
        self._connection, theirs = socket.socketpair()
        self._answers = select.poll()
        self._answers.register(self._connection, select.POLLIN)
        descriptor = shared_memory("metal-status", STATUS.size)
        self._status = mmap.mmap(descriptor, STATUS.size)
        arguments = [str(theirs.fileno()), str(descriptor), str(runtime), str(workers)]
        environment = {"LC_ALL": "C"}
        if "LD_LIBRARY_PATH" in os.environ:  # some interpreters do not start without
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        try:
            self._process = subprocess.Popen(
                [*interpreter, str(_WORKER), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), descriptor],
                start_new_session=True,
            )
            # The caller limits its time. Data is private memory that can be written to: no buffers.
            limits = {
                resource.RLIMIT_DATA: _MEMORY + (workers + 1) * _ARENA,
                resource.RLIMIT_FSIZE: _FILE_SIZE,
                resource.RLIMIT_CORE: 0,
            }
            limit(self._process.pid, limits)
        finally:
            theirs.close()
            os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> Status:
        *numbers, x, y, z, first, second, _ = STATUS.unpack_from(self._status)
        signal_, access, address, dispatch, finished, guard, finding, thread = numbers
        return Status(signal_, access, address, dispatch, finished, guard, finding, thread, (x, y, z), (first, second))

    def set_patience(self, nanoseconds: int) -> None:
        """Say how long workers without work look out for it in the next run, before they sleep."""
        PATIENCE.pack_into(self._status, STATUS.size - PATIENCE.size, nanoseconds)

    def ask(
        self,
        operation: Operation,
        first: int = 0,
        second: int = 0,
        descriptors: Sequence[int] = (),
        timeout: float | None = None,
    ) -> int:
        """Return the answer's number. Raises ProcessTimeout, ProcessDied, or OSError if the device refused.

        However it ends early, by an interrupt too, the process is killed: half a conversation cannot be resumed.
        """
        answered = False
        try:
            if descriptors:
                socket.send_fds(self._connection, [REQUEST.pack(operation, first, second)], list(descriptors))
            else:
                self._connection.sendall(REQUEST.pack(operation, first, second))
            if timeout is not None and not self._answered(timeout):
                raise ProcessTimeout
            reply = self._connection.recv(REPLY.size)
            if len(reply) < REPLY.size:
                raise ProcessDied
            answered = True
        except (BrokenPipeError, ConnectionResetError):
            raise ProcessDied from None
        finally:
            if not answered:
                self.kill()
        error, result = REPLY.unpack(reply)
        if error:
            raise OSError(f"the device could not {operation.name.lower()}")
        return int(result)

    def _answered(self, timeout: float) -> bool:
        """Wait for an answer. Return False if none comes in time.

        timeout: seconds of processor time of the busiest thread, since no candidate is to blame for a busy machine: of
            63 recorded candidates that are right on an M1, 23 were late by a wall clock.
        """
        if self._answers.poll(min(1e3 * timeout, _SOON)):
            return True
        before, give_up = self._spent(), time.perf_counter() + _PATIENCE * timeout
        left = timeout
        while not self._answers.poll(max(1e3 * left, 1.0)):
            left = timeout - max(
                (now - before.get(thread, 0.0) for thread, now in self._spent().items()), default=timeout
            )
            if left <= 0 or time.perf_counter() > give_up or not self.alive:
                return False
        return True

    def _spent(self) -> dict[str, float]:
        """Return the processor time in seconds of each of the process's threads; nothing if the system does not say."""
        found = {}
        with suppress(OSError):
            for thread in Path(f"/proc/{self.pid}/task").iterdir():
                found[thread.name] = 1e-9 * int((thread / "schedstat").read_text(encoding="ascii").split()[0])
        return found

    def kill(self) -> None:
        """End the process and everything in its session. A second call does no harm."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()
            self._process.wait()
        self._connection.close()
