"""Memory: lessons kept through a search, and through the searches of a task and device in a file.

The file is Markdown with lists under `## Prefer` and `## Avoid`; a person may edit it between runs. A language model
distils the lessons every few iterations; for a model that cannot be asked aside they are drawn by rule. They come from
the search's own attempts, so they hold nothing of the held-out size.
"""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from metalsci.files.whole_files import write_text
from metalsci.search.lessons import Lessons, parse_lessons

_ABOUT = "Read by the next runs of this task and device that have memory.every set. Edit it freely."


@dataclass(frozen=True)
class SearchMemory:
    """Lessons of the search.

    - every: iterations between two distillations; 0 keeps no lessons and reads none.
    - file: where those of this task and device stand; null: lessons/TASK-DEVICE.md in the folder of outputs.
    - across: read the file when a run begins, and write it when its search ends.
    """

    every: int = 0
    file: str | None = None
    across: bool = True

    def __post_init__(self) -> None:
        if self.every < 0:
            raise ValueError(f"memory.every={self.every}: iterations, or 0 for no memory")


def read_file(path: Path) -> Lessons:
    """Read the lessons of earlier runs; none if there is no file, or one that cannot be read."""
    try:
        return parse_lessons(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return Lessons()


def write_file(path: Path, title: str, known: Lessons, learned: Lessons, run: str) -> None:
    """Write what a run has learned. known: what the file held when it began.

    A file that somebody else has changed meanwhile is added to; an unchanged one gets the lessons as they are now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        there = read_file(path)
        named = learned.named(run)
        lessons = named
        if there != known:
            lessons = there.joined(named)
        sections = [f"# Lessons: {title}", _ABOUT]
        for heading, lines in (("Prefer", lessons.prefer), ("Avoid", lessons.avoid)):
            sections.append(f"## {heading}\n\n" + "\n".join(f"- {line}" for line in lines))
        write_text(path, "\n\n".join(sections).rstrip() + "\n")
