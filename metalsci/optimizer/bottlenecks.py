"""Which rewrites help against what bounds a kernel on a GPU: those are drawn more often."""

from collections.abc import Mapping
from dataclasses import replace

from metalsci.optimizer.catalogue import Catalogue

_BOOST = 3.0  # times the share of the seconds, on top of the usual weight
_ARITHMETIC = (
    "wrap-around by comparison", "reciprocals", "common subexpressions", "common parts", "loop invariants",
    "unsigned division", "powers of two", "remainders from quotients", "quotients by reciprocal", "cheaper calls",
    "factored sums", "simplification",
)  # fmt: skip
_MORE_LOADS_AT_ONCE = ("loop unrolling", "unroll pragmas", "unrolling by 4", "unrolling by 2", "pairwise sums")
_FEWER_LOADS = ("scalar replacement", "merged sums", "common subexpressions", "local copies", "folded tables")
_SMALLER_GROUPS = ("a cap of 256 threads", "a cap of 128 threads", "a cap of 64 threads")
_HELPS: Mapping[str, tuple[str, ...]] = {
    "issue": _ARITHMETIC,
    "memory wait": (*_MORE_LOADS_AT_ONCE, *_FEWER_LOADS),
    "traffic": _FEWER_LOADS,
    "own arrays": ("loop unrolling", "scalar replacement", "folded tables"),
    "spills": ("joined interior", *_SMALLER_GROUPS),
    "barriers": _SMALLER_GROUPS,
    "launch": (),
}


def weighted(catalogue: Catalogue, figures: Mapping[str, float]) -> Catalogue:
    """Return the catalogue with heavier weights for what helps against the largest terms.

    figures: `share/NAME` of the predicted seconds that go into a term, see metalsci.devices.virtual.forecast; without
    them the catalogue stays as it is.
    """
    heavier: dict[str, float] = {}
    for term, names in _HELPS.items():
        share = figures.get(f"share/{term}", 0.0)
        for name in names:
            heavier[name] = max(heavier.get(name, 0.0), share)
    return {
        name: replace(entry, weight=entry.weight * (1 + _BOOST * heavier.get(name, 0.0)))
        for name, entry in catalogue.items()
    }
