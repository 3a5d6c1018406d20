"""A candidate that compiles to the code of an earlier one is not evaluated, in a resumed search neither."""

from composing import Compose
from hydra.utils import instantiate

from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.verdicts import Verdict
from metalsci.search.archive import Archive, Entry
from metalsci.search.code_twins import CodeTwins

SMALL = ("task=heat2d", "task.sizes=[{NX: 40, NY: 24, steps: 3}]", "task.heldout={NX: 33, NY: 17, steps: 3}")


def test_the_same_code_is_told_and_not_run(composed: Compose) -> None:
    cfg = composed(*SMALL, "device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    problem, device, twins = instantiate(cfg.task), instantiate(cfg.device), CodeTwins()
    seed = problem.task.seed_kernel
    ordered = seed.replace(
        "    const uint i = gid.x;\n    const uint j = gid.y;", "    const uint j = gid.y, i = gid.x;"
    )
    other = seed.replace("    const uint i =", "    if (NX == 4000000007u) return;\n    const uint i =")
    assert seed not in (ordered, other) and ordered != other
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 2), Stopwatch(), twin=twins.told) as evaluator:
        archive = Archive(Entry(0, seed, evaluator.evaluate(seed)))
        twins.entry(archive)
        again = evaluator.evaluate(ordered)
        assert again.outcome is Outcome.DUPLICATE
        assert again.message == "it compiles to the same code as the seed kernel"
        fresh = evaluator.evaluate(other)
        assert fresh.outcome is Outcome.SCORED, fresh
        archive.add(Entry(7, other, fresh))
        twins.entry(archive)
        assert twins.told(fresh.code).endswith("iteration 7")
    judged = HeldOutGate(repeats=2, warmup=1).judge(
        task=problem.task, size=problem.heldout, device=device, inputs_seed=0, seed_kernel=seed, incumbent=ordered,
        watch=Stopwatch(),
    )  # fmt: skip
    assert judged.verdict is Verdict.TIED
    assert "the same code" in judged.evidence
    device.close()
