"""The cost of a run at worst, estimated before it starts: `python -m metalsci.run … --dry-run`.

The first prompt is written as the run would write it, without measuring or asking anything; later prompts are taken to
be as long as `prompt.max_tokens` allows, and answers as long as the model may make them.
"""

from dataclasses import dataclass, replace

from omegaconf import DictConfig

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.experiment.run_identity import start_source
from metalsci.experiment.run_parts import Parts, build
from metalsci.models.http.keys import key_ring
from metalsci.models.protocol import Expense, LanguageModel, Prompt
from metalsci.models.tokens import estimate
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request
from metalsci.task.definition import TaskView

_AGAIN = 2  # calls of an iteration at most: an answer that is cut off, or a question, is gone on with once


@dataclass(frozen=True)
class CostEstimate:
    """The cost of a run, as estimated.

    prompt: tokens of the first one, as estimated from its text.
    call: the most that one call with the longest prompt may use.
    iterations, asides: calls that the budget allows, and those that the memory adds. run: all of them, each once.
    worst: with every answer gone on with once. limit: of the budget, in tokens and dollars; None for none.
    """

    task: str
    model: str
    prompt: int
    call: Expense
    iterations: int
    asides: int
    run: Expense
    worst: Expense
    limit_tokens: int | None
    limit_dollars: float | None

    def sentences(self) -> list[str]:
        """Say it to a person."""
        told = [f"task {self.task} · model {self.model} · {self.iterations} iterations"]
        if not self.call.tokens and not self.call.dollars:
            return [*told, "this model is not paid by the token here: nothing to estimate, nothing was run"]
        told.append(f"the first prompt has about {self.prompt:,} tokens; a call may use {_say(self.call)} at most")
        extra = ""
        if self.asides:
            extra = f" and {self.asides} for lessons"
        told.append(f"{self.iterations} calls{extra}: at most {_say(self.run)}")
        told.append(f"if every answer has to be gone on with once: at most {_say(self.worst)}")
        limits = []
        if self.limit_tokens is not None:
            limits.append(f"budget.tokens={self.limit_tokens}")
        if self.limit_dollars is not None:
            limits.append(f"budget.dollars={self.limit_dollars:g}")
        if limits:
            told.append(f"{' and '.join(limits)} ends the search before that: no call is made that could overdraw it")
        return [*told, "nothing was run, and nothing was asked"]


def estimate_cost(cfg: DictConfig) -> CostEstimate:
    """Estimate a run's cost. Raises ConfigError as building a run does; neither device nor model is started."""
    start_source(cfg.start)
    key_ring().withhold()
    parts = build(cfg)
    try:
        problem = parts.problem
        first = _first_prompt(parts, problem.task.view(problem.sizes))
    finally:
        parts.device.close()
        if parts.sanitizer:
            parts.sanitizer.close()
    call = _worst(parts, _longest(first, parts.prompt.max_tokens))
    iterations = parts.budget.iterations
    asides = (iterations - 1) // parts.memory.every if parts.memory.every and call.tokens else 0
    return CostEstimate(
        task=problem.task.name,
        model=parts.model.name,
        prompt=estimate(first.system) + estimate(first.user),
        call=call,
        iterations=iterations,
        asides=asides,
        run=_times(call, iterations + asides),
        worst=_times(call, iterations * _AGAIN + asides),
        limit_tokens=parts.budget.tokens,
        limit_dollars=parts.budget.dollars,
    )


def _first_prompt(parts: Parts, task: TaskView) -> Prompt:
    seed = Entry(0, task.seed_kernel, Evaluation(Outcome.SCORED, score=1.0))
    return parts.prompt.build(task, Archive(seed), Request((0,), id=1))


def _longest(prompt: Prompt, most: int | None) -> Prompt:
    """Return a prompt of the most tokens; of the first one's without a limit."""
    missing = (most or 0) - estimate(prompt.system) - estimate(prompt.user)
    return replace(prompt, user=prompt.user + "x" * max(0, 3 * missing))


def _worst(parts: Parts, prompt: Prompt) -> Expense:
    if isinstance(parts.model, LanguageModel):
        return parts.model.worst_case(prompt)
    return Expense()


def _times(call: Expense, calls: int) -> Expense:
    dollars = call.dollars
    if dollars is not None:
        dollars *= calls
    return Expense(call.tokens * calls, dollars)


def _say(expense: Expense) -> str:
    price = "at an unknown price"
    if expense.dollars is not None:
        price = f"${expense.dollars:,.2f}"
    return f"{expense.tokens:,} tokens, {price}"
