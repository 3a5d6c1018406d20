"""`score=measured|predicted|both`, on a machine without a GPU."""

import json
from pathlib import Path

import pytest
from composing import Compose

import metalsci
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.virtual.virtual_device import VirtualDevice
from metalsci.evaluation.promotion.predicted import NotPredictedSlower, PredictedFaster
from metalsci.evaluation.promotion.strict import Strict
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.scored_by import ScoredBy
from metalsci.experiment.scoring import forecaster_of, how_it_wins, on_the_predicted_gpu, promotion_by


def test_predicted_times_come_from_the_virtual_gpu(composed: Compose) -> None:
    cfg = on_the_predicted_gpu(composed("score=predicted", "chip=M2 Max", "device=cpu", "device.threads=1"))
    device = make(cfg, "device")
    assert isinstance(device, VirtualDevice) and "M2 Max" in device.name
    assert isinstance(promotion_by(ScoredBy.predicted, device, Strict(), lambda: None), PredictedFaster)
    device.close()


def test_a_device_that_cannot_be_counted_has_no_predicted_score(composed: Compose) -> None:
    with pytest.raises(ConfigError, match="score=predicted counts what cpu_metal executes"):
        on_the_predicted_gpu(composed("score=predicted", "device=apple"))


@pytest.mark.parametrize(
    ("score", "profile", "predicts"),
    [("measured", "false", False), ("measured", "true", True), ("both", "false", True)],
)
def test_nothing_is_counted_for_nobody(composed: Compose, score: str, profile: str, predicts: bool) -> None:
    cfg = composed(f"score={score}", f"prompt.profile={profile}", "device=cpu", "device.threads=1")
    device = CpuDevice(threads=1)
    assert (forecaster_of(cfg, device) is not None) is predicts
    rule = promotion_by(cfg.score, device, Strict(), lambda: None)
    assert isinstance(rule, NotPredictedSlower if score == "both" else Strict)
    device.close()


def test_a_model_is_told_how_a_kernel_wins() -> None:
    device = CpuDevice(threads=1)
    assert how_it_wins(ScoredBy.both, device, "M2 Max").endswith(
        "and is not predicted to be slower on an Apple M2 Max."
    )
    assert how_it_wins(ScoredBy.measured, device, "M2 Max").endswith("faster, both being run in turn.")
    device.close()
    predicted = VirtualDevice(chip="M2 Max", threads=1)
    assert "predicted to be faster, by 1.2x or more" in how_it_wins(ScoredBy.both, predicted, "M1 Pro")
    predicted.close()


def test_a_search_by_predicted_times_repeats_to_the_letter(tmp_path: Path) -> None:
    def searched(name: str) -> list[object]:
        folder = tmp_path / name
        metalsci.run(
            ["experiment=smoke", "tracker=none", "device=virtual", "device.threads=1", "inputs.seed=1",
             "sanitizer=false", f"hydra.run.dir={folder}"]
        )  # fmt: skip
        records = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["measured"] is False
        judged = [record for record in records if record["type"] == "judged"]
        return [
            [(r["evaluation"]["score"], r["evaluation"]["forecast"], r.get("decision")) for r in judged],
            summary["self_speedup"],
            summary["gate"]["verdict"],
            summary["gate"]["evidence"],
        ]

    assert searched("one") == searched("two")
