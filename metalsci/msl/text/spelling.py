"""Equality of two sources as programs: of their tokens, whatever their comments, blanks and line breaks."""

import hashlib

from metalsci.msl.text.lexer import tokenize


def spelling(source: str) -> str:
    """Return a digest that two sources share if they differ in comments and white space only.

    Punctuation that touches stays together: `a+ ++b` and `a++ +b` have the same bytes of punctuation and differ.
    """
    digest = hashlib.blake2b(digest_size=16)
    previous_end, previous_kind = -1, ""
    for token in tokenize(source.encode(errors="surrogatepass")):
        if token.kind == "comment":
            continue
        touches = token.start == previous_end and token.kind == previous_kind == "punct"
        if not touches:
            digest.update(b" ")
        digest.update(token.text.rstrip())
        if token.kind == "directive":
            digest.update(b"\n")  # it ends with its line
        previous_end, previous_kind = token.end, token.kind
    return digest.hexdigest()
