"""What differs from provider to provider: how to ask, what an answer is made of, what an error means."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci.models.http.provider_fault import Fault
from metalsci.models.protocol import Stop, Usage


@dataclass(frozen=True)
class Turn:
    """role: user or assistant."""

    role: str
    text: str


@dataclass(frozen=True)
class Question:
    """What is asked at once. iteration: of the search, for a provider whose sampling takes a seed."""

    system: str
    turns: Sequence[Turn]
    iteration: int


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
    """The answer came to its end. Without this event it broke off."""

    stop: Stop


Event = Text | Thought | Counted | Ended


@dataclass(frozen=True)
class Wire:
    """How to reach a provider. base_url: None for the provider's own. timeout: seconds without a byte."""

    base_url: str | None
    timeout: float
    stream: bool


class Provider(Protocol):
    """One provider's wire format, through its own SDK, which is imported by `open`."""

    @property
    def model(self) -> str:
        """What the provider calls the model."""

    @property
    def variables(self) -> Sequence[str]:
        """Of the environment, that may hold the key."""

    @property
    def needs_key(self) -> bool: ...

    def open(self, key: str | None, wire: Wire) -> None: ...

    def ask(self, question: Question) -> Generator[Event, None, None]:
        """One attempt, without retries. Raises whatever the SDK does, and MalformedAnswerError."""

    def fault(self, error: Exception) -> Fault | None:
        """What an exception of `ask` means; None for one that is no fault of the wire. Raises ModelError where no
        other attempt can help and there is more to say of it than a Fault holds."""

    def close(self) -> None: ...
