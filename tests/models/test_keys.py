"""The sources of keys, and the places that they never reach."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from provider_server import Anthropic, Fail, Line, ProviderServer, Say, Serve
from toy_search import fence

from metalsci.models.errors import ModelError
from metalsci.models.http.keys import KeyRing
from metalsci.models.http.remote import RemoteModel, Transport
from metalsci.models.ping import check
from metalsci.models.prices import PriceTable
from metalsci.models.providers.claude import claude

KEY = "METALSCI_LOCAL_API_KEY"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "metalsci.env"
    monkeypatch.setenv("METALSCI_ENV", str(path))
    return path


def test_a_key_is_taken_out_of_the_environment_that_children_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "from-the-environment")
    ring = KeyRing()
    assert ring.find([KEY]) == "from-the-environment"
    assert KEY not in os.environ
    seen = subprocess.run([sys.executable, "-c", "import os; print(os.environ)"], capture_output=True, text=True)
    assert "from-the-environment" not in seen.stdout
    assert ring.find([KEY]) == "from-the-environment"  # for the next run of a sweep


def test_a_key_may_stand_in_a_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    env_file.write_text(f"# mine\nexport {KEY}='from a file'\nOTHER=x\n")
    assert KeyRing().find([KEY]) == "from a file"
    assert KEY not in os.environ


def test_the_environment_comes_before_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text(f"{KEY}=from-a-file\n")
    monkeypatch.setenv(KEY, "from-the-environment")
    assert KeyRing().find([KEY]) == "from-the-environment"


def test_what_is_missing_is_named_with_both_places(env_file: Path) -> None:
    ring = KeyRing()
    with pytest.raises(
        ModelError, match=r"set A_KEY or B_KEY in the environment, or write A_KEY=… into .*metalsci.env"
    ):
        ring.demand(["A_KEY", "B_KEY"], "some-model")


def test_an_empty_variable_is_no_key(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "")
    assert KeyRing().find([KEY]) is None


def test_keys_are_struck_out_of_texts(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "first-secret")
    env_file.write_text(f"{KEY}=second-secret\n")
    ring = KeyRing()
    ring.withhold()
    assert ring.redact("first-secret, second-secret") == "[key], [key]"


Small = Callable[..., tuple[RemoteModel, ProviderServer]]  # of a script


@pytest.fixture
def small(serve: Serve) -> Small:
    """Return a small Claude, and the server it talks to."""

    def make(*script: Line) -> tuple[RemoteModel, ProviderServer]:
        server = serve(Anthropic(), *script)
        prices = PriceTable("2026-11-20", {"a-model": [1.0, 0.1, 2.0]})
        settings: dict[str, Any] = {
            "effort": None,
            "thinking": False,
            "max_output_tokens": 100,
            "prices": prices,
            "price": None,
        }
        return claude(model="a-model", transport=Transport(server.url, attempts=1), **settings), server

    return make


def test_a_model_is_checked_with_one_tiny_call(small: Small) -> None:
    model, server = small(Say("ready"))
    assert check(model).startswith("a-model said 'ready' in ")
    assert check(model).endswith("1300 tokens, $0.0012")
    body = server.requests[0][2]
    assert "thinking" not in body
    assert "output_config" not in body


def test_a_check_says_what_is_wrong(small: Small) -> None:
    model, _ = small(Fail(401, "authentication_error"))
    with pytest.raises(ModelError, match="check ANTHROPIC_API_KEY"):
        check(model)


def test_a_model_that_answers_by_the_kernel_is_checked_too(small: Small) -> None:
    model, _ = small(Say(fence(1)))
    assert "Idea 1." in check(model)
