"""A rugged terrain: Kauffman's NK model. Decisions depend on each other, so that climbing ends on one of many hills."""

import random
from collections.abc import Sequence

_SPREAD = 12.0  # doublings between the worst and the best conceivable candidate


class Rugged:
    """Candidates that are bit strings; the worth of each bit depends on itself and its `links` successors.

    bits: decisions that a kernel makes. links: how many others each depends on; more make more local optima.
    wrong: share of answers that are no correct kernel. seed: of the terrain.
    """

    name = "rugged"

    def __init__(self, *, bits: int = 24, links: int = 4, wrong: float = 0.3, seed: int = 0) -> None:
        self._bits = bits
        self._links = links
        self._wrong = wrong
        self._seed = seed
        self._parts: dict[tuple[int, str], float] = {}
        rng = random.Random(f"rugged {seed}")
        bits_of = ["".join(rng.choice("01") for _ in range(bits)) for _ in range(20)]
        self._floor = 0.0
        self.start = _text(min(bits_of, key=lambda b: self.worth(_text(b))))  # a naive kernel leaves much to do
        self._floor = self.worth(self.start)

    def child(self, parents: Sequence[str], rng: random.Random) -> str | None:
        if rng.random() < self._wrong:
            return None
        strings = [_bits(parent) for parent in parents]
        bits = [rng.choice(column) for column in zip(*strings, strict=True)]
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.randrange(self._bits)
            bits[at] = "1" if bits[at] == "0" else "0"
        return _text("".join(bits))

    def worth(self, source: str) -> float:
        bits = _bits(source)
        twice = bits + bits
        parts = [self._part(at, twice[at : at + self._links + 1]) for at in range(self._bits)]
        return _SPREAD * sum(parts) / self._bits - self._floor

    def _part(self, at: int, pattern: str) -> float:
        key = (at, pattern)
        if key not in self._parts:
            self._parts[key] = random.Random(f"{self._seed} {at} {pattern}").random()
        return self._parts[key]


def _text(bits: str) -> str:
    """Write the bits as a number: programs that differ in a name only count as one (metalsci.msl.language.spelling)."""
    return f"bits {bits};"


def _bits(source: str) -> str:
    return source.removeprefix("bits ").removesuffix(";")
