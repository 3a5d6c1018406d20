"""Rewritten kernels compute what the originals computed: both run on the software device."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rewrite_cases import applied, changes, kernel

from metalsci.cpu_metal import Device, Dispatch
from metalsci.models.protocol import Prompt
from metalsci.models.rewriter import Rewriter
from metalsci.optimizer.catalogue import default_catalogue
from metalsci.optimizer.transforms.bold import DropBarrier, DropGuard, HalfTemporaries
from metalsci.optimizer.transforms.interior import SplitInterior
from metalsci.optimizer.transforms.unrolling import UnrollLoop

Floats = npt.NDArray[np.float32]

SIDE = 20  # no multiple of the threadgroup's 8
TASKS = Path(__file__).parents[2] / "tasks"
MIXED = kernel(
    """
    if (gid.x >= N || gid.y >= N) return;
    const uint c = gid.y * N + gid.x;
    const uint row = c / N;
    const uint column = c % N;
    float weights[3];
    for (int k = 0; k < 3; ++k) weights[k] = W[k] + float(CX[k]) * dt;
    float sum = 0.0f;
    for (uint k = 0; k < N; ++k) {
        sum += a[row * N + k] * weights[0] / dt;
    }
    const float norm = 1.0f / sqrt(1.0f + sum * sum);
    if (column == 0) {
        out[c] = norm;
        return;
    }
    out[c] = sum * norm + weights[1] * a[column] + weights[2] * pow(1.0f + dt, 2.0f) + float(c % 8u);
    """,
    head="constant int CX[3] = {0, 1, -1};\nconstant float W[3] = {0.5f, 0.25f, 0.25f};\n",
)
SHAPED = kernel(
    """
    if (gid.x < N && gid.y < N) {
        const int n = int(N);
        const int c = int(gid.y) * n + int(gid.x);
        const float x = a[c / n] + a[c % n];
        if (c > n) out[c] = x;
        else out[c] = x * dt;
    }
    """
)
LBM = (TASKS / "lbm" / "seed.metal").read_text()
SOURCES = {
    "mixed": MIXED,
    "shaped": SHAPED,
    "lbm": LBM,
    "unrolled": applied(LBM, SplitInterior(), UnrollLoop()),
    "heat2d": (TASKS / "heat2d" / "seed.metal").read_text(),
}
CAREFUL = {
    name: entry
    for name, entry in default_catalogue().items()
    if not isinstance(entry.rewrite, DropBarrier | DropGuard | HalfTemporaries)
}
ALIKE = {
    "a cap of 128 threads",
    "a cap of 256 threads",
    "a cap of 512 threads",
    "a cap of 1024 threads",
    "unrolling by 4",
}


def _applicable() -> Iterator[tuple[str, str]]:
    """Yield each rewrite with the first two sources that it changes."""
    for name in CAREFUL.keys() - ALIKE:
        sources = [source for source, text in SOURCES.items() if changes(CAREFUL[name].rewrite, text)]
        yield from ((source, name) for source in sources[:2])


APPLICABLE = sorted(_applicable())


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device() as device:
        yield device


def run(device: Device, source: str) -> Floats:
    """Return the output of one dispatch on inputs that are the same for every source of one signature."""
    (kernel,) = device.compile(source).kernels.values()
    fields = 9 if "lbm" in kernel.name else 1
    rng = np.random.default_rng(0)
    field = (rng.random((fields, SIDE, SIDE)) + 0.5).astype(np.float32)
    scalars = {"uint": np.array([SIDE], np.uint32), "float": np.array([0.7], np.float32)}
    arrays = [field, np.zeros_like(field), *(scalars[a.type] for a in kernel.arguments[2:])]
    buffers = [device.buffer(array) for array in arrays]
    group = 8 if kernel.max_total_threads_per_threadgroup >= 64 else 4
    bound = dict(enumerate(buffers))
    device.run([Dispatch(kernel, bound, threads=(SIDE, SIDE, 1), threadgroup=(group, group, 1))])
    return np.array(buffers[1].array, dtype=np.float32)


@pytest.fixture(scope="module")
def expected(device: Device) -> dict[str, Floats]:
    return {name: run(device, source) for name, source in SOURCES.items()}


@pytest.mark.parametrize(("source", "rewrite"), APPLICABLE, ids=lambda value: value.replace(" ", "-"))
def test_a_rewrite_keeps_the_results(source: str, rewrite: str, device: Device, expected: dict[str, Floats]) -> None:
    after = applied(SOURCES[source], CAREFUL[rewrite].rewrite)
    np.testing.assert_allclose(run(device, after), expected[source], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("source", ["lbm", "mixed", "heat2d"])
def test_a_chain_of_proposals_keeps_the_results(
    source: str, seed: int, device: Device, expected: dict[str, Floats]
) -> None:
    """Each proposal is the parent of the next, whether it is faster or not."""
    rewriter, parent = Rewriter(seed, catalogue=CAREFUL), SOURCES[source]
    for iteration in range(1, 4):
        answer = rewriter.propose(Prompt("", "", iteration, parent))
        parent = answer.text.split("```metal\n")[1].removesuffix("```\n")
    np.testing.assert_allclose(run(device, parent), expected[source], rtol=5e-5, atol=5e-6)


def test_every_careful_rewrite_was_seen_at_work() -> None:
    only_after_others = {"pairwise sums", "copy propagation", "dead declarations"}
    assert CAREFUL.keys() - {rewrite for _, rewrite in APPLICABLE} == ALIKE | only_after_others
