"""`--dry-run`: the cost at worst, without a device, a key or a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from composing import Compose

from metalsci.experiment.cost_estimate import CostEstimate, estimate_cost


def estimated(composed: Compose, *overrides: str) -> CostEstimate:
    return estimate_cost(composed("tracker=none", *overrides))


def test_it_counts_every_call_at_its_longest(composed: Compose) -> None:
    plain = estimated(
        composed, "model=claude", "model.cache=false", "budget.iterations=10", "model.max_output_tokens=1000"
    )
    assert plain.run.tokens == 10 * plain.call.tokens
    assert plain.run.dollars is not None
    assert plain.worst.dollars == pytest.approx(2 * plain.run.dollars)
    assert plain.call.tokens > 3 * 30_000  # a token a byte, and prompts of up to 32,000 tokens by their text
    assert plain.prompt < 10_000
    remembering = estimated(composed, "model=claude", "budget.iterations=10", "memory.every=3")
    assert remembering.asides == 3
    whole = estimated(composed, "model=gpt").run.dollars
    half = estimated(composed, "model=gpt", "model.tier=flex").run.dollars
    assert whole is not None and half == pytest.approx(whole / 2)


def test_models_without_a_price_say_so(composed: Compose) -> None:
    unknown = estimated(composed, "model=claude", "model.model=no-such")
    assert "at an unknown price" in " ".join(unknown.sentences())
    assert "nothing to estimate" in " ".join(estimated(composed).sentences())


def test_the_command_runs_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.run", "model=claude", "budget.dollars=5", "--dry-run"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "budget.dollars=5 ends the search before that" in told
    assert "nothing was run" in told
    read = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(read.stdout)["limit_dollars"] == 5
    assert not list(tmp_path.iterdir())
