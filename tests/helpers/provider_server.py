"""A real HTTP server on loopback that speaks the providers' wire formats and fails on request.

The formats are written down here from the providers' documentation, apart from the code under test; the SDKs that read
them are the real ones. A server follows a script: one line a request, the last one repeated.
"""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol


@dataclass(frozen=True)
class Say:
    """A good answer. stop: end, length or refused. counted: usage is reported."""

    text: str
    thoughts: str = ""
    stop: str = "end"
    counted: bool = True


@dataclass(frozen=True)
class Cut:
    """A connection that is lost after the text."""

    text: str
    thoughts: str = ""


@dataclass(frozen=True)
class Stall:
    """A text, and then nothing, with the connection open."""

    text: str


@dataclass(frozen=True)
class Fail:
    """An HTTP error. kind: the provider's name for it."""

    status: int
    kind: str = ""
    message: str = "as you wish"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FailWithin:
    """An error event within a stream that began with status 200."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Garble:
    """Status 200 with a malformed body."""

    body: str = '{"oops": '


@dataclass(frozen=True)
class Hang:
    """A request taken without an answer."""


Line = Say | Cut | Stall | Fail | FailWithin | Garble | Hang

INPUT, CACHED, OUTPUT, REASONING = 1000, 400, 300, 120


class Format(Protocol):
    """A wire format. `event` names the events of a stream, if the format has names."""

    @property
    def event(self) -> str | None: ...
    def whole(self, line: Say) -> dict[str, Any]: ...
    def stream(self, line: Say | Cut | FailWithin) -> Iterator[str]: ...
    def failure(self, line: Fail) -> Any: ...


def pieces(text: str) -> list[str]:
    return [text[i : i + 16] for i in range(0, len(text), 16)]


def sse(data: Any, event: str | None = None) -> str:
    return (f"event: {event}\n" if event else "") + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


class Anthropic:
    event = "message_start"
    _STOPS = {"end": "end_turn", "length": "max_tokens", "refused": "refusal"}  # noqa: RUF012
    _SENT = {  # noqa: RUF012
        "input_tokens": INPUT - CACHED,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 0,
    }
    _MADE = {"output_tokens": OUTPUT, "output_tokens_details": {"thinking_tokens": REASONING}}  # noqa: RUF012

    def _message(self, **fields: Any) -> dict[str, Any]:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
        return message | {"stop_reason": None, "stop_sequence": None} | fields

    def whole(self, line: Say) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if line.thoughts:
            content.append({"type": "thinking", "thinking": line.thoughts, "signature": "s"})
        if line.text:
            content.append({"type": "text", "text": line.text})
        usage = {"usage": {**self._SENT, **self._MADE}} if line.counted else {}
        return self._message(content=content, stop_reason=self._STOPS[line.stop], **usage)

    def stream(self, line: Say | Cut | FailWithin) -> Iterator[str]:
        counted = not isinstance(line, Say) or line.counted
        started = isinstance(line, Say) or line.text or getattr(line, "thoughts", "")
        if started:
            usage = {"usage": {**self._SENT, "output_tokens": 1}} if counted else {}
            yield sse({"type": "message_start", "message": self._message(**usage)}, "message_start")
            yield sse({"type": "ping"}, "ping")
        blocks = [("thinking", "thinking_delta", getattr(line, "thoughts", "")), ("text", "text_delta", line.text)]
        for index, (kind, delta, text) in enumerate(b for b in blocks if b[2]):
            block = {"type": kind, kind: ""}
            yield sse(
                {"type": "content_block_start", "index": index, "content_block": block},
                "content_block_start",
            )
            for piece in pieces(text):
                yield sse(
                    {"type": "content_block_delta", "index": index, "delta": {"type": delta, kind: piece}},
                    "content_block_delta",
                )
            yield sse({"type": "content_block_stop", "index": index}, "content_block_stop")
        if isinstance(line, FailWithin):
            yield sse({"type": "error", "error": {"type": line.kind, "message": "within"}}, "error")
        if isinstance(line, Say):
            ended = {"stop_reason": self._STOPS[line.stop], "stop_sequence": None}
            end = {"type": "message_delta", "delta": ended, **({"usage": self._MADE} if counted else {})}
            yield sse(end, "message_delta")
            yield sse({"type": "message_stop"}, "message_stop")

    def failure(self, line: Fail) -> Any:
        return {"type": "error", "error": {"type": line.kind, "message": line.message}}


class OpenAIResponses:
    event = "response.created"

    def _response(self, line: Say) -> dict[str, Any]:
        output: list[dict[str, Any]] = []
        if line.thoughts:
            summary = [{"type": "summary_text", "text": line.thoughts}]
            output.append({"type": "reasoning", "id": "rs_1", "summary": summary})
        if line.text or line.stop == "refused":
            part = {"type": "output_text", "text": line.text, "annotations": []}
            if line.stop == "refused":
                part = {"type": "refusal", "refusal": "I would rather not."}
            output.append({"type": "message", "id": "msg_1", "role": "assistant", "content": [part]})
        response: dict[str, Any] = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}
        response |= {"output": output, "status": "completed", "error": None, "incomplete_details": None}
        if line.stop == "length":
            response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        if line.counted:
            response["usage"] = {
                "input_tokens": INPUT,
                "input_tokens_details": {"cached_tokens": CACHED},
                "output_tokens": OUTPUT,
                "output_tokens_details": {"reasoning_tokens": REASONING},
                "total_tokens": INPUT + OUTPUT,
            }
        return response

    def whole(self, line: Say) -> dict[str, Any]:
        return self._response(line)

    def stream(self, line: Say | Cut | FailWithin) -> Iterator[str]:
        number = 0

        def event(kind: str, **fields: Any) -> str:
            nonlocal number
            number += 1
            return sse({"type": kind, "sequence_number": number, **fields}, kind)

        yield event("response.created", response={"id": "resp_1", "status": "in_progress", "output": []})
        for piece in pieces(getattr(line, "thoughts", "")):
            yield event("response.reasoning_summary_text.delta", item_id="rs_1", delta=piece, summary_index=0)
        for piece in pieces(line.text):
            yield event("response.output_text.delta", item_id="msg_1", delta=piece, content_index=0)
        if isinstance(line, FailWithin):
            failed: dict[str, Any] = {"id": "resp_1", "status": "failed", "output": []}
            failed["error"] = {"code": line.kind, "message": "within"}
            yield event("response.failed", response=failed)
        if isinstance(line, Say):
            kind = "response.incomplete" if line.stop == "length" else "response.completed"
            yield event(kind, response=self._response(line))

    def failure(self, line: Fail) -> Any:
        return {"error": {"message": line.message, "type": line.kind, "code": line.kind, "param": None}}


class Google:
    event = None
    _STOPS = {"end": "STOP", "length": "MAX_TOKENS", "refused": "SAFETY"}  # noqa: RUF012
    _USAGE = {  # noqa: RUF012
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT - REASONING,
        "thoughtsTokenCount": REASONING,
        "totalTokenCount": INPUT + OUTPUT,
    }

    def _chunk(self, text: str = "", *, thought: bool = False, stop: str | None = None) -> dict[str, Any]:
        part: dict[str, Any] = {"text": text, **({"thought": True} if thought else {})}
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [part] if text else []}}
        return {"candidates": [candidate | ({"finishReason": self._STOPS[stop]} if stop else {})]}

    def whole(self, line: Say) -> dict[str, Any]:
        if line.stop == "refused":
            return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": self._USAGE}
        answer = self._chunk(line.text, stop=line.stop)
        if line.thoughts:
            answer["candidates"][0]["content"]["parts"].insert(0, {"text": line.thoughts, "thought": True})
        return answer | ({"usageMetadata": self._USAGE} if line.counted else {})

    def stream(self, line: Say | Cut | FailWithin) -> Iterator[str]:
        for piece in pieces(getattr(line, "thoughts", "")):
            yield sse(self._chunk(piece, thought=True))
        for piece in pieces(line.text):
            yield sse(self._chunk(piece))
        if isinstance(line, FailWithin):
            yield sse({"error": {"code": 503, "status": line.kind, "message": "within"}})
        if isinstance(line, Say):
            usage = {"usageMetadata": self._USAGE} if line.counted else {}
            yield sse(self._chunk(stop=line.stop) | usage)

    def failure(self, line: Fail) -> Any:
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": line.kind}
        return {"error": {"code": line.status, "status": line.kind, "message": line.message, "details": [reason]}}


class ProviderServer:
    """A server of a script at `url` until closed. `requests` are those it received, as (path, headers, body)."""

    def __init__(self, form: Format, script: Sequence[Line]) -> None:
        self.form = form
        self.script = list(script)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, request: tuple[str, dict[str, str], dict[str, Any]]) -> Line:
        with self._lock:
            self.requests.append(request)
            return self.script[min(len(self.requests), len(self.script)) - 1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._send(200, {"object": "list", "data": [{"id": "served-model", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                line = server._next((self.path, headers, body))
                streamed = bool(body.get("stream")) or "streamGenerateContent" in self.path
                match line:
                    case Fail():
                        self._send(line.status, server.form.failure(line), line.headers)
                    case Garble():
                        if streamed:
                            self._stream([sse(line.body, server.form.event)], whole=True)
                        else:
                            self._send(200, line.body)
                    case Hang():
                        server._released.wait(30)
                        self.close_connection = True
                    case Say() if not streamed:
                        self._send(200, server.form.whole(line))
                    case Say():
                        self._stream(server.form.stream(line), whole=True)
                    case FailWithin():
                        self._stream(server.form.stream(line), whole=True)
                    case Stall():
                        self._stream(server.form.stream(Cut(line.text)), whole=None)
                    case Cut() if not streamed:
                        self._cut_whole(json.dumps(server.form.whole(Say(line.text))))
                    case Cut():
                        self._stream(server.form.stream(line), whole=False)

            def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def _stream(self, events: Any, *, whole: bool | None) -> None:
                """Write the stream.

                whole: False for a connection that is lost at the end, None for one that stays open.
                """
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for event in events:
                    data = event.encode()
                    self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                    self.wfile.flush()
                if whole:
                    self.wfile.write(b"0\r\n\r\n")
                elif whole is None:
                    server._released.wait(30)
                    self.close_connection = True
                else:
                    self._drop()

            def _cut_whole(self, body: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2].encode())
                self._drop()

            def _drop(self) -> None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        return Handler


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Serve(Protocol):
    """A function that starts a server of a script; the fixture `serve` is one, and closes the servers at the end."""

    def __call__(self, form: Format, *script: Line) -> ProviderServer: ...
