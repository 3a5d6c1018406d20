"""Tokens without a tokenizer."""


def estimate(text: str) -> int:
    """About how many tokens: code has some three bytes to a token."""
    return -(-len(text.encode()) // 3)


def at_most(text: str) -> int:
    """An upper bound: no token of a byte-level vocabulary is shorter than a byte."""
    return len(text.encode())
