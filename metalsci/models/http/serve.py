"""A model server of one's own, started for a run and stopped after it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from metalsci.models.errors import ModelError

_POLL = 0.05
_GRACE = 5.0  # seconds between asking it to stop and killing it
_NO_MODULE = re.compile(r"No module named '?(\w+)")


class Server:
    """A command that serves a model on the port that takes the place of `{port}` in it, and `{python}` this Python.

    timeout: seconds until it answers; loading the weights, or downloading them first, takes its time.
    """

    def __init__(self, command: Sequence[str], timeout: float) -> None:
        if not any("{port}" in word for word in command):
            raise ValueError(
                "model.serve needs {port} among its words: the server must listen on a port that metalsci chooses"
            )
        self._words = list(command)
        self._command = self._words[0]
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._log: Path | None = None

    def start(self) -> str:
        """Start the command and return the base URL of its API, once it answers.

        If it does not, raises ModelError with its last words.
        """
        port = _free_port()
        command = [word.format(port=port, python=sys.executable) for word in self._words]
        self._command = shlex.join(command)
        output, path = tempfile.mkstemp(prefix="metalsci-", suffix=".log")
        self._log = Path(path)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, and the server's own children end with it
            )
        except OSError as error:
            raise ModelError(f"{command[0]} does not start: {error}; is it installed?") from error
        finally:
            os.close(output)
        return self._wait_for(f"http://127.0.0.1:{port}/v1")

    def _wait_for(self, url: str) -> str:
        give_up = time.monotonic() + self._timeout
        while not _answers(url):
            died = self.obituary()
            if died:
                raise ModelError(died)
            if time.monotonic() > give_up:
                raise ModelError(
                    f"{self._command} does not answer after {self._timeout:.0f} s; raise "
                    f"model.serve_timeout if it is still loading. Its last words:\n{self._last_words()}"
                )
            time.sleep(_POLL)
        return url

    def obituary(self) -> str:
        """Describe how a server ended; empty while it lives."""
        if self._process is None or self._process.poll() is None:
            return ""
        how = f"ended with status {self._process.returncode}"
        words = self._last_words()
        missing = _NO_MODULE.search(words)
        if missing:
            advice = f"\nit is not installed here: pip install {missing[1].replace('_', '-')}"
        else:
            advice = ""
        return f"{self._command} {how}; its last words:\n{words}{advice}"

    def stop(self) -> None:
        """Stop the server and everything it has started. May be called again."""
        if self._process is not None:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._process.pid, sign)
                    self._process.wait(_GRACE)
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.unlink(missing_ok=True)
            self._log = None

    def _last_words(self) -> str:
        if self._log:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        else:
            text = ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-8:]) or "  (none)"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # it speaks HTTP; whether it likes the question does not matter
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
