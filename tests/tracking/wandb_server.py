"""A stand-in for W&B's server on loopback. It speaks as much of the protocol as a run and its artifacts need.

Its manner is how it treats a request, and may change while it runs:
well answers; slow answers after a third of a second; silent takes the request and says nothing; refusing answers 403;
broken answers 500; dead is a server whose port nobody listens to any more.
"""

import gzip
import json
import os
import re
import threading
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
PROJECT = {"id": "p", "name": "metalsci", "entity": {"id": "e", "name": "me"}}
BUCKET = {"id": "b", "displayName": "n", "description": "", "config": "{}", "sweepName": None}
MOMENT = "2026-11-29T00:00:00Z"
_OPERATION = re.compile(r"\s*(?:query|mutation)\s+(\w+)")
_SLOW = 0.3  # seconds


class StandIn:
    """The server with what it was told.

    runs: variables of the mutations that begin or change a run. streamed: bodies of the file stream, by run. alerts,
    artifacts: variables of the mutations, in their order. used: artifacts that a run named as inputs.
    silent_after: the operation after whose answer it is silent.
    """

    def __init__(self) -> None:
        self.manner = "well"
        self.silent_after = ""
        self.runs: list[dict[str, Any]] = []
        self.streamed: dict[str, list[dict[str, Any]]] = {}
        self.alerts: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.used: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self.faults: list[str] = []
        self.over = threading.Event()
        handler = type("Told", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: self.faults.append(traceback.format_exc(limit=-3))  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def environment(self, home: object) -> dict[str, str]:
        """Return an environment with a login at this server, and no other settings of W&B."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(home)}
        return env | {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": self.url}

    def turn(self, manner: str) -> None:
        self.manner = manner
        if manner == "dead":
            self._server.shutdown()
            self._server.server_close()

    def close(self) -> None:
        self.over.set()
        if self.manner != "dead":
            self.turn("dead")

    def history(self, run: str) -> list[dict[str, Any]]:
        """Collect the rows that a run has streamed."""
        parts = [part["files"].get("wandb-history.jsonl", {}) for part in self.streamed.get(run, [])]
        return [json.loads(line) for part in parts for line in part.get("content", [])]

    def run(self, job_type: str) -> dict[str, Any]:
        """Return the last mutation of the run of a job type, with the tags of all of them."""
        names = [each["name"] for each in self.runs if each.get("jobType") == job_type]
        told = [each for each in self.runs if each["name"] == names[-1]]
        first = next(each for each in told if each.get("jobType") == job_type)
        return {**first, "tags": [tag for each in told for tag in each.get("tags") or ()]}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        match = _OPERATION.match(query)
        name = match[1] if match else ""
        known: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "Viewer": lambda _: {"viewer": USER},
            "RunResumeStatus": lambda _: {"model": None},
            "UpsertBucket": self._upsert,
            "CreateRunFiles": lambda v: {
                "createRunFiles": {"runID": "b", "uploadHeaders": [], "files": self._files(v)}
            },
            "NotifyScriptableRunAlert": self._alert,
            "ArtifactType": lambda _: {"project": {"artifact": None}},
            "CreateArtifact": self._artifact,
            "ArtifactByID": lambda v: {"artifact": self._hydrated(v["id"])},
            "UseArtifact": self._use,
            "CreateArtifactManifest": lambda v: {"createArtifactManifest": {"artifactManifest": self._manifest(v)}},
            "UpdateArtifactManifest": lambda v: {"updateArtifactManifest": {"artifactManifest": self._manifest(v)}},
            "CreateArtifactFiles": self._artifact_files,
            "CommitArtifact": lambda v: {"commitArtifact": {"artifact": {"id": v["artifactID"], "digest": "d"}}},
        }
        if name not in known:
            self.unknown.append(name)
            return {}
        answer = known[name](variables.get("input", variables))
        if name == self.silent_after:
            self.turn("silent")
        return answer

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.runs.append(variables)
        bucket = {**BUCKET, "name": variables["name"], "project": PROJECT, "historyLineCount": None}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _files(self, variables: dict[str, Any]) -> list[dict[str, str]]:
        return [{"name": name, "uploadUrl": f"{self.url}/upload"} for name in variables["files"]]

    def _alert(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.alerts.append(variables)
        return {"notifyScriptableRunAlert": {"success": True}}

    def _artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.artifacts.append(variables)
        made = {
            "id": str(len(self.artifacts) - 1),
            "state": "PENDING",
            "artifactSequence": {"id": "s", "latestArtifact": None},
        }
        return {"createArtifact": {"artifact": made}}

    def _hydrated(self, number: str) -> dict[str, Any]:
        """Describe an artifact with every field that W&B's own types ask for."""
        told = self.artifacts[int(number)]
        collection = {"__typename": "ArtifactSequence", "name": told["artifactCollectionName"], "project": None}
        return {
            "__typename": "Artifact",
            "id": number,
            "artifactSequence": collection,
            "versionIndex": 0,
            "artifactType": {"name": told["artifactTypeName"]},
            "description": None,
            "metadata": told["metadata"],
            "ttlDurationSeconds": -2,
            "ttlIsInherited": False,
            "tags": [],
            "historyStep": None,
            "state": "COMMITTED",
            "size": 1,
            "digest": told["digest"],
            "digestAlgorithm": told["digestAlgorithm"],
            "commitHash": None,
            "fileCount": 1,
            "createdAt": MOMENT,
            "updatedAt": None,
            "aliases": [],
        }

    def _use(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.used.append({**variables, "artifact": self.artifacts[int(variables["artifactID"])]})
        return {"useArtifact": {"artifact": {"id": variables["artifactID"]}}}

    def _manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        file = {
            "id": "f",
            "name": "manifest",
            "displayName": "m",
            "uploadUrl": f"{self.url}/upload",
            "uploadHeaders": [],
        }
        return {"id": "m", "file": file}

    def _artifact_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        edges = [
            {
                "node": {
                    "id": "f",
                    "name": file["name"],
                    "displayName": file["name"],
                    "uploadUrl": f"{self.url}/upload",
                    "uploadHeaders": [],
                    "storagePath": f"path/{file['name']}",
                    "artifact": {"id": file["artifactID"]},
                }
            }
            for file in variables["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self._body()
        if "otel" in self.path or self._is_unwell():
            return self._say({}) if "otel" in self.path else None
        if self.path.endswith("/file_stream"):
            self.stand_in.streamed.setdefault(self.path.split("/")[-2], []).append(json.loads(body))
            return self._say({"exitcode": None, "limits": {}})
        if self.path != "/graphql":
            return self._say({})
        asked = json.loads(body)
        return self._say({"data": self.stand_in.answer(asked["query"], asked.get("variables") or {})})

    def do_GET(self) -> None:
        if not self._is_unwell():
            self._say({})

    def do_PUT(self) -> None:
        self._body()
        if not self._is_unwell():
            self._say({})

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            return gzip.decompress(body)
        return body

    def _is_unwell(self) -> bool:
        """Treat the request as the server's manner asks for; true if nothing else is to be said."""
        manner = self.stand_in.manner
        if manner == "slow":
            time.sleep(_SLOW)
        if manner == "silent":
            self.stand_in.over.wait()
            self.close_connection = True
            return True
        status = {"refusing": 403, "broken": 500}.get(manner)
        if status is not None:
            self._say({"error": manner}, status)
        return status is not None

    def _say(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
