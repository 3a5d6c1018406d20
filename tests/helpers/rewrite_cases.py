"""Small sources for the tests of the rewriter, and how the tests apply a rewrite to them."""

from textwrap import dedent, indent

from metalsci.optimizer.change import Change, Rewrite
from metalsci.optimizer.syntax.source import Source

SIGNATURE = """\
kernel void step(device const float *a [[buffer(0)]],
                 device float *out [[buffer(1)]],
                 constant uint &N [[buffer(2)]],
                 constant float &dt [[buffer(3)]],
                 uint2 gid [[thread_position_in_grid]]) {
"""


def kernel(body: str, head: str = "") -> str:
    """Write a whole file around the body of a kernel; `head` stands in front of the kernel."""
    inner = indent(dedent(body).strip(), "    ")
    return f"#include <metal_stdlib>\nusing namespace metal;\n{head}{SIGNATURE}{inner}\n}}\n"


def changes(rewrite: Rewrite, source: str) -> list[Change]:
    """Return all changes that can be made together, as the rewriter would."""
    chosen = list[Change]()
    for change in rewrite.changes(Source(source)):
        if not change.collides(chosen):
            chosen.append(change)
    return chosen


def applied(source: str, *rewrites: Rewrite) -> str:
    for rewrite in rewrites:
        source = Source(source).apply([e for change in changes(rewrite, source) for e in change.edits]).text
    return source


def body(source: str) -> str:
    """Return the kernel's body, dedented."""
    return dedent(source[source.index(") {\n") + 4 : source.rindex("}")]).strip()


def rewritten(source_body: str, *rewrites: Rewrite, head: str = "") -> str:
    """Return a kernel body after rewrites."""
    return body(applied(kernel(source_body, head), *rewrites))


def text(expected: str) -> str:
    return dedent(expected).strip()
