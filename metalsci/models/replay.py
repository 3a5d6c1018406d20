"""A recorded run's answers, again: offline, at no cost, in the same order."""

from dataclasses import replace
from pathlib import Path

import msgspec

from metalsci.models.errors import ModelError, OutOfAnswersError
from metalsci.models.protocol import Prompt, Response
from metalsci.models.record import recorded_answers


class Replay:
    """A recorded run, again.

    - run: its folder, or its journal; null is refused with what to give.
    - strict: answers and evaluations as recorded, and only to the same prompts; false: the answers, whatever is asked,
      and every candidate judged again.

    A strict search must judge candidates as the recorded one did, since prompts say what was measured: see
    metalsci.search.replayed_evaluations.
    """

    name = "replay"

    def __init__(self, *, run: str | None = None, strict: bool = True) -> None:
        if run is None:
            raise ValueError("model=replay needs the folder of a recorded run: run=FOLDER")
        path = Path(run)
        if path.is_dir():
            self.journal = path / "journal.jsonl"
        else:
            self.journal = path
        self.strict = strict
        try:
            self._answers = recorded_answers(self.journal)
        except OSError as error:
            raise ValueError(f"run={run} is not the folder of a recorded run: {error}") from error
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.journal} is not the journal of a run: {error}") from error

    def propose(self, prompt: Prompt) -> Response:
        """Return the next answer.

        Raises OutOfAnswersError after the last, ModelError if the prompt is not the recorded one.
        """
        if prompt.said or prompt.iteration not in self._answers:
            raise OutOfAnswersError(f"{self.journal} holds no further answer")
        recorded = self._answers[prompt.iteration]
        if self.strict and recorded.prompt != prompt.digest:
            raise ModelError(
                f"iteration {prompt.iteration} asks for something else than the run recorded in {self.journal}: "
                "another task, or other settings of the prompt. model.strict=false takes its answers all the same, and "
                "judges them again"
            )
        return replace(recorded.response, cost=0.0)
