"""Local servers through OpenAI's SDK: the quirks of mlx_lm.server, llama.cpp, ollama and vLLM.

One's own server is tried as a real process.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from composing import Compose
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from provider_server import Cut, Fail, Format, Garble, Hang, Line, ProviderServer, Say, Serve, free_port, pieces, sse
from toy_search import fence, search

from metalsci.models.errors import ModelError
from metalsci.models.http.provider import Text, Thought
from metalsci.models.http.remote import RemoteModel
from metalsci.models.http.thinking import Thinking
from metalsci.models.protocol import ModelCall, Prompt, Stop, Usage
from metalsci.search.budget import Budget

PROMPT = Prompt("Be brief.", "Say hello.", 7, "")
QUICK = {"timeout": 0.4, "attempts": 3, "first_wait": 0.01, "longest_wait": 0.02}


class Chat:
    """OpenAI's chat completions as local servers speak them.

    thoughts_in: the field of a message that has the reasoning, or "text" for tags within the text.
    choices_at_end: vLLM's last chunk of a stream has none.
    """

    event = None
    _STOPS = {"end": "stop", "length": "length", "refused": "content_filter"}  # noqa: RUF012

    def __init__(self, thoughts_in: str = "reasoning_content", choices_at_end: bool = False) -> None:
        self.thoughts_in = thoughts_in
        self.choices_at_end = choices_at_end

    def _parts(self, line: Say | Cut) -> tuple[dict[str, str], str]:
        if self.thoughts_in == "text" and line.thoughts:
            return {}, f"<think>\n{line.thoughts}</think>\n\n{line.text}"
        return ({self.thoughts_in: line.thoughts} if line.thoughts else {}), line.text

    def _answer(self, kind: str, part: dict[str, Any] | None, stop: str | None, **more: Any) -> dict[str, Any]:
        choices = [{"index": 0, kind: {"role": "assistant", **part}, "finish_reason": stop}] if part is not None else []
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, **more}

    def _usage(self, line: Say) -> dict[str, Any]:
        return {"usage": {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}} if line.counted else {}

    def whole(self, line: Say) -> dict[str, Any]:
        thoughts, text = self._parts(line)
        return self._answer("message", {"content": text, **thoughts}, self._STOPS[line.stop], **self._usage(line))

    def stream(self, line: Any) -> Iterator[str]:
        thoughts, text = self._parts(line)
        for name, value in thoughts.items():
            for piece in pieces(value):
                yield sse(self._answer("delta", {name: piece}, None))
        for start in range(0, len(text), 5):
            yield sse(self._answer("delta", {"content": text[start : start + 5]}, None))
        if isinstance(line, Say):
            last = self._usage(line)
            if self.choices_at_end:
                yield sse(self._answer("delta", {}, self._STOPS[line.stop], **last))
            else:
                yield sse(self._answer("delta", {}, self._STOPS[line.stop]))
                yield sse(self._answer("delta", None, None, **last))
            yield sse("[DONE]")

    def failure(self, line: Fail) -> Any:
        return {"error": {"message": line.message, "type": line.kind}}


@pytest.fixture(scope="module")
def settings(composed: Compose) -> DictConfig:
    model: DictConfig = composed("model=local", "seed=3").model
    return model


Connect = Callable[..., tuple[RemoteModel, ProviderServer]]  # of a format, a script and settings


@pytest.fixture
def connect(settings: DictConfig, serve: Serve) -> Connect:
    def make(
        form: Format, *script: Line, overrides: Sequence[str] = (), base: DictConfig = settings, **transport: Any
    ) -> tuple[RemoteModel, ProviderServer]:
        server = serve(form, *script)
        changes = {"transport": {"base_url": server.url + "/v1", **QUICK, **transport}}
        model: RemoteModel = instantiate(OmegaConf.merge(base, OmegaConf.from_dotlist(list(overrides)), changes))
        return model, server

    return make


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("thoughts_in", ["reasoning_content", "reasoning", "text"])
@pytest.mark.parametrize("choices_at_end", [True, False])
def test_an_answer_of_any_of_the_servers(
    connect: Connect, stream: bool, thoughts_in: str, choices_at_end: bool
) -> None:
    form = Chat(thoughts_in, choices_at_end)
    model, server = connect(form, Say("Hello, this is it.", "Let me think."), stream=stream)
    with model:
        response = model.propose(PROMPT)
    assert response.text == "Hello, this is it."
    assert response.reasoning.strip() == "Let me think."
    assert (response.stop, response.cost) == (Stop.END, 0.0)
    assert response.usage == Usage(50, 0, 20, 0)
    _, headers, body = server.requests[0]
    assert body["model"] == "served-model"  # the first that it lists
    assert body["max_tokens"] == 16000
    assert body["temperature"] == 0.7
    assert body["seed"] == 3007
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert headers["authorization"] == "Bearer none"


def test_templates_without_a_system_message_and_settings_of_a_server_s_own(connect: Connect, composed: Compose) -> None:
    base = composed("model=local", "+model.extra.top_k=20").model
    overrides = ["system_role=false", "model=mine", "seed=null", "temperature=null"]
    model, server = connect(Chat(), Say("Hello."), overrides=overrides, base=base)
    with model:
        model.propose(PROMPT)
    body = server.requests[0][2]
    assert body["messages"] == [{"role": "user", "content": "Be brief.\n\nSay hello."}]
    assert (body["model"], body["top_k"]) == ("mine", 20)
    assert not {"seed", "temperature"} & set(body)


def test_a_key_for_a_server_that_wants_one(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALSCI_LOCAL_API_KEY", "local-secret")
    model, server = connect(Chat(), Say("Hello."))
    with model:
        model.propose(PROMPT)
    assert server.requests[0][1]["authorization"] == "Bearer local-secret"
    assert "METALSCI_LOCAL_API_KEY" not in os.environ


def test_a_stream_that_ends_without_a_reason_broke_off(connect: Connect) -> None:
    """mlx_lm.server closes the connection when it is done, so a clean end says nothing."""

    class Unfinished(Chat):
        def stream(self, line: Any) -> Iterator[str]:
            return (event for event in super().stream(line) if "finish_reason" in event and '"stop"' not in event)

    model, _ = connect(Unfinished(choices_at_end=True), Say("Half of an answ"))
    with model:
        response = model.propose(PROMPT)
    assert (response.text, response.stop) == ("Half of an answ", Stop.CUT)


def test_what_passes_by_itself_is_tried_again(connect: Connect) -> None:
    faults = [Fail(503, message="loading the model"), Garble(), Hang(), Cut("")]
    model, server = connect(Chat(), *faults, Say("Hello."), attempts=5)
    with model:
        assert model.propose(PROMPT).text == "Hello."
    assert len(server.requests) == 5


def test_a_server_that_is_not_there(connect: Connect) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    model, _ = connect(Chat(), Say("nobody hears"), base_url=url)
    with model, pytest.raises(ModelError, match=rf"{url} does not answer after 3 attempts.*refused"):
        model.propose(PROMPT)


def test_a_whole_search(connect: Connect, tmp_path: Path) -> None:
    model, _ = connect(Chat("text"), Say(fence(1), "hm"), Cut(fence(2)[:50], "hm"), Say(fence(2)[50:]))
    with model:
        done = search(tmp_path, model, Budget(2))
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0]
    assert done.spent.dollars == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("said", "thoughts", "text"),
    [
        ("<think>one <two> </thin three</think>\n\nfour", "one <two> </thin three", "four"),
        ("\n<think></think>four", "", "four"),
        ("no <think>tags</think> at the start", "", "no <think>tags</think> at the start"),
        ("<thin", "", "<thin"),
        ("<think>never closed </thi", "never closed </thi", ""),
        ("", "", ""),
    ],
)
def test_thoughts_within_the_text(said: str, thoughts: str, text: str, size: int) -> None:
    thinking = Thinking()
    cut = [said[i : i + size] for i in range(0, len(said), size)]
    events = [*thinking.split(map(Text, cut)), *thinking.rest()]
    assert "".join(e.piece for e in events if isinstance(e, Thought)) == thoughts
    assert "".join(e.piece for e in events if isinstance(e, Text)) == text


SERVE = """
import subprocess, sys, time
sys.path[:0] = {folders!r}
import provider_server, test_local, os
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("loading", os.environ.get("OPENAI_API_KEY"), flush=True)
class At(provider_server.ThreadingHTTPServer):
    def __init__(self, address, handler):
        super().__init__(("127.0.0.1", int(sys.argv[1])), handler)
