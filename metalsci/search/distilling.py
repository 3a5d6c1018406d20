"""From attempts to lessons: by the model, asked aside every few iterations, or by rule."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from metalsci.evaluation.results import Outcome
from metalsci.models.protocol import Prompt, Response
from metalsci.msl.text.quoting import inline
from metalsci.search.archive import Archive, Entry
from metalsci.search.journal import Learned
from metalsci.search.lessons import Lessons, parse_lessons

_RISE, _FALL = 1.05, 0.95  # over the parent: what is less is noise
_TEACHING = (Outcome.COMPILE_ERROR, Outcome.PIPELINE_ERROR, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.WRONG)
_ATTEMPTS = re.compile(r"\battempts? (\d+(?:(?:, and|,| and) \d+)*)\b(?! of)")
_CLAIM = re.compile(r"\s*\([^()]*\battempts? [^()]*\)\s*\.?$")
_MOST_EVIDENCE = 3  # attempts of one lesson
_PER_KIND = 12  # lessons of prefer and of avoid; the oldest go first

Aside = Callable[[Prompt], Response | None]
"""Asks the model something that is no attempt; None if the budget does not allow it."""

_SYSTEM = """You keep the lessons of a search for faster compute kernels in the Metal Shading Language.

Answer with two Markdown lists, under the headings `## Prefer` and `## Avoid`, of at most 12 lines each.
Each line is one lesson that helps to write the next kernel: what to do or to leave, when, and why, and at its end in
parentheses what it rests on, as in `(attempt 7: 1.42x its parent)`. Keep the known lessons that still hold, word for
word; merge those that say the same; drop those that the attempts contradict. Do not claim what no attempt shows.
"""


class Distiller:
    """Source of lessons, when it is time for them. aside: asks the model; None if it cannot be asked.

    recorded: what a recorded search learned, by the number of its attempts, to be learned again.
    """

    def __init__(self, every: int, aside: Aside | None = None, recorded: Mapping[int, Learned] | None = None) -> None:
        self._every = every
        self._aside = aside
        self._recorded = recorded
        self._at = 0

    def is_due(self, archive: Archive) -> bool:
        return bool(self._every) and archive.attempts - self._at >= self._every

    def distil(self, archive: Archive) -> Learned:
        """Draw lessons from the attempts since the last time."""
        if self._recorded is not None and archive.attempts in self._recorded:
            return self._recorded[archive.attempts]
        drawn = draw_lessons(archive, self._at)
        lessons, response = archive.lessons.joined(drawn), None
        if self._aside is not None and (response := self._aside(self._question(archive))) is not None:
            told = keep_supported(parse_lessons(response.text), archive.lessons, archive)
            lessons = told or lessons
        return Learned(archive.attempts, lessons.prefer, lessons.avoid, response)

    def all_lessons(self, archive: Archive) -> Lessons:
        """Return the lessons of a search that has ended: those of the last attempts are drawn by rule."""
        return archive.lessons.joined(draw_lessons(archive, self._at))

    def note(self, learned: Learned) -> None:
        """Take note of a distillation, a recorded one too."""
        self._at = learned.after

    def _question(self, archive: Archive) -> Prompt:
        known = archive.lessons.text(100) or "(none yet)"
        user = f"## Known lessons\n\n{known}\n\n## Attempts since then\n\n{evidence(archive, self._at)}\n"
        return Prompt(_SYSTEM, user, archive.last.iteration, "")


def draw_lessons(archive: Archive, since: int) -> Lessons:
    """Draw lessons from the attempts after the first `since`, by rule: what rose over its parent, fell or failed."""
    prefer, avoid = [], []
    for entry in archive.proposals[since:]:
        if not entry.reply or not entry.reply.headline or not entry.parents:
            continue
        rise = _rise(archive, entry)
        told = inline(entry.reply.headline, 160)
        if entry.evaluation.outcome in _TEACHING:
            avoid.append(f"{told} (attempt {entry.iteration}: {_short(entry)})")
        elif entry.correct and rise >= _RISE:
            prefer.append(f"{told} (attempt {entry.iteration}: {rise:.2f}x its parent)")
        elif entry.correct and rise <= _FALL:
            avoid.append(f"{told} (attempt {entry.iteration}: {rise:.2f}x its parent)")
    return Lessons(tuple(prefer[-_PER_KIND:]), tuple(avoid[-_PER_KIND:]))


def keep_supported(told: Lessons, known: Lessons, archive: Archive) -> Lessons:
    """Keep of what a model told the lessons that rest on attempts of this search, and those that were known before.

    The figures are those of the attempts, whatever the model claims of them; nothing is to be preferred by failures
    alone.
    """

    def keep(lessons: Iterable[str], needed: Callable[[Entry], bool]) -> tuple[str, ...]:
        kept = []
        for lesson in lessons:
            attempts = [archive[number] for number in _named(lesson) if number in archive]
            if lesson in known.all:
                kept.append(lesson)
            elif any(map(needed, attempts)) and len(attempts) == len(_named(lesson)):
                kept.append(_with_figures(lesson, attempts, archive))
        return tuple(kept[-_PER_KIND:])

    return Lessons(keep(told.prefer, lambda entry: entry.correct), keep(told.avoid, lambda entry: True))


def evidence(archive: Archive, since: int) -> str:
    """List the attempts after the first `since`, a line each, for a model that draws the lessons."""
    lines = []
    for entry in archive.proposals[since:]:
        idea = "no idea told"
        if entry.reply and entry.reply.headline:
            idea = inline(entry.reply.headline, 160)
        parents = " and ".join(map(str, entry.parents))
        lines.append(f"- attempt {entry.iteration}, from {parents}: {_result(archive, entry)}; {idea}")
    return "\n".join(lines)


def _rise(archive: Archive, entry: Entry) -> float:
    parents = [archive[i].score for i in entry.parents if archive[i].score]
    if parents and entry.score:
        return entry.score / max(parents)
    return 1.0


def _short(entry: Entry) -> str:
    told = str(entry.evaluation.outcome)
    if entry.evaluation.message:
        told += f": {inline(entry.evaluation.message, 120)}"
    return told


def _result(archive: Archive, entry: Entry) -> str:
    if entry.correct:
        return f"{_rise(archive, entry):.2f}x its parent"
    return _short(entry)


def _named(lesson: str) -> list[int]:
    """Return the attempts of this search that a lesson names; those of other runs are named with their run."""
    numbers = re.findall(r"\d+", " ".join(_ATTEMPTS.findall(lesson)))
    return list(dict.fromkeys(map(int, numbers)))


def _with_figures(lesson: str, attempts: Sequence[Entry], archive: Archive) -> str:
    """Put what came of the attempts in the place of what the lesson says of them at its end."""
    told = "; ".join(f"attempt {entry.iteration}: {_result(archive, entry)}" for entry in attempts[:_MOST_EVIDENCE])
    return f"{_CLAIM.sub('', lesson)} ({told})"
