"""A model behind a provider's API: retries, pieces as they arrive, tokens and their price."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, wait_random_exponential

from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.http.keys import key_ring
from metalsci.models.http.provider import Counted, Ended, Event, Provider, Question, Text, Thought, Turn, Wire
from metalsci.models.http.provider_fault import Fault, FaultKind, MalformedAnswerError
from metalsci.models.prices import Price
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop, Usage
from metalsci.models.tier import FLEX_TIMEOUT, Tier
from metalsci.models.tokens import at_most, estimate

_CONTINUE = (
    "Your answer was cut off there. Go on exactly where it ends, in the middle of the line if need be: "
    "repeat nothing, explain nothing, open no new code block."
)
_OVERHEAD = 200  # tokens of roles and separators around the texts of a request, at most
_EVERY = 0.2  # seconds between two reports of progress


@dataclass(frozen=True)
class Transport:
    """Connection to a provider.

    - base_url: of a proxy or another server; null for the provider's own.
    - stream: pieces as they arrive, so that a long answer does not time out; false for the answer in one piece.
    - timeout: seconds without a byte.
    - attempts: at one answer, before the run stops; it can be resumed.
    - first_wait: seconds between two attempts; the waits double, with jitter.
    - longest_wait: seconds up to which they double.
    - patience: seconds, the longest wait that a server may ask for.
    """

    base_url: str | None = None
    stream: bool = True
    timeout: float = 600.0
    attempts: int = 6
    first_wait: float = 2.0
    longest_wait: float = 60.0
    patience: float = 600.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"transport.attempts={self.attempts}: give at least 1")
        if min(self.timeout, self.first_wait, self.longest_wait, self.patience) <= 0:
            raise ValueError(f"the seconds of a transport must be positive: {self}")


class _Passing(Exception):  # noqa: N818  (a signal to tenacity, never seen outside)
    """A fault that may be gone at the next attempt."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass
class _Heard:
    """The parts of one answer that have arrived."""

    text: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    usage: Usage | None = None
    stop: Stop | None = None

    def take(self, event: Event) -> None:
        match event:
            case Text(piece):
                self.text.append(piece)
            case Thought(piece):
                self.thoughts.append(piece)
            case Counted(usage):
                self.usage = usage
            case Ended(stop):
                self.stop = stop

    @property
    def anything(self) -> bool:
        return bool(self.text or self.thoughts or self.usage)


