"""Checks that discriminate: wrong results are rejected, by a probe or by the benchmark's own inputs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate
from spoil import SPOILS, right

from metalsci.devices.program import Array
from metalsci.task.definition import Size, Task
from metalsci.task.references import References

SMALL: dict[str, dict[str, float]] = {
    "adi3d": {"NX": 24, "NY": 24, "NZ": 24, "steps": 10},
    "compact": {"N": 3000, "run": 3},
    "fft3d": {"N": 16},
    "gradshaf": {"NR": 33, "NZ": 33, "steps": 20},
    "heat2d": {"NX": 48, "NY": 48, "steps": 20},
    "ising": {"NX": 48, "NY": 48, "steps": 20},
    "lbm": {"NX": 48, "NY": 48, "steps": 20},
    "lj": {"N": 512, "M": 3, "L": 9.2, "steps": 10},
    "mgvcycle": {"n": 48, "steps": 2},
    "morton": {"N": 16, "steps": 20},
    "nbody": {"N": 256, "steps": 10},
    "qsim": {"n": 10, "layers": 2},
    "saxpy": {"N": 4096},
    "spmv": {"rows": 1000, "exponent": 2.2, "steps": 5},
    "wave3d": {"NX": 24, "NY": 24, "NZ": 24, "steps": 10},
}


def problems(task: Task, size: Size) -> list[tuple[Task, Size, Mapping[str, Array], Sequence[Array]]]:
    """Yield probes first, as a bench does it, each with the right results."""
    rng = np.random.default_rng(11)
    inputs = task.inputs(size, rng)
    probes = [*task.probes(size, rng), *task.drawn(size, rng)]
    given = [*((task.with_physics(p.physics), p.size, p.inputs) for p in probes), (task, size, inputs)]
    references = References()
    return [(t, s, i, references.get(t, s, f"discrimination {n}", i)) for n, (t, s, i) in enumerate(given)]


def assert_discriminates(task: Task, size: Size) -> None:
    stated = problems(task, size)
    for variant, extents, _, want in stated:
        check = variant.check(extents, right(variant, extents, want), want)
        assert check.correct, f"{size.label}: what is right is rejected: {check.detail}"
    for name, spoil in SPOILS.items():
        verdicts = []
        for variant, extents, inputs, want in stated:
            got = spoil(variant, extents, inputs, right(variant, extents, want))
            if got is not None:
                verdicts.append(variant.check(extents, got, want).correct)
            if verdicts and not verdicts[-1]:
                break
        assert not all(verdicts) or not verdicts, f"{size.label}: {name} passes"


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_is_not_the_answer_is_rejected(composed: Compose, name: str) -> None:
    task = instantiate(composed(f"task={name}").task).task
    assert_discriminates(task, Size("small", SMALL[name]))


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_is_not_the_answer_is_rejected_at_every_size(composed: Compose, name: str) -> None:
    problem = instantiate(composed(f"task={name}").task)
    for size in (*problem.sizes, problem.heldout):
        assert_discriminates(problem.task, size)
