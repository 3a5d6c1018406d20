"""A person's word to a search that runs: stop, a longer budget, a note to the next prompt.

Each is a file in `steering/` of the run's folder, written by whoever watches (`metalsci.report --serve`) and taken by
the search before it asks for the next candidate. What was taken stands in the journal, in the record of that asking.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metalsci.files.whole_files import read_json, write_json

FOLDER = "steering"
LONGEST_NOTE = 2_000  # characters


@dataclass(frozen=True)
class Word:
    """One thing that a person wants. stop: after the candidates that are under way. iterations: of the budget, anew."""

    stop: bool = False
    iterations: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.iterations is not None and self.iterations < 1:
            raise ValueError(f"iterations={self.iterations}: a search needs at least one")
        if len(self.note) > LONGEST_NOTE:
            raise ValueError(f"a note has at most {LONGEST_NOTE} characters, got {len(self.note)}")

    @property
    def is_empty(self) -> bool:
        return not self.stop and self.iterations is None and not self.note

    def then(self, later: "Word") -> "Word":
        """Put two words together; of two budgets the later one counts, and notes are joined."""
        iterations = self.iterations if later.iterations is None else later.iterations
        note = "\n".join(filter(None, [self.note, later.note]))[:LONGEST_NOTE]
        return Word(self.stop or later.stop, iterations, note)


def say(folder: Path, word: Word) -> Path:
    """Leave a word for the search that runs in `folder`. Raises OSError."""
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    return write_json(place / f"{time.time_ns()}.json", word)


class Steering:
    """The words left for one search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def waiting(self) -> tuple[Word, Sequence[Path]]:
        """Read what was said and not taken yet, with its files; a file that is no word is passed over."""
        word = Word()
        files = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        for file in files:
            word = word.then(read_json(file, Word) or Word())
        return word, files

    def take(self, files: Sequence[Path]) -> None:
        """Mark words as taken, once the journal has them."""
        for file in files:
            file.rename(file.with_suffix(".taken"))


class Unsteered:
    """The words to a search that nobody watches: none."""

    def waiting(self) -> tuple[Word, Sequence[Path]]:
        return Word(), ()

    def take(self, files: Sequence[Path]) -> None:
        pass
