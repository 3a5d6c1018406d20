"""Anthropic's Messages API."""

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from metalsci.models.effort import Effort
from metalsci.models.http.provider import Counted, Ended, Event, Question, Text, Thought, Turn, Wire
from metalsci.models.http.provider_fault import Fault, FaultKind, MalformedAnswerError, of_status
from metalsci.models.http.remote import RemoteModel, Transport
from metalsci.models.prices import PriceTable
from metalsci.models.protocol import Stop, Usage
from metalsci.models.providers.claude_batch import answer_of_batch
from metalsci.models.tier import Tier, require

if TYPE_CHECKING:
    from anthropic import Anthropic

_STOPS = {
    "end_turn": Stop.END,
    "stop_sequence": Stop.END,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "refusal": Stop.REFUSED,
}
_EFFORTS = (Effort.low, Effort.medium, Effort.high, Effort.xhigh, Effort.max)


def claude(
    *,
    model: str,
    prices: PriceTable,
    effort: Effort | None = Effort.high,
    thinking: bool = True,
    max_output_tokens: int = 64_000,
    cache: bool = True,
    tier: Tier = Tier.standard,
    batch_poll: float = 30.0,
    transport: Transport = Transport(),
    price: Sequence[float] | None = None,
) -> RemoteModel:
    """Make a model of Anthropic's. Key: ANTHROPIC_API_KEY, in the environment or in metalsci's .env.

    - model: its name.
    - effort: low, medium, high, xhigh or max; null for models that take none.
    - thinking: as much as the model finds fit, reported as a summary; false for models that cannot.
    - max_output_tokens: of an answer, thinking included.
    - cache: let the provider keep the part of the prompts that stays the same, for five minutes after each use: a tenth
      of the price for what it reads, a quarter more for what it writes.
    - tier: standard, or batch: half the price, within a day; what was asked is taken up again by a resumed run.
    - batch_poll: seconds between two looks at a batch.
    - transport: how the provider is reached.
    - prices: the price table.
    - price: [input, cached input, output] in dollars per million tokens, instead of the table's.
    """
    if effort not in (None, *_EFFORTS):
        raise ValueError(
            f"model.effort={effort.value}: Anthropic takes {', '.join(e.value for e in _EFFORTS)}, or null"
        )
    require(tier, Tier.batch, provider="Anthropic")
    if batch_poll <= 0:
        raise ValueError(f"model.batch_poll={batch_poll}: give positive seconds")
    poll = batch_poll if tier is Tier.batch else None
    provider = Claude(model, effort, thinking, max_output_tokens, cache=cache, poll=poll)
    listed = prices.price(model, price)
    return RemoteModel(provider, transport, listed, max_output_tokens, tier=tier, writes_cache=cache)


class Claude:
    variables = ("ANTHROPIC_API_KEY",)
    needs_key = True

    def __init__(
        self,
        model: str,
        effort: Effort | None,
        thinking: bool,
        max_output_tokens: int,
        *,
        cache: bool = False,
        poll: float | None = None,
    ) -> None:
        self.model = model
        self._cache = cache
        self._poll = poll
        self._stream = True
        self._client: Anthropic | None = None
        self._settings: dict[str, Any] = {"model": model, "max_tokens": max_output_tokens}
        if thinking:
            self._settings["thinking"] = {"type": "adaptive", "display": "summarized"}
        if effort is not None:
            self._settings["output_config"] = {"effort": effort.value}

    def open(self, key: str | None, wire: Wire) -> None:
        from anthropic import Anthropic

        self._client = Anthropic(api_key=key, base_url=wire.base_url, timeout=wire.timeout, max_retries=0)
        self._stream = wire.stream

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def ask(self, question: Question) -> Generator[Event, None, None]:
        assert self._client is not None, "a model is entered before it is asked"
        messages: Any = [{"role": turn.role, "content": self._content(turn)} for turn in question.turns]
        settings = {**self._settings, "system": question.system, "messages": messages}
        if self._poll is not None:
            yield from _whole(answer_of_batch(self._client, settings, question, self._poll))
            return
        if not self._stream:
            yield from _whole(self._client.messages.create(**settings))
            return
        with self._client.messages.create(**settings, stream=True) as stream:
            counted = Usage()
            for event in stream:
                for read in _piece(event, counted):
                    if isinstance(read, Counted):
                        counted = read.usage
                    yield read

    def _content(self, turn: Turn) -> Any:
        """Mark the end of what stays the same, system prompt included, for the provider's cache."""
        if not self._cache or not turn.fixed:
            return turn.text
        fixed = {"type": "text", "text": turn.text[: turn.fixed], "cache_control": {"type": "ephemeral"}}
        return [fixed, {"type": "text", "text": turn.text[turn.fixed :]}]

    def fault(self, error: Exception) -> Fault | None:
        import anthropic
        import httpx2

        if isinstance(error, anthropic.APIStatusError):
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return of_status(error.status_code, error.api_message or error.message, error.type, headers)
        if isinstance(error, (anthropic.APIConnectionError, httpx2.HTTPError)):
            return Fault(FaultKind.TRANSIENT, str(error.__cause__ or error))
        if isinstance(error, (anthropic.APIResponseValidationError, json.JSONDecodeError)):
            return Fault(FaultKind.TRANSIENT, f"a malformed answer: {error}")
        return None


def _whole(message: Any) -> Generator[Event, None, None]:
    """Yield the events of an answer that came in one piece. The SDK does not validate the answers that it parses."""
    try:
        events: list[Event] = []
        for block in message.content:
            if block.type == "text":
                events.append(Text(block.text))
            elif block.type == "thinking":
                events.append(Thought(block.thinking))
        if message.usage is not None:
            events.append(Counted(_usage(message.usage, Usage())))
        events.append(Ended(_STOPS.get(message.stop_reason, Stop.END)))
    except (AttributeError, TypeError) as error:
        raise MalformedAnswerError(str(error)) from error
    yield from events


def _piece(event: Any, before: Usage) -> Generator[Event, None, None]:
    try:
        match event.type:
            case "message_start" if event.message.usage is not None:
                yield Counted(_usage(event.message.usage, before))
            case "content_block_delta" if event.delta.type == "text_delta":
                yield Text(event.delta.text)
            case "content_block_delta" if event.delta.type == "thinking_delta":
                yield Thought(event.delta.thinking)
            case "message_delta":
                if getattr(event, "usage", None) is not None:
                    yield Counted(_usage(event.usage, before))
                if event.delta.stop_reason is not None:
                    yield Ended(_STOPS.get(event.delta.stop_reason, Stop.END))
    except (AttributeError, TypeError) as error:
        raise MalformedAnswerError(str(error)) from error


def _usage(usage: Any, before: Usage) -> Usage:
    """Convert the counts. Anthropic counts input that was read from or written to its cache apart.

    The counts at the end of a stream leave out those that its start has reported.
    """
    read = usage.cache_read_input_tokens or 0
    fresh = getattr(usage, "input_tokens", None)
    details = getattr(usage, "output_tokens_details", None)
    return Usage(
        input=before.input if fresh is None else fresh + read + (usage.cache_creation_input_tokens or 0),
        cached=before.cached if fresh is None else read,
        output=usage.output_tokens,
        written=before.written if fresh is None else usage.cache_creation_input_tokens or 0,
        reasoning=(details.thinking_tokens or 0) if details is not None else 0,
    )
