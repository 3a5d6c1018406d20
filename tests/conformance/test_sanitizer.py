"""`run(…, check=True)` finds the fault of each faulty kernel of `sanitizer/*.metal`, and nothing in the others.

The finding stands next to the faulty line, `//! KERNEL: part … of the sentence`, several with a `|` between them. `//@
NAME` names a line, which a sentence calls `@NAME`. A kernel without any is clean, and gives the same results without
the sanitizer. Buffers hold 0, 1, 2, … unless LAUNCHES says otherwise; those whose name begins with `out` are undefined.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Argument, Buffer, Device, DeviceCrash, DeviceTimeout, Dispatch, DispatchError, Finding

FOLDER = Path(__file__).parent / "sanitizer"
KERNEL = re.compile(r"^kernel void (\w+)\(.*?(?:\n}|; })$", re.MULTILINE | re.DOTALL)
TYPES = {
    "bool": np.bool_, "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16, "half": np.float16,
    "int": np.int32, "uint": np.uint32, "atomic_uint": np.uint32, "float": np.float32, "atomic_float": np.float32,
    "long": np.int64, "ulong": np.uint64, "void": np.float32, "declared": np.float32,
}  # fmt: skip
TYPE = re.compile(r"(?P<packed>packed_)?(?P<scalar>[a-z_]+)(?P<size>\d(?:x\d)?)?")


@dataclass(frozen=True)
class Launch:
    """Launch of a kernel.

    arguments: by name, in place of those in this file's first lines. aliases: names of a buffer that is bound twice.
    dispatches: of the same, one after another.
    """

    threads: Sequence[int] = (256,)
    threadgroup: Sequence[int] = (64,)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threadgroup_memory: Mapping[int, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    dispatches: int = 1


def ramp(count: int, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    return np.arange(count).astype(dtype)


def written(buffer: Buffer) -> Buffer:
    buffer.array[:] = 3
    return buffer


MASKED = np.repeat(np.array([1, -np.inf, 2, 3], np.float32), 4).repeat(16)[np.arange(256) // 4 % 4 * 64]
SIMDGROUP = Launch(threads=(32,), threadgroup=(32,))
LAUNCHES = {
    "writes_past_the_end": Launch(arguments={"out": ramp(100), "n": 256}),
    "guarded": Launch(arguments={"n": 256}),
    "constants_past_the_end": Launch(arguments={"k": np.ones((4, 4), np.float32)}),
    "argument_past_the_end": Launch(threadgroup_memory={0: 256}),
    "atomic_past_the_end": Launch(arguments={"counts": np.zeros(16, np.uint32)}),
    "matrix_past_the_end": SIMDGROUP,
    "matrix_product": SIMDGROUP,
    "past_the_end_of_a_slice": Launch(arguments={"x": lambda device: device.buffer(ramp(256)).at(512)}),
    "too_far_back_from_a_slice": Launch(arguments={"x": lambda device: device.buffer(ramp(256)).at(512)}),
    "backwards_from_a_slice": Launch(arguments={"x": lambda device: device.buffer(ramp(256)).at(1020)}),
    "slices": Launch(
        threads=(128,),
        arguments={
            "first": lambda device: device.buffer(ramp(128)).at(0),
            "second": lambda device: device.buffer(ramp(256)).at(512),
        },
    ),
    "writes_to_constants": Launch(arguments={"k": ramp(4)}),
    "invented_pointer": Launch(arguments={"addresses": np.full(256, 64, np.uint64)}),
    "reduction_without_barriers": Launch(threads=(64,)),
    "transpose": Launch(threads=(16, 16), threadgroup=(8, 8)),
    "stencil": Launch(threads=(20, 11), threadgroup=(8, 8)),
    "layers_share_a_tile": Launch(threads=(8, 8, 4), threadgroup=(4, 4, 2)),
    "histogram_without_atomics": Launch(arguments={"counts": np.zeros(4, np.uint32)}),
    "maximum_by_exchange": Launch(arguments={"largest": np.zeros(1, np.uint32), "sum": np.zeros(1, np.float32)}),
    "partial_group": Launch(threads=(100,)),
    "beyond_the_group": Launch(threads=(100,)),
    "guarded_beyond_the_group": Launch(threads=(100,)),
    "argument_not_filled": Launch(threadgroup_memory={0: 256}),
    "reads_what_the_host_wrote": Launch(arguments={"out": lambda device: written(device.empty((256,), np.float32))}),
    "returns_early": Launch(arguments={"n": 100}),
    "groups_return": Launch(arguments={"n": 40}),
    "barrier_for_other_memory": Launch(arguments={"out": lambda device: device.empty((512,), np.float32)}),
    "two_names": Launch(aliases={"y": "x"}),
    "two_names_own_element": Launch(aliases={"y": "x"}),
    "steps": Launch(dispatches=3),
    "infinity_as_a_start": Launch(arguments={"x": np.full(256, 5, np.float32)}),
    "inputs_not_finite": Launch(arguments={"x": np.tile(np.array([np.inf, np.nan, 1, 0], np.float32), 64)}),
    "all_masked": Launch(arguments={"masked": MASKED}),
    "zero_times_infinity": Launch(arguments={"masked": MASKED}),
    "nan_of_an_input": Launch(arguments={"x": np.tile(np.array([1, np.nan, 2, 0], np.float32), 64)}),
    "overflow_of_half": Launch(arguments={"x": np.full(256, 300, np.float16)}),
}  # fmt: skip


@dataclass(frozen=True)
class Expected:
    line: int
    parts: Sequence[str]

    def is_told_by(self, finding: Finding, kernel: str) -> bool:
        told = re.match(rf"{kernel}(?: \(dispatch 0\))?, line {self.line}: ", finding.text)
        pattern = ".*".join(map(re.escape, self.parts))
        return told is not None and finding.line == self.line and re.search(pattern, finding.text) is not None


@dataclass(frozen=True)
class Program:
    file: Path
    kernel: str
    expected: Sequence[Expected]

    @property
    def source(self) -> str:
        """The file with no other kernel than this one, whose lines stay where they are."""
        return KERNEL.sub(lambda k: k[0] if k[1] == self.kernel else "\n" * k[0].count("\n"), self.file.read_text())


@cache
def programs() -> Sequence[Program]:
    return [program for file in sorted(FOLDER.glob("*.metal")) for program in programs_of(file)]


def programs_of(file: Path) -> Iterator[Program]:
    lines = file.read_text().splitlines()
    labels = {name: number for number, line in enumerate(lines, 1) for name in re.findall(r"//@ (\w+)", line)}
    expected: dict[str, list[Expected]] = {name: [] for name in KERNEL.findall(file.read_text())}
    for number, line in enumerate(lines, 1):
        _, _, told = line.partition("//! ")
        for sentence in filter(None, told.split(" | ")):
            kernel, _, text = sentence.partition(": ")
            text = re.sub(r"@(\w+)", lambda label: str(labels[label[1]]), text)
            expected[kernel].append(Expected(number, [part.strip() for part in text.split("…")]))
    for kernel, sentences in expected.items():
        yield Program(file, kernel, sentences)


def bound(device: Device, argument: Argument, launch: Launch) -> Any:
    """Return the launch's value for an argument, or a ramp, or nothing yet."""
    if argument.name in launch.arguments:
        given = launch.arguments[argument.name]
        return given(device) if callable(given) else device.buffer(given) if isinstance(given, np.ndarray) else given
    match = TYPE.match(argument.type.removeprefix("const "))
    assert match is not None and argument.indirection != "&", argument
    wide = {"3": 3 if match["packed"] else 4}.get(match["size"], eval((match["size"] or "1").replace("x", "*")))
    dtype = TYPES[match["scalar"]]
    if argument.name.startswith("out"):
        return device.empty((256 * wide,), dtype)
    return device.buffer(ramp(256 * wide, dtype))


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device() as device:
        yield device


