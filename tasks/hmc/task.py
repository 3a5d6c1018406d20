from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.comparison import explain, judge
from metalsci.task.counter_hash import mix, uniform
from metalsci.task.definition import Bound, Check, Probe, Size, Task, Work


class HamiltonianMonteCarlo(Task):
    """K chains q[chain, i] that sample N(0, Σ) in d dimensions.

    Judged twice. Statistically, at the end, as in the benchmark. And step by step: random numbers are part of the
    definition, so a few single steps of the run are done again in double precision from the candidate's own state.
    """

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw Σ with eigenvalues geomspace(0.5, 2, d) under a random rotation; q ~ N(0, 4Σ)."""
        rotation, _ = np.linalg.qr(rng.standard_normal((size.d, size.d)))
        variances = np.geomspace(0.5, 2.0, size.d)
        q = _product(2.0 * (rng.standard_normal((size.K, size.d)) * np.sqrt(variances)), rotation.T)
        A = (rotation / variances) @ rotation.T
        return {"q": q.astype(np.float32), "accept": np.zeros(size.K, np.uint32), "A": A.astype(np.float32)}

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield single steps from states as a run has them, at places that nobody knows; and other chains."""
        for first in rng.choice(size.steps, min(_DRAWN, size.steps), replace=False):
            physics = {"first": float(first)}
            yield Probe(f"step {first}", size.replace(steps=1), self._underway(size, int(first), rng), physics)
        physics = {
            "first": float(rng.integers(1000)),
            "seed": float(rng.integers(1 << 31)),
            "eps": rng.uniform(0.1, 0.2),
            "L": float(rng.integers(5, 13)),
        }
        other = size.replace(K=2 * int(rng.integers(20, 200)) + 1, steps=1)
        yield Probe("other chains", other, self._underway(other, int(physics["first"]), rng), physics)

    def _underway(self, size: Size, first: int, rng: np.random.Generator) -> dict[str, Array]:
        """Draw chains that have come to their stationary distribution, which is half as wide as their start."""
        state = self.inputs(size, rng)
        if first:
            state["q"] *= np.float32(0.5)
            state["accept"] += rng.binomial(first, 0.9, size.K).astype(np.uint32)
        return state

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        """Return the state before and after each step that is checked, then the last state."""
        states: list[Sequence[Symbol]] = [(inputs["q"], inputs["accept"])]
        for step in range(size.steps):
            q, accept = states[-1]
            states.append(
                kernels.hmc_step(
                    q, accept, inputs["A"], size.K, size.d, self.physics["L"], self.physics["eps"], self._first + step,
                    self.physics["seed"],
                    threads=(size.K, 1, 1), threadgroup=(64, 1, 1),
                    outputs=[(q.shape, q.dtype), (accept.shape, accept.dtype)],
                )
            )  # fmt: skip
        return [array for step in _checked(size) for state in states[max(step, 1) : step + 2] for array in state]

    @property
    def _first(self) -> int:
        """Index of the first step; if it is given, only single steps are judged."""
        return max(int(self.physics["first"]), 0)

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Return the data that `check` needs instead of a trajectory: the initial state, and A."""
        return [inputs["q"], inputs["accept"], inputs["A"].astype(np.float64)]

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        q, accept, A = want
        arrays = iter([q, accept, *got])
        states = list(zip(arrays, arrays, strict=True))
        worst = 0.0
        # states: those after step 0, then before and after each further step; the initial one precedes the first.
        pairs = [(states[0], states[1]), *zip(states[2::2], states[3::2], strict=True)]
        for step, (before, after) in zip(_checked(size), pairs, strict=True):
            check = self._one_step(size, self._first + step, before, after, A)
            if not check.correct:
                return check
            worst = max(worst, check.error)
        if self.physics["first"] >= 0:
            return Check(True, worst, "single steps are right")
        statistics = self._statistics(size, *states[-1], A)
        return Check(statistics.correct, max(worst, statistics.error), statistics.detail)

    def _one_step(
        self, size: Size, step: int, before: tuple[Array, Array], after: tuple[Array, Array], A: Array
    ) -> Check:
        """Compare one step.

        A chain whose acceptance is closer than single precision may go either way, but nowhere else.
        """
        q, accept = before
        moved, margin = self.proposal(size, step, q.astype(np.float64), A)
        accepted = margin > 0.0
        close = np.abs(margin) < self.physics["margin"]
        went = after[1] != accept
        accepted[close] = went[close]
        want = np.where(accepted[:, None], moved, q)
        error = judge(after[0], want, self.tolerance)
        if not error <= 1.0:
            detail = explain(after[0], want, self.tolerance, lambda at: f"chain {at[0]}, i {at[1]}")
            return Check(False, error, f"q after step {step}: {detail}")
        counts = accept + accepted.astype(np.uint32)
        if not np.array_equal(after[1], counts):
            at = int(np.argmax(after[1] != counts))
            text = f"chain {at} counts {after[1][at]} acceptances, want {counts[at]}"
            return Check(
                False, np.inf, f"accept_out after step {step}: {int((after[1] != counts).sum())} wrong; {text}"
            )
        return Check(True, error, "")

    def proposal(self, size: Size, step: int, q: Array, A: Array) -> tuple[Array, Array]:
        """Return each chain's move if it accepts, and the margin of acceptance: −dH − ln u."""
        rows = max(1, _UNTHREADED // size.d**2)
        found = [self._proposal(size, step, at, q[at : at + rows], A) for at in range(0, size.K, rows)]
        moved, margin = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return moved, margin

    def _proposal(self, size: Size, step: int, start: int, q: Array, A: Array) -> tuple[Array, Array]:
        """Do the same for some chains, of which `start` is the first."""
        L, eps = int(self.physics["L"]), self.physics["eps"]
        chain = np.arange(start, start + len(q), dtype=np.uint32)[:, None] * np.uint32(0x9E3779B9) + np.uint32(
            self.physics["seed"]
        )
        counter = np.arange(step * (size.d + 1), (step + 1) * (size.d + 1), dtype=np.uint32)
        u = uniform(mix(mix(chain ^ counter)))
        r = np.sqrt(-2.0 * np.log(np.maximum(u[:, 0 : size.d : 2], 1e-7)))
        angle = 2.0 * np.pi * u[:, 1 : size.d : 2]
        p = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1).reshape(len(q), size.d)
        H0 = _energy(q, p, A)
        whole, half = eps * A, 0.5 * eps * A
        p -= q @ half
        q = q.copy()
        for leap in range(1, L + 1):
            q += eps * p
            p -= q @ (whole if leap < L else half)
        dH = _energy(q, p, A) - H0
        return q, -dH - np.log(np.maximum(u[:, size.d], 1e-30))

    def _statistics(self, size: Size, q: Array, accept: Array, A: Array) -> Check:
        if not np.isfinite(q).all():
            return Check(
                False, np.inf, f"{int((~np.isfinite(q)).any(axis=1).sum())} chains end in something not finite"
            )
        sigma = np.linalg.inv(A)
        mean = float(np.max(np.abs(q.mean(axis=0, dtype=np.float64)) / np.sqrt(np.diag(sigma))))
        cov = float(np.linalg.norm(np.cov(q, rowvar=False, dtype=np.float64) - sigma) / np.linalg.norm(sigma))
        rate = float(accept.mean(dtype=np.float64)) / size.steps
        low, high = self.physics["rate_low"], self.physics["rate_high"]
        off = abs(rate - 0.5 * (low + high)) / (0.5 * (high - low))
        error = max(mean / self.physics["mean"], cov / self.physics["cov"], off)
        detail = f"largest |mean|/σ {mean:.3f}, ‖cov − Σ‖/‖Σ‖ {cov:.3f}, acceptance rate {rate:.3f}"
        return Check(bool(error <= 1.0), error, detail)

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        """Return the mean energy; the target's is d/2, and detailed balance keeps it there."""
        if len(results) == 3 and results[2].shape == (size.d, size.d):
            return {"mean potential energy": 0.5 * size.d}
        q = results[-2].astype(np.float64)
        return {"mean potential energy": float(0.5 * np.mean(np.sum(q * _product(q, inputs["A"]), axis=1)))}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        """Count (L + 1)(2d² − d) operations a chain and step, as the benchmark does: the L + 1 gradients.

        Needed are these instructions, a dimension: d multiply-adds a gradient and one to kick; one a leap to drift; for
        both energies 2 each; for its momentum 20 of the generator and, half of each for a pair of dimensions, a
        logarithm, a root, a sine and a cosine (one each, as on a GPU), and 2 products.
        """
        d, L = size.d, self.physics["L"]
        chains = size.K * size.steps
        instructions = d * ((L + 1) * (d + 1) + L + 4 + 20 + 2 + 2)
        return Work(chains * (L + 1) * (2 * d * d - d), Bound.FP32, needed=2.0 * chains * instructions)


_DRAWN = 6  # single steps
# Multiply-adds of a product of matrices that BLAS does without threads, which spin for as long as they wait: they took
# eight times the processor time of one. So many numbers stay in a processor's cache, too.
_UNTHREADED = 1 << 18


def _checked(size: Size) -> list[int]:
    """Return the steps that are done again: the first, one in the middle, the last."""
    return sorted({0, size.steps // 2, size.steps - 1})


def _product(q: Array, A: Array) -> Array:
    """Return q @ A."""
    rows = max(1, _UNTHREADED // A.size)
    return np.concatenate([q[at : at + rows] @ A for at in range(0, len(q), rows)])


def _energy(q: Array, p: Array, A: Array) -> Array:
    energy: Array = 0.5 * (np.sum(q * (q @ A), axis=1) + np.sum(p * p, axis=1))
    return energy
