"""docs/extending/*.md, followed to the letter in a temporary folder, outside the repository.

A bold path before a fenced block names a file that holds the block. A console block holds commands (`$`), what one
prints (`>`) and how one that is refused says so (`!`).
"""

import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from metalsci.files.locations import data

DOCS = data("conf").parent / "docs" / "extending"
FILE = re.compile(r"^\*\*`(?P<path>[\w/.]+)`\*\*\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    arguments: tuple[str, ...]
    printed: tuple[str, ...]
    refused: str


def commands(page: str) -> list[Command]:
    found = []
    for block in CONSOLE.findall(page):
        for text in block.split("$ ")[1:]:
            line, *answers = text.splitlines()
            printed = tuple(answer[2:] for answer in answers if answer.startswith("> "))
            refused = "".join(answer[2:] for answer in answers if answer.startswith("! "))
            found.append(Command(tuple(shlex.split(line)[1:]), printed, refused))
    return found


def write_files(page: str, home: Path) -> None:
    files = list(FILE.finditer(page))
    assert files
    for file in files:
        path = home / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["text"], encoding="utf-8")
    (home / "mypackage" / "__init__.py").touch()


def follow(page: str, home: Path, *more: str, **environment: str) -> list[Path]:
    """Run the page's commands in `home`; return the folders of the runs that came to their end."""
    write_files(page, home)
    path = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": path, **environment}
    for command in commands(page):
        done = subprocess.run(
            [sys.executable, *command.arguments, *more], cwd=home, env=env, capture_output=True, text=True, timeout=250
        )
        if command.refused:
            assert done.returncode != 0
            assert command.refused in done.stderr
            assert "Traceback" not in done.stderr
            continue
        assert done.returncode == 0, done.stdout + done.stderr
        for printed in command.printed:
            assert printed in done.stdout
    return sorted(path.parent for path in home.glob("outputs/runs/*/*/*/summary.json"))


@pytest.mark.parametrize("name", ["strategy", "model", "observer", "device", "transform"])
def test_the_page_can_be_followed_to_the_letter(name: str, tmp_path: Path) -> None:
    runs = follow((DOCS / f"{name}.md").read_text(encoding="utf-8"), tmp_path)
    assert runs
    if name == "observer":
        assert (runs[0] / "scores.csv").read_text().splitlines()[1].startswith("0,")
    if name == "device":
        assert (tmp_path / "compiled.txt").read_text().startswith("heat_step\n")
        assert json.loads((runs[0] / "summary.json").read_text())["device"].startswith("logged ")


class Service(http.server.BaseHTTPRequestHandler):
    """A chat completion service for callers with the key, answering with the kernel of the prompt."""

    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        allowed = self.headers["Authorization"] == "Bearer secret-of-the-page"
        user = body["messages"][-1]["content"]
        source = re.findall(r"```metal\n(.*?)```", user, re.DOTALL)[-1]
        self.asked.append(user)
        answer = {
            "choices": [{"message": {"content": f"The same.\n\n```metal\n{source}\n```\n"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 200},
        }
        data = json.dumps(answer).encode() if allowed else b'{"message": "Unauthorized"}'
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[http.server.ThreadingHTTPServer]:
    Service.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_the_provider_page_can_be_followed_and_its_key_stays_inside(
    service: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    page = (DOCS / "provider.md").read_text(encoding="utf-8")
    address = f"model.transport.base_url=http://127.0.0.1:{service.server_port}"
    (run,) = follow(page, tmp_path, address, MISTRAL_API_KEY="secret-of-the-page")
    assert len(Service.asked) == 2
    assert json.loads((run / "summary.json").read_text())["spent"]["tokens"] == 2400
    for path in run.rglob("*"):
        if path.is_file():
            assert b"secret-of-the-page" not in path.read_bytes(), path


def test_without_a_key_the_run_says_which_variable_to_set(tmp_path: Path) -> None:
    page = (DOCS / "provider.md").read_text(encoding="utf-8")
    write_files(page, tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "METALSCI_ENV": str(tmp_path / "none")}
    env.pop("MISTRAL_API_KEY", None)
    (command,) = commands(page)
    done = subprocess.run([sys.executable, *command.arguments], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "set MISTRAL_API_KEY in the environment" in done.stderr


def test_every_kind_has_a_page_and_the_index_names_it() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert pages == {f"{k}.md" for k in ("task", "strategy", "model", "provider", "device", "observer", "transform")}
    assert all(f"({page})" in index for page in pages)
