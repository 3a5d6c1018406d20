"""The tools of `python -m metalsci.mcp`, over runs that begin when an agent first asks for them."""

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from metalsci.experiment.handed_session import HandedSession, SessionError
from metalsci.files.locations import data, ensure_cache
from metalsci.models.protocol import ToolAnswer

_LONGEST = 1_000_000  # characters of a kernel
_FENCED = re.compile(r"```\w*\n(.*\n)```", re.DOTALL)
_GRACE = 20.0  # seconds for a run to close its device

_HOW = """metalsci searches for faster Metal compute kernels. Choose one of `tasks`; `prompt` says what is wanted of the
next kernel. `check` it (compiler, rules, sanitizer: free), `profile` it (what a GPU would do, predicted: free),
`evaluate` it (right? how fast? rationed), and `submit` it: that is an attempt, and counts. Then ask for the next
`prompt`. `status` says where the run stands."""


class Sessions:
    """One run a task, begun when it is first needed. Answers are text; a refusal is a ToolError."""

    def __init__(self, overrides: Sequence[str], evaluations: int) -> None:
        self._overrides = ["tracker=none", *overrides]
        self._evaluations = evaluations
        self._sessions: dict[str, HandedSession] = {}
        self._machine = threading.Lock()
        self._guard = threading.Lock()

    def tasks(self) -> dict[str, str]:
        """List the tasks by name, each with its first sentence."""
        told = {}
        for option in sorted((data("conf") / "task").glob("*.yaml")):
            brief = data("tasks") / option.stem / "brief.md"
            if brief.is_file():
                text = brief.read_text(encoding="utf-8")
            else:
                text = ""
            told[option.stem] = _first_sentence(text)
        return told

    def prompt(self, task: str) -> str:
        return self._with(task, lambda session: session.prompt())

    def check(self, task: str, source: str) -> str:
        return self._use(task, "check", {"source": source})

    def evaluate(self, task: str, source: str) -> str:
        return self._use(task, "evaluate", {"source": source})

    def profile(self, task: str, source: str, size: str = "") -> str:
        return self._use(task, "profile", {"source": source, "size": size})

    def submit(self, task: str, source: str, idea: str = "") -> str:
        source = _bare(source)
        return self._with(task, lambda session: _text(session.submit(source, idea)))

    def status(self, task: str) -> dict[str, Any]:
        return self._session(task).status()

    def close(self) -> None:
        """End all runs where they stand."""
        for session in self._sessions.values():
            session.close()
        for session in self._sessions.values():
            session.wait(_GRACE)

    def _use(self, task: str, tool: str, arguments: Mapping[str, str]) -> str:
        bare = {**arguments, "source": _bare(arguments["source"])}
        return self._with(task, lambda session: _text(session.use(tool, bare)))

    def _with(self, task: str, call: Callable[[HandedSession], str]) -> str:
        """Make one call at a time, of all runs: a client may send several, and one kernel is timed at a time."""
        session = self._session(task)
        with self._machine:
            try:
                return call(session)
            except SessionError as error:
                raise ToolError(str(error)) from error

    def _session(self, task: str) -> HandedSession:
        with self._guard:
            if task not in self._sessions:
                if task not in (known := self.tasks()):
                    raise ToolError(f"there is no task {task!r:.80}: {', '.join(known)}")
                self._sessions[task] = HandedSession(task, self._overrides, self._evaluations)
            return self._sessions[task]


def make_server(sessions: Sessions) -> MCPServer:
    """Make the server with its seven tools. Long calls run in threads, so that the connection stays alive."""
    server = MCPServer("metalsci", instructions=_HOW, log_level="ERROR")

    async def tasks() -> dict[str, str]:
        """List the tasks by name."""
        return sessions.tasks()

    async def prompt(task: str) -> str:
        """Say what is wanted of the next kernel: task, machine, the kernel to improve on, earlier attempts."""
        return await anyio.to_thread.run_sync(sessions.prompt, task)

    async def check(task: str, source: str) -> str:
        """Compile a kernel and look for undefined behaviour, without a clock. Free."""
        return await anyio.to_thread.run_sync(sessions.check, task, source)

    async def evaluate(task: str, source: str) -> str:
        """Judge a kernel as the search does, at the sizes of the search. Rationed; not an attempt."""
        return await anyio.to_thread.run_sync(sessions.evaluate, task, source)

    async def profile(task: str, source: str, size: str = "") -> str:
        """Count what a GPU would do, and predict time and bottleneck. size: a label or number. Free."""
        return await anyio.to_thread.run_sync(sessions.profile, task, source, size)

    async def submit(task: str, source: str, idea: str = "") -> str:
        """Hand a kernel in as the next attempt, with a sentence about its idea. Costs an iteration."""
        return await anyio.to_thread.run_sync(sessions.submit, task, source, idea)

    async def status(task: str) -> dict[str, Any]:
        """Say where the run of a task stands: last outcome, best so far, what is left."""
        return sessions.status(task)

    for tool in (tasks, prompt, check, evaluate, profile, submit, status):
        server.add_tool(tool)
    return server


def serve(overrides: Sequence[str], evaluations: int, port: int | None) -> None:
    """Serve until the client goes away, or until Ctrl-C."""
    ensure_cache()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    sessions = Sessions(overrides, evaluations)
    server = make_server(sessions)
    try:
        if port is None:
            server.run("stdio")
        else:
            server.run("streamable-http", host="127.0.0.1", port=port)
    except KeyboardInterrupt:
        pass
    finally:
        sessions.close()


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.:])\s", paragraph, maxsplit=1)[0].rstrip(".:")


def _text(answer: ToolAnswer) -> str:
    return answer.text


def _bare(source: str) -> str:
    """Return the source without a fence around it, if there is one. Raises ToolError for an empty or a long one."""
    if not source.strip() or len(source) > _LONGEST:
        raise ToolError(f"source: give the text of a .metal file, of at most {_LONGEST:,} characters")
    fenced = _FENCED.fullmatch(source.strip())
    if fenced:
        return fenced[1]
    return source
