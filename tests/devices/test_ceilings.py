"""Ceilings: one for each footprint, and none that is kept on a doubtful measurement."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from metalsci.devices import ceilings
from metalsci.devices.ceilings import Ceilings, GivenCeilings, Level

MEASURED = Ceilings(40.0, 200.0, "measured", levels=(Level(1 << 20, 160.0), Level(1 << 26, 80.0), Level(1 << 29, 40.0)))


def test_between_two_footprints() -> None:
    assert MEASURED.bandwidth_at(1 << 26) == pytest.approx(80.0)
    assert MEASURED.bandwidth_at(1 << 23) == pytest.approx(math.sqrt(160.0 * 80.0))


def test_beyond_what_was_measured() -> None:
    assert MEASURED.bandwidth_at(1) == pytest.approx(160.0)
    assert MEASURED.bandwidth_at(1 << 40) == pytest.approx(40.0)


def test_a_data_sheet_and_a_given_number_hold_everywhere() -> None:
    assert Ceilings(546.0, 18000.0, "data sheet").bandwidth_at(1 << 20) == 546.0
    given = GivenCeilings(bandwidth=77.0).over(lambda: MEASURED)
    assert given.bandwidth_at(1 << 20) == 77.0
    assert given.fp32 == 200.0
    assert GivenCeilings(fp32=5.0).over(lambda: MEASURED).bandwidth_at(1 << 26) == pytest.approx(80.0)


def test_only_a_settled_measurement_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [replace(MEASURED, unsettled="the best runs of two bursts differ by 11 %"), MEASURED]
    monkeypatch.setattr(ceilings, "measure", lambda device: results.pop(0))
    path = tmp_path / "ceilings.json"
    assert ceilings.cached(None, path).unsettled  # type: ignore[arg-type]
    assert not path.exists()
    assert ceilings.cached(None, path) == MEASURED  # type: ignore[arg-type]
    assert ceilings.cached(None, path) == MEASURED  # type: ignore[arg-type]
    assert results == []


def test_what_makes_a_measurement_doubtful() -> None:
    assert "differ" in ceilings._doubt(0.2, 40.0, 20.0)
    assert "plain copy" in ceilings._doubt(0.01, 3.0, 20.0)
    assert ceilings._doubt(0.01, 40.0, 20.0) == ""
