"""The files of a run, as a person wants to find them: numbered, flat, readable without metalsci."""

from pathlib import Path
from typing import Any

import msgspec

from metalsci.files.whole_files import write_json, write_text
from metalsci.models.protocol import Prompt, Response
from metalsci.search.archive import Entry

RESULT_SCHEMA = 1


class RunFolder:
    """Writer of a run's files.

    It writes 00_seed.metal and, for iteration NN, NN_prompt.md, NN_response.md, NN_reasoning.md if the model sends it,
    NN_candidate.metal and NN_result.json.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prompt(self, prompt: Prompt) -> None:
        text = f"# System\n\n{prompt.system.strip()}\n\n# User\n\n{prompt.user.strip()}\n"
        self._write(f"{prompt.iteration:02}_prompt.md", text)

    def response(self, iteration: int, response: Response) -> None:
        self._write(f"{iteration:02}_response.md", response.text)
        if response.reasoning:
            self._write(f"{iteration:02}_reasoning.md", response.reasoning)

    def partial(self, iteration: int, part: int) -> Path:
        """Return the file of an answer that is arriving: its `part`, counted up each time it was cut off."""
        return self.path / f"{iteration:02}_response.{part}.partial"

    def candidate(self, iteration: int, source: str) -> None:
        self._write(f"{iteration:02}_{'candidate' if iteration else 'seed'}.metal", source)

    def result(self, entry: Entry) -> None:
        started = entry.iteration == 0 and entry.promoted
        record: dict[str, Any] = {"schema": RESULT_SCHEMA, "iteration": entry.iteration, "seconds": entry.seconds}
        record |= msgspec.to_builtins(entry.evaluation)
        for size, told in zip(entry.evaluation.sizes, record["sizes"], strict=True):
            if size.timing is not None:
                told["timing"] |= {"median": size.timing.median, "quartiles": size.timing.quartiles}
        if entry.request is not None:
            record["request"] = msgspec.to_builtins(entry.request)
        if entry.decision is not None:
            record["promotion"] = msgspec.to_builtins(entry.decision)
        if entry.also and entry.source is not None:
            record["also"] = entry.also
            self.candidate(entry.iteration, entry.source)  # the best one, which need not be the first
        if entry.likeness is not None:
            record["likeness"] = msgspec.to_builtins(entry.likeness)
        if entry.reply is not None:
            record["answer"] = msgspec.to_builtins(entry.reply)
        encoded = msgspec.json.format(msgspec.json.encode(record), indent=2).decode()
        self._write(f"{entry.iteration:02}_{'start_' if started else ''}result.json", encoded + "\n")

    def json(self, name: str, value: object) -> Path:
        """Write a result of the run to disk before returning."""
        return write_json(self.path / name, value)

    def text(self, name: str, text: str) -> Path:
        """Write a file of the run to disk before returning."""
        return write_text(self.path / name, text)

    def _write(self, name: str, text: str) -> None:
        # Not durable: the journal holds all of an iteration, and a disk takes milliseconds for each file.
        write_text(self.path / name, text, durable=False)
