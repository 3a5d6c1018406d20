"""Every task a second time: scalar loops written from the equations of the brief, in Python's own numbers.

Each function takes a size, the physics and the inputs, and returns what the task's reference must.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metalsci.task.definition import Size

Physics = Mapping[str, float]
Array = NDArray[Any]  # of numbers, whatever their type
Grid = dict[tuple[int, int], float]


def mix(x: int) -> int:
    x &= 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)


def saxpy(size: Size, physics: Physics, x: Array, y: Array) -> list[Array]:
    return [np.array([physics["a"] * x[i] + y[i] for i in range(size.N)])]


def heat2d(size: Size, physics: Physics, u: Array) -> list[Array]:
    u = u.astype(float)
    for _ in range(size.steps):
        new = u.copy()
        for j in range(1, size.NY - 1):
            for i in range(1, size.NX - 1):
                around = u[j, i - 1] + u[j, i + 1] + u[j - 1, i] + u[j + 1, i]
                new[j, i] = u[j, i] + physics["alpha"] * (around - 4 * u[j, i])
        u = new
    return [u]


def around3d(u: Array, k: int, j: int, i: int) -> Any:
    return u[k, j, i - 1] + u[k, j, i + 1] + u[k, j - 1, i] + u[k, j + 1, i] + u[k - 1, j, i] + u[k + 1, j, i]


def wave3d(size: Size, physics: Physics, u_prev: Array, u_curr: Array) -> list[Array]:
    previous, current = u_prev.astype(float), u_curr.astype(float)
    for _ in range(size.steps):
        new = current.copy()
        for k in range(1, size.NZ - 1):
            for j in range(1, size.NY - 1):
                for i in range(1, size.NX - 1):
                    u = current[k, j, i]
                    laplacian = around3d(current, k, j, i) - 6 * u
                    new[k, j, i] = 2 * u - previous[k, j, i] + physics["alpha"] * laplacian
        previous, current = current, new
    return [current]


def nbody(size: Size, physics: Physics, pos: Array, vel: Array, mass: Array) -> list[Array]:
    r, v, m = pos[:, :3].astype(float), vel[:, :3].astype(float), mass.astype(float)
    for _ in range(size.steps):
        a = np.zeros_like(r)
        for i in range(size.N):
            for j in range(size.N):
                if j != i:
                    d = r[j] - r[i]
                    a[i] += physics["G"] * m[j] * d / (d @ d + physics["eps"] ** 2) ** 1.5
        v = v + a * physics["dt"]
        r = r + v * physics["dt"]
    return [r, v]


def lbm(size: Size, physics: Physics, f: Array) -> list[Array]:
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
    return [f]


def ising(size: Size, physics: Physics, spins: Array, p_accept: Array) -> list[Array]:
    s = spins.astype(int)
    for step in range(2 * size.steps):
        new = s.copy()
        for j in range(size.NY):
            for i in range(size.NX):
                if (i + j) % 2 != step % 2:
                    continue
                h = s[j, i - 1] + s[j, (i + 1) % size.NX] + s[j - 1, i] + s[(j + 1) % size.NY, i]
                x = mix(mix(int(physics["seed"]) + step * 0x9E3779B9) ^ (j * size.NX + i))
                if (x >> 8) / 2**24 < p_accept[(s[j, i] * h + 4) // 2]:
                    new[j, i] = -s[j, i]
        s = new
    return [s]


def gradshaf(size: Size, physics: Physics, psi: Array) -> list[Array]:
    psi = psi.astype(float)
    dr = (physics["Rmax"] - physics["Rmin"]) / (size.NR - 1)
    dz = (physics["Zmax"] - physics["Zmin"]) / (size.NZ - 1)
    north, centre = 1 / dz**2, -2 / dr**2 - 2 / dz**2
    for _ in range(size.steps):
        axis = max(psi[j, i] for j in range(1, size.NZ - 1) for i in range(1, size.NR - 1))
        new = psi.copy()
        for j in range(1, size.NZ - 1):
            for i in range(1, size.NR - 1):
                r = physics["Rmin"] + i * dr
                n = psi[j, i] / axis
                source = r * physics["p_axis"] * 4 * n * (1 - n) if 0 < n < 1 else 0
                star = (1 / dr**2 + 1 / (2 * r * dr)) * psi[j, i - 1] + (1 / dr**2 - 1 / (2 * r * dr)) * psi[j, i + 1]
                star += north * (psi[j - 1, i] + psi[j + 1, i]) + centre * psi[j, i]
                new[j, i] = psi[j, i] + physics["omega"] * (-physics["mu0"] * r * source - star) / centre
        psi = new
    return [psi]


def morton(size: Size, physics: Physics, u: Array) -> list[Array]:
    bits = int(math.log2(size.N))

    def index(x: int, y: int, z: int) -> int:
        return int("".join(f"{z >> b & 1}{y >> b & 1}{x >> b & 1}" for b in reversed(range(bits))), 2)

    u = u.astype(float)
    for _ in range(size.steps):
        new = u.copy()
        inner = range(1, size.N - 1)
        for x, y, z in ((x, y, z) for x in inner for y in inner for z in inner):
            around = u[index(x - 1, y, z)] + u[index(x + 1, y, z)] + u[index(x, y - 1, z)]
            around += u[index(x, y + 1, z)] + u[index(x, y, z - 1)] + u[index(x, y, z + 1)]
            here = u[index(x, y, z)]
            new[index(x, y, z)] = here + physics["alpha"] * (around - 6 * here)
        u = new
    return [u]


def hmc(size: Size, physics: Physics, q: Array, accept: Array, **rest: Array) -> list[Array]:
    """Return the states that the program returns: after step 0, and around each further step that is checked."""

    def energy(q: Array, p: Array) -> Any:
        d = range(size.d)
        return sum(0.5 * q[i] * a[i, j] * q[j] for i in d for j in d) + sum(0.5 * x * x for x in p)

    def uniform(chain: int, counter: int) -> float:
        return (mix(mix((int(physics["seed"]) + chain * 0x9E3779B9 & 0xFFFFFFFF) ^ counter)) >> 8) / 2**24

    q, accept, a = q.astype(float), accept.copy(), rest["A"].astype(float)
    states = [(q, accept)]
    for step in range(size.steps):
        q, accept = q.copy(), accept.copy()
        for chain in range(size.K):
            base = step * (size.d + 1)
            x, p = q[chain].copy(), np.zeros(size.d)
            for i in range(0, size.d, 2):
                r = math.sqrt(-2 * math.log(max(uniform(chain, base + i), 1e-7)))
                angle = 2 * math.pi * uniform(chain, base + i + 1)
                p[i], p[i + 1] = r * math.cos(angle), r * math.sin(angle)
            before = energy(x, p)
            for _ in range(int(physics["L"])):  # half kick, drift, half kick: the kicks between are two halves
                p = p - 0.5 * physics["eps"] * np.array(
                    [sum(a[i, j] * x[j] for j in range(size.d)) for i in range(size.d)]
                )
                x = x + physics["eps"] * p
                p = p - 0.5 * physics["eps"] * np.array(
                    [sum(a[i, j] * x[j] for j in range(size.d)) for i in range(size.d)]
                )
            if math.log(max(uniform(chain, base + size.d), 1e-30)) < before - energy(x, p):
                q[chain] = x
                accept[chain] += 1
        states.append((q, accept))
    middle = size.steps // 2
    chosen = [states[1], *states[middle : middle + 2], *states[-2:]]
    return [array for state in chosen for array in state]


def lj(size: Size, physics: Physics, pos: Array, vel: Array) -> list[Array]:
    r, v = pos[:, :3].astype(float), vel[:, :3].astype(float)
    for _ in range(size.steps):
        a = np.zeros_like(r)
        for i in range(size.N):
            for j in range(size.N):
                d = r[j] - r[i]
                d = d - size.L * np.round(d / size.L)
                if 1e-12 < d @ d < physics["rcut"] ** 2:
                    a[i] -= 24 * (2 / (d @ d) ** 6 - 1 / (d @ d) ** 3) / (d @ d) * d
        v = v + a * physics["dt"]
        r = r + v * physics["dt"]
    return [r, v]


def fft3d(size: Size, physics: Physics, x: Array) -> list[Array]:
    n = np.arange(size.N)
    matrix = np.array([[complex(math.cos(2 * math.pi * a * b / size.N), -math.sin(2 * math.pi * a * b / size.N))
                        for a in n] for b in n])  # fmt: skip
    field = x[..., 0].astype(float) + 1j * x[..., 1]
    for axis in range(3):
        field = np.moveaxis(np.tensordot(matrix, field, (1, axis)), 0, axis)
    return [np.stack([field.real, field.imag], axis=-1)]


def tridiagonal(u: Array, mu: float) -> Array:
    """Solve the dense system by Gaussian elimination, ends held."""
    n = len(u)
    matrix = [[(1 + 2 * mu) * (a == b) - mu * (abs(a - b) == 1) for b in range(n)] for a in range(n)]
    matrix[0] = [float(b == 0) for b in range(n)]
    matrix[-1] = [float(b == n - 1) for b in range(n)]
    return np.linalg.solve(np.array(matrix), u)


def adi3d(size: Size, physics: Physics, u: Array) -> list[Array]:
    u = u.astype(float)
    for _ in range(size.steps):
        for axis in (2, 1, 0):
            lines = np.moveaxis(u, axis, 2)
            for a in range(1, lines.shape[0] - 1):
                for b in range(1, lines.shape[1] - 1):
                    lines[a, b] = tridiagonal(lines[a, b], physics["mu"])
    return [u]


def qsim(size: Size, physics: Physics, state: Array, gates: Array) -> list[Array]:
    """Apply every gate as the full 2^n × 2^n matrix."""
    psi = state[:, 0].astype(float) + 1j * state[:, 1]
    u = (gates[:, 0].astype(float) + 1j * gates[:, 1]).reshape(-1, 2, 2)
    number = 0
    for _ in range(size.layers):
        for target, control in [(q, None) for q in range(size.n)] + [(q, (q + 1) % size.n) for q in range(size.n)]:
            matrix = np.zeros((2**size.n, 2**size.n), complex)
            for row in range(2**size.n):
                if control is not None and not row >> control & 1:
                    matrix[row, row] = 1
                    continue
                for bit in range(2):
                    matrix[row, row & ~(1 << target) | bit << target] = u[number][row >> target & 1][bit]
            psi = matrix @ psi
            number += 1
    return [np.stack([psi.real, psi.imag], axis=-1)]


def spmv(size: Size, physics: Physics, row_start: Array, column: Array, value: Array, x: Array) -> list[Array]:
    matrix = np.zeros((size.rows, size.rows))
    for i in range(size.rows):
        for e in range(row_start[i], row_start[i + 1]):
            matrix[i, column[e]] += value[e]
    x = x.astype(float)
    for _ in range(size.steps):
        x = matrix @ x
    return [x]


def compact(size: Size, physics: Physics, x: Array) -> list[Array]:
    kept = [v for v in x.tolist() if v > physics["threshold"]]
    return [np.array(kept + [0.0] * (size.N - len(kept))), np.array([len(kept)])]


def mgvcycle(size: Size, physics: Physics, u: Array, f: Array, zero: Array) -> list[Array]:
    """Run the cycle on grids that are dictionaries from points to values."""

    def minus_laplacian(u: Grid, i: int, j: int, n: int) -> float:
        return (4 * u[i, j] - u[i - 1, j] - u[i + 1, j] - u[i, j - 1] - u[i, j + 1]) * n * n

    def smooth(n: int, u: Grid, f: Grid) -> Grid:
        inner = [(i, j) for i in range(1, n) for j in range(1, n)]
        changed = {p: u[p] + physics["omega"] / (4 * n * n) * (f[p] - minus_laplacian(u, *p, n)) for p in inner}
        return {**u, **changed}

    def interpolated(e: Grid, i: int, j: int) -> float:
        if i % 2:
            return (interpolated(e, i - 1, j) + interpolated(e, i + 1, j)) / 2
        if j % 2:
            return (interpolated(e, i, j - 1) + interpolated(e, i, j + 1)) / 2
        return e[i // 2, j // 2]

    def cycle(n: int, u: Grid, f: Grid) -> Grid:
        if n % 2 or n == 2:
            for _ in range(int(physics["coarsest"])):
                u = smooth(n, u, f)
            return u
        for _ in range(int(physics["sweeps"])):
            u = smooth(n, u, f)
        inner = range(1, n)
        r = {(i, j): f[i, j] - minus_laplacian(u, i, j, n) for i in inner for j in inner}
        coarse = {(i, j): 0.0 for i in range(n // 2 + 1) for j in range(n // 2 + 1)}
        weights = {(a, b): (2 - abs(a)) * (2 - abs(b)) / 16 for a in (-1, 0, 1) for b in (-1, 0, 1)}
        restricted = {
            (i, j): sum(w * r[2 * i + a, 2 * j + b] for (a, b), w in weights.items())
            for i in range(1, n // 2)
            for j in range(1, n // 2)
        }
        e = cycle(n // 2, coarse, {**coarse, **restricted})
        u = {p: value + interpolated(e, *p) for p, value in u.items()}
        for _ in range(int(physics["sweeps"])):
            u = smooth(n, u, f)
        return u

    points = range(size.n + 1)
    grids = [{(i, j): float(a[j, i]) for i in points for j in points} for a in (u, f)]
    for _ in range(size.steps):
        grids[0] = cycle(size.n, *grids)
    return [np.array([[grids[0][i, j] for i in points] for j in points])]
