"""W&B online, against a server on loopback that speaks as much of its protocol as a run needs."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

USER = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
PROJECT = {"id": "p", "name": "metalsci", "entity": {"id": "e", "name": "me"}}
BUCKET = {"id": "b", "name": "r", "displayName": "n", "description": "", "config": "{}", "sweepName": None}


class Handler(BaseHTTPRequestHandler):
    """Handler that answers questions about the user and the run, and keeps streamed data. It knows no artifacts."""

    protocol_version = "HTTP/1.1"
    streamed: list[dict[str, Any]]
    mutations: list[dict[str, Any]]

    def log_message(self, *_) -> None:
        pass

    quiet: threading.Event
    over: threading.Event

    def do_POST(self):
        if self.quiet.is_set():
            self.over.wait()  # takes the request, and says nothing
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/file_stream"):
            self.streamed.append(json.loads(body))
            return self.answer({"exitcode": None, "limits": {}})
        if self.path != "/graphql":
            return self.answer({})
        asked = json.loads(body)
        data: dict[str, Any] = {}
        if "viewer" in asked["query"]:
            data["viewer"] = USER
        if "upsertBucket" in asked["query"]:
            self.mutations.append(asked["variables"])
            data["upsertBucket"] = {
                "bucket": {**BUCKET, "project": PROJECT, "historyLineCount": None},
                "inserted": True,
            }
        if "createRunFiles" in asked["query"]:
            data["createRunFiles"] = {"runID": "b", "uploadHeaders": [], "files": []}
        return self.answer({"data": data})

    def do_GET(self) -> None:
        if self.quiet.is_set():
            self.over.wait()
        self.answer({})

    def answer(self, value) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server():
    state = {"streamed": [], "mutations": [], "quiet": threading.Event(), "over": threading.Event()}
    handler: Any = type("Recording", (Handler,), state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    handler.over.set()
    server.shutdown()
    server.server_close()


def environment(server, home):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(home)}
    return env | {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}


def start(*arguments, cwd, env):
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke", *arguments]
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(pattern, cwd, process) -> None:
    deadline = time.monotonic() + 120
    while not list(cwd.glob(pattern)):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def service(process):
    """Return W&B's own process of a run, as soon as there is one."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # a compiler that has ended meanwhile
                if "wandb-core" in child.name():
                    return child
        time.sleep(0.02)
    raise AssertionError(process.communicate())


def test_a_server_that_goes_silent_costs_half_a_minute_at_the_end_and_no_more(server, tmp_path: Path) -> None:
    process = start("hydra.run.dir=run", cwd=tmp_path, env=environment(server, tmp_path))
    wait_for("run/01_result.json", tmp_path, process)
    server.RequestHandlerClass.quiet.set()
    wait_for("run/summary.json", tmp_path, process)
    begin = time.monotonic()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert time.monotonic() - begin < 60  # 28 s of limits; a loaded machine takes longer to start and to stop things
    assert "W&B did not take all of it" in out
    assert "Traceback" not in err


def test_a_service_that_is_killed_costs_neither_the_run_nor_the_next_job_of_the_sweep(tmp_path: Path) -> None:
    # WANDB_SERVICE of a test before this one would lend its service to the run
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env["WANDB_MODE"] = "offline"
    process = start("-m", "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path, env=env)
    wait_for("sweep/0/01_result.json", tmp_path, process)
    service(process).kill()
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert all((tmp_path / "sweep" / job / "summary.json").exists() for job in "01")
    assert list((tmp_path / "sweep" / "1").rglob("*.wandb"))
    assert "Traceback" not in err


def test_with_a_login_a_run_is_online_and_a_server_that_fails_at_the_end_does_not_cost_it(
    server, tmp_path: Path
) -> None:
    env = environment(server, tmp_path)
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert f"W&B online: http://127.0.0.1:{server.server_port}/me/metalsci/runs/r" in done.stdout
    assert "held-out gate:" in done.stdout
    assert "W&B did not take all of it" in done.stdout
    handler = server.RequestHandlerClass
    assert any("task:heat2d" in (m.get("tags") or []) for m in handler.mutations)
    lines = [
        line for part in handler.streamed for line in part["files"].get("wandb-history.jsonl", {}).get("content", [])
    ]
    rows = [row for line in lines if "outcome" in (row := json.loads(line))]
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert all("best_score" in row for row in rows)
