"""The differences between providers: how to ask, the parts of an answer, the meaning of an error."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metalsci.models.http.provider_fault import Fault
from metalsci.models.protocol import Stop, Usage


@dataclass(frozen=True)
class Turn:
    """A message of a conversation. role: user or assistant."""

    role: str
    text: str
    fixed: int = 0


@dataclass(frozen=True)
class Question:
    """The content of one call.

    iteration: of the search, for a provider whose sampling takes a seed.
    place: a file for a provider that has to note what it was asked. deadline: by time.monotonic.
    """

    system: str
    turns: Sequence[Turn]
    iteration: int
    place: Path = Path()
    deadline: float = math.inf


@dataclass(frozen=True)
class Text:
    """A piece of the answer."""

    piece: str


@dataclass(frozen=True)
class Thought:
    """A piece of the reasoning, or of its summary."""

    piece: str


@dataclass(frozen=True)
class Counted:
    """Tokens so far; each count replaces the one before."""

    usage: Usage


@dataclass(frozen=True)
class Ended:
    """The end of the answer. Without this event it broke off."""

    stop: Stop


Event = Text | Thought | Counted | Ended


@dataclass(frozen=True)
class Wire:
    """The connection to a provider. base_url: None for the provider's own. timeout: seconds without a byte."""

    base_url: str | None
    timeout: float
    stream: bool


class Provider(Protocol):
    """One provider's wire format, through its own SDK, which is imported by `open`."""

    @property
    def model(self) -> str:
        """The provider's name of the model."""

    @property
    def variables(self) -> Sequence[str]:
        """Environment variables that may hold the key."""

    @property
    def needs_key(self) -> bool: ...

    def open(self, key: str | None, wire: Wire) -> None: ...

    def ask(self, question: Question) -> Generator[Event, None, None]:
        """Make one attempt, without retries. Raises the SDK's exceptions, and MalformedAnswerError."""

    def fault(self, error: Exception) -> Fault | None:
        """Classify an exception of `ask`; None if it is no fault of the wire.

        Raises ModelError if no other attempt can help and a Fault cannot hold the whole message.
        """

    def close(self) -> None: ...
