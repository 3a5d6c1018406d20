"""The answers of a recorded run, again: offline, at no cost, in the same order."""

from dataclasses import replace
from pathlib import Path

import msgspec

from metalsci.models.errors import ModelError, OutOfAnswersError
from metalsci.models.protocol import Prompt, Response
from metalsci.models.record import recorded_answers


class Replay:
    """run: the folder of a recorded run, or its journal; None is refused with what to give.

    strict: refuse the answer to another prompt; whether it is the same is told by `Prompt.digest`, which leaves out
    what was measured. A replay may still come to differ, because timings decide which candidate is the incumbent.
    """

    name = "replay"

    def __init__(self, *, run: str | None, strict: bool) -> None:
        if run is None:
            raise ValueError("model=replay needs the folder of a recorded run: run=FOLDER")
        path = Path(run)
        self._journal = path / "journal.jsonl" if path.is_dir() else path
        self._strict = strict
        try:
            self._answers = recorded_answers(self._journal)
        except OSError as error:
            raise ValueError(f"run={run} is not the folder of a recorded run: {error}") from error
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._journal} is not the journal of a run: {error}") from error

    def propose(self, prompt: Prompt) -> Response:
        """Raises OutOfAnswersError after the last answer, ModelError where the prompt is not the recorded one."""
        if prompt.said or prompt.iteration not in self._answers:
            raise OutOfAnswersError(f"{self._journal} holds no further answer")
        recorded = self._answers[prompt.iteration]
        if self._strict and recorded.prompt != prompt.digest:
            raise ModelError(
                f"iteration {prompt.iteration} asks for something else than the run recorded in {self._journal}: "
                "another task, another prompt, or another incumbent. model.strict=false takes its answers all the same"
            )
        return replace(recorded.response, cost=0.0)
