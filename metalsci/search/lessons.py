"""Lessons of a search: what to prefer and what to avoid, each with the attempt and the figure that it rests on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.quoting import visible

_LONGEST = 300  # characters of a lesson
_BULLET = re.compile(r"^\s*[-*+]\s+(.*\S)\s*$")
_HEADING = re.compile(r"^\s*#+\s*(prefer|avoid)\b", re.IGNORECASE)
_EVIDENCE = re.compile(r"\battempts? (\d+)(?! of)")


@dataclass(frozen=True)
class Lessons:
    """prefer, avoid: sentences that end with what they rest on, such as `(attempt 7: 1.42x its parent)`."""

    prefer: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.prefer or self.avoid)

    @property
    def all(self) -> tuple[str, ...]:
        return self.prefer + self.avoid

    def text(self, most: int) -> str:
        """Return the newest `most` lessons of each kind as Markdown."""
        parts = []
        for heading, lessons in (("Prefer", self.prefer), ("Avoid", self.avoid)):
            if lessons and most:
                parts.append(f"{heading}:\n" + "\n".join(f"- {lesson}" for lesson in lessons[-most:]))
        return "\n\n".join(parts)

    def joined(self, other: "Lessons") -> "Lessons":
        """Add another's lessons, without saying one twice."""
        return Lessons(_merge(self.prefer, other.prefer), _merge(self.avoid, other.avoid))

    def named(self, run: str) -> "Lessons":
        """Say of which run the attempts are that have no run yet."""

        def name(lesson: str) -> str:
            return _EVIDENCE.sub(lambda match: f"{match[0]} of {run}", lesson)

        return Lessons(tuple(map(name, self.prefer)), tuple(map(name, self.avoid)))


def parse_lessons(text: str) -> Lessons:
    """Read lists under headings that begin with `Prefer` and `Avoid`; everything else is left alone."""
    found: dict[str, list[str]] = {"prefer": [], "avoid": []}
    kind = ""
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            kind = heading[1].lower()
        elif line.lstrip().startswith("#"):
            kind = ""
        elif kind and (bullet := _BULLET.match(line)):
            found[kind].append(visible(bullet[1])[:_LONGEST])
    return Lessons(tuple(dict.fromkeys(found["prefer"])), tuple(dict.fromkeys(found["avoid"])))


def _merge(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))
