"""References against a second implementation: scalar loops written from the equations, at small, odd sizes."""

import numpy as np
import pytest
from hydra.utils import instantiate

from metalsci.benchmark.task import Size


@pytest.fixture(params=["saxpy", "heat2d", "lbm"])
def name(request):
    return request.param


SIZES = {
    "saxpy": Size("small", {"N": 37}),
    "heat2d": Size("small", {"NX": 7, "NY": 5, "steps": 4}),
    "lbm": Size("small", {"NX": 7, "NY": 5, "steps": 3}),
}


def saxpy(size, physics, x, y):
    return np.array([physics["a"] * x[i] + y[i] for i in range(size.N)])


def heat2d(size, physics, u):
    u = u.astype(float)
    for _ in range(size.steps):
        new = u.copy()
        for j in range(1, size.NY - 1):
            for i in range(1, size.NX - 1):
                around = u[j, i - 1] + u[j, i + 1] + u[j - 1, i] + u[j + 1, i]
                new[j, i] = u[j, i] + physics["alpha"] * (around - 4 * u[j, i])
        u = new
    return u


def lbm(size, physics, f):
    c = [(0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)]
    w = [4 / 9, 1 / 9, 1 / 9, 1 / 9, 1 / 9, 1 / 36, 1 / 36, 1 / 36, 1 / 36]
    f = f.astype(float)
    for _ in range(size.steps):
        new = np.empty_like(f)
        for j in range(size.NY):
            for i in range(size.NX):
                g = [f[k, (j - c[k][1]) % size.NY, (i - c[k][0]) % size.NX] for k in range(9)]
                rho = sum(g)
                ux = sum(c[k][0] * g[k] for k in range(9)) / rho
                uy = sum(c[k][1] * g[k] for k in range(9)) / rho
                for k in range(9):
                    cu = c[k][0] * ux + c[k][1] * uy
                    feq = w[k] * rho * (1 + 3 * cu + 4.5 * cu**2 - 1.5 * (ux**2 + uy**2))
                    new[k, j, i] = g[k] - (g[k] - feq) / physics["tau"]
        f = new
    return f


def test_the_reference_agrees_with_scalar_loops(composed, name):
    task = instantiate(composed(f"task={name}").task).task
    size = SIZES[name]
    inputs = task.inputs(size, np.random.default_rng(3))
    (want,) = task.reference(size, inputs)
    second = globals()[name](size, task.physics, *inputs.values())
    np.testing.assert_allclose(want, second, rtol=1e-6 if name == "saxpy" else 1e-12)


def test_lbm_conserves_mass_and_momentum(composed):
    task = instantiate(composed("task=lbm").task).task
    size = SIZES["lbm"]
    (f0,) = task.inputs(size, np.random.default_rng(0)).values()
    (f,) = task.reference(size, {"f": f0})
    np.testing.assert_allclose(f.sum(), f0.sum(dtype=float), rtol=1e-12)


FACTS = {  # TASKS.md: sizes, held-out size, iterations, tolerance on a result whose largest element is 10
    "saxpy": (["N=1048576", "N=16777216", "N=67108864"], "N=4194304", 10, 1e-4),
    "heat2d": (["256×256·50", "512×512·100", "1024×1024·50"], "768×768·75", 10, 2e-4),
    "lbm": (["64×64·50", "128×128·100", "256×256·100"], "192×192·75", 25, 1.5e-3),
}


def test_sizes_and_tolerances_are_the_benchmark_s(composed, name):
    cfg = composed(f"task={name}").task
    problem = instantiate(cfg)
    sizes, heldout, iterations, tolerance = FACTS[name]
    assert [s.label for s in problem.sizes] == sizes
    assert problem.heldout.label == heldout
    assert cfg.iterations == iterations
    assert problem.task.tolerance.limit(np.array([10.0])) == pytest.approx(tolerance)


def test_work_counts_the_bytes_of_the_benchmark(composed, name):
    problem = instantiate(composed(f"task={name}").task)
    work = problem.task.work(SIZES[name], {})
    cells = {"saxpy": 12 * 37, "heat2d": 8 * 35 * 4, "lbm": 72 * 35 * 3}
    assert work.amount == cells[name]
    assert work.bound.unit == "GB/s"


@pytest.mark.parametrize("spoil", ["zeros", "ones", "mean", "input", "one cell", "nan", "sign", "shift"])
def test_the_check_rejects_what_is_not_the_answer(composed, name, spoil):
    task = instantiate(composed(f"task={name}").task).task
    size = Size("medium", {"N": 4096, "NX": 48, "NY": 32, "steps": 20})
    inputs = task.inputs(size, np.random.default_rng(1))
    (want,) = task.reference(size, inputs)
    right = want.astype(np.float32)
    assert task.check(size, [right], [want]).correct
    got = {
        "zeros": np.zeros_like(right),
        "ones": np.ones_like(right),
        "mean": np.full_like(right, right.mean()),
        "input": next(iter(inputs.values())),
        "one cell": right.copy(),
        "nan": right.copy(),
        "sign": -right,
        "shift": np.roll(right, 1, axis=-1),
    }[spoil]
    if spoil in ("one cell", "nan"):
        where = tuple(n // 2 for n in right.shape)
        got[where] = np.nan if spoil == "nan" else got[where] + 0.01
    check = task.check(size, [got], [want])
    assert not check.correct
    assert "first" in check.detail
    if spoil in ("one cell", "nan"):
        assert f"first {list(where)}" in check.detail
        assert "1 of" in check.detail
