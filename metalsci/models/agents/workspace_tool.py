"""The command `metalsci` of an agent's workspace: passes a request on to the run and prints what it says.

    metalsci check [FILE]                 compiler, Metal's rules, sanitizer; no clock; free
    metalsci evaluate [FILE]              as the search judges: right? how fast? rationed
    metalsci profile [FILE] [SIZE]        what a GPU would do, predicted; free
    metalsci submit [FILE] [IDEA]         hand the kernel in; the last one counts
    metalsci status                       what is left, and what was handed in

FILE is kernel.metal unless named. Exits with 1 if the answer is no.
"""

import json
import os
import socket
import sys
from pathlib import Path

_TOOLS = ("check", "evaluate", "profile", "submit", "status")
_SECOND = {"profile": "size", "submit": "idea"}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in _TOOLS:
        sys.stdout.write(__doc__ or "")
        return 2
    tool, *rest = arguments
    request = {"tool": tool}
    if tool != "status":
        path = Path([*rest, "kernel.metal"][0])
        try:
            request["source"] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            sys.stdout.write(f"{path}: {error}\n")
            return 1
    if len(rest) > 1 and tool in _SECOND:
        request[_SECOND[tool]] = " ".join(rest[1:])
    answer = ask(request)
    sys.stdout.write(str(answer.get("text", "")).rstrip() + "\n")
    if answer.get("ok"):
        return 0
    return 1


def ask(request: dict[str, str]) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.environ["METALSCI_TOOLS"])
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answer:
                line = answer.readline()
        except (KeyError, OSError) as error:
            return {"text": f"the run does not answer: {error}"}
    answered = json.loads(line or b'{"text": "the run does not answer"}')
    if isinstance(answered, dict):
        return answered
    return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
