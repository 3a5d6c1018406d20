"""Lessons: drawn by rule or by the model, shown, kept in a file, and the same after a resume."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toy_search import TASK, Scripted, archive_of, fence, judge, kernel

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.protocol import Expense, LanguageModel, Model, ModelCall, Prompt, Reply, Response, Stop
from metalsci.msl.language.parse import as_unit
from metalsci.search.account import Account
from metalsci.search.archive import Entry
from metalsci.search.budget import Budget
from metalsci.search.conversation import Conversation
from metalsci.search.distilling import Distiller, draw_lessons, keep_supported
from metalsci.search.journal import Journal, Learned, read_recording
from metalsci.search.lessons import Lessons, parse_lessons
from metalsci.search.loop import Finished, Search
from metalsci.search.proposer import Proposer
from metalsci.search.request import Request
from metalsci.search.run_folder import RunFolder
from metalsci.search.search_memory import SearchMemory, read_file, write_file
from metalsci.search.strategies.one_plus_one import OnePlusOne


def entry(number: int, parent: int, score: float, idea: str, outcome: Outcome = Outcome.SCORED) -> Entry:
    return Entry(
        number,
        kernel(number),
        Evaluation(outcome, "" if outcome.correct else "one row is off", score=score),
        Request((parent,), id=number),
        Reply(idea),
    )


ARCHIVE = archive_of(
    Entry(0, kernel(0), Evaluation(Outcome.SCORED, score=1.0)),
    entry(1, 0, 2.0, "Carry the row."),
    entry(2, 1, 1.5, "Tile it."),
    entry(3, 1, 2.02, "Rename."),
    entry(4, 1, 0.0, "Skip the halo.", Outcome.WRONG),
)


def test_lessons_by_rule_have_attempt_and_figure() -> None:
    drawn = draw_lessons(ARCHIVE, 0)
    assert drawn.prefer == ("`Carry the row.` (attempt 1: 2.00x its parent)",)
    assert drawn.avoid == (
        "`Tile it.` (attempt 2: 0.75x its parent)",
        "`Skip the halo.` (attempt 4: wrong: `one row is off`)",
    )
    assert not draw_lessons(ARCHIVE, 4)
    assert draw_lessons(archive_of(ARCHIVE[0], entry(1, 0, 0.0, "Again.", Outcome.DUPLICATE)), 0) == Lessons()


def test_the_last_attempts_are_not_forgotten_when_a_search_ends() -> None:
    distiller = Distiller(10)
    distiller.note(Learned(3))
    assert len(distiller.all_lessons(ARCHIVE).all) == 1


def test_a_models_lesson_needs_an_attempt_that_there_was() -> None:
    told = parse_lessons(
        "Here you are.\n## Prefer\n- Rows (attempt 1: 2.00x)\n- Columns (attempt 9: 5x)\n- Luck\n* Old one\n"
        "## Avoid\n- Tiles (attempts 2 and 4)\n## Other\n- nothing\n"
    )
    assert told.prefer == ("Rows (attempt 1: 2.00x)", "Columns (attempt 9: 5x)", "Luck", "Old one")
    kept = keep_supported(told, Lessons(prefer=("Old one",)), ARCHIVE)
    assert kept == Lessons(
        ("Rows (attempt 1: 2.00x its parent)", "Old one"),
        ("Tiles (attempt 2: 0.75x its parent; attempt 4: wrong: `one row is off`)",),
    )


@pytest.mark.parametrize(
    ("lesson", "kept"),
    [
        ("Tiles, when rows are long (attempt 2: 9x)", "Tiles, when rows are long (attempt 2: 0.75x its parent)"),
        ("Rows.", None),
        ("Rows (attempt 1 of day/one: 2x)", None),  # of another run, and not word for word
        ("Skipping (attempt 4: 1.3x)", None),  # it failed
        ("As attempt 1 shows, rows", "As attempt 1 shows, rows (attempt 1: 2.00x its parent)"),
        ("Rows (attempts 1, 3 and 17: 2x)", None),
    ],
)
def test_the_figures_of_a_lesson_are_those_of_its_attempts(lesson: str, kept: str | None) -> None:
    found = keep_supported(Lessons((lesson,)), Lessons(), ARCHIVE).prefer
    assert found == (() if kept is None else (kept,))


def test_a_file_is_read_edited_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "lessons" / "toy-cpu.md"
    assert not read_file(path)
    first = Lessons(("Rows (attempt 1: 2.00x)",), ("Tiles (attempt 2: 0.75x)",))
    write_file(path, "toy on cpu", Lessons(), first, "day/one")
    known = read_file(path)
    assert known == Lessons(("Rows (attempt 1 of day/one: 2.00x)",), ("Tiles (attempt 2 of day/one: 0.75x)",))
    path.write_text(path.read_text().replace("- Rows", "- By hand\n- Rows"))
    write_file(path, "toy on cpu", known, known.joined(Lessons(("New (attempt 3: 1.1x)",))), "day/two")
    assert read_file(path).prefer == (
        "By hand",
        "Rows (attempt 1 of day/one: 2.00x)",
        "New (attempt 3 of day/two: 1.1x)",
    )
    write_file(path, "toy on cpu", read_file(path), Lessons(("Only this",)), "day/three")
    assert read_file(path) == Lessons(("Only this",))


@dataclass
class Talker:
    """A language model that is also asked aside."""

    name: str = "talker"
    asked: list[Prompt] = field(default_factory=list)

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        self.asked.append(prompt)
        if "You keep the lessons" in prompt.system:
            return Response(f"## Prefer\n- Bigger (attempt {prompt.iteration}: more)\n", cost=0.5)
        return Response(fence(prompt.iteration))

    def worst_case(self, prompt: Prompt) -> Expense:
        return Expense(10, 0.5)

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        return Response(text, stop=Stop.CUT)


def remembering(folder: Path, model: Model | LanguageModel, iterations: int, *, aside: bool, **budget: Any) -> Finished:
    watch = Stopwatch()
    account, files = Account(lambda: watch.total), RunFolder(folder)
    journal = Journal(folder / "journal.jsonl", "x", 7, lessons=lambda: Lessons(("From before",)))
    limits = Budget(iterations, **budget)
    conversation = Conversation(model, limits, account, journal, files, watch)
    return Search(
        task=TASK,
        propose=Proposer(TASK, conversation, files),
        evaluate=lambda candidate, progress: judge(as_unit(candidate).source, progress),
        strategy=OnePlusOne(),
        budget=limits,
        journal=journal,
        account=account,
        lessons=journal.lessons,
        distiller=Distiller(2, conversation.aside if aside else None),
    ).run()


def test_the_model_distils_every_second_iteration_and_a_resume_asks_nothing_twice(tmp_path: Path) -> None:
    (whole := tmp_path / "whole").mkdir()
    (parts := tmp_path / "parts").mkdir()
    model = Talker()
    done = remembering(whole, model, 6, aside=True)
    asides = [prompt for prompt in model.asked if "You keep the lessons" in prompt.system]
    assert [prompt.iteration for prompt in asides] == [2, 4]
    assert "From before" in asides[0].user
    assert "- attempt 2, from 1: 1.50x its parent; `Idea 2.`" in asides[0].user
    assert done.archive.lessons.prefer == ("Bigger (attempt 4: 1.25x its parent)",)
    assert done.spent.dollars == 1.0
    sixth = (whole / "06_prompt.md").read_text()
    assert "## Lessons of earlier attempts\n\nPrefer:\n- Bigger (attempt 4: 1.25x its parent)" in sixth
    assert "From before" in (whole / "01_prompt.md").read_text()

    again = Talker()
    for until in (1, 2, 3, 5, 6):
        resumed = remembering(parts, again, until, aside=True)
    assert [p.digest for p in again.asked] == [p.digest for p in model.asked]
    assert resumed.archive.lessons == done.archive.lessons
    assert resumed.spent.dollars == 1.0
    recording = read_recording(parts / "journal.jsonl")
    assert sorted(recording.learned) == [2, 4]
    assert recording.lessons == Lessons(("From before",))


def test_a_budget_that_is_spent_draws_lessons_by_rule(tmp_path: Path) -> None:
    model = Talker()
    done = remembering(tmp_path, model, 4, aside=True, dollars=0.4)
    assert done.ended_by == "dollars"
    (tmp_path / "rule").mkdir()
    done = remembering(tmp_path / "rule", Scripted([fence(i) for i in range(1, 6)]), 5, aside=False)
    assert done.archive.lessons.prefer[:2] == ("From before", "`Idea 1.` (attempt 1: 2.00x its parent)")


def test_a_recorded_search_learns_what_it_learned_then() -> None:
    recorded = {4: Learned(4, ("As then",), ())}
    distiller = Distiller(4, None, recorded)
    assert distiller.is_due(ARCHIVE)
    assert distiller.distil(ARCHIVE) == recorded[4]
    distiller.note(recorded[4])
    assert not distiller.is_due(ARCHIVE)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"memory\.every=-1"):
        SearchMemory(every=-1)
