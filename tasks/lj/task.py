from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.comparison import Tolerance, explain, judge
from metalsci.task.definition import Bound, Check, Probe, Size, Task, Work

_BORDER = 2e-5  # of the box: how far off single precision may put a particle
_NUDGE = 1e-3  # cells, to either side of a border
_VELOCITY = Tolerance(absolute=2e-3)
SKIN = 0.3  # by how much pairs beyond the cutoff are listed, so that one list serves many steps


class LennardJones(Task):
    """N Lennard-Jones particles in a periodic box, cell lists built again each step. Positions are (N, 4)."""

    repeatable = False  # the order within a cell is that of atomic operations, and so is that of its forces

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw a cubic lattice, each coordinate off by up to 5 % of its spacing; velocities without a mean."""
        side = round(size.N ** (1 / 3))
        spacing = size.L / side
        sites = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        r = spacing * (sites + 0.5 + rng.uniform(-0.05, 0.05, (size.N, 3)))
        v = rng.uniform(-0.3, 0.3, (size.N, 3))
        pos, vel = np.zeros((2, size.N, 4), np.float32)
        pos[:, :3] = r % size.L
        vel[:, :3] = v - v.mean(axis=0)
        return {"pos": pos, "vel": vel}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield the same gas, hotter, its particles in any order and strewn over the images of the box."""
        problem = self.inputs(size, rng)
        order = rng.permutation(size.N)
        pos, vel = problem["pos"][order], 5.0 * problem["vel"][order]
        pos[:, :3] += size.L * rng.integers(-1, 2, (size.N, 3))
        yield Probe("images", size.replace(steps=2), {"pos": pos, "vel": vel.astype(np.float32)})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield few particles, a cutoff so small that forces there are felt, and as many cells as it allows."""
        side = int(rng.choice([7, 8, 9]))
        L, rcut = 1.15 * side, rng.uniform(1.4, 2.0)
        other = size.replace(N=side**3, L=L, M=int(L / rcut), steps=2)
        yield Probe("another gas", other, self.inputs(other, rng), {"rcut": rcut, "dt": rng.uniform(0.002, 0.004)})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        pos, vel = inputs["pos"], inputs["vel"]
        N, M, most = size.N, size.M, int(self.physics["max_per_cell"])
        once = {"threads": (N, 1, 1), "threadgroup": (128, 1, 1)}
        counts = []
        for _ in range(size.steps):
            count, cells = kernels.lj_build_cells(
                pos, N, M, size.L, most,
                **once, outputs=[((M**3,), np.uint32), ((M**3 * most,), np.uint32)], init=0,
            )  # fmt: skip
            pos, vel = kernels.lj_step(
                pos, vel, count, cells, N, M, size.L, self.physics["rcut"] ** 2, self.physics["dt"], most,
                **once, outputs=[(pos.shape, pos.dtype)] * 2,
            )  # fmt: skip
            counts.append(count)
        return [pos, vel, *counts]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        r, v = (inputs[name][:, :3].astype(np.float64) for name in ("pos", "vel"))
        dt, rcut = self.physics["dt"], self.physics["rcut"]
        listed = None
        occupied = []
        for _ in range(size.steps):
            occupied.append(self._occupied(size, r))
            if listed is None or np.max(np.sum((r - listed) ** 2, axis=1)) > (0.5 * SKIN) ** 2:
                i, j = pairs(r, size.L, rcut + SKIN)
                listed = r.copy()
            d = r[j] - r[i]
            d -= size.L * np.round(d / size.L)
            r2 = np.einsum("ij,ij->i", d, d)
            inside = (r2 < rcut**2) & (r2 > 1e-12)
            inv2 = np.divide(1.0, r2, out=np.zeros_like(r2), where=inside)
            inv6 = inv2**3
            force = (-24.0 * (2.0 * inv6 * inv6 - inv6) * inv2)[:, None] * d
            for axis in range(3):
                v[:, axis] += dt * np.bincount(i, force[:, axis], size.N)
                v[:, axis] -= dt * np.bincount(j, force[:, axis], size.N)
            r += dt * v
        return [r, v, *(bound for bounds in occupied for bound in bounds)]

    def _occupied(self, size: Size, r: Array) -> tuple[Array, Array]:
        """Return the least and the most particles of each cell.

        Particles within single precision of a border may be counted on either side of it.
        """
        cells = size.M**3
        at = np.mod(r, size.L) * (size.M / size.L)
        near = np.abs(at - np.round(at)) < _BORDER * size.M
        sure = ~near.any(axis=1)
        index = np.minimum(at.astype(int), size.M - 1) @ (1, size.M, size.M**2)
        least = np.bincount(index[sure], minlength=cells)
        most = least.copy()
        for particle in np.flatnonzero(~sure):
            sides = [{int(x - _NUDGE) % size.M, int(x + _NUDGE) % size.M} if n else {int(x) % size.M}
                     for x, n in zip(at[particle] + size.M, near[particle], strict=True)]  # fmt: skip
            for x, y, z in product(*sides):
                most[x + size.M * (y + size.M * z)] += 1
        return least, most

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        """Compare positions, velocities, and the cells' counts of particles.

        An overflowing cell comes first, by its own name: its consequences would mislead.
        """
        most = int(self.physics["max_per_cell"])
        for step, count in enumerate(got[2:]):
            if count.max() > most:
                cell = int(count.argmax())
                text = f"at step {step} cell {cell} counts {count[cell]} particles, and MAX_PER_CELL is {most}"
                return Check(False, np.inf, f"cell overflow: {text}")
        for step, (count, least, highest) in enumerate(zip(got[2:], want[2::2], want[3::2], strict=True)):
            if count.sum(dtype=np.int64) != size.N or (count < least).any() or (count > highest).any():
                cell = int(np.argmax((count < least) | (count > highest)))
                text = f"cell {cell} counts {count[cell]} particles, want {least[cell]}"
                return Check(False, np.inf, f"cell_count at step {step}: {int(count.sum())} of {size.N} in all; {text}")
        check = super().check(size, [got[0][:, :3]], want[:1])
        if not check.correct:
            return check
        error = judge(got[1][:, :3], want[1], _VELOCITY)
        if not error <= 1.0:
            detail = explain(got[1][:, :3], want[1], _VELOCITY, lambda at: f"particle {at[0]}, axis {at[1]}")
            return Check(False, error, f"vel_out: {detail}")
        return Check(True, max(check.error, error), check.detail)

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        v = results[1][:, :3].astype(np.float64)
        return {"momentum": float(np.linalg.norm(v.sum(axis=0))), "kinetic energy": float(0.5 * (v * v).sum())}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        """Count 20 operations an ordered pair within the cutoff, as the benchmark does.

        But a kernel has to find them, and the 27 cells hold some ten times as many. Needed are 7 instructions for each
        pair of theirs, to see that it is too far away (3 subtractions, a product and 2 multiply-adds for r², a
        comparison), and 9 more for one that is not: a reciprocal, 2 products for 1/r⁶, 3 for the factor, and 3
        multiply-adds for the sums. Only a kernel that skips cells, or takes a pair once for both, needs fewer.
        """
        r = inputs["pos"][:, :3].astype(np.float64)
        within = 2 * len(pairs(r, size.L, self.physics["rcut"])[0])
        instructions = 7 * looked_at(r, size.L, size.M) + 9 * within
        return Work(20.0 * within * size.steps, Bound.FP32, needed=2.0 * instructions * size.steps)


def looked_at(r: Array, L: float, M: int) -> int:
    """Count the ordered pairs of different particles that the 27 cells around each particle hold."""
    cell = np.minimum((r % L * (M / L)).astype(int), M - 1) @ (1, M, M * M)
    counts = np.bincount(cell, minlength=M**3).reshape(M, M, M)
    around = counts
    for axis in range(3):
        around = around + np.roll(around, 1, axis) + np.roll(around, -1, axis)
    return int((counts * around).sum()) - len(r)


def pairs(r: Array, L: float, reach: float) -> tuple[Array, Array]:
    """Return all pairs i, j of particles closer than `reach`, nearest image, each pair once.

    Particles are sorted into cells of at least `reach`; a cell is compared with itself and with half of its neighbours.
    """
    M = int(L / reach)
    if M < 3:  # neighbours would be one cell twice
        i, j = np.triu_indices(len(r), 1)
        return _closer(r, i, j, L, reach)
    cell = np.minimum((r % L * (M / L)).astype(int), M - 1) @ (1, M, M * M)
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=M**3)
    slot = np.arange(len(r)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((M, M, M, counts.max()), -1)
    table.reshape(M**3, -1)[cell[order], slot] = order
    found = []
    for offset in range(14):  # the cell itself and the 13 before it in the 3 x 3 x 3 block
        shift = (offset // 9 - 1, offset // 3 % 3 - 1, offset % 3 - 1)
        other = np.roll(table, shift, (0, 1, 2))
        i, j = np.broadcast_arrays(table[..., :, None], other[..., None, :])
        keep = (i >= 0) & (j >= 0) & ((i < j) if offset == 13 else True)
        found.append(_closer(r, i[keep], j[keep], L, reach))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _closer(r: Array, i: Array, j: Array, L: float, reach: float) -> tuple[Array, Array]:
    d = r[j] - r[i]
    d -= L * np.round(d / L)
    near = np.einsum("ij,ij->i", d, d) < reach**2
    return i[near], j[near]
