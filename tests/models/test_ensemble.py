"""Several models as one: who is asked, how it learns, and how a run resumes."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from composing import Compose
from hydra.utils import instantiate
from provider_server import Anthropic, Google, OpenAIResponses, Say, Serve
from toy_search import fence, search

from metalsci.models.ensemble import Bandit, Ensemble, Weighted
from metalsci.models.ensemble_policy import Policy
from metalsci.models.protocol import Expense, LanguageModel, Learner, Prompt, Response, Stop
from metalsci.search.budget import Budget


@dataclass
class Offline:
    """Model whose kernels score `start`, `start` + 1 and so on."""

    name: str
    start: int
    cost: float | None = 0.0
    asked: list[int] = field(default_factory=list)

    def propose(self, prompt: Prompt) -> Response:
        self.asked.append(prompt.iteration)
        return Response(fence(self.start + len(self.asked)), cost=self.cost)


def ensemble(policy: Policy, *members: Offline, weights: dict[str, float] | None = None) -> Ensemble:
    named = {m.name: m for m in members}
    even = dict.fromkeys(named, 1.0)
    return Ensemble(members=named, policy=policy, weights=weights or even, exploration=0.5, seed=0)


def test_it_is_a_model_like_any_other_that_learns() -> None:
    model = ensemble(Policy.weights, Offline("a", 0))
    assert isinstance(model, LanguageModel)
    assert isinstance(model, Learner)
    assert model.worst_case(Prompt("", "", 1, "")) == Expense()


def test_members_are_drawn_by_weight(tmp_path: Path) -> None:
    a, b, never = Offline("a", 0), Offline("b", 1000), Offline("never", 0)
    model = ensemble(Policy.weights, a, b, never, weights={"a": 3, "b": 1, "never": 0})
    done = search(tmp_path, model, Budget(200))
    assert not never.asked
    assert 130 < len(a.asked) < 170
    assert {e.reply.model for e in done.archive.proposals if e.reply} == {"a", "b"}


def test_draws_depend_on_the_seed_and_the_iteration_alone() -> None:
    def draws(seed: int) -> list[str]:
        choice = Weighted({"a": 1, "b": 1}, seed)
        return [choice.choose(i) for i in range(20)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_the_bandit_comes_to_ask_the_member_that_pays(tmp_path: Path) -> None:
    useful, useless = Offline("useful", 0), Offline("useless", -1000)
    search(tmp_path, ensemble(Policy.bandit, useful, useless), Budget(40))
    assert len(useful.asked) > 2 * len(useless.asked)
    assert useless.asked


def test_the_bandit_counts_what_an_improvement_costs() -> None:
    bandit = Bandit(["dear", "cheap"], 0.2, seed=0)
    asked: Counter[str] = Counter()
    for iteration in range(1, 60):
        member = bandit.choose(iteration)
        asked[member] += 1
        bandit.learn(member, 0.2, 2.0 if member == "dear" else 0.1)
    assert asked["cheap"] > 3 * asked["dear"]


def test_an_unknown_cost_is_taken_for_the_dearest() -> None:
    bandit = Bandit(["known", "unknown"], 0.0, seed=0)
    for member, cost in (("known", 1.0), ("known", 3.0), ("unknown", None)):
        bandit.learn(member, 0.1, cost)
    assert bandit._arms["unknown"].cost == 2.0


def test_a_resumed_bandit_goes_on_as_it_would_have(tmp_path: Path) -> None:
    def members() -> tuple[Offline, Offline]:
        return Offline("a", 0), Offline("b", 2)

    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    a, b = members()
    search(tmp_path / "whole", ensemble(Policy.bandit, a, b), Budget(12))
    first, second = members()
    search(tmp_path / "parts", ensemble(Policy.bandit, first, second), Budget(5))
    search(tmp_path / "parts", ensemble(Policy.bandit, first, second), Budget(12))
    assert (first.asked, second.asked) == (a.asked, b.asked)


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"a": 1.0}, "for each of a, b"), ({"a": 1.0, "b": -1.0}, "at least 0"), ({"a": 0.0, "b": 0.0}, "all 0")],
)
def test_weights_that_do_not_fit_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ensemble(Policy.weights, Offline("a", 0), Offline("b", 0), weights=weights)


def test_the_three_providers_together(composed: Compose, serve: Serve, tmp_path: Path) -> None:
    servers = {
        "claude": serve(Anthropic(), Say(fence(1))),
        "gpt": serve(OpenAIResponses(), Say(fence(2))),
        "gemini": serve(Google(), Say(fence(3))),
    }
    urls = {"claude": servers["claude"].url, "gpt": servers["gpt"].url + "/v1", "gemini": servers["gemini"].url}
    overrides = [f"model.members.{name}.transport.base_url={url}" for name, url in urls.items()]
    model = instantiate(composed("model=ensemble", "model.policy=bandit", *overrides).model)
    with model:
        done = search(tmp_path, model, Budget(3))
    assert done.archive.incumbent.score == 4.0
    answered = {e.reply.model for e in done.archive.proposals if e.reply}
    assert answered == {"claude", "gpt", "gemini"}
    assert all(len(s.requests) == 1 for s in servers.values())
    assert model.worst_case(Prompt("", "", 4, "")).dollars > 0
    assert model.interrupted(Prompt("", "", 4, ""), "half").stop is Stop.CUT