def dispatches(device: Device, program: Program) -> list[Dispatch]:
    launch = LAUNCHES.get(program.kernel, Launch())
    found = device.compile(program.source).kernels[program.kernel]
    by_name = {a.name: bound(device, a, launch) for a in found.arguments if a.kind == "buffer"}
    by_name |= {name: by_name[other] for name, other in launch.aliases.items()}
    arguments = {a.index: by_name[a.name] for a in found.arguments if a.kind == "buffer"}
    dispatch = Dispatch(found, arguments, launch.threads, launch.threadgroup, launch.threadgroup_memory)
    return [dispatch] * launch.dispatches


def buffers(run: Sequence[Dispatch]) -> list[Buffer]:
    return [bound for bound in run[0].arguments.values() if isinstance(bound, Buffer)]


@pytest.mark.parametrize("program", programs(), ids=lambda program: f"{program.file.stem}-{program.kernel}")
def test_what_is_wrong_is_found_and_nothing_else(device: Device, program: Program) -> None:
    run = dispatches(device, program)
    try:
        device.run(run, check=True)
        findings: Sequence[Finding] = ()
    except DispatchError as error:
        assert type(error) is DispatchError, error
        findings = error.findings
    unexpected = [f for f in findings if not any(e.is_told_by(f, program.kernel) for e in program.expected)]
    missing = [e for e in program.expected if not any(e.is_told_by(f, program.kernel) for f in findings)]
    assert not unexpected and not missing, "\n".join(map(str, findings))
    if not program.expected:
        plain = dispatches(device, program)
        device.run(plain)
        for checked, same in zip(buffers(run), buffers(plain), strict=True):
            np.testing.assert_allclose(checked.array, same.array, rtol=1e-5)


