"""The preset for Optuna in a real sweep: `hparams_search=promotion_optuna`."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="the extra `optuna` is not installed")

COMMAND = (
    *(sys.executable, "-m", "metalsci.run", "-m", "hparams_search=promotion_optuna", "experiment=smoke"),
    *("hydra.sweeper.n_trials=2", "hydra.sweep.dir=sweep", "tracker=none", "budget.iterations=1", "score=measured"),
)


def searched(folder: Path, *further: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *further], cwd=folder, capture_output=True, text=True, timeout=900)


def test_the_best_settings_of_a_search_are_those_of_its_best_job(tmp_path: Path) -> None:
    done = searched(tmp_path)
    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "sweep"
    found = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    summaries = {job: yaml.safe_load((sweep / job / "summary.json").read_text()) for job in ("0", "1")}
    best = max(summaries, key=lambda job: float(summaries[job]["self_speedup"]))
    assert found["best_value"] == pytest.approx(summaries[best]["self_speedup"])
    settings = yaml.safe_load((sweep / best / "config.yaml").read_text())
    assert found["best_params"]["promotion.gain"] == settings["promotion"]["gain"]
    assert found["best_params"]["model.boldness"] == pytest.approx(settings["model"]["boldness"])


def test_a_job_that_is_refused_does_not_end_the_search(tmp_path: Path) -> None:
    # By this seed of the sampler the gains are 0.05 and 0.01, and the second is no more than the least one.
    refused = ("promotion.gain=choice(0.01,0.05)", "promotion.least=0.01", "hydra.sweeper.sampler.seed=0")
    done = searched(tmp_path, *refused)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1  # a job of the sweep has no result
    assert "promotion.least=0.01: give less than promotion.gain=0.01" in done.stderr
    found = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    assert found["best_params"]["promotion.gain"] == 0.05
