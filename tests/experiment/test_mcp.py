"""`python -m metalsci.mcp`: a run driven by an agent over the official protocol, and a client that sends nonsense."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from metalsci.files.locations import data

mcp = pytest.importorskip("mcp")

from mcp.client import Client  # noqa: E402

from metalsci.cli.mcp_server import Sessions, make_server  # noqa: E402

SEED = (data("tasks") / "heat2d" / "seed.metal").read_text()
OTHER = SEED.replace("const uint c = j * NX + i;", "const int c = int(j * NX + i);")  # the same in other code
SMALL = ("experiment=smoke", "sanitizer=false", "budget.minutes=null")
HELDOUT = "96×160·10"


def serve(folder: Path, talk: Callable[[Client], Awaitable[None]], *settings: str, evaluations: int = 1) -> Sessions:
    """Let `talk` speak to a server in this process."""
    sessions = Sessions([*SMALL, f"hydra.run.dir={folder / 'run'}", *settings], evaluations)

    async def speak() -> None:
        async with Client(make_server(sessions)) as client:
            await talk(client)

    try:
        anyio.run(speak)
    finally:
        sessions.close()
    return sessions


async def call(client: Client, tool: str, /, **arguments: Any) -> tuple[str, bool]:
    result = await client.call_tool(tool, arguments)
    texts = [block.text for block in result.content if block.type == "text"]
    return "\n".join(texts), bool(result.is_error)


def test_an_agent_drives_a_run_and_sees_nothing_held_out(tmp_path: Path) -> None:
    heard: list[str] = []

    async def talk(client: Client) -> None:
        async def ask(tool: str, /, **arguments: Any) -> tuple[str, bool]:
            text, is_error = await call(client, tool, **arguments)
            heard.append(text)
            return text, is_error

        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"tasks", "prompt", "check", "evaluate", "profile", "submit", "status"}
        assert "heat2d" in (await ask("tasks"))[0]
        assert '"doing": "starting"' in (await ask("status", task="heat2d"))[0]
        text, _ = await ask("prompt", task="heat2d")
        assert "Write attempt 1" in text
        assert "error:" in (await ask("check", task="heat2d", source=SEED + "int f() { return g; }\n"))[0]
        assert (await ask("evaluate", task="heat2d", source=OTHER))[0].startswith("Outcome: correct at every size")
        assert "no evaluation is left" in (await ask("evaluate", task="heat2d", source=SEED))[0]
        assert "predicted" in (await ask("profile", task="heat2d", source=SEED))[0]
        text, _ = await ask("profile", task="heat2d", source=SEED, size=HELDOUT)
        assert text == f"there is no size '{HELDOUT}': 128×128·10"
        heard.pop()  # it repeats what it was asked
        text, _ = await ask("submit", task="heat2d", source="no kernel", idea="nothing `at all`")
        assert "no code" in text
        text, _ = await ask("submit", task="heat2d", source=OTHER)
        assert "correct at every size" in text
        status = json.loads((await ask("status", task="heat2d"))[0])
        assert status["last"]["attempts"] == 2
        text, is_error = await ask("prompt", task="heat2d")
        assert is_error
        assert "the search has ended by iterations" in text

    serve(tmp_path, talk)
    assert json.loads((tmp_path / "run" / "gate.json").read_text())["size"] == HELDOUT
    for text in heard:
        assert HELDOUT not in text
        assert "heldout" not in text.replace("held-out gate", "")


def test_nonsense_is_told_so_and_the_server_goes_on(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        for arguments, message in (
            ({"task": "no such"}, "there is no task 'no such'"),
            ({"task": "heat2d heldout.NX=1"}, "there is no task"),
            ({"task": "../../etc"}, "there is no task"),
            ({"task": 3}, "task"),
            ({}, "task"),
        ):
            text, is_error = await call(client, "prompt", **arguments)
            assert is_error
            assert message in text
        text, is_error = await call(client, "check", task="heat2d", source="")
        assert (is_error, "give the text of a .metal file" in text) == (True, True)
        text, is_error = await call(client, "check", task="heat2d", source="x" * 2_000_000)
        assert (is_error, "at most 1,000,000 characters" in text) == (True, True)
        assert (await call(client, "heldout"))[1]
        assert not (await call(client, "tasks"))[1]

    serve(tmp_path, talk)
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_begin_is_a_sentence(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        text, is_error = await call(client, "prompt", task="heat2d")
        assert is_error
        assert "strategy.islands=0" in text
        assert "Traceback" not in text

    serve(tmp_path, talk, "strategy=islands", "strategy.islands=0")


def test_the_command_speaks_over_standard_input(tmp_path: Path) -> None:
    """One session over pipes: nothing but the protocol may stand on standard output."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def speak() -> None:
        server = StdioServerParameters(command=sys.executable, args=["-m", "metalsci.mcp", *SMALL], cwd=str(tmp_path))
        async with Client(stdio_client(server)) as client:
            text, is_error = await call(client, "tasks")
            assert not is_error
            assert "lbm" in text

    anyio.run(speak)


@pytest.mark.parametrize("arguments", [["task=lbm"], ["model=claude"], ["nonsense"], ["--evaluations", "-1"]])
def test_arguments_that_make_no_sense(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metalsci.mcp", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
