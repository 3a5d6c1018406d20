"""Mutated sources and random bytes are accepted or refused, run or ended, and leave a device that answers.

Nothing but the device's own errors comes out of it, and no process and no file stays behind. Case N is the same on
every machine: `text_of(N)` gives it back.
"""

import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import psutil
import pytest

from metalsci.cpu_metal import CompileError, Device, DeviceCrash, DeviceTimeout, Dispatch, PipelineError
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.library import Kernel, Library
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.execute.host import Limits
from metalsci.msl.diagnostics import Severity
from metalsci.msl.text.lexer import tokenize

ROOT = Path(__file__).parents[2]
# What a mutation may bring in beside the words of the sources themselves.
STRANGE = [
    b"template <typename T> ", b"operator", b"union ", b"virtual ", b"[[", b"]]", b"[[buffer(0)]]", b"\\\n", b"#if 0\n",
    b"#endif\n", b"#define X X\n", b"##", b'"', b"'", b"/*", b"*/", b'R"(', b"0x", b"1e999", b"99999999999999999999",
    b"float4(", b"threadgroup float t[4096];", b"threadgroup_barrier(mem_flags::mem_threadgroup);", b"while (true);",
    b"simd_sum(", b"constexpr ", b"decltype(", b"sizeof(", b"__attribute__((", b"return;", b"atomic_uint ", b"~", b"::",
    b"\x00", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f\xa6\x80", b"\xef\xbb\xbf", b"\r", b"\x0c", b"\x1a",
]  # fmt: skip
FILL = """#include <metal_stdlib>
kernel void fill(device float *x, constant float &value, uint i [[thread_position_in_grid]]) { x[i] = value; }
"""


@cache
def sources() -> list[bytes]:
    """Read every kernel of the repository."""
    files = [*ROOT.glob("tasks/*/*.metal"), *ROOT.glob("tasks/*/examples/*.metal"), *ROOT.glob("tests/msl/kernels/*")]
    return [path.read_bytes() for path in sorted(files)]


@cache
def words() -> list[bytes]:
    return [*sorted({token.text for source in sources() for token in tokenize(source)}), *STRANGE]


def random_bytes(rng: random.Random, source: bytes) -> bytes:
    return rng.randbytes(rng.randint(0, 2000))


def random_words(rng: random.Random, source: bytes) -> bytes:
    return b"#include <metal_stdlib>\n" + b" ".join(rng.choices(words(), k=rng.randint(1, 200)))


def changed_bytes(rng: random.Random, source: bytes) -> bytes:
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(source) + 1)
        end = at + rng.randint(0, 12)
        new = rng.choice([b"", b"", rng.randbytes(rng.randint(1, 4)), source[end : end + 30], rng.choice(STRANGE)])
        source = source[:at] + new + source[end if rng.random() < 0.7 else at :]
    return source


def changed_words(rng: random.Random, source: bytes) -> bytes:
    tokens = re.findall(rb"\w+|\s+|[^\w\s]", source)
    for _ in range(rng.randint(1, 4)):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(5):
            case 0:
                tokens[at] = b""
            case 1:
                tokens[at] = tokens[at] + rng.choice([b"", b" "]) + rng.choice(words())
            case 2:
                tokens[at] = rng.choice(words())
            case 3:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case _:
                tokens[at] = b"".join(tokens[other : other + rng.randint(1, 40)])
    return b"".join(tokens)


def changed_meaning(rng: random.Random, source: bytes) -> bytes:
    """Change numbers, and operators between them; most of the results compile."""
    tokens = re.findall(rb"\w+|\s+|[^\w\s]", source)
    numbers, operators = (
        [n for n, token in enumerate(tokens) if re.fullmatch(pattern, token)] for pattern in (rb"\d\w*", rb"[-+/%]")
    )
    for _ in range(rng.randint(1, 4)):
        if operators and rng.random() < 0.3:
            tokens[rng.choice(operators)] = rng.choice([b"+", b"-", b"*", b"/", b"%", b"<<", b"^", b"|"])
        elif numbers:
            strange = [b"0", b"3", b"1000000", b"0x7fffffff", b"(-1)", tokens[rng.choice(numbers)]]
            tokens[rng.choice(numbers)] = rng.choice(strange)
    return b"".join(tokens)


