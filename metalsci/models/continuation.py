"""An answer that was cut off and continued: whether it is whole, and how its parts become one."""

import re
from collections.abc import Sequence
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from metalsci.models.protocol import Response
from metalsci.msl.language.parse import parse

_FENCE_LINE = re.compile(r"\s*(`{3,}|~{3,})[^`\n]*\n")


def complete(text: str) -> bool:
    """Return True if a candidate in the text is whole although the text was cut off: every fence is closed."""
    fences = [block for block in blocks(text) if block.type == "fence"]
    return all(_closed(f, text) for f in fences) and any(parse(f.content).kernels for f in fences)


def join(parts: Sequence[Response]) -> Response:
    """Join an answer that was cut off and continued: texts joined, tokens and costs added up."""
    whole = parts[0]
    for part in parts[1:]:
        whole = replace(
            part,
            text=_continue(whole.text, part.text),
            reasoning="\n\n".join(filter(None, (whole.reasoning, part.reasoning))),
            usage=whole.usage + part.usage,
            cost=None if whole.cost is None or part.cost is None else whole.cost + part.cost,
        )
    return whole


def _continue(said: str, more: str) -> str:
    """Append the continuation. Some models go on where they stopped, some open the fence again, and some start over."""
    unclosed = [b for b in blocks(said) if b.type == "fence" and not _closed(b, said)]
    if not unclosed:
        return said + more
    if complete(more):
        started_over = blocks(more)[0].map or [0, 0]
        if not "".join(more.splitlines(keepends=True)[: started_over[0]]).strip(" \n"):
            return more
    reopened = _FENCE_LINE.match(more)
    return said + (more[reopened.end() :] if reopened else more)


def blocks(text: str) -> list[Token]:
    return [t for t in MarkdownIt().parse(text) if t.type in ("fence", "code_block") and t.content.strip()]


def _closed(block: Token, text: str) -> bool:
    if block.type != "fence" or block.map is None:
        return False
    first, end = block.map
    last = text.splitlines()[end - 1].strip(" \t>")
    return end - 1 > first and last.startswith(block.markup) and not last.strip(block.markup[0])
