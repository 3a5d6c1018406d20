"""Candidates that compile to the code of an earlier one: the same kernel, which could win by noise only."""

from metalsci.search.archive import Archive


class CodeTwins:
    """Memory of who brought each compiled code. It watches a search, so that a resumed one knows as well."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def step(self, text: str) -> None:
        pass

    def entry(self, archive: Archive) -> None:
        last = archive.last
        if last.evaluation.code:
            self._first.setdefault(last.evaluation.code, last.iteration)

    def told(self, code: str) -> str:
        """Return a sentence that names the first candidate of this code, empty if there is none."""
        if code not in self._first:
            return ""
        first = self._first[code]
        return f"it compiles to the same code as {f'iteration {first}' if first else 'the seed kernel'}"