def run_checked(device: Device, source: str, *arguments: Any, timeout: float = 30.0) -> DispatchError:
    """Run the first kernel of a source, on 64 threads."""
    (kernel,) = device.compile("#include <metal_stdlib>\nusing namespace metal;\n" + source).kernels.values()
    with pytest.raises(DispatchError) as caught:
        device.run([Dispatch(kernel, dict(enumerate(arguments)), (64,), (64,))], timeout=timeout, check=True)
    return caught.value


def test_findings_survive_the_end_of_the_time(device: Device) -> None:
    x = device.buffer(ramp(64))
    error = run_checked(device, "kernel void spins(device float *x) { x[64] = 1; while (x[0] < 1e9) {} }", x, timeout=2)
    assert isinstance(error, DeviceTimeout)
    assert error.findings[0].text.startswith("spins, line 3: write to x[64], beyond the end of buffer 0 'x'")


def test_findings_survive_a_crash(device: Device) -> None:
    source = """
    kernel void beyond(device float *x [[buffer(0)]]) { x[64] = 1; }
    kernel void crashes(device float *x [[buffer(0)]]) {
        float large[20000];
        for (int k = 0; k < 20000; ++k) large[k] = x[k % 64];
        x[0] = large[int(x[1]) * 7];
    }
    kernel void fine(device float *x [[buffer(0)]]) { x[0] = 5; }
    """
    kernels, x = device.compile(source).kernels, device.buffer(ramp(64))
    beyond, crashes, fine = (Dispatch(kernels[name], {0: x}, (1,), (1,)) for name in ("beyond", "crashes", "fine"))
    with pytest.raises(DeviceCrash) as caught:
        device.run([beyond, crashes, fine], check=True)
    first, last = caught.value.findings
    assert first.text.startswith("beyond (dispatch 0), line 2: write to x[64], beyond the end of buffer 0 'x'")
    assert last.text.startswith("crashes, dispatch 1: ")
    device.run([fine], check=True)
    assert x.array[0] == 5


def test_what_is_too_large_to_be_watched_is_said(device: Device) -> None:
    x = device.empty((150_000_000,), np.float32)
    source = "kernel void touches(device float *x, uint i [[thread_position_in_grid]]) { x[i * 1000] = x[i] + x[-1]; }"
    error = run_checked(device, source, x)
    kinds = {finding.kind: finding for finding in error.findings}
    assert "too large to be watched" in kinds["unwatched"].text
    assert not kinds["unwatched"].undefined
    assert "x[-1]" in kinds["out of bounds"].text


def test_a_mistake_that_every_dispatch_makes_is_told_once(device: Device) -> None:
    x = device.buffer(ramp(64))
    kernel = device.compile("kernel void beyond(device float *x [[buffer(0)]]) { x[64] = 1; }").kernels["beyond"]
    with pytest.raises(DispatchError) as caught:
        device.run([Dispatch(kernel, {0: x}, (2,), (2,))] * 200, check=True)
    (finding,) = caught.value.findings
    assert finding.text.startswith("beyond (dispatch 0), line 1: write to x[64]")
    assert finding.text.endswith("; 400 times in all")
