"""Two candidates in turn on the real device, as a promotion rule asks for it."""

import math
import statistics
from collections.abc import Iterator

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.pairing import Pairing
from metalsci.evaluation.promotion.protocol import PairingFailed
from metalsci.evaluation.stopwatch import Stopwatch

SIZES = ("task=saxpy", "task.sizes=[{N: 20000},{N: 30000}]", "device=cpu")
STORE = "out[i] = a * x[i] + y[i];"


@pytest.fixture(scope="module")
def evaluator(composed: Compose) -> Iterator[Evaluator]:
    cfg = composed(*SIZES, "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        yield evaluator
    device.close()


def with_store(evaluator: Evaluator, store: str) -> str:
    seed = evaluator.task.seed_kernel
    changed = seed.replace(STORE, store)
    assert changed != seed
    return changed


def test_a_kernel_that_works_ten_times_longer(evaluator: Evaluator) -> None:
    slow = with_store(
        evaluator,
        "float v = x[i]; for (uint k = 0; k < 400; ++k) v = fma(v, 0.5f, 0.25f); "
        "out[i] = v == 77.0f ? v : a * x[i] + y[i];",
    )
    with Pairing(evaluator).pair(evaluator.task.seed_kernel, slow) as draw:
        pairs = [draw() for _ in range(5)]
    assert statistics.median(pairs) < math.log(0.5)
    with Pairing(evaluator).pair(slow, evaluator.task.seed_kernel) as draw:
        pairs = [draw() for _ in range(5)]
    assert statistics.median(pairs) > math.log(2)


@pytest.mark.parametrize("store", ["out[i + 100000000u] = 1.0f;", "out[i] = undeclared;"])
def test_who_does_not_run_is_not_compared(evaluator: Evaluator, store: str) -> None:
    broken = with_store(evaluator, store)
    with pytest.raises(PairingFailed), Pairing(evaluator).pair(evaluator.task.seed_kernel, broken) as draw:
        draw()


def test_who_is_wrong_in_the_end_has_not_won(evaluator: Evaluator) -> None:
    wrong = with_store(evaluator, "out[i] = a * x[i];")
    with pytest.raises(PairingFailed), Pairing(evaluator).pair(evaluator.task.seed_kernel, wrong) as draw:
        draw()
