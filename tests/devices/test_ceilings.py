"""Ceilings: one for each footprint, and none that is kept on a doubtful measurement."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from metalsci import doctor
from metalsci.devices import ceilings
from metalsci.devices.ceilings import Ceilings, Evidence, GivenCeilings, Level
from metalsci.devices.protocol import Device
from metalsci.files.whole_files import read_json, write_json

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


def kept(path: Path) -> Ceilings:
    return cast(Ceilings, read_json(path, Ceilings))


def test_a_verified_kernel_refutes_a_ceiling_by_more_than_noise_only() -> None:
    at = 1 << 26
    assert MEASURED.refuted_by([Evidence("lbm", at, 87.0)]) == []
    assert MEASURED.refuted_by([Evidence("lbm", at, 89.0)]) != []
    assert Ceilings(546.0, 18000.0, "data sheet").refuted_by([Evidence("lbm", at, 5000.0)]) == []


def test_a_refuted_ceiling_is_measured_again_and_raised_no_further_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ceilings.json"
    quiet = replace(MEASURED, levels=(Level(1 << 20, 150.0), Level(1 << 26, 120.0), Level(1 << 29, 41.0)))
    monkeypatch.setattr(ceilings, "measure", lambda device: quiet)
    assert ceilings.correct(None, path, [Evidence("lbm", 1 << 26, 500.0)]) == ""  # type: ignore[arg-type]
    assert not path.exists()
    write_json(path, MEASURED)
    assert ceilings.correct(None, path, [Evidence("lbm", 1 << 26, 80.0)]) == ""  # type: ignore[arg-type]
    assert kept(path) == MEASURED
    told = ceilings.correct(None, path, [Evidence("lbm", 1 << 26, 100.0)])  # type: ignore[arg-type]
    assert "64 MiB" in told and "lbm reaches 100 GB/s where 80 were measured" in told and "120 GB/s" in told
    assert kept(path).levels == (Level(1 << 20, 160.0), Level(1 << 26, 120.0), Level(1 << 29, 41.0))
    assert kept(path).bandwidth == 41.0
    ceilings.correct(None, path, [Evidence("lbm", 1 << 26, 200.0), Evidence("adi3d", 1 << 26, 180.0)])  # type: ignore[arg-type]
    assert kept(path).levels[1] == Level(1 << 26, 200.0, "lbm")
    between = 1 << 23
    ceilings.correct(None, path, [Evidence("heat2d", between, 400.0)])  # type: ignore[arg-type]
    assert kept(path).bandwidth_at(between) == pytest.approx(400.0)
    assert kept(path).levels[1] == Level(between, 400.0, "heat2d")


def test_the_doctor_names_the_kernel_that_showed_a_level() -> None:
    device = SimpleNamespace(ceilings=MEASURED.raised([Evidence("lbm's seed kernel", 1 << 26, 100.0)]))
    told = doctor._ceilings(cast(Device, device)).found
    assert "160 at 1 MiB, 100 at 64 MiB (shown by lbm's seed kernel), 40 at 512 MiB" in told
