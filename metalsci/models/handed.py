"""A model whose answers are handed over by another thread of this process: a session that serves an agent."""

import threading
import time

from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop, Tools

_TICK = 0.5  # seconds between two looks at the clock


class Handed:
    """Model in a session: it waits for `hand_over`. A session shows `prompt` and lends `tools` meanwhile."""

    name = "handed"

    def __init__(self) -> None:
        self.tools: Tools | None = None
        self.prompt: Prompt | None = None
        self._changed = threading.Condition()
        self._answer: str | None = None
        self._is_closed = False

    def equip(self, tools: Tools) -> None:
        self.tools = tools

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        """Wait for an answer. Raises ModelError if the session is closed, DeadlineError when the minutes end."""
        deadline = (call or ModelCall()).deadline
        with self._changed:
            self.prompt = prompt
            try:
                while self._answer is None:
                    if self._is_closed:
                        raise ModelError("the session was closed before an answer came")
                    if time.monotonic() >= deadline:
                        raise DeadlineError("no answer came before the budget's minutes ended")
                    self._changed.wait(_TICK)
                answer, self._answer = self._answer, None
            finally:
                self.prompt = None
        return Response(answer)

    def hand_over(self, answer: str) -> None:
        with self._changed:
            self._answer = answer
            self._changed.notify_all()

    def close(self) -> None:
        """Answer nothing any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def worst_case(self, prompt: Prompt) -> Expense:
        """Return nothing: who answers pays."""
        return Expense()

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        """Return the text: never needed, since a handed answer does not arrive in pieces."""
        return Response(text, stop=Stop.CUT)
