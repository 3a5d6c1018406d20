"""The folder in which an agent works: what lies there for it, and what is read of it afterwards.

Everything in it may have been replaced by the agent, so nothing is written there once the agent runs, and files are
read without following links.
"""

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metalsci.models.agents import workspace_tool
from metalsci.models.protocol import Prompt

LARGEST = 1_000_000  # bytes of a kernel or a report
_MOST_FILES = 20_000  # looked at when the size is added up
_LOG = ("_status.json", "_candidate.metal")

_HOW = """# How you work here

You are in a folder of your own. Write your kernel into `kernel.metal`, which now holds the kernel to improve on
(`incumbent.metal` is a copy of it), and hand it in with `metalsci submit`. Where the text below speaks of an answer, it
is what you hand in. `log/` holds the earlier attempts of this search: `NN_candidate.metal`, and what came of it in
`NN_status.json`.

    metalsci check                     compiler, Metal's rules and the sanitizer, no clock: free
    metalsci evaluate                  right? how fast? as the search judges it: {evaluations}
    metalsci profile [kernel.metal] [SIZE]   what a GPU would do, counted and predicted: free
    metalsci submit [kernel.metal] [one sentence about the idea]
    metalsci status                    what is left

You are stopped after {minutes:g} minutes. What was handed in by then counts. You can write here and nowhere else.

"""


class Workspace:
    """tools: the socket of the tools, which the command `metalsci` of this folder speaks to."""

    def __init__(self, path: Path, prompt: Prompt, tools: str) -> None:
        self.path = path
        self.kernel = path / "kernel.metal"
        self._prompt = prompt
        self._tools = tools

    def fill(self, run: Path, minutes: float, evaluations: int) -> None:
        """Make the folder anew. run: the run's folder, whose last attempts are copied."""
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "bin").mkdir(parents=True)
        (self.path / "tmp").mkdir()
        rationed = f"at most {evaluations} times"
        task = _HOW.format(minutes=minutes, evaluations=rationed) + self._prompt.system + "\n" + self._prompt.user
        self._write("TASK.md", task)
        self._write("kernel.metal", self._prompt.parent)
        self._write("incumbent.metal", self._prompt.parent)
        shutil.copyfile(workspace_tool.__file__, self.path / "bin" / "metalsci.py")
        python = getattr(sys, "_base_executable", sys.executable)  # that of a virtual environment reads its packages
        command = f'#!/bin/sh\nexec "{python}" -I -S "{self.path / "bin" / "metalsci.py"}" "$@"\n'
        self._write("bin/metalsci", command)
        (self.path / "bin" / "metalsci").chmod(0o755)
        self._copy_log(run)

    def environment(self) -> dict[str, str]:
        """Return what the agent finds in its environment, besides the process's own."""
        return {
            "PATH": f"{self.path / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TMPDIR": str(self.path / "tmp"),
            "METALSCI_TOOLS": self._tools,
        }

    def changed(self) -> str | None:
        """Return the text of kernel.metal, if it is another one than at the start. Raises StrayError."""
        text = self.read("kernel.metal")
        if text is None or text == self._prompt.parent:
            return None
        return text

    def read(self, name: str) -> str | None:
        """Read a file; None if there is none. Raises StrayError for a link or a file of another kind."""
        try:
            file = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StrayError(f"{name} is no file of the workspace: {error.strerror}") from error
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise StrayError(f"{name} is no regular file")
            return opened.read(LARGEST).decode(errors="replace")

    def reported(self, said: str) -> dict[str, Any]:
        """Read the agent's account of tokens and dollars: usage.json, or the last line it wrote that is JSON."""
        try:
            filed = self.read("usage.json")
        except StrayError:
            filed = None
        for line in (filed, *reversed(said.splitlines())):
            try:
                report = json.loads(line or "null")
            except ValueError:
                continue
            if isinstance(report, dict):
                return report
        return {}

    def size(self) -> int:
        """Add up the bytes of its files."""
        total = 0
        for count, (status, _) in enumerate(_walk(self.path)):
            total += status.st_size
            if count > _MOST_FILES:
                return sys.maxsize
        return total

    def _copy_log(self, run: Path) -> None:
        (self.path / "log").mkdir()
        for file in run.glob("[0-9]*"):
            if file.name.endswith(_LOG):
                shutil.copyfile(file, self.path / "log" / file.name)

    def _write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8", errors="replace")


class StrayError(Exception):
    """Something in a workspace leads out of it; the message names it."""


def _walk(folder: Path) -> Iterator[tuple[os.stat_result, str]]:
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    yield entry.stat(follow_symlinks=False), entry.path
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # it went away meanwhile
