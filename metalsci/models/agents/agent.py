"""A coding agent as the model: any command, in a workspace with the task and with tools."""

import math
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from metalsci.files.locations import data
from metalsci.models.agents.agent_process import AgentEnding, Confinement, ToolSocket, watch
from metalsci.models.agents.workspace import StrayError, Workspace
from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.http.keys import key_ring
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop, ToolAnswer, Tools, Usage
from metalsci.msl.text.quoting import fenced

_WHAT_TO_DO = "Read TASK.md in this folder and do what it says. Hand your kernel in with `metalsci submit`."
_TELL = 400  # characters of its output in a message


class Agent:
    """A coding agent: a command that works in a folder of its own and hands a kernel in.

    - command: its words; {prompt} stands for a sentence that tells it to read TASK.md, {workspace} for its folder.
    - minutes: after which it is stopped.
    - evaluations: how often it may have a kernel timed in one attempt.
    - megabytes: that it may write, into its folder and to its output.
    - keys: variables of the environment that hold keys which it needs, e.g. [ANTHROPIC_API_KEY].
    - writable: further folders that it may write into, e.g. [~/.claude].
    - tokens: that an attempt may use at most, for budget.tokens.
    - dollars: that an attempt may cost at most, for budget.dollars.
    """

    name = "agent"

    def __init__(
        self,
        *,
        command: Sequence[str],
        minutes: float = 15.0,
        evaluations: int = 5,
        megabytes: float = 64.0,
        keys: Sequence[str] = (),
        writable: Sequence[str] = (),
        tokens: int = 0,
        dollars: float | None = None,
    ) -> None:
        if not command or not all(command):
            raise ValueError(f"model.command={list(command)}: the words of a command, e.g. [claude,-p,'{{prompt}}']")
        for setting, value in (("minutes", minutes), ("megabytes", megabytes)):
            if not 0 < value < math.inf:
                raise ValueError(f"model.{setting}={value}: give a positive number")
        if evaluations < 0:
            raise ValueError(f"model.evaluations={evaluations}: at least 0")
        key_ring().declare(keys)
        self._command = tuple(command)
        self._minutes = minutes
        self._evaluations = evaluations
        self._megabytes = megabytes
        self._keys = tuple(keys)
        self._writable = tuple(Path(folder).expanduser().resolve() for folder in writable)
        self._most = Expense(tokens, dollars)
        self._tools: Tools | None = None

    def __enter__(self) -> Self:
        """Raise ModelError for a key that is not there, before anything is measured."""
        for name in self._keys:
            key_ring().demand([name], self._command[0])
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: each attempt ends what it has started."""

    def equip(self, tools: Tools) -> None:
        self._tools = tools

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        """Let the agent work. Raises ModelError if it cannot start, DeadlineError when the minutes are over."""
        call = call or ModelCall()
        if time.monotonic() >= call.deadline:
            raise DeadlineError("the budget's minutes ended before the agent was started")
        run = call.folder.resolve()
        path = run / f"{prompt.iteration:02}_workspace"
        with ToolSocket() as sockets:
            workspace = Workspace(path, prompt, sockets.address)
            workspace.fill(run, self._minutes, self._evaluations)
            deadline = min(call.deadline, time.monotonic() + 60 * self._minutes)
            attempt = _Attempt(self._tools, self._evaluations, deadline)
            words = [w.replace("{prompt}", _WHAT_TO_DO).replace("{workspace}", str(path)) for w in self._command]
            call.progress(f"the agent works in {path.name}")
            try:
                ended = watch(
                    words,
                    path,
                    self._environment(workspace),
                    self._confinement(run, path, words[0]),
                    sockets,
                    attempt.answer,
                    deadline=deadline,
                    log=run / f"{prompt.iteration:02}_agent.log",
                    written=workspace.size,
                )
            except OSError as error:
                raise ModelError(f"the agent {words[0]} cannot be started: {error}") from error
        if ended.stop is Stop.OVERDUE and time.monotonic() >= call.deadline and not attempt.source:
            raise DeadlineError("the budget's minutes ended before the agent handed a kernel in")
        return self._response(workspace, attempt, ended)

    def worst_case(self, prompt: Prompt) -> Expense:
        """Return what the settings say: nobody knows what a command uses before it has run."""
        return self._most

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        """Return the text: never needed, since an agent's answer does not arrive in pieces."""
        return Response(text, stop=Stop.CUT)

    def _environment(self, workspace: Workspace) -> Mapping[str, str]:
        ring = key_ring()
        keys = {name: key for name in self._keys if (key := ring.find([name]))}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        return {**kept, **workspace.environment(), **keys}

    def _confinement(self, run: Path, path: Path, program: str) -> Confinement:
        """Hide the project's folder and the run's: sizes are in the config, held-out ones too."""
        found = shutil.which(program)
        shown = [Path(sys.prefix)]
        if found:
            shown.append(Path(found).resolve())
        hidden = [data("conf").resolve().parent, data("tasks").resolve(), run]
        return Confinement((path, *self._writable), hidden, shown, self._megabytes)

    def _response(self, workspace: Workspace, attempt: "_Attempt", ended: AgentEnding) -> Response:
        report = workspace.reported(ended.said)
        usage, cost = _usage(report), _cost(report)
        stop, source, told = ended.stop, attempt.source, ""
        try:
            if source is None and stop is Stop.END and ended.status == 0:
                source = workspace.changed()
        except StrayError as error:
            stop, told = Stop.STRAYED, str(error)
        if source is not None:
            idea = attempt.idea or "The agent's kernel."
            return Response(f"{idea}\n\n{fenced(source)}\n", ended.said, usage, cost)
        if stop is Stop.END:
            stop = Stop.DIED
        return Response(told or self._complaint(stop, ended), ended.said, usage, cost, stop)

    def _complaint(self, stop: Stop, ended: AgentEnding) -> str:
        if stop is Stop.OVERDUE:
            return f"the agent was stopped after {self._minutes:g} minutes and had handed nothing in"
        if stop is Stop.FLOODED:
            return f"the agent was stopped: it wrote more than {self._megabytes:g} MB and had handed nothing in"
        last = " ".join(ended.said.split())[-_TELL:]
        if ended.status:
            how = f"with status {ended.status}"
        else:
            how = "of its own accord"
        return f"the agent ended {how} and handed nothing in" + (f"; it said last: {last}" if last else "")


