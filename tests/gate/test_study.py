"""Candidates of finished runs at the held-out size, and what is said of groups of them."""

import math
from pathlib import Path

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.evaluation.results import Outcome
from metalsci.experiment.instantiation import ConfigError
from metalsci.experiment.studied_runs import run_folders
from metalsci.gate.study import Attempted, HeldOutBench, StudiedCandidate, StudiedRun, study
from metalsci.gate.study_figures import bits, groups, held, rank_correlation, share, spearman
from metalsci.gate.study_plot import plot_study

SMALL = ("task=heat2d", "task.sizes=[{NX: 40, NY: 24, steps: 3}]", "task.heldout={NX: 33, NY: 17, steps: 3}")


def candidate(
    score: float, phi: float | None, *, winner: bool = False, heldout: Outcome = Outcome.SCORED, speedup: float = 1.2
) -> StudiedCandidate:
    if phi is None:
        return StudiedCandidate(1, score, True, winner, heldout)
    return StudiedCandidate(1, score, True, winner, heldout, phi=phi, speedup=speedup)


def test_shares_and_bits_have_exact_intervals() -> None:
    half = share(4, 8)
    assert (half.value, half.count) == (0.5, 8)
    assert half.low == pytest.approx(0.1570, abs=1e-3) and half.high == pytest.approx(0.8430, abs=1e-3)
    assert bits(half).value == 1
    assert half.high is not None
    assert bits(half).low == pytest.approx(-math.log2(half.high))
    none = bits(share(0, 10))
    assert none.value == math.inf and none.low == pytest.approx(-math.log2(0.3085), abs=1e-3)
    assert share(0, 0).value is None


def test_ranks_correlate_within_a_run() -> None:
    rising = [(float(i), float(i) ** 2) for i in range(12)]
    assert spearman(rising) == pytest.approx(1)
    assert spearman([(1.0, 2.0), (2.0, 2.0)]) is None
    both = rank_correlation([rising, [(i, -phi) for i, phi in rising]])
    assert both.value == pytest.approx(0, abs=1e-9)
    assert both.low is not None and both.high is not None and both.low < 0 < both.high
    assert rank_correlation([rising[:3]]).value is None


def test_groups_by_task_model_and_strategy() -> None:
    good, slow = candidate(0.2, 0.1), candidate(0.5, 0.05, speedup=0.7)
    wrong = candidate(0.4, None, heldout=Outcome.WRONG, winner=True)
    runs = [
        StudiedRun("a", "lbm", "claude", "Islands", (good, slow, wrong)),
        StudiedRun("b", "heat2d", "claude", "OnePlusOne", (candidate(0.9, 0.8, winner=True),)),
    ]
    found = {(group.kind, group.name): group for group in groups(runs, 0.95)}
    assert set(found) == {
        ("all", "all"), ("task", "lbm"), ("task", "heat2d"), ("model", "claude"), ("strategy", "Islands"),
        ("strategy", "OnePlusOne"),
    }  # fmt: skip
    assert found["task", "lbm"].winners.value == 0
    assert found["task", "lbm"].difficulty.value == pytest.approx(math.log2(3))
    assert found["model", "claude"].winners.value == 0.5
    assert [held(each, 0.95) for each in runs[0].candidates] == ["holds", "slower", "wrong"]
    picture = plot_study(runs, list(found.values()), 0.95)
    assert picture.startswith("<svg") and picture.count("<circle") == 2 and "study only" in picture


def test_candidates_are_judged_at_the_held_out_size(composed: Compose) -> None:
    cfg = composed(*SMALL, "device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    seed = problem.task.seed_kernel
    known = seed.replace("    const uint i = gid.x;", "    if (NX != 40u) return;\n    const uint i = gid.x;")
    attempts = [
        Attempted(1, seed.replace("4.0f * u", "(2.0f + 2.0f) * u"), 0.5, True, False),
        Attempted(2, known, 0.9, True, True),
        Attempted(3, "kernel void nothing() {}", 0.0, False, False),
    ]
    told: list[int] = []
    with HeldOutBench(problem.task, problem.heldout, device, 0, rounds=3) as bench:
        found = study(bench, attempts, told.append)
    device.close()
    assert told == [1, 2, 3]
    assert [each.heldout for each in found] == [Outcome.SCORED, Outcome.WRONG, Outcome.COMPILE_ERROR]
    assert (found[0].phi or 0) > 0 and (found[0].speedup or 0) > 0
    assert found[1].phi is None and found[1].detail


def test_a_folder_without_a_run_and_a_run_that_goes_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run in it"):
        run_folders([tmp_path])
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(ConfigError, match="it has not ended"):
        run_folders([tmp_path])
