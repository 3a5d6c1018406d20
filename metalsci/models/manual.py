"""A person, or any program, as the model: the prompt is a file, and so is the answer."""

import sys
import time
from pathlib import Path

from metalsci.files.whole_files import write_text
from metalsci.models.errors import DeadlineError
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop

_FORMS = ("md", "txt", "metal")
_FENCE = "`" * 16  # longer than any run of backticks in a kernel


class Manual:
    """A person or a program that answers by hand.

    It waits for NN_answer.md (or .txt, or .metal for a file that is nothing but code) in the run's folder, which holds
    the prompt as NN_prompt.md.

    - poll: seconds between two looks for the answer.
    - settle: seconds for which its file must not have grown to count as written.
    - show: print the prompt if there is a terminal.
    """

    name = "manual"

    def __init__(self, *, poll: float = 0.2, settle: float = 1.0, show: bool = True) -> None:
        if poll <= 0 or settle < 0:
            raise ValueError(f"model.poll={poll}, model.settle={settle}: give positive seconds")
        self._poll = poll
        self._settle = settle
        self._show = show

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        """Wait for the answer. Raises DeadlineError if the budget's minutes end first."""
        call = call or ModelCall()
        stem = f"{prompt.iteration:02}"
        if prompt.reply:
            write_text(call.folder / f"{stem}_reply.md", f"{prompt.reply}\n")
            return self._answered(prompt.iteration, f"{stem}_reply.md", call.folder / f"{stem}_answer_2.md", call)
        if self._show and sys.stdout.isatty():
            sys.stdout.write(f"\n{prompt.system}\n{prompt.user}\n\n")
        return self._answered(prompt.iteration, f"{stem}_prompt.md", call.folder / f"{stem}_answer.md", call)

    def _answered(self, iteration: int, asked: str, wanted: Path, call: ModelCall) -> Response:
        sys.stdout.write(f"iteration {iteration}: {call.folder / asked} waits for {wanted}\n")
        sys.stdout.flush()
        call.progress(f"waiting for {wanted.name}")
        return Response(self._wait_for([wanted.with_suffix(f".{form}") for form in _FORMS], call.deadline))

    def worst_case(self, prompt: Prompt) -> Expense:
        """Return no expense: answers by hand cost nothing here."""
        return Expense()

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        """Return the text. It is never called: an answer by hand does not arrive in pieces."""
        return Response(text, stop=Stop.CUT)

    def _wait_for(self, files: list[Path], deadline: float) -> str:
        sizes: dict[Path, tuple[int, float]] = {}
        while time.monotonic() < deadline:
            for file in files:
                if file.exists():
                    size = file.stat().st_size
                else:
                    size = 0
                known, since = sizes.get(file, (0, 0.0))
                if size != known:
                    sizes[file] = (size, time.monotonic())
                elif size and time.monotonic() - since >= self._settle:
                    text = file.read_text(encoding="utf-8", errors="replace")
                    if file.suffix == ".metal":
                        return f"{_FENCE}metal\n{text}\n{_FENCE}\n"
                    return text
            time.sleep(self._poll)
        raise DeadlineError("no answer came before the budget's minutes ended")
