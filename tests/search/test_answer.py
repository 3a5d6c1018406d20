import pytest

from metalsci.evaluation.results import Outcome
from metalsci.models.continuation import join
from metalsci.models.protocol import Response, Stop, Usage
from metalsci.search.answer import read_answer

KERNEL = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 1.0f;\n}"
OTHER = KERNEL.replace("1.0f", "2.0f")
NEED = frozenset({"step"})


@pytest.mark.parametrize(
    "text",
    [
        f"I unroll.\n\n```metal\n{KERNEL}\n```\nDone.",
        f"```cpp\n{KERNEL}\n```",
        f"```\n{KERNEL}\n```",
        f"~~~~metal\n{KERNEL}\n~~~~",
        KERNEL,
        f"First the old table:\n```c\nfloat w[9];\n```\nand now\n```metal\n{KERNEL}\n```",
        f"```metal\n{KERNEL}",  # the fence is not closed
        "1. The idea:\n   ```metal\n   " + KERNEL.replace("\n", "\n   ") + "\n   ```\n2. Done.",
        "> ```metal\n> " + KERNEL.replace("\n", "\n> ") + "\n> ```",
        f"Here it is.\n\n{KERNEL}\n\nI hope it is faster.",
        f"```metal title=step.metal\n{KERNEL}\n```",
        f"```metal\n{KERNEL}\n```\nonce more:\n```metal\n{KERNEL}\n```",
        f"```metal\r\n{KERNEL}\r\n```\r\n",
    ],
)
def test_the_kernel_is_found_in_any_honest_format(text: str) -> None:
    answer = read_answer(Response(text), NEED)
    assert answer.source is not None
    assert answer.source.strip() == KERNEL


def test_a_second_block_with_a_part_of_the_kernels_does_not_confuse() -> None:
    both = KERNEL + "\n" + KERNEL.replace("step", "reduce")
    text = f"```metal\n{KERNEL}\n```\nas a whole:\n```metal\n{both}\n```"
    answer = read_answer(Response(text), frozenset({"step", "reduce"}))
    assert answer.source is not None
    assert answer.source.strip() == both


@pytest.mark.parametrize("text", ["I cannot help with that.", "```python\nprint('kernel void')\n```"])
def test_no_kernel_is_an_outcome(text: str) -> None:
    answer = read_answer(Response(text), NEED)
    assert (answer.source, answer.outcome) == (None, Outcome.NO_CODE)
    assert "code block" in answer.message


def test_two_whole_candidates_are_not_guessed_between() -> None:
    answer = read_answer(Response(f"```metal\n{KERNEL}\n```\nor\n```metal\n{OTHER}\n```"), NEED)
    assert (answer.source, answer.outcome) == (None, Outcome.AMBIGUOUS)


def test_several_candidates_are_taken_if_they_are_asked_for() -> None:
    text = f"```metal\n{KERNEL}\n```\nor\n```metal\n{OTHER}\n```\nor again\n```metal\n{OTHER}\n```"
    answer = read_answer(Response(text), NEED, 2)
    assert answer.source is not None
    assert (answer.source.strip(), [other.source.strip() for other in answer.others]) == (KERNEL, [OTHER])
    third = f"{text}\n```metal\n{OTHER.replace('2.0f', '3.0f')}\n```"
    too_many = read_answer(Response(third), NEED, 2)
    assert (too_many.outcome, "at most 2 blocks" in too_many.message) == (Outcome.AMBIGUOUS, True)


@pytest.mark.parametrize(
    "text", ["**Note for later:** try half", "I unroll.\n- Note for later: try half \n", "NOTE FOR LATER: try half"]
)
def test_a_note_for_later_is_found(text: str) -> None:
    assert Response(text).reply.note == "try half"
    assert not Response("Notes for later: none").reply.note


def test_code_without_a_fence_may_have_blank_lines_and_indentation() -> None:
    code = KERNEL.replace("{ u[i]", "{\n\n    // one element\n\n    u[i]")
    answer = read_answer(Response(f"#include <metal_stdlib>\nusing namespace metal;\n\n{code}\n"), NEED)
    assert answer.source is not None
    assert answer.source.startswith("#include")
    assert "// one element\n\n    u[i]" in answer.source


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (Response(""), Outcome.EMPTY),
        (Response(" \n"), Outcome.EMPTY),
        (Response("", stop=Stop.REFUSED), Outcome.REFUSED),
        (Response(f"```metal\n{KERNEL}\n```", stop=Stop.REFUSED), Outcome.REFUSED),
        (Response(f"```metal\n{KERNEL[:40]}", stop=Stop.LENGTH), Outcome.TRUNCATED),
        (Response(f"```metal\n{KERNEL}", stop=Stop.LENGTH), Outcome.TRUNCATED),
        (Response("Let me think about", stop=Stop.CUT), Outcome.TRUNCATED),
        (
            Response(f"Now it is\n```metal\n{OTHER}\n```\nand I make it\n```metal\n{KERNEL[:40]}", stop=Stop.CUT),
            Outcome.TRUNCATED,
        ),
    ],
)
def test_what_is_no_whole_answer_is_an_outcome_of_its_own(response: Response, outcome: Outcome) -> None:
    answer = read_answer(response, NEED)
    assert (answer.source, answer.outcome) == (None, outcome)
    assert answer.message


def test_prose_that_was_cut_off_after_the_code_costs_nothing() -> None:
    answer = read_answer(Response(f"```metal\n{KERNEL}\n```\nThis is faster bec", stop=Stop.LENGTH), NEED)
    assert answer.source is not None
    assert answer.source.strip() == KERNEL


CUT = KERNEL.index("u[i]")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"Idea.\n```metal\n{KERNEL[:CUT]}", f"{KERNEL[CUT:]}\n```\nDone."),
        (f"Idea.\n```metal\n{KERNEL[:CUT]}", f"```metal\n{KERNEL[CUT:]}\n```"),  # opens the fence again
        (f"Idea.\n```metal\n{KERNEL[:CUT]}", f"```metal\n{KERNEL}\n```"),  # starts over
        ("An idea that takes", f" long to tell.\n```metal\n{KERNEL}\n```"),
        (f"```metal\n{KERNEL}\n``", "`\nDone."),
    ],
)
def test_a_continued_answer_is_read_as_one(first: str, second: str) -> None:
    whole = join([Response(first, stop=Stop.LENGTH), Response(second)])
    answer = read_answer(whole, NEED)
    assert answer.source is not None
    assert answer.source.strip() == KERNEL


def test_the_parts_of_an_answer_are_paid_for_together() -> None:
    first = Response("a", "why", Usage(10, 2, 5, 1), 0.25, Stop.LENGTH)
    second = Response("b", "", Usage(20, 0, 5, 0, estimated=True), 0.5)
    whole = join([first, second])
    assert whole == Response("ab", "why", Usage(30, 2, 10, 1, estimated=True), 0.75, Stop.END)
    assert join([first, Response("b", cost=None)]).cost is None
