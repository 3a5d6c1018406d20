"""The rule by paired tests: the pairs it runs, the kernels it promotes, its sentences."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from metalsci.evaluation.promotion.protocol import Draw, PairingFailed
from metalsci.evaluation.promotion.significant import Significant
from metalsci.evaluation.results import Evaluation, Outcome


@dataclass(frozen=True)
class Kernel:
    source: str | None
    score: float = 1.0

    @property
    def evaluation(self) -> Evaluation:
        return Evaluation(Outcome.SCORED, score=self.score)


@dataclass
class Machine:
    """Kernels by name with their true times; a pair varies by `noise`."""

    times: dict[str, float]
    noise: float = 0.03
    pairs: list[tuple[str, str]] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    @contextmanager
    def pair(self, incumbent: str, challenger: str) -> Iterator[Draw]:
        def draw() -> float:
            self.pairs.append((incumbent, challenger))
            if self.times[challenger] == 0:
                raise PairingFailed("the device process ended")
            return math.log(self.times[incumbent] / self.times[challenger]) + float(self.rng.normal(0, self.noise))

        yield draw


def silent(_: str) -> None:
    pass


def test_faster_is_promoted_and_equal_is_not() -> None:
    machine = Machine({"old": 1.0, "new": 0.9, "same": 1.0})
    rule = Significant().begin(machine, 25)
    better = rule.decide(Kernel("old"), Kernel("new"), silent)
    assert better.promoted
    assert better.figures["low"] > 1
    assert better.figures["alpha"] == 0.01 / 25
    assert "faster" in better.reason
    equal = rule.decide(Kernel("old"), Kernel("same"), silent)
    assert not equal.promoted
    assert "not faster" in equal.reason


def test_a_lucky_score_alone_promotes_nothing() -> None:
    rule = Significant().begin(Machine({"old": 1.0, "lucky": 1.0}), 25)
    assert not rule.decide(Kernel("old", 1.0), Kernel("lucky", 1.6), silent).promoted


def test_an_unlucky_score_is_not_the_end() -> None:
    rule = Significant().begin(Machine({"old": 1.0, "unlucky": 0.9}), 25)
    assert rule.decide(Kernel("old", 1.0), Kernel("unlucky", 0.8), silent).promoted


def test_plainly_slower_is_not_run_again() -> None:
    machine = Machine({"old": 1.0, "slow": 2.0})
    decision = Significant().begin(machine, 25).decide(Kernel("old", 1.0), Kernel("slow", 0.5), silent)
    assert not decision.promoted
    assert machine.pairs == []
    assert "plainly slower" in decision.reason


def test_noise_is_measured_first_and_now_and_then() -> None:
    machine = Machine({"old": 1.0, "other": 1.02})
    rule = Significant().begin(machine, 25)
    for _ in range(9):
        rule.decide(Kernel("old"), Kernel("other"), silent)
    with_itself = [i for i, (a, b) in enumerate(machine.pairs) if a == b]
    assert with_itself[0] == 0
    assert len(with_itself) == 12


def test_a_failure_is_a_decision() -> None:
    rule = Significant().begin(Machine({"old": 1.0, "broken": 0}), 25)
    decision = rule.decide(Kernel("old"), Kernel("broken"), silent)
    assert not decision.promoted
    assert "the device process ended" in decision.reason