def joined(rng: random.Random, source: bytes) -> bytes:
    """Join the first lines of one file and the last of another."""
    first, last = source.splitlines(keepends=True), rng.choice(sources()).splitlines(keepends=True)
    return b"".join(first[: rng.randrange(len(first) + 1)] + last[rng.randrange(len(last) + 1) :])


def cut_short(rng: random.Random, source: bytes) -> bytes:
    """Cut a source anywhere and end it with any word."""
    return source[: rng.choice(tokenize(source)).end]


KINDS = {
    random_bytes: 1,
    random_words: 1,
    changed_bytes: 2,
    changed_words: 3,
    changed_meaning: 4,
    joined: 1,
    cut_short: 1,
}


def text_of(case: int) -> str:
    rng = random.Random(case)
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    data = kind(rng, rng.choice(sources()))
    return data.decode(errors=rng.choice(["surrogateescape", "replace"]))


def check_refusal(text: str, error: CompileError) -> None:
    lines = text.encode(errors="surrogatepass").count(b"\n") + 1
    assert any(d.severity is Severity.ERROR for d in error.diagnostics)
    for diagnostic in error.diagnostics:
        assert 0 <= diagnostic.line <= lines + 1
        assert diagnostic.message.strip()
        # Not what the optimiser printed, nor where on this machine it was compiled.
        assert len(diagnostic.message) < 3000 and "\n" not in diagnostic.message.strip()
        assert tempfile.gettempdir() not in diagnostic.message


def dispatch(device: Device, kernel: Kernel) -> Dispatch:
    buffers = {a.index: device.buffer(np.arange(256) % 37) for a in kernel.arguments if a.kind == "buffer"}
    memory = {a.index: 1024 for a in kernel.arguments if a.kind == "threadgroup"}
    return Dispatch(kernel, buffers, (10, 5), (8, 4), memory)


def run(device: Device, library: Library) -> Iterator[str]:
    """Yield the outcome of each kernel: its error's name."""
    for kernel in library.kernels.values():
        try:
            device.run([dispatch(device, kernel)], timeout=0.5)
        except (DeviceCrash, DeviceTimeout) as error:
            assert error.findings and all(finding.text.startswith(kernel.name) for finding in error.findings)
            yield type(error).__name__
        except PipelineError as error:
            yield type(error).__name__
        else:
            yield "finished"


def answers(device: Device, value: float) -> bool:
    out = device.empty((64,), np.float32)
    kernel = device.compile(FILL).kernels["fill"]
    device.run([Dispatch(kernel, {0: out, 1: value}, (64,), (32,))], timeout=20)
    return bool((out.array == value).all())


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def fuzz(folder: Path, cases: range) -> Counter[str]:
    """Count the outcomes of `cases`. A case that breaks something is named by the exception's note."""
    seen: Counter[str] = Counter()
    before = children()
    # Entries are pruned on the way: the cache holds a few hundred.
    with Device(cache=Cache(folder / "cache", 32 << 20), toolchain=Toolchain(Limits(memory=2 << 30), 20)) as device:
        assert answers(device, -1)
        for case in cases:
            text = text_of(case)
            started = time.monotonic()
            try:
                try:
                    library = device.compile(text)
                except CompileError as error:
                    check_refusal(text, error)
                    seen["refused"] += 1
                else:
                    seen["accepted"] += 1
                    seen.update(run(device, library))
                if case % 100 == 0:
                    assert answers(device, case)
                    # The device itself, and no compiler.
                    assert len(children() - before) <= 1
                assert time.monotonic() - started < 60
            except Exception as error:
                error.add_note(f"case {case}:\n{text!r}")
                raise
        assert answers(device, -2)
    assert not children() - before
    assert list((folder / "scratch").iterdir()) == []
    assert not list((folder / "cache").glob("tmp-*"))
    return seen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a folder `scratch` in it for all temporary files."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path


def test_hundreds_of_mutated_sources(folder: Path) -> None:
    seen = fuzz(folder, range(200))
    assert seen["refused"] > 100
    assert seen["finished"] > 10


@pytest.mark.conformance
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_sources(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = fuzz(folder, range(1000, 11_000))
    with capsys.disabled():
        sys.stdout.write(f"\n10,000 mutated sources: {dict(seen.most_common())}\n")
    assert seen["refused"] + seen["accepted"] == 10_000
    assert seen["finished"] > 500
