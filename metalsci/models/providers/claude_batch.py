"""Anthropic's Message Batches: one request a batch, half the price, an answer within a day.

The batch's id is on disk before its answer is awaited: a process that is stopped meanwhile leaves a batch that is paid
for, and the next one awaits it instead of asking again.
"""

import time
from typing import TYPE_CHECKING, Any

from metalsci.files.whole_files import read_json, write_json
from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.http.provider import Question
from metalsci.models.http.provider_fault import MalformedAnswerError

if TYPE_CHECKING:
    from anthropic import Anthropic


def answer_of_batch(client: "Anthropic", settings: dict[str, Any], question: Question, poll: float) -> Any:
    """Return the message of a batch with this one request. Raises ModelError if it failed or expired."""
    known = read_json(question.place, dict[str, str])
    if known is None:
        request: Any = {"custom_id": f"iteration-{question.iteration}", "params": settings}
        known = {"id": client.messages.batches.create(requests=[request]).id}
        write_json(question.place, known)
    while client.messages.batches.retrieve(known["id"]).processing_status != "ended":
        if time.monotonic() + poll > question.deadline:
            raise DeadlineError("the budget's minutes end before the batch does; a resumed run takes its answer")
        time.sleep(poll)
    for line in client.messages.batches.results(known["id"]):
        question.place.unlink(missing_ok=True)
        if line.result.type == "succeeded":
            return line.result.message
        error = getattr(getattr(line.result, "error", None), "error", None)
        told = getattr(error, "message", "") or f"the request {line.result.type}"
        raise ModelError(f"the batch {known['id']} brought no answer: {told}. Resume the run to ask again")
    raise MalformedAnswerError(f"the batch {known['id']} is empty")