class _Attempt:
    """The tools as one attempt may use them, and what was handed in."""

    def __init__(self, tools: Tools | None, evaluations: int, deadline: float) -> None:
        self._tools = tools
        self._left = evaluations
        self._deadline = deadline
        self.source: str | None = None
        self.idea = ""

    def answer(self, request: Mapping[str, str]) -> ToolAnswer:
        tool, source = request.get("tool", ""), request.get("source", "")
        if tool == "status":
            if self.source:
                handed = "a kernel was handed in"
            else:
                handed = "nothing was handed in yet"
            minutes = max(0.0, self._deadline - time.monotonic()) / 60
            return ToolAnswer(f"{self._left} evaluations and {minutes:.1f} minutes are left; {handed}")
        if tool == "submit":
            if not source.strip():
                return ToolAnswer("the kernel is empty", ok=False)
            self.source, self.idea = source, request.get("idea", "")[:_TELL].replace("`", "'")
            return ToolAnswer("handed in; hand another one in if you find a better one, or end")
        if self._tools is None or tool not in ("check", "evaluate", "profile"):
            return ToolAnswer(f"there is no tool {tool!r}", ok=False)
        if tool == "evaluate":
            if not self._left:
                return ToolAnswer("no evaluation is left: hand your kernel in", ok=False)
            self._left -= 1
        return self._tools.call(tool, {key: value for key, value in request.items() if key != "tool"})


def _usage(report: Mapping[str, Any]) -> Usage:
    """Read a report such as {"usage": {"input_tokens": 1200, "output_tokens": 300}}, or with these at the top."""
    told = report.get("usage")
    counts = told if isinstance(told, dict) else report
    fresh, read, written = (
        _count(counts.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return Usage(input=fresh + read + written, cached=read, output=_count(counts.get("output_tokens")))


def _cost(report: Mapping[str, Any]) -> float | None:
    for name in ("total_cost_usd", "cost_usd", "dollars"):
        value = report.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            return float(value)
    return None


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return 0
