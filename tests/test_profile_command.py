"""`python -m metalsci.profile`, as a user calls it."""

import json
from pathlib import Path

import pytest

from metalsci.profile import main

_SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void strided(device const float *x [[buffer(0)]], device float *y [[buffer(1)]], constant uint &n [[buffer(2)]],
                    uint i [[thread_position_in_grid]]) {
    if (i < n) y[i] = x[i * 32];
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "strided.metal"
    path.write_text(_SOURCE)
    return path


def _arguments(source: Path) -> list[str]:
    bound = ["0=float[131072]", "1=float[4096]", "2=uint:4096"]
    return [f"source={source}", "kernel=strided", "threads=4096", "threadgroup=64", *bound]


def test_a_file_of_its_own_is_annotated_where_it_is_slow(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(_arguments(source))
    told = capsys.readouterr().out
    assert "predicted" in told and "on M1 Pro" in told and "bottleneck: " in told
    assert "loads touch 32 lines of 128 bytes where 1 would do" in told
    assert "stores touch" not in told


def test_data_and_a_page(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = tmp_path / "page.html"
    main([*_arguments(source), "chip=M1 Max", "--json", "--html", str(html)])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["gpu"] == "M1 Max"
    assert told["dispatches"][0]["profile"]["counters"]["loads"]["lines"] == 4096
    assert "y[i] = x[i * 32]" in html.read_text() and "&lt;metal_stdlib&gt;" in html.read_text()


def test_two_kernels_of_a_task_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = Path("tasks/heat2d/seed.metal")
    main(["task=heat2d", f"kernel={seed}", f"versus={seed}", "size=1"])
    assert "1.00 times as fast: undecided" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fft3d"], "'fft3d' is not of the form key=value"),
        (["kernel=x.metal"], "give task=NAME, or source=PATH"),
        (["task=saxpy", "chip=M4"], "no facts are known of the GPU of 'M4'"),
        (["task=heat2d", "size=7"], "size=7: heat2d has "),
        (["source={source}", "threads=64", "threadgroup=64", "0=floats"], "0=floats: give type"),
        (["source={source}", "threads=many", "threadgroup=64"], "threads=many: give one to three numbers"),
        (["source={source}", "kernel=other"], "has strided"),
        (["source={source}", "threads=64", "threadgroup=64"], "has nothing bound at buffer"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(
    arguments: list[str], sentence: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([argument.format(source=source) for argument in arguments])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_kernel_that_does_not_compile_is_told_as_one(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source.write_text(_SOURCE.replace("x[i * 32]", "z[i]"))
    with pytest.raises(SystemExit) as ended:
        main(_arguments(source))
    assert ended.value.code == 1
    assert "use of undeclared identifier 'z'" in capsys.readouterr().err


def test_a_kernel_that_crashes_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = Path("tasks/saxpy/seed.metal").read_text()
    kernel = tmp_path / "kernel.metal"
    kernel.write_text(seed.replace("out[i] = a * x[i] + y[i];", "*(device float *)(ulong(i) * 4096) = x[i];"))
    with pytest.raises(SystemExit) as ended:
        main(["task=saxpy", f"kernel={kernel}", "size=1"])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "Traceback" not in told.err + told.out and told.err.count("\n") <= 2 and told.err
