"""Tokens without a tokenizer."""


def estimate(text: str) -> int:
    """Estimate the tokens: code has some three bytes to a token."""
    return -(-len(text.encode()) // 3)


def at_most(text: str) -> int:
    """Return an upper bound: no token of a byte-level vocabulary is shorter than a byte."""
    return len(text.encode())
