"""Kernels that show a ceiling to be too low, and those that may not."""

from pathlib import Path

import pytest

import metalsci
from metalsci.devices import ceilings
from metalsci.devices.ceilings import Ceilings, Level
from metalsci.evaluation.paired import Contender, Duel
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.experiment.ceiling_evidence import evidence
from metalsci.files.whole_files import read_json
from metalsci.gate.verdicts import GateResult, Verdict

TIMING = Timing((1.0, 1.0, 1.0, 1.25))
ROOF = Roofline(100.0, 50.0, "GB/s", footprint=1 << 20)


def gate(verdict: Verdict) -> GateResult:
    return GateResult(verdict, "1×1", Contender(Outcome.SCORED), Contender(Outcome.SCORED))


def found(verdict: Verdict, task: str = "lbm", roof: Roofline = ROOF, outcome: Outcome = Outcome.SCORED) -> list[str]:
    seed = Evaluation(Outcome.SCORED, sizes=(SizeResult("a", outcome, timing=TIMING, roofline=roof),))
    side = Contender(outcome, timing=TIMING, roofline=roof)
    return [each.kernel for each in evidence(task, seed, [Duel("a", side, side, 1.0)], gate(verdict))]


SEED = "lbm's seed kernel, a"


@pytest.mark.parametrize("verdict", Verdict)
def test_a_winner_counts_only_if_the_gate_found_it_right_and_sound(verdict: Verdict) -> None:
    right = verdict in (Verdict.GENERALIZES, Verdict.TIED, Verdict.REGRESSES)
    assert found(verdict) == [SEED, SEED, *["a winner of lbm, a"] * right]


def test_nobody_else_counts() -> None:
    assert found(Verdict.GENERALIZES, task="my_own") == []
    assert found(Verdict.GENERALIZES, roof=Roofline(100.0, 50.0, "GFLOP/s")) == []
    assert found(Verdict.GENERALIZES, outcome=Outcome.SUSPECT) == []


def test_the_rate_is_one_that_slow_runs_reach_too_of_bytes_that_have_to_move() -> None:
    seed = Evaluation(Outcome.SCORED, sizes=(SizeResult("a", Outcome.SCORED, timing=TIMING, roofline=ROOF),))
    (one,) = evidence("lbm", seed, [], gate(Verdict.TIED))
    assert one.bandwidth == pytest.approx(100.0 / TIMING.quartiles[1])
    twice = Roofline(100.0, 50.0, "GB/s", reachable=2.0, footprint=1 << 20)
    seed = Evaluation(Outcome.SCORED, sizes=(SizeResult("a", Outcome.SCORED, timing=TIMING, roofline=twice),))
    (half,) = evidence("fft3d", seed, [], gate(Verdict.TIED))
    assert half.bandwidth == pytest.approx(one.bandwidth / 2)


def test_a_run_raises_a_ceiling_that_its_seed_kernel_refutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The level near its footprint, 48 KiB, is far too low, and is measured so again."""
    low = Ceilings(10.0, 100.0, "measured", levels=(Level(1 << 15, 1e-3), Level(1 << 18, 100.0), Level(1 << 24, 10.0)))
    monkeypatch.setattr(ceilings, "measure", lambda device: low)
    path = tmp_path / "ceilings.json"
    monkeypatch.setattr(ceilings, "remembered", lambda key: path)
    settings = ["task=saxpy", "budget.iterations=1", "tracker=none", "task.sizes=[{N: 4096}]", "repeats.timed=3"]
    settings += ["task.heldout={N: 5000}", "device.threads=1", "sanitizer=false"]
    summary = metalsci.run([*settings, f"hydra.run.dir={tmp_path / 'run'}"])
    assert "the ceiling at" in summary.corrected and "saxpy" in summary.corrected
    assert summary.ceilings == low  # of this run's own scores
    kept = read_json(path, Ceilings)
    assert kept is not None
    (proved,) = (level for level in kept.levels if level.proved)
    assert proved.footprint < 1 << 18 and proved.bandwidth > 10 * low.bandwidth_at(proved.footprint)
    assert set(low.levels) < set(kept.levels)
