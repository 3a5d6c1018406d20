"""A report that is watched: served on loopback, drawn again when a run has gone on; a person's words are passed on.

Only this machine can reach it, and only its own page can speak: a request names the server it means, and a word carries
a token that stands in the page, so no other page of the browser can send one.
"""

import hashlib
import json
import secrets
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from metalsci.report.contents import put_together, read_runs
from metalsci.report.page import as_html, render, template_source
from metalsci.report.reported_run import ReportedRun
from metalsci.report.run_reading import JOURNAL, find_runs, is_running
from metalsci.search.spoken_words import Word, say

_LONGEST = 10_000  # bytes of a request's body


class LiveReport:
    """The page of some folders, drawn again only if something in them has changed."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._drawn: tuple[str, str] = ("", "")
        self.token = secrets.token_urlsafe(16)

    def state(self) -> str:
        """Return a digest of how far the runs are, and whether they run."""
        facts = []
        for folder in find_runs(self._places):
            facts.append(str(is_running(folder)))  # a run that was killed leaves no other trace
            for name in (JOURNAL, "summary.json"):
                path = folder / name
                facts.append(f"{path} {path.stat().st_size if path.exists() else '-'}")
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def page(self) -> str:
        with self._lock:
            state = self.state()
            if self._drawn[0] != state:
                self._drawn = (state, self._draw())
            return self._drawn[1]

    def pass_on(self, told: object) -> str:
        """Leave a word for a running run. Raises ValueError with a sentence for what is none."""
        if not isinstance(told, dict) or not isinstance(told.get("run"), str):
            raise ValueError("name a run")
        run = next((run for run in read_runs(self._places) if run.name == told["run"]), None)
        if run is None or run.status != "running":
            raise ValueError("that run is not running")
        try:
            word = Word(bool(told.get("stop")), _whole(told.get("iterations")), str(told.get("note") or ""))
        except (TypeError, ValueError) as error:
            raise ValueError(str(error)) from error
        if word.is_empty:
            raise ValueError("say stop, a number of iterations, or a note")
        say(run.folder, word)
        return f"{run.name}: heard, and taken before the next candidate"

    def _draw(self) -> str:
        runs = read_runs(self._places)
        controls = render("live.html.j2", running=_running(runs), token=self.token)
        script = template_source("live.js")
        return as_html(put_together(runs), controls=controls, script=script, connect="; connect-src 'self'")


def serve(places: Sequence[Path], port: int) -> ThreadingHTTPServer:
    """Make a server on 127.0.0.1; port 0 takes a free one. Raises OSError."""
    report = LiveReport(places)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not self._is_meant():
                return
            if self.path == "/state":
                self._answer(HTTPStatus.OK, report.state(), "text/plain")
            elif self.path == "/":
                self._answer(HTTPStatus.OK, report.page(), "text/html")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "there is / and /state", "text/plain")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(min(length, _LONGEST))
            if not self._is_meant():
                return
            token = self.headers.get("X-Token", "")
            if self.path != "/say" or not secrets.compare_digest(token.encode(), report.token.encode()):
                self._answer(HTTPStatus.FORBIDDEN, "reload the page: it speaks for another server", "text/plain")
                return
            try:
                told = report.pass_on(json.loads(body))
            except (ValueError, OSError) as error:
                self._answer(HTTPStatus.BAD_REQUEST, str(error), "text/plain")
                return
            self._answer(HTTPStatus.OK, told, "text/plain")

        def _is_meant(self) -> bool:
            """Refuse a request to another name that was made to lead here."""
            host = self.headers.get("Host", "")
            own = self.connection.getsockname()[1]
            if host in (f"127.0.0.1:{own}", f"localhost:{own}"):
                return True
            self._answer(HTTPStatus.FORBIDDEN, "this server is 127.0.0.1", "text/plain")
            return False

        def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
            body = text.encode(errors="replace")
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _running(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    return [run for run in runs if run.status == "running"]


def _whole(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"iterations={value}: give a whole number")
