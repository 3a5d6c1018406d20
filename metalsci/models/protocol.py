"""The small protocols between a search and the writer of its kernels.

A `Model` answers a prompt, and an offline model needs no more. A `LanguageModel` is asked over a wire: its answers take
minutes, cost money and may break off, so a search also needs the highest cost of a call before it is made, and every
piece of an answer as it arrives. A `Learner` is told the results of its answers.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from metalsci.msl.language.parse import Unit
from metalsci.msl.language.spelling import spelling
from metalsci.msl.text.quoting import visible

_MARKER = re.compile(r"^\s*(?:[-*#>]+|\d+[.)])\s+")  # of a list, a heading or a quotation
_NOTE = re.compile(r"^[\s*_>-]*note for later[*_]*:[*_]*(.+)$", re.IGNORECASE | re.MULTILINE)
_LONGEST_HEADLINE = 300  # characters; ten thousand of them are kept


@dataclass(frozen=True, eq=False)
class Tried:
    """The sources that a run had judged when a prompt was written: `source in tried`.

    Comments and white space make no difference. A run adds to `ordinals` later, so only the first `count` of them are
    meant; that makes a view of ten thousand sources without copying them. `digest` stands for all of them.
    """

    ordinals: Mapping[str, int] = field(default_factory=dict)
    count: int = 0
    digest: str = ""

    @classmethod
    def of(cls, sources: Iterable[str]) -> "Tried":
        spellings = list(dict.fromkeys(map(spelling, sources)))
        ordinals = {spelled: ordinal for ordinal, spelled in enumerate(spellings)}
        return cls(ordinals, len(spellings), hashlib.sha256(" ".join(spellings).encode()).hexdigest())

    def __contains__(self, source: str | Unit) -> bool:
        return self.ordinals.get(spelling(source), self.count) < self.count

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Prompt:
    """Question to a model.

    A language model reads `system` and `user`; an offline model, which cannot read, works on the same facts as data.

    iteration: 1 for the first proposal; with the run's seed it fixes every random draw of an offline model.
    parent: source of the kernel to improve on (the incumbent, or the seed kernel).
    tried: sources already evaluated in this run; proposing one again is a wasted iteration.
    said: the model's answer so far, if that was cut off; the new answer follows it.
    model: the member of an ensemble that is asked; empty for a model that is no ensemble.
    figures: predicted of the parent on a GPU that is not there, by name: shares of its seconds, lanes at work and more.
    reply: what the host says to `said`, if that was a question; empty if it was cut off.
    candidates: how many an answer may hold. shown: sources in the prompt, by attempt, which an answer may edit.
    fixed: characters at the beginning of `user` that are the same in every prompt of the run.
    facts: with which a question is replied to; empty if none may be asked.
    """

    system: str
    user: str
    iteration: int
    parent: str
    tried: Tried = field(default_factory=Tried)
    said: str = ""
    model: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    reply: str = ""
    candidates: int = 1
    shown: Mapping[int, str] = field(default_factory=dict)
    fixed: int = 0
    facts: str = ""

    @property
    def digest(self) -> str:
        """Digest of the whole question."""
        facts = [self.system, self.user, self.iteration, self.parent, self.tried.digest, self.said]
        if self.figures:
            facts.append(dict(self.figures))
        if self.reply:
            facts.append(self.reply)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@dataclass(frozen=True)
class Usage:
    """Tokens, in one meaning for every provider; an offline model uses none.

    input: all tokens sent, of which `cached` came from the provider's cache. output: all tokens generated, of which
    `reasoning` was not shown. written: part of the input that the provider put into its cache, at a price of its own.
    estimated: the provider did not count, so these are from the length of the texts.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    written: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.estimated or other.estimated,
            self.written + other.written,
        )


class Stop(StrEnum):
    """Reason why an answer ends."""

    END = "end"
    LENGTH = "length"  # a token limit
    CUT = "cut"  # the connection or the process broke off
    REFUSED = "refused"  # the model declined, or a content filter did
    # Of an agent that handed nothing in; the text says more.
    OVERDUE = "overdue"  # stopped at its time limit
    FLOODED = "flooded"  # stopped after writing too much
    DIED = "died"  # ended by itself, with an error or without a kernel
    STRAYED = "strayed"  # handed in something that leads out of its workspace


