"""Each provider through its real SDK against a real HTTP server that speaks its wire format, streaming and not."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from composing import Compose
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from provider_server import (
    CACHED,
    INPUT,
    OUTPUT,
    REASONING,
    Anthropic,
    Cut,
    Fail,
    FailWithin,
    Format,
    Garble,
    Google,
    Hang,
    Line,
    OpenAIResponses,
    ProviderServer,
    Say,
    Serve,
    free_port,
)
from toy_search import Steps, fence, search

from metalsci.evaluation.results import Outcome
from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.http.remote import RemoteModel
from metalsci.models.protocol import LanguageModel, ModelCall, Prompt, Response, Stop, Usage
from metalsci.search.budget import Budget

PROMPT = Prompt("Be brief.", "Say hello.", 1, "")
QUICK = {"timeout": 0.4, "attempts": 3, "first_wait": 0.01, "longest_wait": 0.02}


@dataclass(frozen=True)
class Kind:
    """A provider: its option of the model group, its format, its API's prefix, its names for failures."""

    option: str
    form: Format
    prefix: str
    variable: str
    wrong_key: Fail
    no_model: Fail
    no_credit: Fail
    filtered: Fail
    bad_request: Fail


KINDS = [
    Kind(
        "claude",
        Anthropic(),
        "",
        "ANTHROPIC_API_KEY",
        Fail(401, "authentication_error"),
        Fail(404, "not_found_error"),
        Fail(402, "billing_error"),
        Fail(400, "content_filter"),
        Fail(400, "invalid_request_error", "max_tokens: too large"),
    ),
    Kind(
        "gpt",
        OpenAIResponses(),
        "/v1",
        "OPENAI_API_KEY",
        Fail(401, "invalid_api_key"),
        Fail(400, "model_not_found"),
        Fail(429, "insufficient_quota"),
        Fail(400, "invalid_prompt"),
        Fail(400, "unsupported_value", "max_tokens: too large"),
    ),
    Kind(
        "gemini",
        Google(),
        "",
        "GEMINI_API_KEY",
        Fail(400, "API_KEY_INVALID"),
        Fail(404, "NOT_FOUND"),
        Fail(402, "FAILED_PRECONDITION"),
        Fail(400, "content_filter"),
        Fail(400, "INVALID_ARGUMENT", "max_tokens: too large"),
    ),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.option)
def kind(request: pytest.FixtureRequest) -> Kind:
    param: Kind = request.param
    return param


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    param: bool = request.param
    return param


@pytest.fixture(scope="module")
def settings(composed: Compose) -> dict[str, DictConfig]:
    """Return the settings of each provider as the command line composes them; composing takes a while."""
    return {kind.option: composed(f"model={kind.option}").model for kind in KINDS}


Connect = Callable[..., tuple[RemoteModel, ProviderServer]]  # of a script and settings


@pytest.fixture
def connect(settings: dict[str, DictConfig], serve: Serve, kind: Kind) -> Connect:
    """Return a model of these settings with `overrides` and another transport, and the server it talks to."""

    def make(
        *script: Line, stream: bool = True, overrides: Sequence[str] = (), **transport: Any
    ) -> tuple[RemoteModel, ProviderServer]:
        server = serve(kind.form, *script)
        transport = {"base_url": server.url + kind.prefix, "stream": stream, **QUICK, **transport}
        changes = OmegaConf.merge(OmegaConf.from_dotlist(list(overrides)), {"transport": transport})
        model: RemoteModel = instantiate(OmegaConf.merge(settings[kind.option], changes))
        return model, server

    return make


def ask(model: RemoteModel, prompt: Prompt = PROMPT, call: ModelCall | None = None) -> Response:
    with model:
        return model.propose(prompt, call)


