"""The rewrites there are, how often each is drawn, and which of them it makes worth trying next."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from metalsci.optimizer.change import Rewrite
from metalsci.optimizer.transforms.algebra import ContractToFma, FactorOut, PairwiseSum
from metalsci.optimizer.transforms.bold import DropBarrier, DropGuard, HalfTemporaries
from metalsci.optimizer.transforms.common import CommonParts, CommonSubexpressions
from metalsci.optimizer.transforms.copies import PropagateCopies, RemoveUnused
from metalsci.optimizer.transforms.guards import EarlyReturn, GuardedBody, ReturnToElse, SelectStore
from metalsci.optimizer.transforms.integers import SignedIndices, UnsignedDivision
from metalsci.optimizer.transforms.interior import JoinInterior, SplitInterior
from metalsci.optimizer.transforms.intrinsics import CheaperCalls
from metalsci.optimizer.transforms.invariants import LoopInvariants
from metalsci.optimizer.transforms.kernels import LocalCopies, ThreadgroupCap
from metalsci.optimizer.transforms.reciprocals import ReciprocalOnce
from metalsci.optimizer.transforms.remainders import (
    PowerOfTwo,
    QuotientByReciprocal,
    RemainderFromQuotient,
    WrapByComparison,
)
from metalsci.optimizer.transforms.scalars import MergeAccumulation, ScalarReplacement
from metalsci.optimizer.transforms.simplification import Simplify
from metalsci.optimizer.transforms.tables import FoldTables
from metalsci.optimizer.transforms.unrolling import UnrollByFactor, UnrollLoop, UnrollPragma


@dataclass(frozen=True)
class CatalogueEntry:
    """A rewrite with its weight.

    weight: relative to the other entries that apply.
    leads_to: by name, the probability that a rewrite follows at once.
    undoes: rewrites that no proposal makes together with this one.
    bold: it is often wrong: few proposals draw one, and then one change of it.
    """

    rewrite: Rewrite
    weight: float
    leads_to: Mapping[str, float] = field(default_factory=dict)
    undoes: str = ""
    bold: bool = False


Catalogue = Mapping[str, CatalogueEntry]


def adjusted(catalogue: Catalogue, added: Mapping[str, CatalogueEntry], weights: Mapping[str, float]) -> Catalogue:
    """Return the catalogue with further entries and other weights; a weight of 0 leaves an entry out.

    Raises ValueError for the weight of an unknown entry, and for one below 0.
    """
    entries = {**catalogue, **added}
    for name, weight in weights.items():
        if name not in entries:
            guesses = difflib.get_close_matches(name, entries, n=1) or sorted(entries)
            raise ValueError(f"model.weights: no rewrite is called {name!r}; there is {', '.join(guesses)}")
        if weight < 0:
            raise ValueError(f"model.weights: {name!r} has weight {weight}; give 0 or more")
        entries[name] = replace(entries[name], weight=weight)
    kept = {name: entry for name, entry in entries.items() if entry.weight > 0}
    return {name: replace(entry, leads_to=_restrict(entry.leads_to, kept)) for name, entry in kept.items()}


def _restrict(leads_to: Mapping[str, float], kept: Catalogue) -> Mapping[str, float]:
    return {name: probability for name, probability in leads_to.items() if name in kept}


_CLEAN = {"simplification": 1.0, "copy propagation": 0.9, "dead declarations": 1.0}


def default_catalogue() -> Catalogue:
    """Return the catalogue: rewrites that remove expensive arithmetic come often, those that are often wrong rarely."""
    return {
        "wrap-around by comparison": CatalogueEntry(
            WrapByComparison(), 5.0, {"copy propagation": 0.9, "dead declarations": 1.0}
        ),
        "reciprocals": CatalogueEntry(ReciprocalOnce(), 4.0),
        "loop unrolling": CatalogueEntry(
            UnrollLoop(), 4.0, {"folded tables": 0.95, "scalar replacement": 0.85, "merged sums": 0.7}
        ),
        "folded tables": CatalogueEntry(FoldTables(), 2.0, _CLEAN),
        "simplification": CatalogueEntry(Simplify(), 1.0, {"copy propagation": 0.9, "dead declarations": 0.9}),
        "copy propagation": CatalogueEntry(PropagateCopies(), 0.2, {"simplification": 0.9}),
        "dead declarations": CatalogueEntry(RemoveUnused(), 0.1),
        "scalar replacement": CatalogueEntry(ScalarReplacement(), 1.5, {"merged sums": 0.6}),
        "merged sums": CatalogueEntry(MergeAccumulation(), 0.7),
        "common subexpressions": CatalogueEntry(CommonSubexpressions(), 1.0, {"copy propagation": 1.0}),
        "common parts": CatalogueEntry(CommonParts(), 0.8, {"copy propagation": 1.0}),
        "loop invariants": CatalogueEntry(LoopInvariants(), 1.0),
        "signed indices": CatalogueEntry(SignedIndices(), 2.0),
        "unsigned division": CatalogueEntry(UnsignedDivision(), 0.7),
        "powers of two": CatalogueEntry(PowerOfTwo(), 1.0),
        "remainders from quotients": CatalogueEntry(RemainderFromQuotient(), 1.5),
        "quotients by reciprocal": CatalogueEntry(QuotientByReciprocal(), 0.7),
        "cheaper calls": CatalogueEntry(CheaperCalls(), 2.0),
        # Fast math fuses by itself, and it cannot rearrange a spelled fma: of use in safe math only.
        "fused multiply-adds": CatalogueEntry(ContractToFma(), 0.03),
        "factored sums": CatalogueEntry(FactorOut(), 0.6),
        "pairwise sums": CatalogueEntry(PairwiseSum(), 0.8),
        "unroll pragmas": CatalogueEntry(UnrollPragma(), 0.8),
        "unrolling by 4": CatalogueEntry(UnrollByFactor(4), 0.8),
        "unrolling by 2": CatalogueEntry(UnrollByFactor(2), 0.4),
        "local copies": CatalogueEntry(LocalCopies(), 0.5),
        "guarded body": CatalogueEntry(GuardedBody(), 0.4),
        "early return": CatalogueEntry(EarlyReturn(), 0.4, undoes="guarded body"),
        "else for return": CatalogueEntry(ReturnToElse(), 0.4, {"selected stores": 0.5}),
        "selected stores": CatalogueEntry(SelectStore(), 0.6),
        "split interior": CatalogueEntry(SplitInterior(), 0.3),
        "joined interior": CatalogueEntry(JoinInterior(), 0.6, {"simplification": 0.5}, undoes="split interior"),
        "a cap of 256 threads": CatalogueEntry(ThreadgroupCap(256), 0.2),
        "a cap of 512 threads": CatalogueEntry(ThreadgroupCap(512), 0.1),
        "a cap of 1024 threads": CatalogueEntry(ThreadgroupCap(1024), 0.1),
        "a cap of 128 threads": CatalogueEntry(ThreadgroupCap(128), 0.1),
        "a cap of 64 threads": CatalogueEntry(ThreadgroupCap(64), 0.1),
        "no guard": CatalogueEntry(DropGuard(), 1.0, bold=True),
        "a barrier less": CatalogueEntry(DropBarrier(), 1.0, bold=True),
        "half precision": CatalogueEntry(HalfTemporaries(), 0.5, bold=True),
    }
