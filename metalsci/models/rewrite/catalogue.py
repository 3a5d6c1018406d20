"""Which rewrites there are, how often each is drawn, and which it makes worth trying next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metalsci.models.rewrite.change import Rewrite
from metalsci.models.rewrite.transforms.algebra import ContractToFma, FactorOut, PairwiseSum
from metalsci.models.rewrite.transforms.bold import DropBarrier, DropGuard, HalfTemporaries
from metalsci.models.rewrite.transforms.common import CommonParts, CommonSubexpressions
from metalsci.models.rewrite.transforms.copies import PropagateCopies, RemoveUnused
from metalsci.models.rewrite.transforms.guards import EarlyReturn, GuardedBody, ReturnToElse, SelectStore
from metalsci.models.rewrite.transforms.integers import SignedIndices, UnsignedDivision
from metalsci.models.rewrite.transforms.interior import JoinInterior, SplitInterior
from metalsci.models.rewrite.transforms.intrinsics import CheaperCalls
from metalsci.models.rewrite.transforms.invariants import LoopInvariants
from metalsci.models.rewrite.transforms.kernels import LocalCopies, ThreadgroupCap
from metalsci.models.rewrite.transforms.reciprocals import ReciprocalOnce
from metalsci.models.rewrite.transforms.remainders import (
    PowerOfTwo,
    QuotientByReciprocal,
    RemainderFromQuotient,
    WrapByComparison,
)
from metalsci.models.rewrite.transforms.scalars import MergeAccumulation, ScalarReplacement
from metalsci.models.rewrite.transforms.simplification import Simplify
from metalsci.models.rewrite.transforms.tables import FoldTables
from metalsci.models.rewrite.transforms.unrolling import UnrollByFactor, UnrollLoop, UnrollPragma


@dataclass(frozen=True)
class Entry:
    """`weight` is relative to the other entries that apply; `leads_to` gives, by name, the probability that a
    rewrite follows at once. A `bold` rewrite is often wrong: few proposals draw one, and then one change of it.
    """

    rewrite: Rewrite
    weight: float
    leads_to: Mapping[str, float] = field(default_factory=dict)
    bold: bool = False


Catalogue = Mapping[str, Entry]

_CLEAN = {"simplify": 1.0, "propagate copies": 0.9, "remove unused": 1.0}


def default_catalogue() -> Catalogue:
    """What removes expensive arithmetic comes often, what only reshapes seldom, what is often wrong rarely."""
    return {
        "wrap by comparison": Entry(WrapByComparison(), 4.0, {"propagate copies": 0.9, "remove unused": 1.0}),
        "reciprocal once": Entry(ReciprocalOnce(), 3.0),
        "unroll loop": Entry(UnrollLoop(), 3.0, {"fold tables": 0.95, "scalars": 0.85, "merge accumulation": 0.7}),
        "fold tables": Entry(FoldTables(), 2.0, _CLEAN),
        "simplify": Entry(Simplify(), 1.0, {"propagate copies": 0.9, "remove unused": 0.9}),
        "propagate copies": Entry(PropagateCopies(), 0.2, {"simplify": 0.9}),
        "remove unused": Entry(RemoveUnused(), 0.1),
        "scalars": Entry(ScalarReplacement(), 1.5, {"merge accumulation": 0.6}),
        "merge accumulation": Entry(MergeAccumulation(), 0.7),
        "common subexpressions": Entry(CommonSubexpressions(), 1.5, {"propagate copies": 1.0}),
        "common parts": Entry(CommonParts(), 1.0, {"propagate copies": 1.0}),
        "loop invariants": Entry(LoopInvariants(), 1.5),
        "signed indices": Entry(SignedIndices(), 2.0),
        "unsigned division": Entry(UnsignedDivision(), 0.7),
        "power of two": Entry(PowerOfTwo(), 1.0),
        "remainder from quotient": Entry(RemainderFromQuotient(), 1.5),
        "quotient by reciprocal": Entry(QuotientByReciprocal(), 0.7),
        "cheaper calls": Entry(CheaperCalls(), 2.0),
        "fma": Entry(ContractToFma(), 0.7),
        "factor out": Entry(FactorOut(), 0.6),
        "pairwise sum": Entry(PairwiseSum(), 0.4),
        "unroll pragma": Entry(UnrollPragma(), 0.8),
        "unroll by 4": Entry(UnrollByFactor(4), 0.8),
        "unroll by 2": Entry(UnrollByFactor(2), 0.4),
        "local copies": Entry(LocalCopies(), 0.5),
        "guarded body": Entry(GuardedBody(), 0.4),
        "early return": Entry(EarlyReturn(), 0.4),
        "return to else": Entry(ReturnToElse(), 0.4, {"select store": 0.5}),
        "select store": Entry(SelectStore(), 0.6),
        "split interior": Entry(SplitInterior(), 0.3),
        "join interior": Entry(JoinInterior(), 0.6, {"simplify": 0.5}),
        "cap 256": Entry(ThreadgroupCap(256), 0.2),
        "cap 512": Entry(ThreadgroupCap(512), 0.1),
        "cap 1024": Entry(ThreadgroupCap(1024), 0.1),
        "cap 128": Entry(ThreadgroupCap(128), 0.1),
        "cap 64": Entry(ThreadgroupCap(64), 0.1),
        "drop guard": Entry(DropGuard(), 1.0, bold=True),
        "drop barrier": Entry(DropBarrier(), 1.0, bold=True),
        "half temporaries": Entry(HalfTemporaries(), 0.5, bold=True),
    }