def test_an_answer_with_its_reasoning_and_its_tokens(connect: Connect, stream: bool) -> None:
    model, server = connect(Say("Hello, this is the answer.", "Let me think about it."), stream=stream)
    assert isinstance(model, LanguageModel)
    assert isinstance(model, RemoteModel)
    response = ask(model)
    assert response.text == "Hello, this is the answer."
    assert response.reasoning == "Let me think about it."
    assert response.stop is Stop.END
    assert response.usage == Usage(INPUT, CACHED, OUTPUT, REASONING)
    assert len(server.requests) == 1


def test_the_request_says_what_the_config_does(connect: Connect, kind: Kind, stream: bool) -> None:
    model, server = connect(Say("Hello."), stream=stream, overrides=["model=a-model", "effort=low"])
    ask(model, Prompt("Be brief.", "Say hello.", 1, "", said="Hel"))
    path, headers, body = server.requests[0]
    text = json.dumps(body)
    for part in ("Be brief.", "Say hello.", "Hel", "64000"):
        assert part in text
    assert "a-model" in text + path
    assert body.get("stream", "stream" in path) == stream
    assert f"secret-of-{kind.variable.lower()}" in " ".join(headers.values())
    assert "secret-of" not in text + path
    roles = [m["role"] for m in body.get("messages") or body.get("input") or body["contents"]]
    assert roles in (["user", "assistant", "user"], ["user", "model", "user"])
    assert "low" in text.lower()


def test_pieces_are_heard_as_they_arrive(connect: Connect) -> None:
    model, _ = connect(Say("A text that is longer than one piece of it."))
    heard: list[str] = []
    ask(model, call=ModelCall(heard=heard.append))
    assert len(heard) > 1
    assert "".join(heard) == "A text that is longer than one piece of it."


def test_an_answer_costs_what_the_price_says(connect: Connect) -> None:
    model, _ = connect(Say("Hello."), overrides=["price=[10,1,100]"])
    assert ask(model).cost == pytest.approx(1e-6 * (10 * (INPUT - CACHED) + 1 * CACHED + 100 * OUTPUT))
    worst = model.worst_case(PROMPT)
    assert worst.dollars == pytest.approx(1e-6 * (10 * (worst.tokens - 64000) + 100 * 64000))


def test_a_model_of_unknown_price_is_counted_in_tokens(connect: Connect) -> None:
    model, _ = connect(Say("Hello."), overrides=["model=nobody-s"])
    response = ask(model)
    assert response.cost is None
    assert response.usage.total == INPUT + OUTPUT
    assert model.worst_case(PROMPT).dollars is None


@pytest.mark.parametrize(
    ("line", "stop"),
    [(Say("Hel", stop="length"), Stop.LENGTH), (Say("", stop="refused"), Stop.REFUSED), (Say(""), Stop.END)],
)
def test_how_an_answer_may_end(connect: Connect, stream: bool, line: Say, stop: Stop) -> None:
    model, server = connect(line, stream=stream)
    response = ask(model)
    assert (response.text, response.stop) == (line.text, stop)
    assert len(server.requests) == 1


def test_tokens_that_nobody_counted_are_estimated(connect: Connect, stream: bool) -> None:
    model, _ = connect(Say("x" * 300, counted=False), stream=stream)
    response = ask(model)
    assert response.usage.estimated
    assert response.usage.output == 100
    assert response.usage.input > 0
    assert response.cost


PASSING = [
    (Fail(429, "rate_limit_error"), "HTTP 429"),
    (Fail(429, "rate_limit_error", headers={"retry-after": "0.05"}), "HTTP 429"),
    (Fail(500, "api_error"), "HTTP 500"),
    (Fail(502), "HTTP 502"),
    (Fail(503, "overloaded"), "HTTP 503"),
    (Fail(529, "overloaded_error"), "HTTP 529"),
    (Fail(408), "HTTP 408"),
    (Garble(), "malformed"),
    (Garble("[1, 2]"), ""),
    (Garble('"text"'), ""),
    (Garble("{}"), ""),
    (Hang(), "timed out"),
    (Cut(""), "closed connection"),
]


