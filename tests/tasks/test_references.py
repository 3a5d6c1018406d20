"""References against a second implementation, at small and odd sizes; sizes, tolerances and work against TASKS.md."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import scalar
from composing import Compose
from hydra.utils import instantiate

from metalsci.task.definition import Size, Task

SIZES: dict[str, dict[str, float]] = {
    "adi3d": {"NX": 9, "NY": 6, "NZ": 5, "steps": 2},
    "compact": {"N": 700, "run": 3},
    "fft3d": {"N": 8},
    "gradshaf": {"NR": 9, "NZ": 7, "steps": 3},
    "heat2d": {"NX": 7, "NY": 5, "steps": 4},
    "hmc": {"d": 6, "K": 9, "steps": 6},
    "ising": {"NX": 8, "NY": 6, "steps": 3},
    "lbm": {"NX": 7, "NY": 5, "steps": 3},
    "lj": {"N": 64, "M": 3, "L": 7.8, "steps": 3},
    "mgvcycle": {"n": 12, "steps": 2},
    "morton": {"N": 8, "steps": 3},
    "nbody": {"N": 11, "steps": 3},
    "qsim": {"n": 5, "layers": 2},
    "saxpy": {"N": 37},
    "spmv": {"rows": 40, "exponent": 2.2, "steps": 3},
    "wave3d": {"NX": 7, "NY": 6, "NZ": 5, "steps": 4},
}


# hmc has no trajectory for a reference and is judged from the candidate's own states: see test_hmc.py.
TRAJECTORIES = sorted(SIZES.keys() - {"hmc"})


@pytest.fixture(params=sorted(SIZES))
def name(request: pytest.FixtureRequest) -> str:
    param: str = request.param
    return param


def problems(task: Task, size: Size) -> Iterator[tuple[Task, Size, Mapping[str, scalar.Array]]]:
    """Yield the benchmark's inputs and every probe, with the task that has its physics, and its size."""
    rng = np.random.default_rng(3)
    yield task, size, task.inputs(size, rng)
    for probe in task.probes(size, rng):
        yield task.with_physics(probe.physics), probe.size, probe.inputs


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_the_reference_agrees_with_scalar_loops(composed: Compose, name: str) -> None:
    task = instantiate(composed(f"task={name}").task).task
    for variant, size, inputs in problems(task, Size("small", SIZES[name])):
        want = variant.reference(size, inputs)
        second = getattr(scalar, name)(size, variant.physics, **inputs)
        assert len(want) == len(second) or name == "lj"  # which says besides what cells may count
        for a, b in zip(want, second, strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-6 if name == "saxpy" else 1e-10, atol=1e-12)


def test_lbm_conserves_mass_and_momentum(composed: Compose) -> None:
    task = instantiate(composed("task=lbm").task).task
    size = Size("small", SIZES["lbm"])
    inputs = task.inputs(size, np.random.default_rng(0))
    before = task.invariants(size, inputs, list(inputs.values()))
    after = task.invariants(size, inputs, task.reference(size, inputs))
    assert after["mass"] == pytest.approx(before["mass"], rel=1e-12)


# TASKS.md and, for compact, mgvcycle, qsim and spmv, their yaml: sizes, held-out size, iterations, and tolerance on a
# result whose largest element is 10.
FACTS = {
    "adi3d": (["64×64×64·20", "96×96×96·15", "128×128×128·10"], "256×192×128·10", 10, 1.1e-2),
    "compact": (
        ["N=262144 runs of 1", "N=1048576 runs of 1", "N=4194304 runs of 4"],
        "N=3000000 runs of 20000",
        10,
        0.0,
    ),
    "fft3d": (["32³", "64³", "128³"], "256³", 10, 1.1e-2),
    "gradshaf": (["65×65·30", "257×257·40", "513×513·30"], "129×129·35", 10, 2e-4),
    "heat2d": (["256×256·50", "512×512·100", "1024×1024·50"], "768×768·75", 10, 2e-4),
    "hmc": (["d=8 K=16384", "d=16 K=4096", "d=32 K=1024"], "d=24 K=2048", 10, 1e-2),
    "ising": (["256×256·100", "1024×1024·50", "2048×2048·25"], "1536×1536·40", 10, 0.0),
    "lbm": (["64×64·50", "128×128·100", "256×256·100"], "192×192·75", 25, 1.5e-3),
    "lj": (["N=1728·20", "N=4096·15", "N=10648·10"], "N=2744·12", 10, 1e-4),
    "mgvcycle": (["128²·4", "512²·3", "1024²·2"], "768²·3", 10, 1.01e-3),
    "morton": (["32³·120", "64³·60", "128³·30"], "256³·10", 10, 2e-4),
    "nbody": (["N=256·10", "N=1024·10", "N=2048·10"], "N=512·10", 10, 1.1e-2),
    "qsim": (["14 qubits·4", "18 qubits·2", "20 qubits·1"], "19 qubits·2", 10, 1.001e-3),
    "saxpy": (["N=1048576", "N=16777216", "N=67108864"], "N=4194304", 10, 1e-4),
    "spmv": (["16384 rows^−2.5·20", "65536 rows^−2.5·10", "262144 rows^−2.5·5"], "131072 rows^−1.9·8", 10, 1.1e-4),
    "wave3d": (["64×64×64·30", "160×160×160·20", "192×192×192·15"], "128×128×128·20", 15, 2e-4),
}


