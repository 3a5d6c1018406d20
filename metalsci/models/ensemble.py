"""Several models: one is asked an iteration, drawn by weights or chosen by what it has brought so far."""

import math
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from metalsci.models.ensemble_policy import Policy
from metalsci.models.errors import ModelError
from metalsci.models.protocol import Expense, LanguageModel, Model, ModelCall, Prompt, Reply, Response, Stop

_LEAST_COST = 0.01  # dollars: an answer that costs nothing still takes an iteration


class Choice(Protocol):
    """The choice of who answers next.

    It depends only on the iteration and on the learned results, so that a resumed run continues as it would have.
    """

    def choose(self, iteration: int) -> str: ...

    def learn(self, member: str, gain: float, cost: float | None) -> None: ...


class Weighted:
    """A draw by weight, a new one for each iteration."""

    def __init__(self, weights: Mapping[str, float], seed: int) -> None:
        self._weights = dict(weights)
        self._seed = seed

    def choose(self, iteration: int) -> str:
        rng = random.Random(f"{self._seed} {iteration}")
        return rng.choices(list(self._weights), list(self._weights.values()))[0]

    def learn(self, member: str, gain: float, cost: float | None) -> None:
        """Ignore the result: weights are fixed."""


@dataclass
class _Arm:
    pulls: int = 0
    gain: float = 0.0
    cost: float = 0.0

    @property
    def pays(self) -> float:
        if self.cost:
            return self.gain / self.cost
        return 0.0


class Bandit:
    """UCB1 (Auer, Cesa-Bianchi, Fischer 2002) over improvement per cost.

    The reward is the log of the rise of the incumbent's score, a dollar. Rewards are in units of the best member's,
    which keeps them in [0, 1] as the bound assumes.
    """

    def __init__(self, members: list[str], exploration: float, seed: int) -> None:
        random.Random(seed).shuffle(members)  # who comes first should not depend on the alphabet
        self._arms = {member: _Arm() for member in members}
        self._exploration = exploration

    def choose(self, iteration: int) -> str:
        for member, arm in self._arms.items():
            if not arm.pulls:
                return member
        pulls = sum(arm.pulls for arm in self._arms.values())
        best = max(arm.pays for arm in self._arms.values())

        def bound(member: str) -> float:
            arm = self._arms[member]
            reward = arm.pays / best if best else 0.0
            return reward + self._exploration * math.sqrt(2 * math.log(pulls) / arm.pulls)

        return max(self._arms, key=bound)

    def learn(self, member: str, gain: float, cost: float | None) -> None:
        """Add a reward. cost: None counts as the mean of the dearest member."""
        if cost is None:
            cost = max((arm.cost / arm.pulls for arm in self._arms.values() if arm.pulls), default=1.0)
        arm = self._arms[member]
        arm.pulls += 1
        arm.gain += gain
        arm.cost += max(cost, _LEAST_COST)


class Ensemble:
    """Several models, one of them an iteration. An answer says in `model` which member gave it.

    - members: the models, by name.
    - policy: weights (drawn) or bandit (UCB over improvement per dollar, learned on this task).
    - weights: of the members, for policy=weights.
    - exploration: of the bandit; 0 always asks the member that has paid most.
    - seed: of the draws.
    """

    name = "ensemble"

    def __init__(
        self,
        *,
        members: Mapping[str, Model | LanguageModel],
        weights: Mapping[str, float],
        policy: Policy = Policy.weights,
        exploration: float = 1.0,
        seed: int,
    ) -> None:
        if not members:
            raise ValueError("model.members is empty: an ensemble needs at least one model")
        if policy is Policy.weights and (set(weights) != set(members) or min(weights.values()) < 0):
            raise ValueError(
                f"model.weights must have a weight of at least 0 for each of {', '.join(members)}, got {dict(weights)}"
            )
        if policy is Policy.weights and not sum(weights.values()):
            raise ValueError("model.weights are all 0: no member would be asked; give one a weight above 0")
        self._members = dict(members)
        bandit = policy is Policy.bandit
        self._choice: Choice = Bandit([*members], exploration, seed) if bandit else Weighted(weights, seed)
        self._open = ExitStack()

    @property
    def members(self) -> Sequence[str]:
        """Names of the models."""
        return tuple(self._members)

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for member in self._members.values():
                if isinstance(member, AbstractContextManager):
                    opened.enter_context(member)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        name, member = self._chosen(prompt)
        call = call or ModelCall()
        call.progress(f"asking {name}")
        if isinstance(member, LanguageModel):
            response = member.propose(prompt, call)
        else:
            response = member.propose(prompt)
        return replace(response, model=name)

    def worst_case(self, prompt: Prompt) -> Expense:
        member = self._chosen(prompt)[1]
        if isinstance(member, LanguageModel):
            return member.worst_case(prompt)
        return Expense()

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        name, member = self._chosen(prompt)
        response = Response(text, stop=Stop.CUT)
        if isinstance(member, LanguageModel):
            response = member.interrupted(prompt, text)
        return replace(response, model=name)

    def learn(self, reply: Reply, gain: float) -> None:
        self._choice.learn(reply.model, gain, reply.cost)

    def choose(self, iteration: int) -> str:
        return self._choice.choose(iteration)

    def _chosen(self, prompt: Prompt) -> tuple[str, Model | LanguageModel]:
        """Return the member that the prompt names. Raises ModelError if there is none of that name."""
        name = prompt.model or self._choice.choose(prompt.iteration)
        if name not in self._members:
            raise ModelError(f"the strategy asks for model {name!r}; the ensemble has {', '.join(self._members)}")
        return name, self._members[name]
