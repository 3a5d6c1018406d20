import pytest

from metalsci.benchmark.evaluation import Outcome
from metalsci.search.answer import read_answer

KERNEL = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 1.0f; }"
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
        f"```metal\n{KERNEL}",  # cut off before the fence closes
    ],
)
def test_the_kernel_is_found_in_any_honest_format(text):
    answer = read_answer(text, NEED)
    assert answer.source is not None
    assert answer.source.strip() == KERNEL


def test_a_second_block_with_a_part_of_the_kernels_does_not_confuse():
    both = KERNEL + "\n" + KERNEL.replace("step", "reduce")
    answer = read_answer(f"```metal\n{KERNEL}\n```\nas a whole:\n```metal\n{both}\n```", frozenset({"step", "reduce"}))
    assert answer.source is not None
    assert answer.source.strip() == both


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "```python\nprint('kernel void')\n```"])
def test_no_kernel_is_an_outcome(text):
    answer = read_answer(text, NEED)
    assert (answer.source, answer.outcome) == (None, Outcome.NO_CODE)
    assert "code block" in answer.message


def test_two_whole_candidates_are_not_guessed_between():
    answer = read_answer(f"```metal\n{KERNEL}\n```\nor\n```metal\n{OTHER}\n```", NEED)
    assert (answer.source, answer.outcome) == (None, Outcome.AMBIGUOUS)
