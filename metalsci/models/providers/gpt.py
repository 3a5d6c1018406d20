"""OpenAI's Responses API."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from metalsci.models.effort import Effort
from metalsci.models.http.openai_sdk import of_openai, open_client
from metalsci.models.http.provider import Counted, Ended, Event, Question, Text, Thought, Wire
from metalsci.models.http.provider_fault import Fault, MalformedAnswerError, of_status
from metalsci.models.http.remote import RemoteModel, Transport
from metalsci.models.prices import PriceTable
from metalsci.models.protocol import Stop, Usage
from metalsci.models.tier import Tier, require

if TYPE_CHECKING:
    from openai import OpenAI

_INCOMPLETE = {"max_output_tokens": Stop.LENGTH, "content_filter": Stop.REFUSED}


class _FailedError(Exception):
    """A response whose status is `failed`."""

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code


def gpt(
    *,
    model: str,
    prices: PriceTable,
    effort: Effort | None = Effort.high,
    max_output_tokens: int = 64_000,
    tier: Tier = Tier.standard,
    transport: Transport = Transport(),
    price: Sequence[float] | None = None,
) -> RemoteModel:
    """Make a model of OpenAI's, by the Responses API. Key: OPENAI_API_KEY, in the environment or in metalsci's .env.

    - model: its name.
    - effort: none, minimal, low, medium, high, xhigh or max; which of them depends on the model. null for models that
      do not reason.
    - max_output_tokens: of an answer, thinking included.
    - tier: standard, or flex: half the price, minutes later, and refused when there is no room.
    - transport: how the provider is reached.
    - prices: the price table.
    - price: [input, cached input, output] in dollars per million tokens, instead of the table's.
    """
    require(tier, Tier.flex, provider="OpenAI")
    provider = Gpt(model, effort, max_output_tokens, tier)
    return RemoteModel(provider, transport, prices.price(model, price), max_output_tokens, tier=tier)


class Gpt:
    variables = ("OPENAI_API_KEY",)
    needs_key = True

    def __init__(self, model: str, effort: Effort | None, max_output_tokens: int, tier: Tier = Tier.standard) -> None:
        self.model = model
        self._stream = True
        self._client: OpenAI | None = None
        self._settings: dict[str, Any] = {"model": model, "max_output_tokens": max_output_tokens, "store": False}
        if tier is Tier.flex:
            self._settings["service_tier"] = "flex"
        if effort is not None:
            self._settings["reasoning"] = {"effort": effort.value, "summary": "auto"}

    def open(self, key: str | None, wire: Wire) -> None:
        self._client = open_client(key, wire)
        self._stream = wire.stream

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def ask(self, question: Question) -> Generator[Event, None, None]:
        assert self._client is not None, "a model is entered before it is asked"
        said: Any = [{"role": turn.role, "content": turn.text} for turn in question.turns]
        settings = {**self._settings, "instructions": question.system, "input": said}
        if not self._stream:
            yield from _whole(self._client.responses.create(**settings), with_text=True)
            return
        with self._client.responses.create(**settings, stream=True) as stream:
            for event in stream:
                yield from _piece(event)

    def fault(self, error: Exception) -> Fault | None:
        if isinstance(error, _FailedError):
            return of_status(200, str(error), error.code)
        return of_openai(error)


def _whole(response: Any, *, with_text: bool) -> Generator[Event, None, None]:
    """Yield the events of a response object: a whole answer, or the end of a stream whose text was yielded before.

    Raises MalformedAnswerError if it is none: the SDK does not validate the answers that it parses.
    """
    try:
        if response.status == "failed":
            raise _FailedError(getattr(response.error, "code", None), getattr(response.error, "message", "") or "")
        events: list[Event] = []
        refused = False
        for item in response.output:
            if item.type == "reasoning" and with_text:
                events.extend(Thought(part.text) for part in item.summary or [])
            if item.type == "message":
                refused = refused or any(part.type == "refusal" for part in item.content)
                events.extend(Text(part.text) for part in item.content if with_text and part.type == "output_text")
        if response.usage is not None:
            events.append(Counted(_usage(response.usage)))
        stop = Stop.END
        if response.status == "incomplete":
            stop = _INCOMPLETE.get(getattr(response.incomplete_details, "reason", None) or "", Stop.LENGTH)
        events.append(Ended(Stop.REFUSED if refused else stop))
    except (AttributeError, TypeError) as error:
        raise MalformedAnswerError(str(error)) from error
    yield from events


def _piece(event: Any) -> Generator[Event, None, None]:
    match getattr(event, "type", None):
        case "response.output_text.delta":
            yield Text(event.delta)
        case "response.reasoning_summary_text.delta":
            yield Thought(event.delta)
        case "response.reasoning_summary_part.done":
            yield Thought("\n\n")
        case "response.completed" | "response.incomplete" | "response.failed":
            yield from _whole(event.response, with_text=False)
        case "error":
            raise _FailedError(getattr(event, "code", None), getattr(event, "message", "") or "")


def _usage(usage: Any) -> Usage:
    sent, made = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input=usage.input_tokens,
        cached=(sent.cached_tokens or 0) if sent is not None else 0,
        output=usage.output_tokens,
        reasoning=(made.reasoning_tokens or 0) if made is not None else 0,
    )
