"""Reasoning that a server leaves in the text: `<think>…</think>` at the start of an answer."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from metalsci.models.http.provider import Event, Text, Thought

_OPEN, _CLOSE = "<think>", "</think>"


class _State(Enum):
    START = auto()  # nothing yet but white space, or a part of the opening tag
    INSIDE = auto()
    AFTER = auto()  # behind the closing tag, nothing yet but white space
    TEXT = auto()


class Thinking:
    """Splitter of one answer into thoughts and text, piece by piece. Tags may be torn between two pieces."""

    def __init__(self) -> None:
        self._state = _State.START
        self._held = ""

    def split(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Text):
                self._held += event.piece
                yield from self._read()
            else:
                yield event

    def rest(self) -> Iterator[Event]:
        """Yield the text held back as a possible part of a tag; to be called when the answer has ended."""
        if self._held:
            yield Thought(self._held) if self._state is _State.INSIDE else Text(self._held)
            self._held = ""

    def _read(self) -> Iterator[Event]:
        if self._state is _State.START:
            start = self._held.lstrip()
            if _OPEN.startswith(start):
                return
            if start.startswith(_OPEN):
                self._state = _State.INSIDE
            else:
                self._state = _State.TEXT
            if self._state is _State.INSIDE:
                self._held = start.removeprefix(_OPEN)
            else:
                self._held = self._held
        if self._state is _State.INSIDE:
            thought, closed, rest = self._held.partition(_CLOSE)
            if closed:
                told = len(thought)
            else:
                told = len(thought) - _torn(thought)
            if told:
                yield Thought(thought[:told])
            self._held = rest if closed else thought[told:]
            if closed:
                self._state = _State.AFTER
            else:
                self._state = _State.INSIDE
        if self._state is _State.AFTER:
            self._held = self._held.lstrip()
            if self._held:
                self._state = _State.TEXT
            else:
                self._state = _State.AFTER
        if self._state is _State.TEXT and self._held:
            yield Text(self._held)
            self._held = ""


def _torn(text: str) -> int:
    """Return the length of the longest end of `text` that could be the start of the closing tag."""
    return next((n for n in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:n])), 0)