def test_what_passes_by_itself_is_tried_again(connect: Connect, stream: bool) -> None:
    faults = [fault for fault, _ in PASSING]
    model, server = connect(*faults, Say("Hello."), stream=stream, attempts=len(faults) + 1)
    told: list[str] = []
    assert ask(model, call=ModelCall(progress=told.append)).text == "Hello."
    assert len(server.requests) == len(faults) + 1
    retried = [said for said in told if "attempt" in said]  # a slow answer is reported too, as it grows
    for number, (said, (fault, why)) in enumerate(zip(retried, PASSING, strict=True), start=2):
        assert why in said, fault
        assert f"attempt {number} of {len(faults) + 1}" in said


def test_an_error_at_the_start_of_a_stream_is_tried_again(connect: Connect) -> None:
    model, server = connect(FailWithin("overloaded_error"), Say("Hello."))
    assert ask(model).text == "Hello."
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "line", [Cut("What there is of it", "hm"), FailWithin("overloaded_error", "What there is of it")]
)
def test_what_has_arrived_of_an_answer_is_kept(connect: Connect, line: Cut | FailWithin) -> None:
    model, server = connect(line)
    response = ask(model)
    assert (response.text, response.stop) == ("What there is of it", Stop.CUT)
    assert response.usage.estimated
    assert response.usage.output >= 7
    assert response.cost
    assert len(server.requests) == 1


def test_thoughts_alone_are_paid_for_too(connect: Connect) -> None:
    model, _ = connect(Cut("", "a long thought " * 20))
    response = ask(model)
    assert (response.text, response.stop) == ("", Stop.CUT)
    assert response.usage.reasoning == 100


def test_waits_are_as_long_as_the_server_asks(connect: Connect) -> None:
    model, _ = connect(Fail(429, headers={"retry-after": "0.3"}), Say("Hello."))
    with model:
        begin = time.perf_counter()
        model.propose(PROMPT)
        assert 0.3 <= time.perf_counter() - begin < 30


def test_a_wait_that_is_too_long_stops_the_run(connect: Connect) -> None:
    model, server = connect(Fail(429, headers={"retry-after": "3600"}))
    with pytest.raises(ModelError, match="asks to wait 3600 s"):
        ask(model)
    assert len(server.requests) == 1


def test_no_attempt_starts_after_the_deadline(connect: Connect) -> None:
    model, server = connect(Fail(429, headers={"retry-after": "5"}))
    with pytest.raises(DeadlineError):
        ask(model, call=ModelCall(deadline=time.monotonic() + 1))
    assert len(server.requests) == 1


def test_attempts_are_counted_and_then_the_run_stops(connect: Connect) -> None:
    model, server = connect(Fail(503, message="down for lunch"))
    with pytest.raises(ModelError, match="after 3 attempts: HTTP 503: down for lunch") as caught:
        ask(model)
    assert not isinstance(caught.value, DeadlineError)
    assert len(server.requests) == 3


def test_a_refused_connection_says_where(connect: Connect) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    model, _ = connect(Say("nobody hears"), base_url=url)
    with pytest.raises(ModelError, match=f"{url}.*refused"):
        ask(model)


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        ("wrong_key", "the key was refused: check {variable}"),
        ("no_model", "no such model there: check model.model"),
        ("no_credit", "no credit"),
        ("bad_request", "max_tokens: too large"),
    ],
)
def test_what_does_not_pass_says_what_to_do_at_once(
    connect: Connect, kind: Kind, stream: bool, failure: str, advice: str
) -> None:
    model, server = connect(getattr(kind, failure), stream=stream)
    with pytest.raises(ModelError, match=advice.format(variable=kind.variable)):
        ask(model)
    assert len(server.requests) == 1


def test_a_content_filter_is_an_answer(connect: Connect, kind: Kind, stream: bool) -> None:
    model, server = connect(kind.filtered, stream=stream)
    response = ask(model)
    assert (response.text, response.stop) == ("", Stop.REFUSED)
    assert len(server.requests) == 1


