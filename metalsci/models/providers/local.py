"""Any server that speaks OpenAI's chat completions: mlx_lm.server, llama.cpp, ollama, vLLM."""

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metalsci.models.errors import ModelError
from metalsci.models.http.openai_sdk import of_openai, open_client
from metalsci.models.http.provider import Counted, Ended, Event, Question, Text, Thought, Wire
from metalsci.models.http.provider_fault import Fault, MalformedAnswerError
from metalsci.models.http.remote import RemoteModel, Transport
from metalsci.models.http.serve import Server
from metalsci.models.http.thinking import Thinking
from metalsci.models.prices import Price
from metalsci.models.protocol import Stop, Usage

if TYPE_CHECKING:
    from openai import OpenAI

_STOPS = {"stop": Stop.END, "length": Stop.LENGTH, "content_filter": Stop.REFUSED}


def local(
    *,
    transport: Transport,
    model: str | None = None,
    max_output_tokens: int = 16_000,
    temperature: float | None = 0.7,
    seed: int | None = None,
    system_role: bool = True,
    extra: Mapping[str, Any] | None = None,
    serve: Sequence[str] | None = None,
    serve_timeout: float = 600.0,
) -> RemoteModel:
    """Make a model behind a server that speaks OpenAI's chat completions: mlx_lm.server, llama.cpp, ollama, vLLM.

    It needs no key; a server that wants one finds it in METALSCI_LOCAL_API_KEY.

    - transport: where the server is, and how it is reached.
    - model: null for the first that the server lists.
    - max_output_tokens: always sent, since some servers stop after 512 otherwise.
    - temperature: null for the server's own, which may be greedy.
    - seed: the run's, from which the sampling of each iteration gets its own; null sends none.
    - system_role: false for chat templates that know no system message.
    - extra: added to the body of each request, for what a server knows beyond OpenAI.
    - serve: a command that serves the model, started for the run and stopped after it; {port} becomes a free port.
    - serve_timeout: seconds for it to load its weights.
    """
    if serve:
        server = Server(list(serve), serve_timeout)
    else:
        server = None
    provider = Local(model, max_output_tokens, temperature, seed, system_role, dict(extra or {}), server)
    return RemoteModel(provider, transport, Price(0.0, 0.0, 0.0), max_output_tokens)


class Local:
    variables = ("METALSCI_LOCAL_API_KEY",)
    needs_key = False

    def __init__(
        self,
        model: str | None,
        max_output_tokens: int,
        temperature: float | None,
        seed: int | None,
        system_role: bool,
        extra: Mapping[str, Any],
        server: Server | None,
    ) -> None:
        self.model = model or "local"
        self._served = model
        self._system_role = system_role
        self._server = server
        self._stream = True
        self._client: OpenAI | None = None
        # mlx_lm.server stops after 512 tokens and samples greedily unless it is told otherwise.
        self._settings: dict[str, Any] = {"max_tokens": max_output_tokens, "extra_body": dict(extra)}
        if temperature is not None:
            self._settings["temperature"] = temperature
        self._seed = seed

    def open(self, key: str | None, wire: Wire) -> None:
        base_url = self._server.start() if self._server else wire.base_url
        self._client = open_client(key or "none", Wire(base_url, wire.timeout, wire.stream))
        self._stream = wire.stream

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._server is not None:
            self._server.stop()

    def ask(self, question: Question) -> Generator[Event, None, None]:
        assert self._client is not None, "a model is entered before it is asked"
        if self._served is None:
            self._served = self._first_listed(self._client)
        settings = {**self._settings, "model": self._served, "messages": self._messages(question)}
        if self._seed is not None:
            settings["seed"] = 1000 * self._seed + question.iteration
        thinking = Thinking()
        if not self._stream:
            yield from thinking.split(_events(self._client.chat.completions.create(**settings), "message"))
            yield from thinking.rest()
            return
        settings |= {"stream": True, "stream_options": {"include_usage": True}}
        with self._client.chat.completions.create(**settings) as stream:
            for chunk in stream:
                yield from thinking.split(_events(chunk, "delta"))
            yield from thinking.rest()

    def _messages(self, question: Question) -> list[dict[str, str]]:
        first, *rest = [{"role": turn.role, "content": turn.text} for turn in question.turns]
        if self._system_role:
            return [{"role": "system", "content": question.system}, first, *rest]
        return [{"role": "user", "content": f"{question.system}\n\n{first['content']}"}, *rest]

    def _first_listed(self, client: "OpenAI") -> str:
        listed = client.models.list().data
        if not listed:
            raise MalformedAnswerError("the server lists no model; name one with model.model")
        return listed[0].id

    def fault(self, error: Exception) -> Fault | None:
        fault = of_openai(error)
        if fault is not None and self._server is not None and (died := self._server.obituary()):
            raise ModelError(died)
        return fault


def _events(answer: Any, part: str) -> list[Event]:
    """Return the events of a chunk (`delta`) or a whole answer (`message`). A stream's last chunk has no choices."""
    try:
        events: list[Event] = []
        for choice in (answer.choices or [])[:1]:
            said = getattr(choice, part)
            # llama.cpp, vLLM and ollama say reasoning_content or reasoning; neither is in OpenAI's own schema.
            thought = getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None)
            if thought:
                events.append(Thought(thought))
            if said.content:
                events.append(Text(said.content))
            if choice.finish_reason:
                events.append(Ended(_STOPS.get(choice.finish_reason, Stop.END)))
        if answer.usage is not None:
            events.append(Counted(_usage(answer.usage)))
    except (AttributeError, TypeError) as error:
        raise MalformedAnswerError(str(error)) from error
    return events


def _usage(usage: Any) -> Usage:
    sent, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input=usage.prompt_tokens or 0,
        cached=(sent.cached_tokens or 0) if sent is not None else 0,
        output=usage.completion_tokens or 0,
        reasoning=(made.reasoning_tokens or 0) if made is not None else 0,
    )
