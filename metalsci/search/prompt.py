"""The prompt: what a language model is shown before it writes the next kernel."""

import re

from metalsci.benchmark.task import TaskView
from metalsci.models.protocol import Prompt
from metalsci.search.feedback import describe
from metalsci.search.history import Entry, History
from metalsci.search.strategies.protocol import Request

SYSTEM = """You write fast compute kernels in the Metal Shading Language (Metal 3.1).

You are given a task, a kernel that is correct, and measurements. Answer with a short explanation of your idea and \
then exactly one fenced code block that holds the whole .metal file.

Rules that candidates break most often:
- Keep every kernel's name, parameters, types and buffer indices as they are; the host is fixed, and so are the grid \
and the threadgroup that it dispatches.
- `[[max_total_threads_per_threadgroup(n)]]` stands before `kernel`, never after the parameter list or on a parameter.
- No `restrict`, no lambdas, no recursion; variables at program scope must be in the `constant` address space.
- Position attributes of one kernel have the same width (all uint, or all uint2, …).
- Outputs are fresh buffers with undefined contents: write every element that the task defines.
- A candidate is compared with a reference at every size; wrong at one size means a score of zero.
"""


def build_prompt(task: TaskView, history: History, request: Request) -> Prompt:
    """The task, the kernel to improve on with its results, and what became of the last attempts."""
    baseline = history.seed.score
    iteration = len(history.entries)
    sections = [
        f"# Task: {task.name}\n\n{task.brief.strip()}",
        f"Sizes it is scored at: {'; '.join(task.sizes)}. The score is the geometric mean over the sizes of achieved "
        "over ceiling.",
        _kernel("The kernel to improve on", request.parent, baseline),
        *(_kernel(f"Attempt {entry.iteration}", entry, baseline) for entry in request.feedback),
        _recent(history),
        f"Write attempt {iteration}: a file that computes the same and scores higher.",
    ]
    parent = request.parent.source or task.seed_kernel
    return Prompt(SYSTEM, "\n\n".join(filter(None, sections)), iteration, parent, history.tried)


def _kernel(title: str, entry: Entry, baseline: float) -> str:
    source = fenced(entry.source) if entry.source else "(no candidate was found in the answer)"
    return f"## {title}\n\n{source}\n\n{describe(entry.evaluation, entry.source, baseline)}"


def _recent(history: History, most: int = 8) -> str:
    if not history.proposals:
        return ""
    lines = []
    for entry in history.proposals[-most:]:
        speedup = history.self_speedup(entry)
        lines.append(f"- {entry.iteration}: {entry.evaluation.outcome}" + (f", {speedup:.2f}x" if speedup else ""))
    return "## So far\n\n" + "\n".join(lines)


def fenced(source: str) -> str:
    """A code block whose fence is longer than any run of backticks inside, so that the source cannot end it."""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}metal\n{source.rstrip()}\n{fence}"
