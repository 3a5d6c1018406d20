"""Names that a strategy will use later, and limits that cannot be kept, are refused before anything starts."""

import pytest
from composing import Compose

from metalsci.experiment.instantiation import ConfigError
from metalsci.experiment.run_parts import build

BANDIT = ("task=heat2d", "device=virtual", "sanitizer=false", "strategy=bandit")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["+strategy.prompts.short={hystory:0}"], r"strategy\.prompts\.short: .* part 'hystory'; there are"),
        (["+strategy.prompts.short={history:-1}"], r"strategy\.prompts\.short: .* prompt.history=-1: at least 0"),
        (["strategy.models=[claude]"], r"names 'claude', and model=rewrite is one model alone"),
        (
            ["model=ensemble", "strategy.models=[claude,mistral]"],
            "'mistral', and model=ensemble has claude, gpt, gemini",
        ),
    ],
)
def test_a_name_that_there_is_not(composed: Compose, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(composed(*BANDIT, *settings))


def test_dollars_without_a_price_are_refused_before_anything_is_measured(composed: Compose) -> None:
    agent = ("task=heat2d", "device=virtual", "sanitizer=false", "model=agent", "model.command=[x]", "budget.dollars=1")
    with pytest.raises(ConfigError, match=r"budget\.dollars needs the model's price.*of an agent model\.dollars"):
        build(composed(*agent))
    build(composed(*agent, "model.dollars=0.5")).device.close()


def test_names_that_there_are(composed: Compose) -> None:
    parts = build(composed(*BANDIT, "+strategy.prompts.short={history:0}", "model=ensemble", "strategy.models=[gpt]"))
    parts.device.close()
