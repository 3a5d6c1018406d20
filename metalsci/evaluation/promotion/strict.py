"""The rule of the published harness: the higher score of one evaluation wins."""

from collections.abc import Callable

from metalsci.evaluation.promotion.protocol import Arena, Candidate, Decision, Promotion


class Strict:
    """Rule that promotes a challenger whose score is higher than the incumbent's. A tie does not unseat.

    Both scores are one measurement each, minutes apart, so that a lucky one wins.
    """

    def begin(self, arena: Arena, challengers: int) -> Promotion:
        """Return the rule itself: it keeps nothing and runs nothing."""
        return self

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Callable[[str], None]) -> Decision:
        higher = challenger.evaluation.score > incumbent.evaluation.score
        relation = "above" if higher else "not above"
        reason = f"score {challenger.evaluation.score:.4f}, {relation} {incumbent.evaluation.score:.4f}"
        return Decision(higher, reason)
