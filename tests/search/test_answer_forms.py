"""Answers of other forms: several candidates, a question, a note for later."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from toy_search import Scripted, fence, kernel, search

from metalsci.evaluation.results import Outcome
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop
from metalsci.search.budget import Budget
from metalsci.search.journal import read_recording
from metalsci.search.prompting.prompt_builder import PromptBuilder

SEVERAL = PromptBuilder(candidates=3, notes=2)


def test_the_best_of_several_candidates_counts_and_costs_one_iteration(tmp_path: Path) -> None:
    answers = [fence(2) + fence(-1) + fence(5), fence(2) + fence(1), fence(-1) + fence(-2)]
    done = search(tmp_path, Scripted(answers), Budget(3), prompts=SEVERAL)
    first, second, third = done.archive.proposals
    assert first.source is not None
    assert (first.source.strip(), first.score) == (kernel(5), 6.0)
    assert first.also == ("candidate 1: correct, score 3.0000", "candidate 2: wrong: wrong at N=8: negative")
    assert (second.score, len(second.also)) == (3.0, 1)  # only the incumbent's own text is a duplicate
    assert third.evaluation.outcome is Outcome.WRONG
    assert (tmp_path / "01_candidate.metal").read_text().strip() == kernel(5)
    assert "Of the same answer:\n\n- `candidate 1" in (tmp_path / "02_prompt.md").read_text().replace(
        "answer:\n-", "answer:\n\n-"
    )
    again = search(tmp_path, Scripted([]), Budget(3), prompts=SEVERAL)
    assert again.archive.entries == done.archive.entries


def test_without_being_asked_for_they_are_ambiguous(tmp_path: Path) -> None:
    done = search(tmp_path, Scripted([fence(2) + fence(3)]), Budget(1))
    assert done.archive.last.evaluation.outcome is Outcome.AMBIGUOUS


def test_a_note_is_shown_with_the_next_requests(tmp_path: Path) -> None:
    answers = ["Note for later: try 9.\n" + fence(2), fence(3)]
    search(tmp_path, Scripted(answers), Budget(2), prompts=SEVERAL)
    assert "## Your notes\n\n- 1: `try 9.`" in (tmp_path / "02_prompt.md").read_text()


@dataclass
class Asking:
    """A language model that asks first."""

    questions: int
    name: str = "asking"
    prompts: list[Prompt] = field(default_factory=list)

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        self.prompts.append(prompt)
        if len(self.prompts) <= self.questions:
            return Response("How many rows does a group have?", cost=1.0)
        return Response(fence(prompt.iteration), cost=1.0)

    def worst_case(self, prompt: Prompt) -> Expense:
        return Expense()

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        return Response(text, stop=Stop.CUT)


def test_a_question_is_replied_to_once_and_costs_no_iteration(tmp_path: Path) -> None:
    model = Asking(1)
    done = search(tmp_path, model, Budget(1), prompts=PromptBuilder(questions=True))
    assert done.archive.last.score == 2.0
    assert [bool(prompt.reply) for prompt in model.prompts] == [False, True]
    assert model.prompts[1].said == "How many rows does a group have?"
    assert "- sizes: N=8" in model.prompts[1].reply
    assert done.spent.dollars == 2.0
    assert done.archive.last.reply is not None and done.archive.last.reply.headline == "Idea 1."
    assert "How many" not in (tmp_path / "01_response.md").read_text()
    assert (tmp_path / "01_reasoning.md").read_text() == "It asked: How many rows does a group have?"
    again = Asking(1)
    assert search(tmp_path, again, Budget(1), prompts=PromptBuilder(questions=True)).archive.last.score == 2.0
    assert not again.prompts
    assert len(read_recording(tmp_path / "journal.jsonl").entries) == 2


@pytest.mark.parametrize(("questions", "asked", "allowed"), [(2, 2, True), (1, 1, False)])
def test_a_second_question_or_one_that_was_not_asked_for_is_no_code(
    tmp_path: Path, questions: int, asked: int, allowed: bool
) -> None:
    model = Asking(questions)
    done = search(tmp_path, model, Budget(1), prompts=PromptBuilder(questions=allowed))
    assert done.archive.last.evaluation.outcome is Outcome.NO_CODE
    assert len(model.prompts) == asked