class RemoteModel:
    """A LanguageModel over a Provider. A context manager: entering finds the key and opens the connection."""

    def __init__(
        self,
        provider: Provider,
        transport: Transport,
        price: Price | None,
        max_output_tokens: int,
        *,
        tier: Tier = Tier.standard,
        writes_cache: bool = False,
    ) -> None:
        if max_output_tokens < 1:
            raise ValueError(f"max_output_tokens={max_output_tokens}: give at least 1")
        self._provider = provider
        self._transport = transport
        self._price = price.at(tier) if price else None
        self._tier = tier
        self._writes_cache = writes_cache
        self._max_output_tokens = max_output_tokens
        self._keys = key_ring()
        self._keys.declare(provider.variables)  # before the first child process starts

    @property
    def name(self) -> str:
        return self._provider.model

    def __enter__(self) -> Self:
        """Find the key and open the connection. Raises ModelError if there is no key."""
        provider, transport = self._provider, self._transport
        keys, variables = self._keys, provider.variables
        key = keys.demand(variables, self.name) if provider.needs_key else keys.find(variables)
        try:
            timeout = transport.timeout
            if self._tier is Tier.flex:
                timeout = max(timeout, FLEX_TIMEOUT)
            provider.open(key, Wire(transport.base_url, timeout, transport.stream))
        except BaseException:
            provider.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._provider.close()

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        call = call or ModelCall()
        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            wait=self._wait,
            stop=lambda state: self._give_up(state, call.deadline),
            before_sleep=lambda state: call.progress(self._waiting(state)),
        )
        try:
            return retrying(self._once, prompt, call)
        except RetryError as error:
            raise self._exhausted(error) from error

    def worst_case(self, prompt: Prompt) -> Expense:
        sent = sum(at_most(turn.text) for turn in _turns(prompt)) + at_most(prompt.system) + _OVERHEAD
        is_marked = self._writes_cache and prompt.fixed
        written = 0
        if is_marked:
            written = at_most(prompt.system) + at_most(prompt.user[: prompt.fixed])
        usage = Usage(input=sent, output=self._max_output_tokens, written=written)
        return Expense(usage.total, self._price.of(usage) if self._price else None)

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        return self._response(prompt, _Heard(text=[text]), Stop.CUT)

    def _once(self, prompt: Prompt, call: ModelCall) -> Response:
        """Make one attempt. Once anything has arrived it is kept: generated text is paid for."""
        heard = _Heard()
        reported = begin = time.monotonic()
        place = _place(prompt, call)
        question = Question(prompt.system, _turns(prompt), prompt.iteration, place, call.deadline)
        with closing(self._provider.ask(question)) as events:
            while (event := self._next(events, heard)) is not None:
                heard.take(event)
                if isinstance(event, Text):
                    call.heard(event.piece)
                if (now := time.monotonic()) - reported > _EVERY:
                    reported = now
                    call.progress(_progress(heard, now - begin))
        if heard.stop is None and not heard.anything:
            raise _Passing(Fault(FaultKind.TRANSIENT, "the connection was closed without an answer"))
        return self._response(prompt, heard, heard.stop or Stop.CUT)

    def _next(self, events: Iterator[Event], heard: _Heard) -> Event | None:
        try:
            return next(events, None)
        except Exception as error:
            fault = self._fault(error)
            if fault is None:
                raise
            if heard.anything:
                return None
            if fault.kind is FaultKind.FILTERED:
                return Ended(Stop.REFUSED)
            if fault.kind is FaultKind.TRANSIENT:
                raise _Passing(fault) from error
            raise ModelError(self._permanent(fault)) from error

    def _fault(self, error: Exception) -> Fault | None:
        if isinstance(error, MalformedAnswerError):
            return Fault(FaultKind.TRANSIENT, f"a malformed answer: {error}")
        return self._provider.fault(error)

    def _response(self, prompt: Prompt, heard: _Heard, stop: Stop) -> Response:
        text, thoughts = "".join(heard.text), "".join(heard.thoughts)
        usage = heard.usage
        if usage is None or stop is Stop.CUT:  # a count from the middle of an answer is of the part before it
            sent = usage or Usage(sum(estimate(turn.text) for turn in _turns(prompt)) + estimate(prompt.system))
            made = max(sent.output, estimate(text) + estimate(thoughts))
            usage = replace(sent, output=made, reasoning=max(sent.reasoning, estimate(thoughts)), estimated=True)
        if self._price:
            cost = self._price.of(usage)
        else:
            cost = None
        return Response(text, thoughts, usage, cost, stop)

    def _wait(self, state: RetryCallState) -> float:
        jitter = wait_random_exponential(self._transport.first_wait, self._transport.longest_wait)(state)
        return max(jitter, _passing(state).retry_after or 0.0)

    def _give_up(self, state: RetryCallState, deadline: float) -> bool:
        return (
            state.attempt_number >= self._transport.attempts
            or (_passing(state).retry_after or 0.0) > self._transport.patience
            or time.monotonic() + state.upcoming_sleep > deadline
        )

    def _waiting(self, state: RetryCallState) -> str:
        told = self._keys.redact(_passing(state).message)
        attempt = f"attempt {state.attempt_number + 1} of {self._transport.attempts}"
        return f"{told[:100]}; {attempt} in {state.upcoming_sleep:.0f} s"

    def _exhausted(self, error: RetryError) -> ModelError:
        failure = error.last_attempt.exception()
        assert isinstance(failure, _Passing)
        attempts = error.last_attempt.attempt_number
        told = self._keys.redact(failure.fault.message)
        wait = failure.fault.retry_after or 0.0
        if attempts < self._transport.attempts and wait <= self._transport.patience:
            return DeadlineError(f"{self.name}: {told}; the budget leaves no time for another attempt")
        if wait:
            asked = f" and asks to wait {wait:.0f} s"
        else:
            asked = ""
        where = self._transport.base_url or "the provider"
        return ModelError(
            f"{self.name} at {where} does not answer after {attempts} {'attempt' if attempts == 1 else 'attempts'}"
            f"{asked}: {told}. Check the network, model.transport.base_url and the provider's status page"
        )

    def _permanent(self, fault: Fault) -> str:
        variables = " or ".join(self._provider.variables)
        advice = {
            FaultKind.KEY: f"the key was refused: check {variables}",
            FaultKind.MODEL: "no such model there: check model.model and model.transport.base_url",
            FaultKind.QUOTA: "the account has no credit left: add some, or use a key of another account",
            FaultKind.REQUEST: "the request was refused: check model.effort and model.max_output_tokens",
        }[fault.kind]
        return self._keys.redact(f"{self.name}: {advice} ({fault.message})")


def _place(prompt: Prompt, call: ModelCall) -> Path:
    """Return the file in which a provider may note what it was asked, so that nothing is asked twice."""
    return call.folder / f"{prompt.iteration:02}_batch{'_2' if prompt.said else ''}.json"


def _turns(prompt: Prompt) -> list[Turn]:
    """Return the user's text; for an answer that was cut off, also that answer and the request to go on.

    It is not a prefilled answer: current models refuse one.
    """
    turns = [Turn("user", prompt.user, prompt.fixed)]
    if prompt.said:
        turns += [Turn("assistant", prompt.said), Turn("user", prompt.reply or _CONTINUE)]
    return turns


def _passing(state: RetryCallState) -> Fault:
    if state.outcome:
        failure = state.outcome.exception()
    else:
        failure = None
    assert isinstance(failure, _Passing)
    return failure.fault


def _progress(heard: _Heard, seconds: float) -> str:
    text, thoughts = "".join(heard.text), "".join(heard.thoughts)
    if text:
        what = f"about {estimate(text):,} tokens"
    else:
        what = f"thinking, about {estimate(thoughts):,} tokens"
    return f"{what}, {seconds:.0f} s"
