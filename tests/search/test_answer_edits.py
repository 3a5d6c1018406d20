"""Answers that edit a kernel: which edits apply, and the messages about the others."""

from pathlib import Path

import pytest
from toy_search import SEED, Scripted, fence, kernel, search

from metalsci.evaluation.results import Outcome
from metalsci.search.answer_edits import EditError, apply_edits, has_edits
from metalsci.search.budget import Budget

PARENT = "a\nb\nc\nb\n"


def edit(search: str, replacement: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replacement}>>>>>>> REPLACE\n"


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (edit("a\n", "x\ny\n"), "x\ny\nb\nc\nb\n"),
        ("I change two lines.\n```\n" + edit("a\nb\n", "1\n") + "```\nand\n" + edit("c\n", ""), "1\nb\n"),
        (edit("a\n", "z\n") + edit("z\nb\n", "q\n"), "q\nc\nb\n"),
        (edit("a\n", "x\n").replace("\n", "\r\n"), "x\nb\nc\nb\n"),  # as some servers end their lines
    ],
)
def test_edits_are_carried_out_in_their_order(text: str, edited: str) -> None:
    assert has_edits(text)
    assert apply_edits(text, PARENT) == edited


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edit("d\n", "x\n"), "edit 1 does not apply .* begins with `d`, does not stand there"),
        (edit("a\n", "x\n") + edit("b\n", "x\n"), "edit 2 does not apply .* stands there 2 times"),
        (edit("", "x\n"), "edit 1 searches for nothing"),
        (edit("a\n", "a\n"), "change nothing"),
        ("<<<<<<< SEARCH\na\n=======\nb\n", "no `>>>>>>> REPLACE`"),
    ],
)
def test_what_does_not_apply_is_said_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        apply_edits(text, PARENT)


def test_edits_may_name_the_kernel_that_they_change() -> None:
    of_seven = edit("q\n", "w\n").replace("SEARCH", "SEARCH 7")
    assert apply_edits(of_seven, PARENT, {7: "q\n", 0: PARENT}) == "w\n"
    with pytest.raises(EditError, match="attempt 7, which is not among the kernels shown: 0, 3"):
        apply_edits(of_seven, PARENT, {0: PARENT, 3: "x"})
    with pytest.raises(EditError, match="edits are of several kernels"):
        apply_edits(of_seven + edit("a\n", "x\n"), PARENT, {7: "q\n"})
    with pytest.raises(EditError, match="edit 2 does not apply to attempt 7"):
        apply_edits(of_seven + of_seven, PARENT, {7: "q\n"})


def test_a_search_takes_edits_of_the_parent_and_a_bad_one_is_an_outcome(tmp_path: Path) -> None:
    line = "{ u[i] = 3;"
    good = "I raise it.\n" + edit(
        SEED.replace("= 0", "= 3").splitlines()[0] + "\n", SEED.replace("= 0", "= 8").splitlines()[0] + "\n"
    )
    done = search(tmp_path, Scripted([fence(3), edit("nothing of it\n", "x\n"), good]), Budget(3))
    assert line in kernel(3)
    assert [e.evaluation.outcome for e in done.archive.proposals] == [Outcome.SCORED, Outcome.BAD_EDIT, Outcome.SCORED]
    assert done.archive.last.score == 9.0
    assert "does not stand there" in (tmp_path / "03_prompt.md").read_text()
    again = search(tmp_path, Scripted([]), Budget(3))
    assert again.archive.last.source == done.archive.last.source
