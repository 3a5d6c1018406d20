from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work


class QuantumCircuit(Task):
    """Random circuits on a state vector of n qubits: arrays (2^n, 2) of real and imaginary parts."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw a state of norm one, and a unitary for every gate."""
        state = rng.standard_normal((2**size.n, 2))
        return {
            "state": (state / np.linalg.norm(state)).astype(np.float32),
            "gates": _parts(unitaries(rng, 2 * size.n * size.layers)).astype(np.float32),
        }

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield a basis state, large enough that one layer spreads it over amplitudes of every magnitude."""
        state = np.zeros((2**size.n, 2), np.float32)
        state[rng.integers(2**size.n)] = (0.6, -0.8)
        one = size.replace(layers=1)
        yield Probe("basis state", one, {**self.inputs(one, rng), "state": state})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield gates in another order, on other qubits: a gate's qubits are arguments."""
        other = size.replace(n=int(rng.integers(5, 12)), layers=1)
        yield Probe("another circuit", other, self.inputs(other, rng), {"shuffle": float(rng.integers(1, 1 << 31))})

    def circuit(self, size: Size) -> list[tuple[int, int]]:
        """Return target and control of every gate, in order; they are equal if there is no control."""
        if shuffle := int(self.physics["shuffle"]):
            pairs = np.random.default_rng(shuffle).integers(size.n, size=(2 * size.n * size.layers, 2))
            return [(int(target), int(control)) for target, control in pairs]
        single = [(q, q) for q in range(size.n)]
        controlled = [(q, (q + 1) % size.n) for q in range(size.n)]
        gates: list[tuple[int, int]] = (single + controlled) * size.layers
        return gates

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        state = inputs["state"]
        for gate, (target, control) in enumerate(self.circuit(size)):
            (state,) = kernels.qsim_gate(
                state, inputs["gates"], size.n, gate, target, control,
                threads=(2**size.n, 1, 1), threadgroup=(256, 1, 1), outputs=[(state.shape, state.dtype)],
            )  # fmt: skip
        return [state]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        state = inputs["state"].astype(np.float64).view(np.complex128)[:, 0]
        gates = inputs["gates"].astype(np.float64).view(np.complex128)[:, 0].reshape(-1, 2, 2)
        for (target, control), u in zip(self.circuit(size), gates, strict=True):
            pairs = state.reshape(-1, 2, 2**target)
            zero, one = pairs[:, 0].copy(), pairs[:, 1].copy()
            changed = np.empty_like(pairs)
            changed[:, 0] = u[0, 0] * zero + u[0, 1] * one
            changed[:, 1] = u[1, 0] * zero + u[1, 1] * one
            if control != target:
                unset = state.reshape(-1, 2, 2**control)[:, 0]
                changed.reshape(-1, 2, 2**control)[:, 0] = unset
            state = changed.reshape(-1)
        return [_parts(state)]

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        """Return the norm, which unitary gates keep."""
        return {"norm": float(np.linalg.norm(results[0].astype(np.float64)))}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(16.0 * 2**size.n * len(self.circuit(size)), Bound.BANDWIDTH)


def unitaries(rng: np.random.Generator, count: int) -> Array:
    """Draw 2 × 2 unitary matrices: the Q of random complex ones."""
    real, imaginary = rng.standard_normal((2, count, 2, 2))
    return np.linalg.qr(real + 1j * imaginary)[0]


def _parts(z: Array) -> Array:
    """Split complex numbers into pairs of real and imaginary parts."""
    return np.ascontiguousarray(z).reshape(-1, 1).view(np.float64)