@dataclass(frozen=True, slots=True)
class Reply:
    """The facts of an answer without its texts, which a search keeps in memory. See Response."""

    headline: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    stop: Stop = Stop.END
    model: str = ""
    note: str = ""


@dataclass(frozen=True)
class Response:
    """An answer: prose with one fenced `.metal` block in `text`.

    cost: in US dollars, None if unknown. model: who answered, if that is not the run's only model.
    """

    text: str
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    stop: Stop = Stop.END
    model: str = ""

    @property
    def headline(self) -> str:
        """First line of its own prose, without list markers; empty if it begins with code."""
        prose = self.text.split("```")[0].split("~~~")[0].splitlines()
        return visible(next(filter(None, (_MARKER.sub("", line).strip() for line in prose)), ""))

    @property
    def note(self) -> str:
        """The line of its prose that it wants to be reminded of."""
        found = _NOTE.search(self.text)
        if found:
            return visible(found[1].strip())
        return ""

    @property
    def reply(self) -> Reply:
        headline, note = self.headline[:_LONGEST_HEADLINE], self.note[:_LONGEST_HEADLINE]
        return Reply(headline, self.usage, self.cost, self.stop, self.model, note)


@dataclass(frozen=True)
class Expense:
    """The most that one call may use. dollars: None if no price is known."""

    tokens: int = 0
    dollars: float | None = 0.0


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True)
class ModelCall:
    """The surroundings of a prompt.

    progress: takes the current step, in a few words. heard: takes each piece of the answer's text as it arrives, and
    has it on disk when it returns. folder: of the run, for a model that leaves files there. deadline: on the clock of
    `time.monotonic`; no attempt starts after it.
    """

    progress: Callable[[str], None] = _ignore
    heard: Callable[[str], None] = _ignore
    folder: Path = Path()
    deadline: float = math.inf


class Model(Protocol):
    """A model that answers prompts. Raises nothing for a bad answer: the search judges an empty or useless text."""

    @property
    def name(self) -> str: ...

    def propose(self, prompt: Prompt) -> Response: ...


@runtime_checkable
class LanguageModel(Protocol):
    """A model over a wire. Raises ModelError if it cannot go on. A context manager if it holds anything."""

    @property
    def name(self) -> str: ...

    def propose(self, prompt: Prompt, call: ModelCall = ...) -> Response:
        """Answer a prompt.

        An answer that breaks off after its first piece is returned, with Stop.CUT: it has been paid for.
        """

    def worst_case(self, prompt: Prompt) -> Expense:
        """Return the most that `propose` may use, without failed tries that cost nothing."""

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        """Return the response of which a killed process had received `text`, its tokens and cost estimated."""


class Tools(Protocol):
    """Tools that a model may use while it works on a kernel. Held-out data is out of their reach."""

    def call(self, tool: str, arguments: Mapping[str, str]) -> "ToolAnswer":
        """Use a tool. Raises nothing for what a kernel does: whatever is wrong with it is an answer."""


@dataclass(frozen=True)
class ToolAnswer:
    """text: for whoever asked. ok: whether the kernel is right, as far as the tool can see."""

    text: str
    ok: bool = True


@runtime_checkable
class UsesTools(Protocol):
    """A model that works with tools, which the run gives it before the first prompt."""

    def equip(self, tools: Tools) -> None: ...


@runtime_checkable
class Learner(Protocol):
    """A model that adapts. When a run resumes, recorded answers are told again, in order."""

    def learn(self, reply: Reply, gain: float) -> None:
        """Learn from a result. gain: log of the factor by which the incumbent's score rose, zero if it did not."""


@runtime_checkable
class Chooser(Protocol):
    """A model of several members.

    The search asks it who is to answer a request that names nobody, and journals the choice with the request: several
    answers may be under way when the next choice is made.
    """

    def choose(self, iteration: int) -> str: ...
