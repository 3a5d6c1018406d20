import pytest

from metalsci.devices.apple.chips import UnknownChipError, ceilings_of


@pytest.mark.parametrize(
    ("name", "cores", "bandwidth", "tflops"),
    [
        ("M1", None, 68.25, 2.6),  # Apple's own figure
        ("Apple M2", None, 100, 3.6),  # Apple's own figure
        ("Apple M1 Pro", 14, 200, 4.6),  # the published sweeps take 4.5 and 200
        ("m3 max", 30, 300, 10.7),
        ("Apple M4 Max", None, 546, 17.2),
    ],
)
def test_a_chip_is_found_by_the_names_that_systems_give_it(
    name: str, cores: int | None, bandwidth: float, tflops: float
) -> None:
    ceilings = ceilings_of(name, cores)
    assert ceilings.bandwidth == bandwidth
    assert ceilings.fp32 / 1000 == pytest.approx(tflops, abs=0.05)
    assert "data sheet" in ceilings.source


@pytest.mark.parametrize(
    ("name", "cores", "message"),
    [("Apple M99", None, "M5 Ultra"), ("M1 Pro", 15, "14 or 16"), ("M6", None, "clock"), ("llvmpipe", None, "known")],
)
def test_an_unknown_chip_is_refused_with_a_hint(name: str, cores: int | None, message: str) -> None:
    with pytest.raises(UnknownChipError, match=message) as refused:
        ceilings_of(name, cores)
    assert "device.ceilings.fp32" in str(refused.value)
