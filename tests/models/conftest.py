from collections.abc import Iterator
from pathlib import Path

import pytest
from provider_server import Format, Line, ProviderServer, Serve

from metalsci.models.http.keys import key_ring


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that follow a script; they are closed when the test ends."""
    servers: list[ProviderServer] = []

    def start(form: Format, *script: Line) -> ProviderServer:
        servers.append(ProviderServer(form, script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set keys that are none, and no .env file of the machine's user."""
    key_ring.cache_clear()
    monkeypatch.setenv("METALSCI_ENV", str(tmp_path / "no.env"))
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, f"secret-of-{variable.lower()}")