provider_server.ThreadingHTTPServer = At
provider_server.ProviderServer(test_local.Chat(), [provider_server.Say("Hello from a process.")])
time.sleep(600)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script, here = tmp_path / "server.py", Path(__file__).parent
    script.write_text(SERVE.format(folders=[str(here), str(here.parent / "helpers")]))
    return ["{python}", str(script), "{port}"]


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_a_server_is_started_for_the_run_and_gone_after_it(settings: DictConfig, command: list[str]) -> None:
    before = descendants()
    model = instantiate(OmegaConf.merge(settings, {"serve": command, "serve_timeout": 60}))
    with model:
        started = descendants() - before
        assert len(started) == 2
        assert "secret" not in str([p.environ() for p in started])
        assert model.propose(PROMPT, ModelCall()).text == "Hello from a process."
    assert not psutil.wait_procs(started, timeout=5)[1]


def test_a_server_that_dies_says_its_last_words(settings: DictConfig) -> None:
    words = [sys.executable, "-c", "import sys; print('no such weights'); sys.exit(3)", "{port}"]
    model = instantiate(OmegaConf.merge(settings, {"serve": words}))
    with pytest.raises(ModelError, match=r"(?s)ended with status 3.*no such weights"), model:
        pass


def test_a_server_that_never_answers_is_stopped(settings: DictConfig) -> None:
    before = descendants()
    words = [sys.executable, "-c", "import time; print('loading', flush=True); time.sleep(600)", "{port}"]
    model = instantiate(OmegaConf.merge(settings, {"serve": words, "serve_timeout": 0.5}))
    with pytest.raises(ModelError, match=r"(?s)serve_timeout.*loading"), model:
        pass
    deadline = time.monotonic() + 60
    while descendants() - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_dies_in_the_middle_is_not_asked_again(settings: DictConfig, command: list[str]) -> None:
    changes = {"serve": command, "serve_timeout": 60, "transport": QUICK}
    model = instantiate(OmegaConf.merge(settings, changes))
    before = descendants()
    with model:
        for process in descendants() - before:
            process.kill()
        with pytest.raises(ModelError, match="ended with status"):
            model.propose(PROMPT)


def test_a_server_that_is_not_installed(settings: DictConfig) -> None:
    model = instantiate(OmegaConf.merge(settings, {"serve": ["no-such-server", "{port}"]}))
    with pytest.raises(ModelError, match="is it installed"), model:
        pass


def test_a_server_whose_package_is_not_installed_says_what_to_install(settings: DictConfig) -> None:
    model = instantiate(OmegaConf.merge(settings, {"serve": ["{python}", "-m", "no_such.server", "{port}"]}))
    with pytest.raises(ModelError, match="pip install no-such"), model:
        pass


def test_mlx_lm_serves_the_named_weights(composed: Compose) -> None:
    cfg = composed("model=mlx_lm", "model.model=some/weights").model
    assert re.fullmatch(r"\{python\} -m mlx_lm.server --model some/weights --port \{port\}", " ".join(cfg.serve))
    assert instantiate(cfg).name == "some/weights"


def test_a_server_must_be_told_its_port(settings: DictConfig) -> None:
    with pytest.raises(Exception, match="port"):
        instantiate(OmegaConf.merge(settings, {"serve": ["llama-server"]}))
