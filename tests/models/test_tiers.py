"""Tiers and prompt caching: what is sent, what it costs, and a batch that outlives its process."""

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from composing import Compose
from hydra.utils import instantiate
from omegaconf import OmegaConf
from provider_server import Anthropic, Google, OpenAIResponses, Say, Serve

from metalsci.models.errors import DeadlineError, ModelError
from metalsci.models.http.remote import RemoteModel
from metalsci.models.prices import Price
from metalsci.models.protocol import ModelCall, Prompt, Usage
from metalsci.models.tier import Tier

PROMPT = Prompt("Be brief.", "The task.\n\nThe rest.", 4, "", fixed=9)
QUICK = {"timeout": 2.0, "attempts": 3, "first_wait": 0.01, "longest_wait": 0.02}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, "k")


def make(composed: Compose, option: str, url: str, **settings: Any) -> RemoteModel:
    cfg = composed(f"model={option}").model
    transport: dict[str, Any] = {"base_url": url, **QUICK}
    changes: dict[str, Any] = {"transport": transport, **settings}
    model: RemoteModel = instantiate(OmegaConf.merge(cfg, changes))
    return model


@pytest.mark.parametrize(
    ("option", "form", "prefix", "sent"),
    [
        ("gpt", OpenAIResponses(), "/v1", {"service_tier": "flex"}),
        ("gemini", Google(), "", {"serviceTier": "flex"}),
    ],
)
def test_flex_is_asked_for_and_costs_half(
    composed: Compose, serve: Serve, option: str, form: Google | OpenAIResponses, prefix: str, sent: dict[str, str]
) -> None:
    server = serve(form, Say("Hello."), Say("Hello."))
    costs: list[tuple[Any, Any]] = []
    for tier in ("standard", "flex"):
        with make(composed, option, server.url + prefix, tier=tier) as model:
            costs.append((model.propose(PROMPT).cost, model.worst_case(PROMPT).dollars))
    assert costs[1] == pytest.approx(tuple(cost / 2 for cost in costs[0]))
    bodies = [request[2] for request in server.requests]
    assert sent.items() <= bodies[1].items()
    assert not sent.keys() & bodies[0].keys()


def test_what_stays_the_same_is_marked_for_the_cache(composed: Compose, serve: Serve) -> None:
    server = serve(Anthropic(), Say("Hello."), Say("Hello."))
    for cache in (True, False):
        with make(composed, "claude", server.url, cache=cache) as model:
            model.propose(PROMPT)
    marked, plain = (request[2]["messages"][0]["content"] for request in server.requests)
    assert marked == [
        {"type": "text", "text": "The task.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "\n\nThe rest."},
    ]
    assert plain == PROMPT.user


def test_written_and_read_tokens_have_their_prices() -> None:
    price = Price(4.0, 0.4, 20.0)
    assert price.of(Usage(input=1_000_000, written=1_000_000)) == pytest.approx(5.0)
    assert price.of(Usage(input=1_000_000, cached=1_000_000)) == pytest.approx(0.4)
    assert price.at(Tier.batch) == Price(2.0, 0.2, 10.0)


def test_the_worst_case_counts_what_may_be_written(composed: Compose) -> None:
    with_cache, without = (make(composed, "claude", "http://x", cache=cache) for cache in (True, False))
    dearer, cheaper = (model.worst_case(PROMPT).dollars for model in (with_cache, without))
    assert dearer is not None and cheaper is not None
    assert dearer > cheaper


class Batches:
    """Anthropic's batches: one that ends after `looks` looks, with the outcome `result`."""

    def __init__(self, looks: int, result: dict[str, Any]) -> None:
        self.looks, self.result = looks, result
        self.created: list[dict[str, Any]] = []
        batches = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                batches.created.append(body)
                self.answer(batches.state())

            def do_GET(self) -> None:
                if self.path.endswith("results"):
                    self.answer({"custom_id": "iteration-4", "result": batches.result}, "application/x-jsonl")
                else:
                    batches.looks -= 1
                    self.answer(batches.state())

            def answer(self, body: dict[str, Any], kind: str = "application/json") -> None:
                data = json.dumps(body).encode() + b"\n"
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def state(self) -> dict[str, Any]:
        return {
            "id": "batch_1",
            "type": "message_batch",
            "processing_status": "in_progress" if self.looks > 0 else "ended",
            "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
            "results_url": f"{self.url}/v1/messages/batches/batch_1/results",
        }


def succeeded() -> dict[str, Any]:
    message = Anthropic().whole(Say("Hello."))
    return {"type": "succeeded", "message": message}


def test_a_batch_is_awaited_and_one_that_was_asked_for_is_not_asked_for_again(
    composed: Compose, tmp_path: Path
) -> None:
    batches = Batches(3, succeeded())
    call = ModelCall(folder=tmp_path)
    with make(composed, "claude", batches.url, tier="batch", batch_poll=0.01) as model:
        with pytest.raises(DeadlineError, match="a resumed run takes its answer"):
            model.propose(PROMPT, replace(call, deadline=time.monotonic()))
        assert (tmp_path / "04_batch.json").exists()
        response = model.propose(PROMPT, call)
    assert response.text == "Hello."
    assert len(batches.created) == 1
    assert batches.created[0]["requests"][0]["params"]["messages"][0]["role"] == "user"
    assert not (tmp_path / "04_batch.json").exists()
    batches.server.shutdown()


def test_a_batch_that_failed_is_a_sentence_and_can_be_asked_for_again(composed: Compose, tmp_path: Path) -> None:
    failed = {"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "overloaded"}}}
    batches = Batches(0, failed)
    with (
        make(composed, "claude", batches.url, tier="batch", batch_poll=0.01) as model,
        pytest.raises(ModelError, match=r"the batch batch_1 brought no answer: overloaded\. Resume the run"),
    ):
        model.propose(PROMPT, ModelCall(folder=tmp_path))
    assert not (tmp_path / "04_batch.json").exists()
    batches.server.shutdown()


@pytest.mark.parametrize(
    ("option", "tier", "message"),
    [
        ("claude", "flex", r"model\.tier=flex: Anthropic takes standard, batch here"),
        ("gpt", "batch", r"model\.tier=batch: OpenAI takes standard, flex here"),
        ("gemini", "batch", r"model\.tier=batch: Google takes standard, flex here"),
    ],
)
def test_a_tier_that_there_is_not_is_refused(composed: Compose, option: str, tier: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        make(composed, option, "http://x", tier=tier)
