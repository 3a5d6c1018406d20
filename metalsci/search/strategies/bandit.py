"""A bandit over ways to ask: it learns which prompt, which parent and which model pay on this task.

UCB1 (Auer, Cesa-Bianchi, Fischer 2002), one bandit for each of the three choices. The reward of an attempt is how far
it rose above its parent: 0 if it failed or fell behind, 1 for a kernel twice as fast or more.
"""

import math
import random
from collections.abc import Mapping, Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request

_PARENTS = ("incumbent", "best", "recent", "seed")
_AMONG = 5  # of the best or the most recent, to draw a parent from


class Arms:
    """One choice among names: the mean reward of each, and how far it may be off."""

    def __init__(self, names: Sequence[str], exploration: float) -> None:
        self._exploration = exploration
        self._pulls = dict.fromkeys(names, 0)  # begun, so that answers under way count
        self._rewards = dict.fromkeys(names, 0.0)

    def pull(self) -> str:
        total = sum(self._pulls.values())
        for name, pulls in self._pulls.items():
            if not pulls:
                self._pulls[name] += 1
                return name

        def bound(name: str) -> float:
            pulls = self._pulls[name]
            return self._rewards[name] / pulls + self._exploration * math.sqrt(2 * math.log(total) / pulls)

        chosen = max(self._pulls, key=bound)
        self._pulls[chosen] += 1
        return chosen

    def learn(self, name: str, reward: float) -> None:
        self._rewards[name] += reward


class BanditStrategy:
    """Strategy that learns how to ask.

    parents: where a parent comes from: incumbent, best (drawn among the best five), recent (among the last five correct
        ones), seed.
    prompts: changes to parts of the prompt, by a name of your own, e.g. {plain: {}, short: {history: 0}}.
    models: members of an ensemble; empty leaves the choice to the ensemble.
    exploration: 0 always chooses what has paid most.
    seed: of the draws.
    """

    def __init__(
        self,
        *,
        parents: Sequence[str] = ("incumbent", "best", "recent"),
        prompts: Mapping[str, Mapping[str, bool | int | str]] | None = None,
        models: Sequence[str] = (),
        exploration: float = 0.5,
        seed: int = 0,
    ) -> None:
        if not parents or not set(parents) <= set(_PARENTS):
            raise ValueError(f"strategy.parents={list(parents)}: some of {', '.join(_PARENTS)}")
        if exploration < 0:
            raise ValueError(f"strategy.exploration={exploration}: at least 0")
        self.models = tuple(models)
        self.prompts = {name: dict(parts) for name, parts in (prompts or {"plain": {}}).items()}
        self._parent_arms = Arms(parents, exploration)
        self._prompt_arms = Arms(list(self.prompts), exploration)
        self._model_arms = Arms(models, exploration) if models else None
        self._rng = random.Random(f"bandit {seed}")

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        return [self._request(archive) for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        note = request.note
        rise = evaluation.score / note["score"] if evaluation.score and note["score"] else 1.0
        reward = min(1.0, max(0.0, math.log2(rise)))
        self._parent_arms.learn(note["parent"], reward)
        self._prompt_arms.learn(note["prompt"], reward)
        if self._model_arms is not None:
            self._model_arms.learn(note["model"], reward)

    def _request(self, archive: Archive) -> Request:
        source, prompt = self._parent_arms.pull(), self._prompt_arms.pull()
        model = self._model_arms.pull() if self._model_arms is not None else None
        parent, last = self._parent(source, archive), archive.last.iteration
        note = {"parent": source, "prompt": prompt, "model": model, "score": archive[parent].score}
        feedback = (last,) if last != parent else ()
        return Request((parent,), feedback, model, self.prompts[prompt], note)

    def _parent(self, source: str, archive: Archive) -> int:
        if source == "incumbent":
            return archive.incumbent.iteration
        if source == "seed":
            return 0
        among = archive.best(_AMONG) if source == "best" else archive.recent_correct(_AMONG)
        return self._rng.choice(among or [archive.seed]).iteration