def test_a_missing_key_is_named_before_anything_is_sent(
    connect: Connect, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable)
    model, server = connect(Say("Hello."))
    with pytest.raises(ModelError, match=rf"set {kind.variable}.*no\.env"):
        ask(model)
    assert not server.requests


def test_a_server_that_repeats_the_key_does_not_get_it_into_a_message(connect: Connect, kind: Kind) -> None:
    secret = f"secret-of-{kind.variable.lower()}"
    model, _ = connect(Fail(401, "authentication_error", f"Incorrect API key: {secret}"))
    with pytest.raises(ModelError, match=r"Incorrect API key: \[key\]") as caught:
        ask(model)
    assert secret not in str(caught.value)


def test_a_whole_search(connect: Connect, stream: bool, tmp_path: Path) -> None:
    model, server = connect(*(Say(fence(i), "Thinking.") for i in (1, 3, 2)), stream=stream)
    steps = Steps()
    with model:
        done = search(tmp_path, model, Budget(3), steps)
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 4.0, 3.0]
    assert done.spent.tokens == 3 * (INPUT + OUTPUT)
    assert done.spent.dollars > 0
    assert len(server.requests) == 3
    assert (tmp_path / "02_reasoning.md").read_text() == "Thinking."
    result = json.loads((tmp_path / "01_result.json").read_text())
    assert result["answer"]["usage"]["output"] == OUTPUT


def test_a_search_through_everything_that_passes(connect: Connect, tmp_path: Path) -> None:
    text = fence(5)
    script = [
        Fail(429, "rate_limit_error", headers={"retry-after": "0"}),
        Cut(text[:60]),
        Fail(503),
        Say(text[60:]),
        Say("", stop="refused"),
        Say(""),
        Say(fence(6)[:70], stop="length"),
        Hang(),
        Say(fence(6)[70:]),
        Garble(),
        Say("I would rather talk."),
    ]
    model, server = connect(*script)
    with model:
        done = search(tmp_path, model, Budget(5))
    outcomes = [e.evaluation.outcome for e in done.archive.proposals]
    assert outcomes == [Outcome.SCORED, Outcome.REFUSED, Outcome.EMPTY, Outcome.SCORED, Outcome.NO_CODE]
    assert [e.score for e in done.archive.entries if e.score] == [1.0, 6.0, 7.0]
    assert len(server.requests) == len(script)


@pytest.mark.parametrize("failure", ["wrong_key", "no_model", "no_credit", "bad_request"])
def test_a_search_that_a_permanent_error_stopped_goes_on(
    connect: Connect, kind: Kind, tmp_path: Path, failure: str
) -> None:
    model, server = connect(Say(fence(1)), getattr(kind, failure), Say(fence(2)))
    with model, pytest.raises(ModelError):
        search(tmp_path, model, Budget(2))
    with model:
        done = search(tmp_path, model, Budget(2))
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0]
    assert len(server.requests) == 3


def test_a_search_stays_within_its_dollars(connect: Connect, tmp_path: Path) -> None:
    model, _ = connect(*(Say(fence(i)) for i in range(1, 9)), overrides=["max_output_tokens=400", "price=[5,0.5,25]"])
    with model:
        done = search(tmp_path, model, Budget(8, dollars=0.06))
    assert done.ended_by == "dollars"
    assert 0 < len(done.archive.proposals) < 8
    assert done.spent.dollars <= 0.06


def test_a_search_ends_with_its_minutes_even_while_the_provider_is_down(connect: Connect, tmp_path: Path) -> None:
    model, _ = connect(Say(fence(1)), Fail(503, headers={"retry-after": "30"}))
    with model:
        done = search(tmp_path, model, Budget(8, minutes=0.2))
    assert done.ended_by == "minutes"
    assert len(done.archive.proposals) == 1


@pytest.mark.parametrize("option", ["claude", "gemini"])
def test_an_effort_that_the_provider_does_not_take_is_refused(composed: Compose, option: str) -> None:
    with pytest.raises(Exception, match=r"model\.effort=none"):
        instantiate(composed(f"model={option}", "model.effort=none").model)