def test_sizes_and_tolerances_are_the_benchmark_s(composed: Compose, name: str) -> None:
    cfg = composed(f"task={name}").task
    problem = instantiate(cfg)
    sizes, heldout, iterations, tolerance = FACTS[name]
    assert [s.label for s in problem.sizes] == sizes
    assert problem.heldout.label == heldout
    assert cfg.iterations == iterations
    assert problem.task.tolerance.limit(np.array([10.0])) == pytest.approx(tolerance)


WORK = {  # TASKS.md, at the small size above
    "adi3d": (24 * 270 * 2, "GB/s"),
    "compact": (12 * 700, "GB/s"),
    "fft3d": (96 * 512, "GB/s"),
    "gradshaf": (12 * 9 * 7 * 3, "GB/s"),
    "heat2d": (8 * 35 * 4, "GB/s"),
    "hmc": (9 * 6 * 11 * (2 * 36 - 6), "GFLOP/s"),
    "ising": (4 * 48 * 3, "GB/s"),
    "lbm": (72 * 35 * 3, "GB/s"),
    "morton": (8 * 512 * 3, "GB/s"),
    "nbody": (20 * 121 * 3, "GFLOP/s"),
    "qsim": (16 * 32 * 20, "GB/s"),
    "saxpy": (12 * 37, "GB/s"),
    "wave3d": (12 * 210 * 4, "GB/s"),
}


def test_the_model_is_told_of_every_tolerance(composed: Compose, name: str) -> None:
    problem = instantiate(composed(f"task={name}").task)
    rms = problem.task.tolerance.rms
    assert rms is None or f"{rms:g}" in problem.task.view(problem.sizes).brief


def test_the_model_is_told_of_every_extent_in_all_its_digits(composed: Compose, name: str) -> None:
    problem = instantiate(composed(f"task={name}").task)
    numbers = problem.task.view(problem.sizes).numbers
    for size, told in zip(problem.sizes, numbers, strict=False):
        for extent, value in size.extents.items():
            assert f"{extent} = {value}" in told.split(": ")[1].split(", ")


@pytest.mark.parametrize("name", WORK)
def test_work_counts_the_bytes_or_operations_of_the_benchmark(composed: Compose, name: str) -> None:
    task = instantiate(composed(f"task={name}").task).task
    size = Size("small", SIZES[name])
    work = task.work(size, task.inputs(size, np.random.default_rng(3)))
    assert (work.amount, work.bound.unit) == WORK[name]


def test_pairs_that_the_cells_of_lj_hold_are_counted(composed: Compose) -> None:
    """Against a count over all pairs, cell by cell."""
    task = instantiate(composed("task=lj").task).task
    size = Size("small", {"N": 216, "M": 4, "L": 10.4, "steps": 3})
    inputs = task.inputs(size, np.random.default_rng(3))
    cell = np.minimum((inputs["pos"][:, :3] % size.L * (size.M / size.L)).astype(int), size.M - 1)
    apart = np.abs(cell[:, None] - cell[None, :])
    beside = (np.minimum(apart, size.M - apart) <= 1).all(axis=2).sum() - size.N
    r = inputs["pos"][:, :3].astype(np.float64)
    d = r[:, None] - r[None, :]
    d -= size.L * np.round(d / size.L)
    within = ((d**2).sum(axis=2) < task.physics["rcut"] ** 2).sum() - size.N
    work = task.work(size, inputs)
    assert work.amount == 20 * within * size.steps
    assert work.needed == 2 * (7 * beside + 9 * within) * size.steps


@pytest.mark.parametrize("name", ["nbody", "hmc", "lj"])
def test_a_perfect_kernel_of_a_compute_task_stays_below_the_peak(composed: Compose, name: str) -> None:
    """Rejected pairs, square roots and lone additions take slots that could hold a multiply-add."""
    problem = instantiate(composed(f"task={name}").task)
    for size in problem.sizes:
        work = problem.task.work(size, problem.task.inputs(size, np.random.default_rng(3)))
        assert 0.02 < work.reachable < 1.0
