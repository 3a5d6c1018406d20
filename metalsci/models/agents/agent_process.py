"""An agent's process: started confined, watched, served with tools, and ended with all that it has started."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from metalsci.models.agents import confine
from metalsci.models.protocol import Stop, ToolAnswer

_TICK = 0.2  # seconds between two looks
_GRACE = 5.0  # seconds for its guard to end what it has started
_PATIENCE = 5.0  # seconds for which a request may take to arrive
_LONGEST_REQUEST = 4_000_000  # bytes
_PIECE = 1 << 16


@dataclass(frozen=True)
class Confinement:
    """Bounds of an agent, in absolute paths.

    writable: where it may write. hidden: what it may not read, but for what is `shown`. megabytes: written in all, and
    said.
    """

    writable: Sequence[Path]
    hidden: Sequence[Path]
    shown: Sequence[Path]
    megabytes: float


@dataclass(frozen=True)
class AgentEnding:
    """Result of an agent's process. stop: Stop.END if it ended by itself. said: the end of its standard output."""

    stop: Stop
    status: int
    said: str


class ToolSocket:
    """A socket in a folder of its own, which no agent can replace by a link. A context manager."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="metalsci-")  # short: an address has at most 107 bytes
        self.address = str(Path(self._folder.name) / "tools")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        self.listener.listen(8)
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self._folder.cleanup()

    def serve(self, answer: Callable[[Mapping[str, str]], ToolAnswer]) -> None:
        """Take one request that waits. One that makes no sense is told so; a client that went away is forgotten."""
        connection, _ = self.listener.accept()
        with connection, suppress(OSError):
            connection.settimeout(_PATIENCE)
            told = _answered(_line(connection), answer)
            connection.sendall(json.dumps({"text": told.text, "ok": told.ok}).encode() + b"\n")


def watch(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    confinement: Confinement,
    sockets: ToolSocket,
    answer: Callable[[Mapping[str, str]], ToolAnswer],
    *,
    deadline: float,
    log: Path,
    written: Callable[[], int],
) -> AgentEnding:
    """Run an agent to its end and serve its requests.

    deadline: by time.monotonic. log: takes what it says. written: bytes in its workspace.

    Raises OSError if there is no process to be had; whatever else raises ends the agent too.
    """
    most = int(confinement.megabytes * 1_000_000)
    limits = {
        "writable": [str(path) for path in confinement.writable],
        "hidden": [str(path) for path in confinement.hidden],
        "shown": [str(path) for path in confinement.shown],
        "largest": most,
    }
    launcher = [sys.executable, "-I", "-S", confine.__file__, json.dumps(limits), *command]
    process = subprocess.Popen(
        launcher,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = _Said(most)
    try:
        with selectors.DefaultSelector() as selector, log.open("wb") as file:
            os.set_blocking(process.stdout.fileno(), False)
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(sockets.listener, selectors.EVENT_READ)
            while (stop := _limit(deadline, said, most, written)) is None:
                has_ended = process.poll() is not None
                for key, _ in selector.select(0 if has_ended else _TICK):
                    if key.fileobj is sockets.listener:
                        sockets.serve(answer)
                    elif not said.take(process.stdout.fileno(), file.write):
                        selector.unregister(process.stdout)
                if has_ended:
                    return AgentEnding(Stop.END, process.returncode, said.text)
    finally:
        _end(process)
        process.stdout.close()
        process.wait()
    return AgentEnding(stop, process.returncode, said.text)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End an agent with all that it has started: its guard does that on Linux, its session is ended elsewhere."""
    if sys.platform == "linux":
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _limit(deadline: float, said: "_Said", most: int, written: Callable[[], int]) -> Stop | None:
    if time.monotonic() > deadline:
        return Stop.OVERDUE
    if said.count > most or written() > most:
        return Stop.FLOODED
    return None


class _Said:
    """The output of a process so far: the count of all, the text of the end."""

    _KEPT = 100_000  # bytes

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._end = b""

    def take(self, file: int, write: Callable[[bytes], object]) -> bool:
        """Read what is there; False at the end of it."""
        with suppress(BlockingIOError):
            while piece := os.read(file, _PIECE):
                self.count += len(piece)
                self._end = (self._end + piece)[-self._KEPT :]
                write(piece)
                if self.count > self._most:
                    return True
            return False
        return True

    @property
    def text(self) -> str:
        return self._end.decode(errors="replace")


def _line(connection: socket.socket) -> bytes:
    line = b""
    begin = time.monotonic()
    while not line.endswith(b"\n") and len(line) < _LONGEST_REQUEST and time.monotonic() - begin < _PATIENCE:
        piece = connection.recv(_PIECE)
        if not piece:
            break
        line += piece
    return line


def _answered(line: bytes, answer: Callable[[Mapping[str, str]], ToolAnswer]) -> ToolAnswer:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return ToolAnswer("the request is no line of JSON", ok=False)
    if not isinstance(request, dict) or not all(isinstance(value, str) for value in request.values()):
        return ToolAnswer('a request is a JSON object of strings, such as {"tool": "status"}', ok=False)
    return answer(request)
