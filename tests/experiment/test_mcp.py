"""`python -m metalsci.mcp`: a run driven by an agent over the official protocol, and a client that sends nonsense."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
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


def test_an_agent_drives_a_run_and_sees_nothing_held_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
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
        assert text.endswith("in a sentence.")
        assert "error:" in (await ask("check", task="heat2d", source=SEED + "int f() { return g; }\n"))[0]
        text, _ = await ask("evaluate", task="heat2d", source=OTHER)
        assert re.match(r"Outcome: correct at every size; score [\d.]+, [\d.]+x the seed kernel\.\n", text)
        assert re.search(r"The best so far, the seed kernel, had a score of [\d.]+\.$", text)
        assert "no evaluation is left" in (await ask("evaluate", task="heat2d", source=SEED))[0]
        assert "predicted" in (await ask("profile", task="heat2d", source=SEED))[0]
        text, _ = await ask("profile", task="heat2d", source=SEED, size=HELDOUT)
        assert text == f"there is no size '{HELDOUT}': 128×128·10"
        heard.pop()  # it repeats what it was asked
        text, _ = await ask("submit", task="heat2d", source="no kernel", idea="nothing `at all`")
        assert "no code" in text
        text, _ = await ask("submit", task="heat2d", source=f"```metal\n{OTHER}```\n")
        assert "correct at every size" in text
        assert re.search(r"\nIt (became|did not replace) the best so far: `", text)
        status = json.loads((await ask("status", task="heat2d"))[0])
        assert status["last"]["attempts"] == 2
        assert status["last"]["decision"]
        assert (status["attempts_left"], status["budget"]["iterations"]) == (0, 2)
        assert status["doing"] == "ended"  # nothing of this run disturbs what comes next
        text, is_error = await ask("prompt", task="heat2d")
        assert is_error
        assert "the search has ended by iterations" in text

    serve(tmp_path, talk)
    assert json.loads((tmp_path / "run" / "gate.json").read_text())["size"] == HELDOUT
    for text in (*heard, *capfd.readouterr()):
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


def test_a_client_may_ask_for_two_tasks_at_once(tmp_path: Path) -> None:
    heard: dict[str, str] = {}

    async def talk(client: Client) -> None:
        async def ask(task: str) -> None:
            heard[task], _ = await call(client, "prompt", task=task)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "heat2d")
            group.start_soon(ask, "wave3d")

    where = f"hydra.run.dir={tmp_path}/${{task.name}}"
    serve(tmp_path, talk, "task.sizes=[{NX: 16, NY: 16, NZ: 16, steps: 2}]", where)
    assert "# Task: heat2d" in heard["heat2d"]
    assert "# Task: wave3d" in heard["wave3d"]


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


def test_what_is_no_protocol_at_all_does_not_end_the_server(tmp_path: Path) -> None:
    def message(method: str, number: int | None = None, **params: Any) -> bytes:
        told: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            told["id"] = number
        return json.dumps(told).encode()

    client = {"name": "x", "version": "1"}
    lines = [
        *(b"no JSON", b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000, message("nosuch", 7)),
        message("initialize", 1, protocolVersion="2025-06-18", capabilities={}, clientInfo=client),
        message("notifications/initialized"),
        message("tools/call", 2, name="prompt", arguments=[1]),
        message("tools/call", 3, name="tasks", arguments={}),
    ]
    words = [sys.executable, "-m", "metalsci.mcp", *SMALL]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(b"\n".join(lines) + b"\n")
        server.stdin.flush()
        heard = {}
        while 3 not in heard:
            answer = json.loads(server.stdout.readline())
            heard[answer["id"]] = answer
        server.stdin.close()
        assert server.wait(60) == 0
    assert heard[7]["error"]["message"] == "Method not found"
    assert "error" in heard[2]
    assert "lbm" in heard[3]["result"]["content"][0]["text"]


def test_the_command_speaks_http_to_this_machine_alone(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    words = [sys.executable, "-m", "metalsci.mcp", "--http", str(port), *SMALL]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + 60
            while status_of(url) is None:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert status_of(url, Host="evil.example") == 421  # another name for this address, as a web page would use
            assert status_of(url, Origin="http://evil.example") == 403
            assert status_of(url) == 400

            async def speak() -> None:
                async with Client(url) as client:
                    text, is_error = await call(client, "tasks")
                    assert not is_error
                    assert "lbm" in text

            anyio.run(speak)
        finally:
            server.terminate()


def status_of(url: str, **headers: str) -> int | None:
    """Post nonsense; return the answer's status, None if nobody listens."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    try:
        return httpx2.post(url, content=b"{nonsense", headers=headers).status_code
    except httpx2.ConnectError:
        return None


@pytest.mark.parametrize(
    "arguments",
    [
        ["task=lbm"],
        ["model=claude"],
        ["search.in_flight=2"],
        ["nonsense"],
        ["--evaluations", "-1"],
        ["--http", "99999"],
    ],
)
def test_arguments_that_make_no_sense(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metalsci.mcp", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
