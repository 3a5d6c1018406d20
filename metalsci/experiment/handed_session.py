"""A run that an agent drives from outside: it asks for the prompt, uses the tools, hands kernels in.

The run is one like any other, in a thread: strategy, journal, budget, gate. What the agent gets is what a model gets;
the gate's verdict and the held-out size stay in the run's folder.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metalsci.experiment.api import run
from metalsci.models.handed import Handed
from metalsci.models.protocol import ToolAnswer
from metalsci.msl.text.quoting import fenced
from metalsci.search.archive import Archive, Entry
from metalsci.search.prompting.feedback import describe_entry
from metalsci.search.status_files import status_of
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary

_TICK = 0.05  # seconds
_LONGEST_IDEA = 400  # characters
_HOW = "Hand it in with the tool `submit`: `source` is the file alone, `idea` the explanation, in a sentence."


class SessionError(Exception):
    """A request that makes no sense now; the message says what does."""


class HandedSession(Observer):
    """One run of a task. It begins with the first call that needs it.

    task: its name. overrides: of the run, as on the command line. evaluations: that may be asked for an iteration.
    """

    def __init__(self, task: str, overrides: Sequence[str], evaluations: int) -> None:
        self.task = task
        self._overrides = [f"task={task}", *overrides]
        self._evaluations = evaluations
        self._left = evaluations
        self._model = Handed()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"session {task}")
        self._folder = ""
        self._limits: dict[str, float] = {}
        self._archive: Archive | None = None
        self._doing = "starting"
        self._summary: Summary | None = None
        self._error = ""

    def prompt(self) -> str:
        """Return what the search asks for now, as a model would read it. Wait for it. Raises SessionError."""
        self._wait_for_prompt()
        prompt = self._model.prompt
        assert prompt is not None
        return f"{prompt.system}\n\n{prompt.user}\n\n{_HOW}"

    def use(self, tool: str, arguments: Mapping[str, str]) -> ToolAnswer:
        """Use check, evaluate or profile. Raises SessionError."""
        self._wait_for_prompt()
        assert self._model.tools is not None
        if tool == "evaluate":
            if not self._left:
                return ToolAnswer("no evaluation is left for this attempt: submit a kernel", ok=False)
            self._left -= 1
        return self._model.tools.call(tool, arguments)

    def submit(self, source: str, idea: str) -> ToolAnswer:
        """Hand a kernel in, and wait for what comes of it. Raises SessionError."""
        self._wait_for_prompt()
        prompt = self._model.prompt
        assert prompt is not None
        told = " ".join(idea.split())[:_LONGEST_IDEA].replace("`", "'") or "A kernel that was handed in."
        self._model.hand_over(f"{told}\n\n{fenced(source)}\n")
        entry = self._entry(prompt.iteration)
        self._left = self._evaluations
        self._wait_for_the_next()
        assert self._archive is not None
        return ToolAnswer(describe_entry(entry, self._archive.seed.evaluation), ok=entry.correct)

    def status(self) -> dict[str, Any]:
        """Say where the run stands; it is not begun for this."""
        told: dict[str, Any] = {"task": self.task, "folder": self._folder, "doing": self._doing}
        told["evaluations_left"] = self._left
        if self._error:
            told["error"] = self._error
        if self._archive is not None:
            told["last"] = status_of(self._archive, self._archive.last)
            told["attempts_left"] = self._limits["iterations"] - self._archive.attempts
            told["budget"] = self._limits
        if self._summary is not None:
            told["ended_by"] = self._summary.ended_by
            told["confirmed_self_speedup"] = self._summary.self_speedup
        return told

    def close(self, failed: bool = False) -> None:
        """End the run where it stands; it can be resumed. Observers are closed by this name too."""
        self._model.close()

    def wait(self, seconds: float) -> None:
        """Wait for the run to end."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    # what the run tells

    def start(self, info: RunInfo) -> str:
        self._folder = str(info.folder)
        budget = info.config["budget"]
        assert isinstance(budget, dict)
        self._limits = {name: limit for name, limit in budget.items() if limit is not None}
        return ""

    def step(self, text: str) -> None:
        # "held-out gate" is what runs after the search; its size is not told
        self._doing = text

    def entry(self, archive: Archive) -> None:
        self._archive = archive

    def finish(self, summary: Summary, files: Sequence[Any]) -> str:
        self._summary = summary
        return ""

    def _run(self) -> None:
        try:
            settings = ["model=manual", "json=true", *self._overrides, "search.in_flight=1"]
            run(settings, model=self._model, observers=[self], quiet=True)
        except Exception as error:  # whatever ends a run, the client gets a sentence
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._doing = "ended"
            self._model.close()

    def _wait_for_prompt(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._until(lambda: self._model.prompt is not None)

    def _wait_for_the_next(self) -> None:
        """Wait until the machine is free: for the next prompt, or for the end of the run with its gate."""
        while self._model.prompt is None and self._thread.is_alive():
            time.sleep(_TICK)

    def _entry(self, iteration: int) -> Entry:
        self._until(lambda: self._archive is not None and iteration in self._archive)
        assert self._archive is not None
        return self._archive[iteration]

    def _until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            if not self._thread.is_alive() and not happened():
                raise SessionError(self._ending())
            time.sleep(_TICK)

    def _ending(self) -> str:
        if self._error:
            return f"the run ended: {self._error}"
        if self._summary:
            ended_by = self._summary.ended_by
        else:
            ended_by = "its end"
        return f"the search has ended by {ended_by}; its kernel and its verdict are in {self._folder}"
