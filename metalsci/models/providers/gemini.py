"""Google's Gemini API."""

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from metalsci.models.effort import Effort
from metalsci.models.http.provider import Counted, Ended, Event, Question, Text, Thought, Wire
from metalsci.models.http.provider_fault import Fault, FaultKind, MalformedAnswerError, of_status
from metalsci.models.http.remote import RemoteModel, Transport
from metalsci.models.prices import PriceTable
from metalsci.models.protocol import Stop, Usage
from metalsci.models.tier import Tier, require

if TYPE_CHECKING:
    from google.genai import Client

_STOPS = {"MAX_TOKENS": Stop.LENGTH, "CONTINUATION": Stop.LENGTH}
_REFUSED = {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"}
_EFFORTS = (Effort.minimal, Effort.low, Effort.medium, Effort.high, Effort.xhigh)


def gemini(
    *,
    model: str,
    prices: PriceTable,
    effort: Effort | None = Effort.high,
    max_output_tokens: int = 64_000,
    temperature: float | None = None,
    api_version: str = "v1beta",
    tier: Tier = Tier.standard,
    transport: Transport = Transport(),
    price: Sequence[float] | None = None,
) -> RemoteModel:
    """Make a model of Google's. Key: GEMINI_API_KEY or GOOGLE_API_KEY, in the environment or in metalsci's .env.

    - model: its name.
    - effort: Google's thinking level: minimal, low, medium, high or xhigh; null for models without one.
    - temperature: null for the model's own.
    - api_version: preview models are in v1beta and not in v1.
    - max_output_tokens: of an answer, thinking included.
    - tier: standard, or flex: half the price, minutes later.
    - transport: how the provider is reached.
    - prices: the price table.
    - price: [input, cached input, output] in dollars per million tokens, instead of the table's.
    """
    if effort not in (None, *_EFFORTS):
        raise ValueError(f"model.effort={effort.value}: Google takes {', '.join(e.value for e in _EFFORTS)}, or null")
    require(tier, Tier.flex, provider="Google")
    provider = Gemini(model, effort, max_output_tokens, temperature, api_version, tier)
    return RemoteModel(provider, transport, prices.price(model, price), max_output_tokens, tier=tier)


class Gemini:
    variables = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    needs_key = True

    def __init__(
        self,
        model: str,
        effort: Effort | None,
        max_output_tokens: int,
        temperature: float | None,
        api_version: str,
        tier: Tier = Tier.standard,
    ) -> None:
        self.model = model
        self._effort = effort
        self._max_output_tokens = max_output_tokens
        self._temperature = temperature
        self._api_version = api_version
        self._tier = tier
        self._stream = True
        self._client: Client | None = None

    def open(self, key: str | None, wire: Wire) -> None:
        from google.genai import Client
        from google.genai.types import HttpOptions

        options = HttpOptions(
            base_url=wire.base_url,
            api_version=self._api_version,
            timeout=round(1000 * wire.timeout),  # milliseconds
        )
        self._client = Client(api_key=key, vertexai=False, http_options=options)
        self._stream = wire.stream

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def ask(self, question: Question) -> Generator[Event, None, None]:
        assert self._client is not None, "a model is entered before it is asked"
        from google.genai import types

        thinking = types.ThinkingConfig(include_thoughts=True)
        if self._effort is not None:
            thinking.thinking_level = types.ThinkingLevel(self._effort.value.upper())
        config = types.GenerateContentConfig(
            system_instruction=question.system,
            max_output_tokens=self._max_output_tokens,
            temperature=self._temperature,
            thinking_config=thinking,
            service_tier=types.ServiceTier.FLEX if self._tier is Tier.flex else None,
            # One call is one request here: the SDK would otherwise go on by itself, unseen by the budget.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        said: Any = [
            types.Content(role="model" if turn.role == "assistant" else "user", parts=[types.Part(text=turn.text)])
            for turn in question.turns
        ]
        models = self._client.models
        if not self._stream:
            yield from _piece(models.generate_content(model=self.model, contents=said, config=config))
            return
        for chunk in models.generate_content_stream(model=self.model, contents=said, config=config):
            yield from _piece(chunk)

    def fault(self, error: Exception) -> Fault | None:
        import httpx2
        from google.genai.errors import APIError, UnknownApiResponseError
        from pydantic import ValidationError

        if isinstance(error, APIError):
            return _of_status(error)
        if isinstance(error, httpx2.HTTPError):
            return Fault(FaultKind.TRANSIENT, str(error) or type(error).__name__)
        if isinstance(error, json.JSONDecodeError | ValidationError | UnknownApiResponseError):
            return Fault(FaultKind.TRANSIENT, f"a malformed answer: {error}")
        return None


def _piece(response: Any) -> Generator[Event, None, None]:
    """Yield the events of a chunk, or of a whole answer: they have the same form."""
    try:
        events: list[Event] = []
        for candidate in (response.candidates or [])[:1]:
            if candidate.content:
                parts = candidate.content.parts or []
            else:
                parts = []
            events += [Thought(part.text) if part.thought else Text(part.text) for part in parts if part.text]
            if candidate.finish_reason:
                events.append(Ended(_stop(candidate.finish_reason.name)))
        if response.usage_metadata is not None:
            events.insert(0, Counted(_usage(response.usage_metadata)))
        if response.prompt_feedback is not None and response.prompt_feedback.block_reason:
            events.append(Ended(Stop.REFUSED))
    except (AttributeError, TypeError) as error:
        raise MalformedAnswerError(str(error)) from error
    yield from events


def _stop(reason: str) -> Stop:
    if reason in _REFUSED:
        return Stop.REFUSED
    return _STOPS.get(reason, Stop.END)


def _usage(usage: Any) -> Usage:
    """Convert the counts. Google counts thoughts apart from text."""
    thought = usage.thoughts_token_count or 0
    return Usage(
        input=usage.prompt_token_count or 0,
        cached=usage.cached_content_token_count or 0,
        output=(usage.candidates_token_count or 0) + thought,
        reasoning=thought,
    )


def _of_status(error: Any) -> Fault:
    """Classify an error. Google puts the reason (API_KEY_INVALID comes with a 400) and the wait into the details."""
    if isinstance(error.details, dict):
        body = error.details.get("error", {})
    else:
        body = {}
    if isinstance(body, dict):
        details = [d for d in body.get("details") or [] if isinstance(d, dict)]
    else:
        details = []
    reason = next((d["reason"] for d in details if "reason" in d), None)
    headers = {name.lower(): value for name, value in getattr(error.response, "headers", {}).items()}
    delay = next((str(d["retryDelay"]).removesuffix("s") for d in details if "retryDelay" in d), None)
    if delay is not None:
        headers.setdefault("retry-after", delay)
    return of_status(int(error.code or 500), error.message or str(error), reason, headers)
